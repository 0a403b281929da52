"""Requests and answers between the processes of one PostgreSQL database, by LISTEN and NOTIFY.

Each process listens to a channel of its own. A notification holds less than 8,000 bytes, so messages go in pieces;
those of one transaction arrive together and in order. What is on the way when a connection breaks is lost, and is not
answered: who asked hears of nothing within some seconds and goes on.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import secrets
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.registry.notifications import Notifications

    Receiver = Callable[[bytes], Awaitable[bytes]]

_PIECE: Final = 7_800
_MAX_PARTIAL: Final = 256
"""Messages of which the last piece may be outstanding."""
_ANSWER_SECONDS: Final = 5.0


class ProcessChannel:
    """The end that a process has of the way to the others; `process` is its name."""

    def __init__(self, notifications: Notifications) -> None:
        """Send and hear through `notifications`, which is not open yet."""
        self.process = secrets.token_hex(8)
        self._notifications = notifications
        notifications.listen(_channel(self.process), self._heard)
        self._numbers = itertools.count()
        self._asked: dict[str, asyncio.Future[bytes]] = {}
        self._partial: OrderedDict[tuple[str, str], list[str]] = OrderedDict()
        self._answering: set[asyncio.Task[None]] = set()
        self._receiver: Receiver | None = None

    def receive(self, receiver: Receiver) -> None:
        """Have `receiver` answer what other processes ask of this one."""
        self._receiver = receiver

    async def close(self) -> None:
        """Answer nothing any more."""
        tasks = tuple(self._answering)
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def request(self, process: str, body: bytes) -> bytes | None:
        """Ask another process; None where it does not answer within some seconds, or is not there."""
        number = str(next(self._numbers))
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await answer if await self._send(process, "ask", number, body) else None
        except TimeoutError:
            return None
        finally:
            del self._asked[number]

    async def _send(self, process: str, kind: str, number: str, body: bytes) -> bool:
        text = base64.b64encode(body).decode()
        pieces = [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)] or [""]
        head = f"{kind} {self.process} {number}"
        framed = [f"{head} {index} {len(pieces)} {piece}" for index, piece in enumerate(pieces)]
        return await self._notifications.notify(_channel(process), framed)

    def _heard(self, payload: str) -> None:
        kind, process, number, index, count, piece = payload.split(" ", 5)
        pieces = self._partial.setdefault((process, f"{kind} {number}"), [])
        if int(index) == 0:
            pieces.clear()
        pieces.append(piece)
        if len(pieces) < int(count):
            while len(self._partial) > _MAX_PARTIAL:
                self._partial.popitem(last=False)
            return
        del self._partial[process, f"{kind} {number}"]
        body = base64.b64decode("".join(pieces))
        if kind == "answer":
            asked = self._asked.get(number)
            if asked is not None and not asked.done():
                asked.set_result(body)
        elif self._receiver is not None:
            task = asyncio.ensure_future(self._answer(self._receiver, process, number, body=body))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    async def _answer(self, receiver: Receiver, process: str, number: str, *, body: bytes) -> None:
        await self._send(process, "answer", number, await receiver(body))


def _channel(process: str) -> str:
    return f"causeway_{process}"
