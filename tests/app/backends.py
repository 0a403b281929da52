"""APIs on loopback sockets: every byte they receive is kept, every byte they answer is the test's."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it arrived."""

    line: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    at: float = 0.0

    def values(self, name: str) -> list[str]:
        return [value for each, value in self.headers if each.lower() == name.lower()]

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]


Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Backend:
    """A running backend: replies come one after the other, the last one again and again.

    `respond` answers in their place, by what the request says. With `is_resetting` connections are reset before
    anything is read; `requests` is the ledger of what arrived when.
    """

    replies: tuple[bytes | Reply, ...]
    host: str = "127.0.0.1"
    port: int = 0
    tls: ssl.SSLContext | None = None
    is_resetting: bool = False
    respond: Callable[[Received, asyncio.StreamWriter], Awaitable[None]] | None = None
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    async def received(self, count: int) -> None:
        """Wait until this many requests arrived."""
        while len(self.requests) < count:
            self.arrived.clear()
            await self.arrived.wait()

    async def emptied(self) -> None:
        """Wait until every client has left."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            if self.is_resetting:
                _reset(writer)
                return
            while (request := await _read(reader)) is not None:
                reply = self.replies[min(len(self.requests), len(self.replies) - 1)]
                self.requests.append(request)
                self.arrived.set()
                if self.respond is not None:
                    await self.respond(request, writer)
                    continue
                await self._answer(reply, reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.left.set()
            writer.close()
            self._tasks.discard(task)

    async def _answer(self, reply: bytes | Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if isinstance(reply, bytes):
            writer.write(reply)
            await writer.drain()
            return
        replying = asyncio.ensure_future(reply(writer))
        # A client that leaves before the reply is over ends it.
        leaving = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({replying, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not replying.done():
                raise asyncio.IncompleteReadError(b"", 1)
            replying.result()
        finally:
            replying.cancel()
            leaving.cancel()
            await asyncio.gather(replying, leaving, return_exceptions=True)

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    line, *rest = head.rstrip("\r\n").split("\r\n")
    headers = tuple((name, value.strip()) for name, _, value in (each.partition(":") for each in rest))
    length = [value for name, value in headers if name.lower() == "content-length"]
    body = await reader.readexactly(int(length[0])) if length else b""
    return Received(line, headers, body, time.monotonic())


@asynccontextmanager
async def backend(
    *replies: bytes | Reply, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Backend]:
    """Run a backend that answers with `replies`."""
    running = Backend(replies or (json_reply(b"{}"),), host, tls=tls)
    server = await asyncio.start_server(running._serve, host, 0, ssl=tls, backlog=500)  # noqa: SLF001 - its own module
    running.port = server.sockets[0].getsockname()[1]
    try:
        yield running
    finally:
        server.close()
        await running.stop()


def reply(status: str = "200 OK", body: bytes = b"", *headers: str) -> bytes:
    """Write a response with its length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def json_reply(body: bytes) -> bytes:
    """Write a JSON response."""
    return reply("200 OK", body, "Content-Type: application/json")


def redirect(location: str, status: str = "302 Found") -> bytes:
    """Write a redirect."""
    return reply(status, b"", f"Location: {location}")


def then_close(content: bytes) -> Reply:
    """Send `content` and close the connection."""

    async def closing(writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()
        writer.close()

    return closing


def then_reset(content: bytes) -> Reply:
    """Send `content` and reset the connection."""

    async def resetting(writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()
        await asyncio.sleep(0.05)
        _reset(writer)

    return resetting


def _reset(writer: asyncio.StreamWriter) -> None:
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def then_wait(content: bytes) -> Reply:
    """Send `content` and then nothing more."""

    async def waiting(writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await asyncio.Event().wait()

    return waiting


def dripping(content: bytes, *, seconds: float) -> Reply:
    """Send `content` again and again, with a pause of `seconds` after each."""

    async def drip(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(content)
            await writer.drain()
            await asyncio.sleep(seconds)

    return drip


def after(seconds: float, content: bytes) -> Reply:
    """Send `content` after a while."""

    async def late(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        writer.write(content)

    return late


def endless(head: bytes, content: bytes) -> Reply:
    """Send `head`, and then `content` again and again as fast as it is taken."""

    async def stream(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(content)
            await writer.drain()

    return stream


def trickling(head: bytes, content: bytes, *, seconds: float) -> Reply:
    """Send `head`, and then `content` again and again with a pause of `seconds` before each."""

    async def trickle(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            await asyncio.sleep(seconds)
            writer.write(content)
            await writer.drain()

    return trickle


def bomb(mebibytes: int, coding: str = "gzip", *, level: int = 9) -> bytes:
    """Write zeros that are a thousandth of their size, as `gzip`, `deflate` or `raw` (deflate without its wrapping)."""
    window = {"gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS, "raw": -zlib.MAX_WBITS}[coding]
    compressor = zlib.compressobj(level, wbits=window)
    return b"".join([compressor.compress(bytes(1024 * 1024)) for _ in range(mebibytes)]) + compressor.flush()
