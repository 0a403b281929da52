"""A POST that is answered as a stream: news of the work, then the answer (2025-11-25, "Transports").

It becomes a stream only when there is news: a call without any is answered as JSON. A call does not wait for its
client: the time that a client takes to read would count against the API.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from app.gateway.snapshots import to_bytes
from converters.masking import NO_MASK
from converters.streams import LOG_LEVELS, LogMessage, Progress, StreamReader, kind_of, news

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.gateway.http_exchange import Send
    from app.gateway.kernel import Era
    from app.gateway.messages import Message
    from converters.masking import Masking

    Push = Callable[[bytes], Awaitable[None]]

STREAM_HEADERS: Final = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


_MAX_WAITING: Final = 64
"""Messages that wait for a client; of more the oldest is dropped, since news that is old says little."""


class EventStream:
    """The answer to one POST, while it may still become a stream; to be closed where it became one."""

    def __init__(self, send: Send) -> None:
        """Answer by `send`, the ASGI callable."""
        self._send = send
        self._waiting: deque[bytes] = deque(maxlen=_MAX_WAITING)
        self._sending: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Send nothing more."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)

    @property
    def is_open(self) -> bool:
        """Whether the answer is a stream."""
        return self._sending is not None

    async def push(self, message: bytes) -> None:
        """Have one JSON-RPC message sent, opening the stream with the first; does not wait for the client."""
        self._waiting.append(event(message))
        if self._sending is None:
            self._sending = asyncio.create_task(self._begin())
        elif self._sending.done():
            self._sending = asyncio.create_task(self._send_waiting())
        # One turn, in which a client that reads takes it: however many come at once, none is dropped.
        await asyncio.sleep(0)

    async def finish(self, message: bytes) -> None:
        """Send the last message, the answer, after those that wait, and end the stream."""
        if self._sending is not None:
            await self._sending
        await self._send({"type": "http.response.body", "body": event(message) if message else b""})

    async def _begin(self) -> None:
        await self._send({"type": "http.response.start", "status": 200, "headers": STREAM_HEADERS})
        await self._send_waiting()

    async def _send_waiting(self) -> None:
        while self._waiting:
            await self._send({"type": "http.response.body", "body": self._waiting.popleft(), "more_body": True})


def event(message: bytes) -> bytes:
    """Write a JSON-RPC message as an event."""
    return b"event: message\ndata: " + message + b"\n\n"


class NewsOfCall:
    """Tells a client what the API's stream tells of the work: progress where it was asked for, and log messages."""

    def __init__(self, push: Push, message: Message, era: Era, mask: Masking = NO_MASK) -> None:
        """Tell by `push`, which sends a JSON-RPC message, what concerns the request `message`.

        The secrets that `mask` knows are left out.
        """
        meta = (message.params or {}).get("_meta")
        meta = meta if isinstance(meta, dict) else {}
        self._push = push
        self._mask = mask
        self._token = meta.get("progressToken")
        self._era = era
        self._meta = meta
        self._reader: StreamReader | None = None
        self._last = float("-inf")

    async def on_chunk(self, content_type: str, chunk: bytes) -> None:
        """Take a piece of the API's answer as it comes."""
        if self._reader is None:
            kind = kind_of(content_type)
            if kind is None:
                return
            self._reader = StreamReader(kind)
        for item in self._reader.feed(chunk):
            told = news(item)
            if isinstance(told, Progress):
                await self._progress(told)
            elif isinstance(told, LogMessage) and told.level in _levels(self._era, self._meta):
                params = {"level": told.level, "logger": told.logger, "data": told.data}
                await self._notify("notifications/message", params)

    async def _progress(self, told: Progress) -> None:
        # The value must increase with each notification (2025-11-25, "Progress").
        if self._token is None or told.progress <= self._last:
            return
        self._last = told.progress
        params = {"progressToken": self._token, "progress": told.progress, "total": told.total, "message": told.message}
        await self._notify("notifications/progress", params)

    async def _notify(self, method: str, params: dict[str, Any]) -> None:
        given = {name: value for name, value in params.items() if value is not None}
        message = to_bytes({"jsonrpc": "2.0", "method": method, "params": given})
        # Here and not piece by piece: a piece may end in the middle of a secret.
        await self._push(self._mask.body(message))


def _levels(era: Era, meta: dict[str, Any]) -> tuple[str, ...]:
    """List the levels to tell: since 2026-07-28 those that the request asks for, before that all."""
    if not era.is_modern:
        return LOG_LEVELS
    asked = meta.get("io.modelcontextprotocol/logLevel")
    return LOG_LEVELS[LOG_LEVELS.index(asked) :] if asked in LOG_LEVELS else ()
