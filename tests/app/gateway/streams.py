"""Clients of streams that stay open: the events that have come so far, and waiting for more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from app.security.callers import LOCAL, Caller
from tests.app.asgi import Asgi, Exchange


@dataclass
class Listener:
    """One exchange that is answered with a stream."""

    exchange: Exchange
    task: asyncio.Task[Any]

    @property
    def status(self) -> int | None:
        return self.exchange.sent[0]["status"] if self.exchange.sent else None

    @property
    def text(self) -> str:
        return b"".join(each.get("body", b"") for each in self.exchange.sent).decode()

    @property
    def events(self) -> list[tuple[str, str]]:
        """Give (type, data) of each event."""
        blocks = [block.split("\n") for block in self.text.split("\n\n") if block.startswith("event:")]
        return [(lines[0].removeprefix("event: "), lines[1].removeprefix("data: ")) for lines in blocks]

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(data) for kind, data in self.events if kind == "message"]

    async def until(self, count: int) -> list[dict[str, Any]]:
        """Wait until this many messages have come, and give them."""
        async with asyncio.timeout(5):
            while len(self.messages) < count:  # noqa: ASYNC110 - what comes is written down by the exchange
                await asyncio.sleep(0.005)
        return self.messages

    async def ended(self) -> None:
        """Wait until the server has ended the stream."""
        async with asyncio.timeout(5):
            await self.task


@asynccontextmanager
async def listening(
    app: Asgi,
    path: str,
    *,
    method: str = "GET",
    headers: Sequence[tuple[str, str]] = (),
    chunks: Sequence[bytes] = (b"",),
    caller: Caller = LOCAL,
) -> AsyncIterator[Listener]:
    """Open a stream, and hang up at the end."""
    exchange = Exchange(app, method=method, path=path, headers=headers, chunks=chunks, caller=caller)
    task = asyncio.create_task(exchange.run())
    try:
        async with asyncio.timeout(5):
            while not exchange.sent[1:] and not task.done():  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.005)
        yield Listener(exchange, task)
    finally:
        exchange.hang_up()
        async with asyncio.timeout(5):
            await task
