"""Streams of Server-Sent Events that stay open until one side ends them (WHATWG HTML section 9.2).

Nothing that is told waits for a client that does not read: its events are kept up to a bound, beyond which its stream
ends. Comments keep the connection from being taken for an idle one.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.gateway.event_stream import STREAM_HEADERS
from app.gateway.http_exchange import HttpError, hang_up
from app.gateway.limits import Limits, one_of
from app.security.callers import NO_LIMITS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.gateway.http_exchange import Receive, Send
    from app.security.callers import Caller

KEEP_ALIVE: Final = 15.0
"""Seconds without an event after which a comment is sent: proxies close idle connections after 30 to 60."""
MAX_WAITING: Final = 8 * 1024 * 1024
"""Bytes that may wait for a client to read them; one event may be larger."""

_COMMENT: Final = b": keep-alive\n\n"


@dataclass(frozen=True, slots=True)
class StreamBounds:
    """Streams that one server, and one namespace, may have open in this process, and when one is idle.

    A stream on which nothing was told for `idle` seconds ends: its client opens another one, if there still is one.
    """

    of_server: int = 256
    of_namespace: int = 1024
    idle: float = 4 * 3600


class OpenStream:
    """One stream: what is pushed is sent, in order, until `end`, a hang-up, or a client that does not read."""

    def __init__(self, *, last: bytes = b"", keep_alive: float = KEEP_ALIVE, max_waiting: int = MAX_WAITING) -> None:
        """Start without events; `last` is the one to send when the server ends the stream."""
        self._last = last
        self._keep_alive = keep_alive
        self._max_waiting = max_waiting
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._bytes = 0
        self._quiet = 0.0
        self._stalled = asyncio.Event()

    def push(self, event: bytes) -> None:
        """Send an event when the ones before it are sent."""
        if self._bytes > self._max_waiting:
            self._stalled.set()
            return
        self._bytes += len(event)
        self._waiting.put_nowait(event)

    def end(self) -> None:
        """End the stream after what was pushed."""
        self._waiting.put_nowait(None)

    async def run(self, receive: Receive, send: Send, *, idle: float = math.inf) -> None:
        """Answer a request with the stream; returns when it has ended, or nothing was told for `idle` seconds."""
        working = self._send(send, idle), hang_up(receive), self._stalled.wait()
        running = [asyncio.ensure_future(each) for each in working]
        try:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in running:
                each.cancel()
        if running[0].done() and not running[0].cancelled():
            running[0].result()

    async def _send(self, send: Send, idle: float) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": STREAM_HEADERS})
        while (event := await self._next(idle)) is not None:
            await send({"type": "http.response.body", "body": event, "more_body": True})
            # What is being sent waits, too: a client that does not read holds `send` up.
            self._bytes -= 0 if event is _COMMENT else len(event)
        await send({"type": "http.response.body", "body": self._last})

    async def _next(self, idle: float) -> bytes | None:
        try:
            async with asyncio.timeout(self._keep_alive):
                event = await self._waiting.get()
        except TimeoutError:
            self._quiet += self._keep_alive
            return _COMMENT if self._quiet < idle else None
        self._quiet = 0.0
        return event


class OpenStreams:
    """The streams that are open in this process, bounded for each server, namespace and caller."""

    def __init__(self, bounds: StreamBounds, *, limits: Limits | None = None) -> None:
        """Allow what `bounds` say, and what `limits` say for each caller."""
        self._bounds = bounds
        self._limits = limits or Limits(NO_LIMITS)
        self._open: dict[OpenStream, Caller] = {}
        self._counts: Counter[str] = Counter()
        self._of_namespaces: Counter[str] = Counter()

    async def run(self, server: str, stream: OpenStream, caller: Caller, *, receive: Receive, send: Send) -> None:
        """Answer a request of `caller` with a stream of `server`, for which `check` has found room."""
        self._open[stream] = caller
        try:
            with (
                one_of(self._counts, server),
                one_of(self._of_namespaces, _namespace(server)),
                self._limits.stream(caller),
            ):
                await stream.run(receive, send, idle=self._bounds.idle)
        finally:
            del self._open[stream]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many are open, by server."""
        return dict(self._counts)

    def check(self, server: str, caller: Caller) -> None:
        """Raise `TooManyRequestsError` where `caller` has too many streams open, `HttpError` where others have.

        Those are the streams of `server`, named "namespace/name", and of its namespace.
        """
        self._limits.check_stream(caller)
        for what, open_now, most in (
            ("server", self._counts[server], self._bounds.of_server),
            ("namespace", self._of_namespaces[_namespace(server)], self._bounds.of_namespace),
        ):
            if open_now >= most:
                sentence = f"This {what} has {most} streams open: close one, or try again later."
                raise HttpError(503, sentence, ((b"retry-after", b"30"),))

    def end(self) -> None:
        """End every stream, because this process stops."""
        self.end_of(lambda _: True)

    def end_of(self, is_gone: Callable[[Caller], bool]) -> None:
        """End the streams of those who may not have them any more."""
        for stream, caller in tuple(self._open.items()):
            if is_gone(caller):
                stream.end()


def _namespace(server: str) -> str:
    return server.partition("/")[0]
