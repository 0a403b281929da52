"""Answers to clients go out whole, and nothing of them is kept back."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from app.cli.gathered_writes import GatheredWrites

HEAD, BODY = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n", b"{}"


@dataclass
class Pieces:
    """A transport that writes to another one, and notes in how many pieces."""

    inner: asyncio.WriteTransport
    written: list[bytes] = field(default_factory=list)

    def writelines(self, data: list[bytes]) -> None:
        self.written.append(b"".join(data))
        self.inner.writelines(data)

    def is_closing(self) -> bool:
        return self.inner.is_closing()

    def close(self) -> None:
        self.inner.close()


@dataclass
class Line:
    """A connection: what is written to, how it goes out, and the client's end."""

    writes: GatheredWrites
    pieces: Pieces
    client: asyncio.StreamReader


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    ours, theirs = socket.socketpair()
    reader, hers = await asyncio.open_connection(sock=theirs)
    _, writer = await asyncio.open_connection(sock=ours)
    pieces = Pieces(writer.transport)
    yield Line(GatheredWrites(pieces, asyncio.get_running_loop()), pieces, reader)  # type: ignore[arg-type]
    writer.transport.abort()
    hers.close()


async def test_what_is_written_in_one_turn_goes_out_in_one_piece(line: Line) -> None:
    line.writes.write(HEAD)
    line.writes.write(BODY)
    assert await line.client.readexactly(len(HEAD + BODY)) == HEAD + BODY
    line.writes.write(HEAD)
    assert await line.client.readexactly(len(HEAD)) == HEAD
    assert line.pieces.written == [HEAD + BODY, HEAD]


async def test_much_does_not_wait(line: Line) -> None:
    line.writes.write(HEAD)
    line.writes.write(bytes(100_000))
    assert line.pieces.written == [HEAD + bytes(100_000)]
    assert await line.client.readexactly(len(HEAD) + 100_000) == HEAD + bytes(100_000)
    assert len(line.pieces.written) == 1


async def test_what_waits_is_written_before_the_end(line: Line) -> None:
    line.writes.write(HEAD)
    line.writes.write(BODY)
    line.writes.close()
    assert await line.client.read() == HEAD + BODY


async def test_nothing_is_written_to_a_connection_that_is_gone(line: Line) -> None:
    line.writes.write(HEAD)
    line.pieces.inner.abort()
    assert await line.client.read() == b""
    assert line.pieces.written == []


async def test_everything_else_is_the_connection_s_own(line: Line) -> None:
    assert line.writes.is_closing() is False
    with pytest.raises(AttributeError):
        _ = line.writes.of_no_transport
