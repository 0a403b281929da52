"""HTTP+SSE, the transport of 2024-11-05 ("Transports"), for clients that speak no other.

GET `/sse` opens the stream, whose first event, `endpoint`, says where to POST messages. A POST is answered 202, and
what it asks for comes on the stream. The id of a stream cannot be guessed, and belongs to who opened it. A POST may
reach another process than the stream did: the relay brings it to the one that holds the stream.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, quote

from app.errors import TooManyRequestsError
from app.gateway import messages
from app.gateway.event_stream import event
from app.gateway.http_exchange import (
    HttpError,
    accepted,
    check_post,
    headers_of,
    named_profile,
    read_body,
    respond,
)
from app.gateway.kernel import Era, KernelError, introduced, negotiated_version
from app.gateway.messages import INTERNAL_ERROR, INVALID_REQUEST, MessageError, error_bytes, result_bytes
from app.gateway.open_streams import OpenStream
from app.gateway.ports import Delivery, Posted
from app.gateway.sessions import NOBODY_TO_ASK, Elicitable
from app.gateway.snapshots import to_bytes
from app.security.callers import caller_of
from converters.client_profiles import GENERIC

if TYPE_CHECKING:
    from app.gateway.back_channel import BackChannel
    from app.gateway.confirmations import Ask
    from app.gateway.dispatch import Dispatcher
    from app.gateway.http_exchange import Receive, Scope, Send
    from app.gateway.messages import Message, RequestId
    from app.gateway.open_streams import OpenStreams
    from app.gateway.ports import StreamRelay, ToolCatalog
    from app.gateway.snapshots import ServerSnapshot
    from app.security.callers import Caller
    from converters.client_profiles import ClientProfile

MAX_REQUESTS: Final = 64
"""Requests of one stream that may wait for their answers."""
_SESSION_ID: Final = re.compile(r"([A-Za-z0-9]{1,32})\.[A-Za-z0-9_-]{1,64}")
"""The name of the process that holds the stream, and what cannot be guessed."""
_VERSION: Final = "2024-11-05"
"""What is spoken until the handshake has said otherwise."""
_LIST_CHANGED: Final = event(to_bytes({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}))
_log: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class _Session:
    """A client's stream, and the requests whose answers go there."""

    server: str
    caller: Caller
    stream: OpenStream = field(default_factory=OpenStream)
    version: str | None = None
    client: Elicitable = NOBODY_TO_ASK
    profile: ClientProfile | None = None
    working: dict[RequestId, asyncio.Task[None]] = field(default_factory=dict)
    is_ending: bool = False

    def belongs_to(self, posted: Posted) -> bool:
        """Tell whether a message comes from who opened the stream, for the same server."""
        return (self.server, self.caller.subject) == (posted.server, posted.caller)

    async def push(self, message: bytes) -> None:
        self.stream.push(event(message))

    def on_change(self, is_served: bool) -> None:  # noqa: FBT001 - a `Watcher`
        if not is_served:
            self.is_ending = True
            self.end_if_done()
        elif self.version is not None:
            self.stream.push(_LIST_CHANGED)

    def end_if_done(self) -> None:
        """End the stream of a server that is served no more, after what its requests are answered with."""
        if self.is_ending and not self.working:
            self.stream.end()

    def cancel(self, message: Message) -> None:
        """Cancel the request that `notifications/cancelled` names (2024-11-05, "Cancellation")."""
        request_id = (message.params or {}).get("requestId")
        task = self.working.get(request_id) if isinstance(request_id, (str, int)) else None
        if task is not None:
            task.cancel()


class LegacySse:
    """Opens streams and takes the messages that belong to them."""

    def __init__(
        self,
        catalog: ToolCatalog,
        dispatcher: Dispatcher,
        streams: OpenStreams,
        *,
        public_path: str = "",
        back_channel: BackChannel,
        relay: StreamRelay | None = None,
    ) -> None:
        """Serve what `catalog` holds, asking users by `back_channel`.

        `relay` leads to the other processes, where there are any; who receives from it calls `delivered`.
        """
        self._catalog = catalog
        self._dispatcher = dispatcher
        self._streams = streams
        self._public_path = public_path
        self._sessions: dict[str, _Session] = {}
        self._relay = relay
        self._back_channel = back_channel

    async def open(self, snapshot: ServerSnapshot, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a GET with a stream; raises `HttpError`."""
        headers = headers_of(scope)
        if scope["method"] != "GET":
            raise HttpError(405, "Open the stream with GET.", ((b"allow", b"GET"),))
        if not accepted(headers, "text/event-stream", "text/*"):
            raise HttpError(406, "Accept text/event-stream: the answer is a stream of events.")
        self._streams.check(snapshot.key, caller_of(scope))
        session = _Session(snapshot.key, caller_of(scope), profile=named_profile(scope))
        session_id = f"{self._relay.process if self._relay else 'p'}.{secrets.token_urlsafe(24)}"
        session.stream.push(b"event: endpoint\ndata: " + self._endpoint(snapshot, session_id).encode() + b"\n\n")
        self._sessions[session_id] = session
        unwatch = self._catalog.watch(snapshot.namespace, snapshot.name, session.on_change, caller=session.caller)
        try:
            await self._streams.run(snapshot.key, session.stream, session.caller, receive=receive, send=send)
        finally:
            unwatch()
            del self._sessions[session_id]
            for task in tuple(session.working.values()):
                task.cancel()

    def _endpoint(self, snapshot: ServerSnapshot, session_id: str) -> str:
        """Give the path to POST to: whole, because not every client resolves a relative one against the stream's."""
        path = f"{self._public_path}/mcp/{quote(snapshot.namespace)}/{quote(snapshot.name)}/messages"
        return f"{path}?sessionId={session_id}"

    async def post(self, snapshot: ServerSnapshot, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one message; raises `HttpError` and `ClientGoneError`."""
        headers = headers_of(scope)
        check_post(scope["method"], headers)
        query = parse_qs(scope["query_string"].decode("latin-1"))
        session_id = next(iter(query.get("sessionId", ())), "")
        named = _SESSION_ID.fullmatch(session_id)
        if named is None:
            raise HttpError(_NO_STREAM.status, _NO_STREAM.sentence)
        posted = Posted(snapshot.key, session_id, caller_of(scope).subject, await read_body(receive, scope))
        if self._relay is None or named[1] == self._relay.process:
            delivery = await self.delivered(posted)
        else:
            delivery = await self._relay.forward(named[1], posted) or _NO_STREAM
        if delivery.sentence:
            raise HttpError(delivery.status, delivery.sentence)
        await respond(send, delivery.status, b"")

    async def delivered(self, posted: Posted) -> Delivery:
        """Begin what a message asks for, in the process that holds its stream."""
        session = self._sessions.get(posted.stream)
        snapshot = self._catalog.find(*posted.server.split("/", 1))
        if session is None or snapshot is None or not session.belongs_to(posted):
            return _NO_STREAM
        try:
            message = messages.read(posted.body)
        except MessageError as error:
            return Delivery(400, str(error))
        if message.request_id is None or not message.method:
            if message.method == "notifications/cancelled":
                session.cancel(message)
            elif not message.method:
                self._back_channel.answer(message, server=posted.server, caller=posted.caller)
            return Delivery(202)
        if message.request_id in session.working:
            return Delivery(400, "A request with this id waits for its answer already.")
        if len(session.working) >= MAX_REQUESTS:
            return Delivery(429, f"{MAX_REQUESTS} requests of this stream wait for their answers already.")
        self._begin(session, snapshot.seen_by(session.caller), message, message.request_id)
        return Delivery(202)

    def _begin(self, session: _Session, snapshot: ServerSnapshot, message: Message, request_id: RequestId) -> None:
        def finished(done: asyncio.Task[None]) -> None:
            del session.working[request_id]
            if not done.cancelled() and (error := done.exception()) is not None:
                _log.error("a request over HTTP+SSE failed", exc_info=error)
                session.stream.push(event(error_bytes(request_id, INTERNAL_ERROR, "Internal error")))
            session.end_if_done()

        task = asyncio.ensure_future(self._work(session, snapshot, message))
        session.working[request_id] = task
        task.add_done_callback(finished)

    def _asking(self, session: _Session) -> Ask:
        push, server, caller = session.push, session.server, session.caller
        return partial(self._back_channel.ask, push, "elicitation/create", server=server, caller=caller)

    async def _work(self, session: _Session, snapshot: ServerSnapshot, message: Message) -> None:
        profile = session.profile or GENERIC
        era = Era(session.version or _VERSION, is_modern=False, has_stream=True, profile=profile)
        try:
            ask = self._asking(session) if session.client.by_form else None
            result = await self._dispatcher.result(
                snapshot, message, era, caller=session.caller, push=session.push, ask=ask
            )
        except KernelError as error:
            answer = error_bytes(message.request_id, error.code, error.message, error.data)
        except TooManyRequestsError as error:
            answer = error_bytes(message.request_id, INVALID_REQUEST, error.message, {"retryAfter": error.retry_after})
        else:
            answer = result_bytes(message.request_id, result)
            if message.method == "initialize":
                session.version = negotiated_version(message)
                session.client = Elicitable.from_capabilities((message.params or {}).get("capabilities"))
                session.profile = session.profile or introduced((message.params or {}).get("clientInfo"))
        await session.push(answer)


_NO_STREAM: Final = Delivery(404, "You have no stream of this id open: open one with GET at the server's /sse.")
