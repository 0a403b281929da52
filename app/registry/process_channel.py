"""Requests and answers between the processes of one PostgreSQL database, by LISTEN and NOTIFY.

Each process listens to a channel of its own. A notification holds less than 8,000 bytes, so messages go in pieces;
those of one transaction arrive together and in order. What is on the way when a connection breaks is lost, and is not
answered: who asked hears of nothing within some seconds and goes on.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import logging
import secrets
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from asyncpg import InterfaceError

from app.registry.engines import normalise
from app.registry.errors import RegistryUnavailable
from app.registry.outages import outages_raised
from app.registry.postgresql import listening_engine

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy import URL

    Receiver = Callable[[bytes], Awaitable[bytes]]

_PIECE: Final = 7_800
_MAX_PARTIAL: Final = 256
"""Messages of which the last piece may be outstanding."""
_ANSWER_SECONDS: Final = 5.0
_RECONNECT_SECONDS: Final = 1.0
_SEND: Final = "SELECT pg_notify($1, piece) FROM unnest($2::text[]) WITH ORDINALITY AS p (piece, n) ORDER BY n"
# Of a closed connection asyncpg says that it is used wrongly.
_BROKEN: Final = (RegistryUnavailable, InterfaceError)
_log: Final = logging.getLogger(__name__)


class ProcessChannel:
    """The end that a process has of the way to the others; `process` is its name."""

    def __init__(self, url: URL) -> None:
        """Keep the URL of a PostgreSQL database; nothing connects yet."""
        self.process = secrets.token_hex(8)
        self._engine = listening_engine(url)
        self._numbers = itertools.count()
        self._asked: dict[str, asyncio.Future[bytes]] = {}
        self._partial: OrderedDict[tuple[str, str], list[str]] = OrderedDict()
        self._answering: set[asyncio.Task[None]] = set()
        self._receiver: Receiver | None = None
        self._connection: Any = None
        self._sending = asyncio.Lock()
        self._keeping: asyncio.Task[None] | None = None

    def receive(self, receiver: Receiver) -> None:
        """Have `receiver` answer what other processes ask of this one."""
        self._receiver = receiver

    async def open(self) -> None:
        """Listen from now on, connecting again whenever the connection breaks."""
        listens = asyncio.Event()
        self._keeping = asyncio.create_task(self._keep(listens))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ANSWER_SECONDS):
                await listens.wait()

    async def close(self) -> None:
        """Stop listening."""
        tasks = [each for each in (self._keeping, *self._answering) if each is not None]
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._engine.dispose()

    async def request(self, process: str, body: bytes) -> bytes | None:
        """Ask another process; None where it does not answer within some seconds, or is not there."""
        number = str(next(self._numbers))
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await answer if await self._send(process, "ask", number, body) else None
        except (TimeoutError, *_BROKEN):
            return None
        finally:
            del self._asked[number]

    async def _keep(self, listens: asyncio.Event) -> None:
        while True:
            broken = asyncio.Event()
            try:
                with outages_raised():
                    async with self._engine.connect() as connection:
                        listening: Any = (await connection.get_raw_connection()).driver_connection
                        listening.add_termination_listener(lambda _, broken=broken: broken.set())
                        await listening.add_listener(_channel(self.process), self._heard)
                        self._connection = listening
                        listens.set()
                        await broken.wait()
                        await connection.invalidate()
            except _BROKEN:
                _log.warning("the connection to other processes broke, and is made again")
            finally:
                self._connection = None
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _send(self, process: str, kind: str, number: str, body: bytes) -> bool:
        text = base64.b64encode(body).decode()
        pieces = [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)] or [""]
        head = f"{kind} {self.process} {number}"
        framed = [f"{head} {index} {len(pieces)} {piece}" for index, piece in enumerate(pieces)]
        async with self._sending:
            if self._connection is None or self._connection.is_closed():
                return False
            with outages_raised():
                await self._connection.execute(_SEND, _channel(process), framed)
        return True

    def _heard(self, _connection: Any, _pid: int, _channel_name: str, payload: str) -> None:
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
        with contextlib.suppress(*_BROKEN):
            await self._send(process, "answer", number, await receiver(body))


def open_channel(url: str) -> ProcessChannel | None:
    """Make the channel of a database that several processes share; None for SQLite, which one process uses."""
    normalised = normalise(url)
    return ProcessChannel(normalised) if normalised.get_backend_name() == "postgresql" else None


def _channel(process: str) -> str:
    return f"causeway_{process}"
