"""The MCP servers at their URLs, every released protocol version on each.

`/mcp/{namespace}/{server}` is Streamable HTTP ("Transports" of 2025-11-25 and 2026-07-28): each POST is one message and
gets one answer, as JSON where there is no news of the work. The server keeps no session, so GET and DELETE are 405. A
client that hangs up cancels its call. Below it, `/sse` and `/messages` are the transport of 2024-11-05.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.gateway import messages
from app.gateway.dispatch import Dispatcher, NotPermittedError
from app.gateway.event_stream import EventStream
from app.gateway.http_exchange import (
    MAX_BODY,
    ClientGoneError,
    HttpError,
    accepted,
    cancelled_by_hang_up,
    check_post,
    headers_of,
    named_profile,
    read_body,
    respond,
    respond_problem,
)
from app.gateway.kernel import Era, KernelError, classify, http_status
from app.gateway.legacy_sse import LegacySse
from app.gateway.messages import MessageError, error_bytes, result_bytes
from app.gateway.open_streams import MAX_STREAMS, OpenStreams
from app.gateway.subscriptions import LISTEN, Subscriptions
from app.security.callers import caller_of

if TYPE_CHECKING:
    from app.gateway.calls import ToolCalls
    from app.gateway.http_exchange import Headers, Receive, Scope, Send
    from app.gateway.messages import Message
    from app.gateway.ports import ScopeChallenges, StreamRelay, ToolCatalog
    from app.gateway.snapshots import ServerSnapshot
    from app.security.callers import Caller

__all__ = ["MAX_BODY", "McpEndpoint"]

_SERVER_PARTS: Final = 4
"""Of a server's path: "", "mcp", namespace and name."""


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One POST and the ways to answer it."""

    caller: Caller
    headers: Headers
    receive: Receive
    stream: EventStream


class McpEndpoint:
    """The ASGI application under `/mcp/{namespace}/{server}`."""

    def __init__(
        self,
        catalog: ToolCatalog,
        calls: ToolCalls,
        *,
        public_path: str = "",
        max_streams: int = MAX_STREAMS,
        relay: StreamRelay | None = None,
        scopes: ScopeChallenges | None = None,
    ) -> None:
        """Serve what `catalog` holds, performing calls with `calls`; clients see paths with `public_path` before.

        `scopes` knows what a client whose call is not permitted can ask for.

        `max_streams` bounds the open streams of each server; `relay` leads to the other processes, where there are any.
        """
        self._catalog = catalog
        self._scopes = scopes
        self._dispatcher = Dispatcher(calls)
        self._streams = OpenStreams(most=max_streams)
        self._subscriptions = Subscriptions(catalog, self._streams)
        self._legacy = LegacySse(catalog, self._dispatcher, self._streams, public_path=public_path, relay=relay)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        try:
            snapshot, rest = self._find(scope["path"])
            if rest == ["sse"]:
                await self._legacy.open(snapshot, scope, receive, send)
            elif rest == ["messages"]:
                await self._legacy.post(snapshot, scope, receive, send)
            else:
                await self._post(snapshot, scope, receive, send)
        except HttpError as error:
            await respond_problem(send, error)
        except ClientGoneError:
            return

    def end_streams(self) -> None:
        """End every open stream, because this process stops."""
        self._streams.end()

    def _find(self, path: str) -> tuple[ServerSnapshot, list[str]]:
        parts = path.removesuffix("/").split("/")
        rest = parts[_SERVER_PARTS:]
        is_known = len(parts) >= _SERVER_PARTS and rest in ([], ["sse"], ["messages"])
        snapshot = self._catalog.find(parts[2], parts[3]) if is_known else None
        if snapshot is None:
            raise HttpError(404, "There is no MCP server at this URL.")
        return snapshot, rest

    async def _post(self, snapshot: ServerSnapshot, scope: Scope, receive: Receive, send: Send) -> None:
        headers = headers_of(scope)
        check_post(scope["method"], headers)
        if not accepted(headers, "application/json", "application/*"):
            raise HttpError(406, "Accept application/json: every answer is JSON.")
        body = await read_body(receive, headers)
        try:
            message = messages.read(body)
        except MessageError as error:
            await respond(send, 400, error_bytes(error.request_id, error.code, error.message))
            return
        if message.request_id is None or not message.method:
            await respond(send, 202, b"")
            return
        try:
            era = classify(message, headers, named_profile(scope))
            if era.is_modern and message.method == LISTEN:
                await self._subscriptions.answer(snapshot, message, headers, receive=receive, send=send)
                return
        except KernelError as error:
            await respond(send, http_status(error.code), _error(message, error))
            return
        async with EventStream(send) as stream:
            exchange = _Exchange(caller_of(scope), headers, receive, stream)
            status, answer = await self._answer(snapshot, message, era, exchange)
            if stream.is_open:
                await stream.finish(answer)
            else:
                await respond(send, status, answer)

    async def _answer(
        self, snapshot: ServerSnapshot, message: Message, era: Era, exchange: _Exchange
    ) -> tuple[int, bytes]:
        try:
            result = await self._result(snapshot, message, era, exchange)
        except NotPermittedError as error:
            await self._check_scope(snapshot, exchange.caller, error.tool)
            return http_status(error.code) if era.is_modern else 200, _error(message, error)
        except KernelError as error:
            return http_status(error.code) if era.is_modern else 200, _error(message, error)
        return 200, result_bytes(message.request_id, result)

    async def _check_scope(self, snapshot: ServerSnapshot, caller: Caller, tool: str) -> None:
        """Raise `HttpError` where a further scope would permit a call ("Authorization", "Scope Challenge Handling")."""
        if self._scopes is None:
            return
        challenge = await self._scopes.missing_scope(caller, snapshot.namespace, snapshot.name, tool=tool)
        if challenge:
            sentence = "The access token has no scope that permits calling this tool."
            raise HttpError(403, sentence, ((b"www-authenticate", challenge.encode()),))

    async def _result(self, snapshot: ServerSnapshot, message: Message, era: Era, exchange: _Exchange) -> bytes:
        if message.method != "tools/call":
            return await self._dispatcher.result(snapshot, message, era, caller=exchange.caller)
        takes_news = any(name == "accept" and "text/event-stream" in value.lower() for name, value in exchange.headers)
        push = exchange.stream.push if takes_news else None
        with cancelled_by_hang_up(exchange.receive):
            return await self._dispatcher.result(snapshot, message, era, caller=exchange.caller, push=push)


def _error(message: Message, error: KernelError) -> bytes:
    return error_bytes(message.request_id, error.code, error.message, error.data)
