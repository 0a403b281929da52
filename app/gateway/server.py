"""Streamable HTTP: one MCP server per URL, every released protocol version on it.

Specification: "Transports" of 2025-11-25 and 2026-07-28. Each POST is one message and gets one answer as JSON; the
server keeps no session, so GET and DELETE are 405. A client that hangs up cancels its call.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from app.gateway import messages
from app.gateway.calls import UnknownToolError
from app.gateway.event_stream import EventStream, NewsOfCall
from app.gateway.kernel import Era, KernelError, Kernels, classify, http_status
from app.gateway.messages import INVALID_PARAMS, MessageError, error_bytes, result_bytes
from app.gateway.snapshots import modern_envelope, to_bytes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from app.gateway.calls import ToolCalls
    from app.gateway.messages import Message
    from app.gateway.ports import ToolCatalog
    from app.gateway.snapshots import ServerSnapshot
    from converters.results import ToolResult

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_BODY: Final = 4 * 1024 * 1024
_WITHOUT_STRUCTURE: Final = frozenset({"2024-11-05", "2025-03-26"})
_CLIENT_GONE: Final = 499
_CODES: Final = {
    404: "server_not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "body_too_large",
    415: "unsupported_media_type",
}
_JSON: Final = b"application/json"


class HttpError(Exception):
    """An answer below JSON-RPC: a status, a sentence, and further headers."""

    def __init__(self, status: int, sentence: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        """Keep the answer."""
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = headers


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One POST and the ways to answer it."""

    headers: list[tuple[str, str]]
    receive: Receive
    stream: EventStream

    @property
    def accepts_stream(self) -> bool:
        return any(name == "accept" and "text/event-stream" in value.lower() for name, value in self.headers)


class McpEndpoint:
    """The ASGI application under `/mcp/{namespace}/{server}`."""

    def __init__(self, catalog: ToolCatalog, calls: ToolCalls) -> None:
        """Serve what `catalog` holds, performing calls with `calls`."""
        self._catalog = catalog
        self._calls = calls
        self._kernels = Kernels(calls.answers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        try:
            snapshot = self._find(scope["path"])
            headers = [(name.decode("latin-1"), value.decode("latin-1").strip()) for name, value in scope["headers"]]
            _check_request(scope["method"], headers)
            body = await _read_body(receive, dict(headers))
        except HttpError as error:
            await _respond_problem(send, error)
            return
        except _ClientGoneError:
            return
        exchange = _Exchange(headers, receive, EventStream(send))
        status, answer = await self._answer(snapshot, body, exchange)
        if exchange.stream.is_open:
            await exchange.stream.finish(answer)
        elif status != _CLIENT_GONE:
            await _respond(send, status, answer)

    def _find(self, path: str) -> ServerSnapshot:
        parts = path.removesuffix("/").split("/")
        snapshot = self._catalog.find(parts[2], parts[3]) if len(parts) == 4 else None  # noqa: PLR2004 - /mcp/{ns}/{server}
        if snapshot is None:
            raise HttpError(404, "There is no MCP server at this URL.")
        return snapshot

    async def _answer(self, snapshot: ServerSnapshot, body: bytes, exchange: _Exchange) -> tuple[int, bytes]:
        try:
            message = messages.read(body)
            if message.request_id is None or not message.method:
                return 202, b""
            era = classify(message, exchange.headers)
        except MessageError as error:
            return 400, error_bytes(error.request_id, error.code, error.message)
        except KernelError as error:
            return http_status(error.code), error_bytes(_id_of(message), error.code, error.message, error.data)
        try:
            result = await self._result(snapshot, message, era, exchange)
        except _ClientGoneError:
            return _CLIENT_GONE, b""
        except KernelError as error:
            status = http_status(error.code) if era.is_modern else 200
            return status, error_bytes(message.request_id, error.code, error.message, error.data)
        return 200, result_bytes(message.request_id, result)

    async def _result(self, snapshot: ServerSnapshot, message: Message, era: Era, exchange: _Exchange) -> bytes:
        if message.method == "tools/call":
            name, arguments = _call_params(message)
            mask = self._calls.mask(snapshot)
            on_chunk = NewsOfCall(exchange.stream, message, era, mask).on_chunk if exchange.accepts_stream else None
            with _cancelled_by_hang_up(exchange.receive):
                try:
                    result = await self._calls.call(snapshot, name, arguments, on_chunk=on_chunk)
                except UnknownToolError as error:
                    raise KernelError(INVALID_PARAMS, error.message) from None
            return _render_result(result, snapshot, era)
        if message.method == "tools/list":
            if (message.params or {}).get("cursor") is not None:
                raise KernelError(INVALID_PARAMS, "The cursor is not known: the list has one page.")
            return snapshot.tool_list(era.version)
        return to_bytes(await self._kernels.answer(snapshot, message, era))


def _id_of(message: Message) -> Any:
    return message.request_id


def _call_params(message: Message) -> tuple[str, dict[str, Any]]:
    params = message.params or {}
    name, arguments = params.get("name"), params.get("arguments")
    if not isinstance(name, str):
        raise KernelError(INVALID_PARAMS, "`name` must be the name of a tool.")
    if arguments is not None and not isinstance(arguments, dict):
        raise KernelError(INVALID_PARAMS, "`arguments` must be an object.")
    return name, arguments or {}


def _render_result(result: ToolResult, snapshot: ServerSnapshot, era: Era) -> bytes:
    """Write a CallToolResult for the client's version; a structured result is the API's own text, spliced in."""
    outer: dict[str, Any] = {"content": list(result.content), "isError": result.is_error}
    meta = dict(result.meta)
    if era.is_modern:
        envelope = modern_envelope(snapshot)
        outer["resultType"] = envelope["resultType"]
        meta.update(envelope["_meta"])
    if meta:
        outer["_meta"] = meta
    rendered = to_bytes(outer)
    if result.structured is None or era.version in _WITHOUT_STRUCTURE:
        return rendered
    structured = result.structured.encode("utf-8", "replace")
    return rendered[:-1] + b',"structuredContent":' + structured + b"}"


# --- HTTP


class _ClientGoneError(Exception):
    """The client closed the connection before its answer."""


class _cancelled_by_hang_up(contextlib.AbstractContextManager[None]):  # noqa: N801 - reads as a statement
    """Cancels what runs inside when the client hangs up, and says so by `_ClientGoneError`."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._gone = False

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        self._watch = asyncio.ensure_future(self._watching())

    async def _watching(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        if self._task is not None:
            self._task.cancel()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._watch.cancel()
        if self._gone and isinstance(error, asyncio.CancelledError):
            if self._task is not None:
                self._task.uncancel()
            raise _ClientGoneError from None


def _check_request(method: str, headers: list[tuple[str, str]]) -> None:
    if method != "POST":
        raise HttpError(405, "Send MCP messages with POST.", ((b"allow", b"POST"),))
    if dict(headers).get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HttpError(415, "Send the message as application/json.")
    accept = ", ".join(value for name, value in headers if name == "accept").lower() or "*/*"
    if not any(kind in accept for kind in ("application/json", "*/*", "application/*")):
        raise HttpError(406, "Accept application/json: every answer is JSON.")


async def _read_body(receive: Receive, headers: dict[str, str]) -> bytes:
    declared = headers.get("content-length", "0")
    too_large = HttpError(413, f"The message is larger than {MAX_BODY:,} bytes.")
    if declared.isdecimal() and int(declared[:12]) > MAX_BODY:
        raise too_large
    chunks: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise _ClientGoneError
        chunks.append(event.get("body", b""))
        size += len(chunks[-1])
        if size > MAX_BODY:
            raise too_large
        if not event.get("more_body"):
            return b"".join(chunks)


async def _respond_problem(send: Send, error: HttpError) -> None:
    code, sentence = _CODES[error.status], error.sentence
    problem = {"type": f"urn:causeway:problem:{code}", "title": sentence, "detail": sentence, "code": code}
    body = to_bytes({**problem, "status": error.status})
    await _respond(send, error.status, body, content_type=b"application/problem+json", headers=error.headers)


async def _respond(
    send: Send,
    status: int,
    body: bytes,
    *,
    content_type: bytes = _JSON,
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-type", content_type), (b"content-length", str(len(body)).encode()), *headers],
        }
    )
    await send({"type": "http.response.body", "body": body})
