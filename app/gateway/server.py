"""The MCP servers at their URLs, every released protocol version on each.

`/mcp/{namespace}/{server}` is Streamable HTTP ("Transports" of 2025-11-25 and 2026-07-28): each POST is one message and
gets one answer, as JSON where there is no news of the work. Nothing of a session is kept, so GET and DELETE are 405. A
client that hangs up cancels its call. Below it, `/sse` and `/messages` are the transport of 2024-11-05.
"""

from __future__ import annotations

import secrets
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final, NamedTuple

from app.errors import TooManyRequestsError
from app.gateway import messages
from app.gateway.back_channel import BackChannel, asking_process
from app.gateway.calls import UnknownToolError
from app.gateway.confirmations import Confirmations
from app.gateway.dispatch import Dispatcher, NotPermittedError
from app.gateway.event_stream import EventStream
from app.gateway.http_exchange import (
    MAX_BODY,
    ClientGoneError,
    HttpError,
    cancelled_by_hang_up,
    check_post,
    headers_of,
    named_profile,
    read_body,
    respond,
    respond_problem,
    too_many_requests,
)
from app.gateway.kernel import Era, KernelError, classify, http_status
from app.gateway.legacy_sse import LegacySse
from app.gateway.messages import MessageError, error_bytes, result_bytes
from app.gateway.open_streams import OpenStreams, StreamBounds
from app.gateway.ports import Delivery, Posted
from app.gateway.sealed_state import SealedState, SpentHere
from app.gateway.sessions import HEADER, Elicitable, Sessions
from app.gateway.subscriptions import LISTEN, Subscriptions
from app.gateway.traced import TracedDispatcher
from app.security.callers import caller_of
from app.security.sealing import SecretKeys
from app.telemetry.records import note_code

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.gateway.calls import ToolCalls
    from app.gateway.http_exchange import Headers, Receive, Scope, Send
    from app.gateway.messages import Message
    from app.gateway.ports import ScopeChallenges, SpentStates, StreamRelay, ToolCatalog
    from app.gateway.snapshots import ServerSnapshot
    from app.security.callers import Caller
    from app.telemetry.traces import Traces

__all__ = ["MAX_BODY", "McpEndpoint"]

_OK: Final = 200
_SERVER_PARTS: Final = 4
"""Of a server's path: "", "mcp", namespace and name."""
_BELOW: Final = frozenset({"", "sse", "messages"})
_LONGEST_PATH: Final = 256
"""Characters: names have 63 at most."""
_NOWHERE: Final = ("", "", "")


class _Exchange(NamedTuple):
    """One POST and the ways to answer it."""

    caller: Caller
    headers: Headers
    receive: Receive
    stream: EventStream
    client: Elicitable


class McpEndpoint:
    """The ASGI application under `/mcp/{namespace}/{server}`."""

    def __init__(  # noqa: PLR0913 - what it works with, each by name
        self,
        catalog: ToolCatalog,
        calls: ToolCalls,
        *,
        public_path: str = "",
        streams: StreamBounds | None = None,
        relay: StreamRelay | None = None,
        scopes: ScopeChallenges | None = None,
        keys: SecretKeys | None = None,
        spent: SpentStates | None = None,
        traces: Traces | None = None,
    ) -> None:
        """Serve what `catalog` holds, performing calls with `calls`; clients see paths with `public_path` before.

        `scopes` knows what a client whose call is not permitted can ask for; `keys` seal what clients keep for us, and
        `spent` knows what of it has counted, by default so that this process alone can read it. With `traces` there are
        spans of requests.

        `streams` bounds those that stay open; `relay` leads to the other processes, where there are any.
        """
        self._catalog = catalog
        self._scopes = scopes
        self._relay = relay
        state = SealedState(keys or SecretKeys(secrets.token_bytes(32)))
        self._sessions = Sessions(state)
        self._back_channel = BackChannel(relay.process if relay else "p")
        confirmations = Confirmations(state, spent or SpentHere())
        self._dispatcher = (
            Dispatcher(calls, confirmations) if traces is None else TracedDispatcher(calls, confirmations, traces)
        )
        self._streams = OpenStreams(streams or StreamBounds(), limits=calls.limits)
        self._subscriptions = Subscriptions(catalog, self._streams)
        self._legacy = LegacySse(
            catalog,
            self._dispatcher,
            self._streams,
            back_channel=self._back_channel,
            public_path=public_path,
            relay=relay,
        )
        if relay is not None:
            relay.receive(self._delivered)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        try:
            snapshot, rest = self._find(scope["path"], caller_of(scope))
            if rest == "sse":
                await self._legacy.open(snapshot, scope, receive, send)
            elif rest == "messages":
                await self._legacy.post(snapshot, scope, receive, send)
            else:
                await self._post(snapshot, scope, receive, send)
        except HttpError as error:
            await respond_problem(send, error)
        except TooManyRequestsError as error:
            await respond_problem(send, too_many_requests(error.message, error.retry_after))
        except ClientGoneError:
            return

    @property
    def open_streams(self) -> Mapping[str, int]:
        """How many streams are open, by the server's key."""
        return self._streams.counts

    def end_streams(self) -> None:
        """End every open stream, because this process stops."""
        self._streams.end()

    def end_streams_of(self, is_gone: Callable[[Caller], bool]) -> None:
        """End the open streams of callers whose credential does not count any more."""
        self._streams.end_of(is_gone)

    def _find(self, path: str, caller: Caller) -> tuple[ServerSnapshot, str]:
        """Find a server as `caller` sees it; what a caller does not reach is not there."""
        namespace, name, rest = _parts(path) if len(path) < _LONGEST_PATH else _NOWHERE
        snapshot = self._catalog.find(namespace, name)
        if snapshot is None or not caller.reaches(snapshot.namespace, snapshot.name):
            raise HttpError(404, "There is no MCP server at this URL.")
        if not caller.may("call"):
            challenge = b'Bearer realm="causeway", error="insufficient_scope", scope="call"'
            raise HttpError(403, "This needs a key with the scope call.", ((b"www-authenticate", challenge),))
        return snapshot.seen_by(caller), rest

    async def _post(self, snapshot: ServerSnapshot, scope: Scope, receive: Receive, send: Send) -> None:
        caller, headers = caller_of(scope), headers_of(scope)
        session = self._sessions.check(snapshot.key, caller, headers)
        check_post(scope["method"], headers)
        if not headers.takes_json:
            raise HttpError(406, "Accept application/json: every answer is JSON.")
        body = await read_body(receive, scope)
        try:
            message = messages.read(body)
        except MessageError as error:
            note_code(f"jsonrpc_{error.code}")
            await respond(send, 400, error_bytes(error.request_id, error.code, error.message))
            return
        if message.request_id is None or not message.method:
            await self._take_response(Posted(snapshot.key, str(message.request_id), caller.subject, body))
            await respond(send, 202, b"")
            return
        try:
            era = classify(message, headers, named_profile(scope) or session.profile)
            if era.is_modern and message.method == LISTEN:
                await self._subscriptions.answer(snapshot, message, headers, caller=caller, receive=receive, send=send)
                return
        except KernelError as error:
            note_code(f"jsonrpc_{error.code}")
            await respond(send, http_status(error.code), _error(message, error))
            return
        stream = EventStream(send)
        try:
            exchange = _Exchange(caller, headers, receive, stream, session.client)
            status, answer = await self._answer(snapshot, message, era, exchange)
            if stream.is_open:
                await stream.finish(answer)
            else:
                opened = self._opened(snapshot, message, exchange) if status == _OK else ()
                await respond(send, status, answer, headers=opened)
        finally:
            if stream.is_open:
                await stream.close()

    def _opened(
        self, snapshot: ServerSnapshot, message: Message, exchange: _Exchange
    ) -> tuple[tuple[bytes, bytes], ...]:
        """Open a session where what the client says of itself counts later; gives its header field."""
        if message.method != "initialize":
            return ()
        session_id = self._sessions.opened(snapshot, exchange.caller, message)
        return ((HEADER.encode(), session_id.encode()),) if session_id else ()

    async def _take_response(self, posted: Posted) -> None:
        """Bring a client's response to the process that waits for it."""
        process = asking_process(posted.stream)
        if process == self._back_channel.process:
            await self._delivered(posted)
        elif process and self._relay is not None:
            await self._relay.forward(process, posted)

    async def _delivered(self, posted: Posted) -> Delivery:
        """Take what a client posted, here or at another process, for who waits for it in this one."""
        if not asking_process(posted.stream):
            return await self._legacy.delivered(posted)
        self._back_channel.answer(messages.read(posted.body), server=posted.server, caller=posted.caller)
        return Delivery(202)

    async def _answer(
        self, snapshot: ServerSnapshot, message: Message, era: Era, exchange: _Exchange
    ) -> tuple[int, bytes]:
        try:
            result = await self._result(snapshot, message, era, exchange)
        except NotPermittedError as error:
            await self._check_scope(snapshot, exchange.caller, error.tool)
            note_code(UnknownToolError.code)
            return http_status(error.code) if era.is_modern else 200, _error(message, error)
        except KernelError as error:
            note_code(f"jsonrpc_{error.code}")
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
        push = exchange.stream.push if "text/event-stream" in exchange.headers.accept else None
        ask = None
        if push is not None and exchange.client.by_form:
            ask = partial(
                self._back_channel.ask, push, "elicitation/create", server=snapshot.key, caller=exchange.caller
            )
        with cancelled_by_hang_up(exchange.receive):
            return await self._dispatcher.result(snapshot, message, era, caller=exchange.caller, push=push, ask=ask)


@lru_cache(4096)
def _parts(path: str) -> tuple[str, str, str]:
    """Give the namespace, the server's name and what is below it, of the path of something that is served."""
    parts = path.removesuffix("/").split("/")
    rest = "/".join(parts[_SERVER_PARTS:])
    return (parts[2], parts[3], rest) if len(parts) >= _SERVER_PARTS and rest in _BELOW else _NOWHERE


def _error(message: Message, error: KernelError) -> bytes:
    return error_bytes(message.request_id, error.code, error.message, error.data)
