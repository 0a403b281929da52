"""One connection that listens to PostgreSQL's notifications, and is made again whenever it breaks.

What is notified while there is none is lost (PostgreSQL, "NOTIFY"), so whoever listens is also told of every new
connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Final

from asyncpg import InterfaceError

from app.registry.engines import normalise
from app.registry.errors import RegistryUnavailable
from app.registry.outages import outages_raised
from app.registry.postgresql import listening_engine

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from sqlalchemy import URL

_RECONNECT_SECONDS: Final = 1.0
# A peer that is gone without a word is found by asking it something.
_HEARTBEAT_SECONDS: Final = 10.0
_ANSWER_SECONDS: Final = 5.0
_SEND: Final = "SELECT pg_notify($1, piece) FROM unnest($2::text[]) WITH ORDINALITY AS p (piece, n) ORDER BY n"
# Of a closed connection asyncpg says that it is used wrongly.
_BROKEN: Final = (RegistryUnavailable, InterfaceError, TimeoutError)
_log: Final = logging.getLogger(__name__)


class Notifications:
    """The notifications of a PostgreSQL database, by channel."""

    def __init__(self, url: URL) -> None:
        """Keep the URL; nothing connects yet."""
        self._engine = listening_engine(url)
        self._channels: dict[str, Callable[[str], None]] = {}
        self._on_connection: list[Callable[[], None]] = []
        self._connection: Any = None
        self._was_heard = False
        self._using = asyncio.Lock()
        self._keeping: asyncio.Task[None] | None = None

    def listen(self, channel: str, heard: Callable[[str], None]) -> None:
        """Have `heard` told each payload of `channel`, from `open` on."""
        self._channels[channel] = heard

    def on_connection(self, told: Callable[[], None]) -> None:
        """Have `told` called whenever listening begins, for the first time or after a gap."""
        self._on_connection.append(told)

    async def open(self) -> None:
        """Listen from now on; returns when that has begun, or when the database has turned out to be away."""
        tried = asyncio.Event()
        self._keeping = asyncio.create_task(self._keep(tried))
        await tried.wait()

    async def close(self) -> None:
        """Stop listening."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        await self._engine.dispose()

    async def notify(self, channel: str, payloads: Sequence[str]) -> bool:
        """Send payloads of less than 8,000 bytes, in order and together; false where there is no connection."""

        async def send(connection: Any) -> None:
            await connection.execute(_SEND, channel, payloads)

        try:
            return await self._use(send)
        except _BROKEN:
            return False

    async def _use(self, work: Callable[[Any], Awaitable[None]]) -> bool:
        async with self._using:
            if self._connection is None or self._connection.is_closed():
                return False
            with outages_raised():
                await work(self._connection)
        return True

    async def _keep(self, tried: asyncio.Event) -> None:
        while True:
            self._was_heard = False
            with contextlib.suppress(*_BROKEN):
                await self._listen_until_it_breaks(tried)
            tried.set()
            if self._was_heard:
                _log.warning("the connection that hears of changes broke, and is made again")
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _listen_until_it_breaks(self, tried: asyncio.Event) -> None:
        broken = asyncio.Event()
        with outages_raised():
            async with self._engine.connect() as connection:
                listening: Any = (await connection.get_raw_connection()).driver_connection
                listening.add_termination_listener(lambda _: broken.set())
                for channel, heard in self._channels.items():
                    await listening.add_listener(channel, _payload_to(heard))
                self._connection = listening
                self._was_heard = True
                tried.set()
                for told in self._on_connection:
                    told()
                try:
                    await self._until(broken)
                finally:
                    self._connection = None
                    await connection.invalidate()

    async def _until(self, broken: asyncio.Event) -> None:
        async def ask(connection: Any) -> None:
            await connection.fetchval("SELECT 1", timeout=_ANSWER_SECONDS)

        while not broken.is_set():
            try:
                async with asyncio.timeout(_HEARTBEAT_SECONDS):
                    await broken.wait()
            except TimeoutError:
                await self._use(ask)


def open_notifications(url: str) -> Notifications | None:
    """Make those of a database that several processes share; None for SQLite, which has none."""
    normalised = normalise(url)
    return Notifications(normalised) if normalised.get_backend_name() == "postgresql" else None


def _payload_to(heard: Callable[[str], None]) -> Callable[[Any, int, str, str], None]:
    def listener(_connection: Any, _pid: int, _channel: str, payload: str) -> None:
        heard(payload)

    return listener
