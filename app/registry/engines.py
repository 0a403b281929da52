"""From a database URL to engines: SQLite or PostgreSQL is decided here and nowhere above."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.registry import postgresql, sqlite
from app.registry.errors import InvalidDatabaseUrl

_DRIVERS: Final = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}
# Long enough for another starter to finish a migration that rewrites a large table.
_MIGRATION_SECONDS: Final = 600


@dataclass(frozen=True, slots=True)
class Engines:
    """One engine for transactions that write and one for those that only read."""

    writer: AsyncEngine
    reader: AsyncEngine

    async def dispose(self) -> None:
        """Close every connection."""
        await self.writer.dispose()
        await self.reader.dispose()


def normalise(text: str) -> URL:
    """Return the URL with the driver we use, or raise `InvalidDatabaseUrl` without repeating a password."""
    try:
        url = make_url(text)
        url = url.set(drivername=_DRIVERS[url.drivername])
    except (ArgumentError, ValueError, KeyError) as error:
        message = "The database URL must look like sqlite:///PATH or postgresql://USER@HOST/DATABASE."
        raise InvalidDatabaseUrl(message) from error
    return sqlite.check_url(url) if _is_sqlite(url) else postgresql.check_url(url)


def open_engines(url: URL) -> Engines:
    """Make the engines of a normalised URL. Nothing connects yet; SQLite's file is made if it is missing."""
    if _is_sqlite(url):
        sqlite.make_file(url)
        return Engines(sqlite.writing_engine(url), sqlite.reading_engine(url))
    writer = postgresql.writing_engine(url)
    return Engines(writer, postgresql.reading_engine(writer))


def open_migration_engine(url: URL) -> AsyncEngine:
    """Make an engine for one migration, which is patient."""
    if _is_sqlite(url):
        return sqlite.migrating_engine(url, seconds=_MIGRATION_SECONDS)
    return postgresql.migrating_engine(url, seconds=_MIGRATION_SECONDS)


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"
