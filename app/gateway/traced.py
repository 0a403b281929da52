"""Spans of MCP requests and of requests to APIs (semantic conventions for MCP, "Server", and for HTTP, "HTTP client").

What is in them is what records and metrics tell: names that exist, versions, codes and statuses. Of arguments, answers,
sessions and credentials there is nothing; the URL of a request to an API is left out, because its path and query are
made of arguments. These classes stand in the place of those they extend only where traces are on.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from app.gateway.dispatch import Dispatcher
from app.gateway.kernel import KernelError
from app.gateway.reports import CallReports
from app.telemetry.texts import MAX_NAME, fit_name

if TYPE_CHECKING:
    from app.gateway.calls import ToolCalls
    from app.gateway.confirmations import Ask, Confirmations
    from app.gateway.event_stream import Push
    from app.gateway.kernel import Era
    from app.gateway.messages import Message
    from app.gateway.ports import Upstream
    from app.gateway.reports import CallAudit
    from app.gateway.snapshots import ServerSnapshot
    from app.security.callers import Caller
    from app.telemetry.metrics import Metrics
    from app.telemetry.traces import Span, Traces
    from converters.request_plans import RequestPlan
    from converters.results import ApiResponse

_METHODS: Final = frozenset(
    {
        *("initialize", "server/discover", "ping", "tools/list", "tools/call", "resources/list", "resources/read"),
        *("resources/templates/list", "resources/subscribe", "resources/unsubscribe", "prompts/list", "prompts/get"),
        *("completion/complete", "logging/setLevel"),
    }
)
"""Names of methods that may be names of spans; any other is what a client made up."""
_BAD_REQUEST: Final = 400
_ORIGIN: Final = re.compile(r"[^:]*://[^/?#]*")

_of_message: Final[ContextVar[Span | None]] = ContextVar("causeway.span_of_message", default=None)


class TracedDispatcher(Dispatcher):
    """A `Dispatcher` with a span for each MCP request."""

    def __init__(self, calls: ToolCalls, confirmations: Confirmations, traces: Traces) -> None:
        """Make the spans with `traces`."""
        super().__init__(calls, confirmations)
        self._traces = traces

    async def result(
        self,
        snapshot: ServerSnapshot,
        message: Message,
        era: Era,
        *,
        caller: Caller,
        push: Push | None = None,
        ask: Ask | None = None,
    ) -> bytes:
        """Answer as a `Dispatcher` does; the client's span is the one that `_meta` names, else that of its request."""
        method = message.method if message.method in _METHODS else "_OTHER"
        attributes = {
            "mcp.method.name": method,
            "mcp.protocol.version": era.version,
            "jsonrpc.request.id": fit_name(str(message.request_id)[:MAX_NAME]),
            "network.transport": "tcp",
            "network.protocol.name": "http",
            "causeway.namespace": snapshot.namespace,
            "causeway.server": snapshot.name,
        }
        if method == "tools/call":
            attributes["gen_ai.operation.name"] = "execute_tool"
        meta = (message.params or {}).get("_meta")
        parent = meta if isinstance(meta, dict) else None
        with self._traces.span(_name(method), "SERVER", attributes, parent=parent) as span:
            before = _of_message.set(span)
            try:
                return await super().result(snapshot, message, era, caller=caller, push=push, ask=ask)
            except KernelError as error:
                span.set_attribute("rpc.response.status_code", str(error.code))
                raise
            finally:
                _of_message.reset(before)


def _name(method: str) -> str:
    return "mcp" if method == "_OTHER" else method


class TracedReports(CallReports):
    """`CallReports` that tell the span of a call, too."""

    def __init__(self, metrics: Metrics, audit: CallAudit | None, traces: Traces) -> None:
        """Tell spans of `traces`."""
        super().__init__(metrics, audit)
        self._traces = traces

    def called(self, snapshot: ServerSnapshot, tool: str, caller: Caller, *, code: str, seconds: float) -> None:
        """Name the span after the tool, which is known now to exist; a call from the control plane has none."""
        super().called(snapshot, tool, caller, code=code, seconds=seconds)
        span = _of_message.get()
        if span is None:
            return
        span.set_attribute("causeway.code", code)
        if tool:
            span.update_name(f"tools/call {tool}")
            span.set_attribute("gen_ai.tool.name", tool)
        if code != "ok":
            self._traces.failed(span, "tool_error")


class TracedUpstream:
    """An `Upstream` with a span for each request to an API, from the first attempt to the last."""

    def __init__(self, inner: Upstream, traces: Traces, *, is_told: bool) -> None:
        """Send through `inner`; where the API `is_told`, it gets the fields of W3C Trace Context."""
        self._inner = inner
        self._traces = traces
        self._is_told = is_told

    async def send(self, plan: RequestPlan, **call: Any) -> ApiResponse:
        """Send one request as `inner` does."""
        attributes = {
            "http.request.method": plan.method,
            **_place(plan.url),
            "causeway.upstream.server": call["server"],
        }
        with self._traces.span(plan.method, "CLIENT", attributes) as span:
            response = await self._inner.send(
                plan.with_headers(self._traces.fields()) if self._is_told else plan, **call
            )
            span.set_attribute("http.response.status_code", response.status)
            if response.status >= _BAD_REQUEST:
                self._traces.failed(span, str(response.status))
            return response


def _place(url: str) -> dict[str, str | int]:
    found = _ORIGIN.match(url)
    return _of_origin(found[0]) if found else {}


@lru_cache(maxsize=1024)
def _of_origin(origin: str) -> dict[str, str | int]:
    parts = urlsplit(origin)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return {"server.address": parts.hostname or "", "server.port": port, "url.scheme": parts.scheme}
