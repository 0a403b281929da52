"""Traces for a collector, where OpenTelemetry's environment variables name one (the extra `otel`).

Spans are made by a provider of our own and not by the global one, so that no library beside us adds spans, whose
attributes nobody here has looked at. An exception is told by its code alone: its sentence and stack may hold anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import threading
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span as Span  # noqa: PLC0414 - how a type is given to others

    from app.settings import Settings

    Attributes = Mapping[str, str | int]

Kind = Literal["SERVER", "CLIENT", "INTERNAL"]
NAME: Final = "causeway"
TRACE_FIELDS: Final = ("traceparent", "tracestate")
"""The fields of W3C Trace Context, in HTTP and in `_meta` of MCP alike."""
_MAX_FIELD: Final = 512
_LAST_SECONDS = 3.0

_log: Final = logging.getLogger(__name__)


class Traces:
    """Makes spans, and sends them."""

    def __init__(self, provider: TracerProvider, version: str) -> None:
        """Make them with `provider`."""
        from opentelemetry import context, trace  # noqa: PLC0415 - who has no traces needs none of it
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415 - as above

        self._provider = provider
        self._tracer = provider.get_tracer(NAME, version)
        self._context, self._trace = context, trace
        self._fields = TraceContextTextMapPropagator()

    @contextlib.contextmanager
    def span(
        self, name: str, kind: Kind, attributes: Attributes, *, parent: Mapping[str, Any] | None = None
    ) -> Iterator[Span]:
        """Have what is done meanwhile be a span of the one that is open, or of the remote one that `parent` names.

        In the second case it is linked with the one that is open. An exception makes it one that failed.
        """
        trace = self._trace
        remote = self._remote(parent) if parent else None
        around = trace.get_current_span().get_span_context()
        links = [trace.Link(around)] if remote is not None and around.is_valid else []
        span = self._tracer.start_span(
            name, context=remote, kind=trace.SpanKind[kind], attributes=dict(attributes), links=links
        )
        token = self._context.attach(trace.set_span_in_context(span))
        try:
            yield span
        except BaseException as error:
            self.failed(span, str(getattr(error, "code", "") or type(error).__name__))
            raise
        finally:
            self._context.detach(token)
            span.end()

    def failed(self, span: Span, error_type: str) -> None:
        """Say that what the span stands for failed, and how: a code."""
        span.set_attribute("error.type", error_type)
        span.set_status(self._trace.StatusCode.ERROR)

    def fields(self) -> tuple[tuple[str, str], ...]:
        """Give the header fields that lead from what is sent now to the open span (W3C Trace Context)."""
        carrier: dict[str, str] = {}
        self._fields.inject(carrier)
        return tuple(carrier.items())

    def _remote(self, fields: Mapping[str, Any]) -> Any:
        """Give the context of a remote span, None where the fields name none."""
        carrier = {
            name: value
            for name in TRACE_FIELDS
            if isinstance(value := fields.get(name), str) and len(value) <= _MAX_FIELD
        }
        found = self._fields.extract(carrier)
        return found if self._trace.get_current_span(found).get_span_context().is_remote else None

    async def close(self) -> None:
        """Send what is left, in the time that a gateway that stops has for that: a collector may be away."""
        sending = threading.Thread(target=self._provider.shutdown, name="last-traces", daemon=True)
        sending.start()
        await asyncio.to_thread(sending.join, _LAST_SECONDS)


def open_traces(settings: Settings, version: str) -> Traces | None:
    """Make traces where the environment asks for them, else None."""
    if not settings.exports_traces:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - an extra
    except ImportError:
        _log.warning("no traces are sent: OTEL_* asks for them, which needs the extra `otel` (causeway[otel])")
        return None
    provider = TracerProvider(resource=_resource(version), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Traces(provider, version)


def _resource(version: str) -> Resource:
    """Say who makes the spans; what OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say comes first."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415 - an extra

    ours = {"service.name": NAME, "service.version": version, "service.instance.id": secrets.token_hex(16)}
    return Resource.create(ours).merge(OTELResourceDetector().detect())
