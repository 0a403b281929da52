"""A span for each HTTP request (semantic conventions for HTTP spans, "HTTP server").

It has no query, no header field and no address. Requests that ask whether the gateway is well have none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.telemetry.records import current_record
from app.telemetry.texts import fit_name
from app.telemetry.traces import TRACE_FIELDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from app.telemetry.records import RequestRecord
    from app.telemetry.traces import Traces

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

_UNTRACED: Final = frozenset({"/healthz", "/readyz", "/metrics"})
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"})
_SERVER_ERROR: Final = 500
_BELOW: Final = frozenset({"sse", "messages"})
_SERVER_PARTS: Final = 4
"""Of a server's path: "", "mcp", namespace and name."""


class TracedRequests:
    """An ASGI application around another one; `RequestRecords` is around it."""

    def __init__(self, inner: Asgi, traces: Traces) -> None:
        """Make the spans with `traces`."""
        self._inner = inner
        self._traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        record = current_record()
        if scope["type"] != "http" or record is None or record.path in _UNTRACED:
            await self._inner(scope, receive, send)
            return
        method = record.method if record.method in _METHODS else "_OTHER"
        attributes = {
            "http.request.method": method,
            "url.path": fit_name(record.path),
            "url.scheme": scope.get("scheme", "http"),
            "network.protocol.version": scope.get("http_version", "1.1"),
            "causeway.request_id": record.request_id,
        }
        with self._traces.span(_name(method), "SERVER", attributes, parent=_parent(scope)) as span:
            record.trace_id = f"{span.get_span_context().trace_id:032x}"
            try:
                await self._inner(scope, receive, send)
            finally:
                route = _mcp_route(record.path) or record.route
                if route:
                    span.update_name(f"{_name(method)} {route}")
                    span.set_attribute("http.route", route)
                span.set_attributes(_outcome(record))
                if record.status >= _SERVER_ERROR:
                    self._traces.failed(span, str(record.status))


def _name(method: str) -> str:
    return "HTTP" if method == "_OTHER" else method


def _outcome(record: RequestRecord) -> dict[str, str | int]:
    found: dict[str, str | int] = {"http.response.status_code": record.status} if record.status else {}
    return {**found, "causeway.code": record.code} if record.code else found


def _parent(scope: Scope) -> dict[str, str]:
    """Give the fields of W3C Trace Context; `traceparent` that comes twice names nobody (section 3.2.1)."""
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        if name in _FIELDS:
            found.setdefault(name.decode(), []).append(value.decode("latin-1"))
    if len(found.get("traceparent", ())) != 1:
        return {}
    return {name: ",".join(values) for name, values in found.items()}


_FIELDS: Final = frozenset(name.encode() for name in TRACE_FIELDS)


def _mcp_route(path: str) -> str:
    parts = path.removesuffix("/").split("/")
    if parts[1:2] != ["mcp"] or len(parts) < _SERVER_PARTS:
        return ""
    rest = parts[_SERVER_PARTS:]
    route = "/mcp/{namespace}/{server}"
    return f"{route}/{rest[0]}" if len(rest) == 1 and rest[0] in _BELOW else route
