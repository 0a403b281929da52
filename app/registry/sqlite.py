"""SQLite: one file, made private, with writers that queue and readers that never wait for them."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import aiosqlite
from anyio import CancelScope
from sqlalchemy import URL, Connection, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.registry.errors import InvalidDatabaseUrl, RegistryUnavailable
from app.registry.outages import raise_outages_of

_READERS: Final = 10
# The longest a writer waits for those before it.
_POOL_SECONDS: Final = 30
_BUSY_SECONDS: Final = 5


def check_url(url: URL) -> URL:
    """Return the URL if it names a file, or raise `InvalidDatabaseUrl`."""
    if url.query or url.host or not url.database or url.database.startswith((":memory:", "file:")):
        message = "A SQLite database URL names a file: sqlite:///relative/path or sqlite:////absolute/path."
        raise InvalidDatabaseUrl(message)
    return url


def make_file(url: URL) -> None:
    """Make the file, readable by its owner only, unless it is there. Raise `RegistryUnavailable` if that fails."""
    path = Path(url.database or "")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The write-ahead log takes its mode from this file. An existing file keeps the mode its owner gave it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise RegistryUnavailable from error


def writing_engine(url: URL) -> AsyncEngine:
    """Make an engine whose only connection writers use in turn, instead of racing for the file's lock."""
    return _engine(url, begin="BEGIN IMMEDIATE", pool_size=1)


def reading_engine(url: URL) -> AsyncEngine:
    """Make an engine that refuses to write."""
    return _engine(url, begin="BEGIN", pool_size=_READERS, query_only="ON")


def migrating_engine(url: URL, *, seconds: int) -> AsyncEngine:
    """Make an engine that waits `seconds` to have the whole file to itself."""
    # Rebuilding a table, SQLite's only way to alter one, would delete what refers to it if foreign keys were on.
    return _engine(url, begin="BEGIN EXCLUSIVE", pool_size=1, foreign_keys="OFF", busy_timeout=seconds * 1_000)


class _File(sqlite3.Connection):
    def close(self) -> None:
        # A cursor that somebody still refers to keeps a closed file open, with its transaction and its lock.
        if self.in_transaction:
            self.rollback()
        super().close()


class _Connection(aiosqlite.Connection):
    """A connection that stays in order when the task that uses it is cancelled."""

    def __init__(self, database: str, options: dict[str, Any]) -> None:
        super().__init__(lambda: sqlite3.connect(database, factory=_File, **options), iter_chunk_size=64)
        # A program that fails before it closes its database still ends.
        self._thread.daemon = True
        self._is_stopping = False

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        # A statement runs in the connection's thread, where nothing stops it: let it finish, then be cancelled.
        # Otherwise the pool would count the connection as gone while it still holds the file's lock.
        inherited = super()._execute(fn, *args, **kwargs)  # type: ignore[no-untyped-call]  # aiosqlite has no types here
        statement = asyncio.ensure_future(inherited)
        try:
            return await asyncio.shield(statement)
        except asyncio.CancelledError:
            with CancelScope(shield=True):
                while not statement.done():
                    with suppress(asyncio.CancelledError):
                        await asyncio.wait([statement])
            # Nobody is left to hear of its failure.
            if not statement.cancelled():
                statement.exception()
            raise

    async def close(self) -> None:
        # The inherited one first runs a statement, so that it may be half done when the connection is stopped, and
        # then forgets the open file and its lock, or waits for ever for a thread that has ended.
        stopped = self.stop()
        if stopped is not None:
            await stopped

    def stop(self) -> asyncio.Future[Any] | None:
        # SQLAlchemy stops the connection of a cancelled task while a `close` of it is under way.
        if self._is_stopping:
            return None
        self._is_stopping = True
        return super().stop()


async def _connect(database: str, **options: Any) -> aiosqlite.Connection:
    return await _Connection(database, options)


def _engine(url: URL, *, begin: str, pool_size: int, **pragmas: object) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=_POOL_SECONDS,
        connect_args={"async_creator_fn": _connect},
    )
    settings = {
        "busy_timeout": _BUSY_SECONDS * 1_000,
        "foreign_keys": "ON",
        "journal_mode": "WAL",
        **pragmas,
    }

    def prepare(connection: DBAPIConnection, _record: object) -> None:
        # Without this the driver begins transactions by itself, and always deferred ones.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma, value in settings.items():
            cursor.execute(f"PRAGMA {pragma}={value}")
        cursor.close()

    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine.sync_engine, "connect", prepare)
    event.listen(engine.sync_engine, "begin", start)
    raise_outages_of(engine)
    return engine
