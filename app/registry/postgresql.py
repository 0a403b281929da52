"""PostgreSQL: a bounded pool, and a bound on every wait."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import URL, NullPool
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.registry.errors import InvalidDatabaseUrl
from app.registry.outages import raise_outages_of

_OPTIONS: Final = frozenset({"host", "port", "ssl", "prepared_statement_cache_size"})

_CONNECT_SECONDS: Final = 5
_COMMAND_SECONDS: Final = 30
_POOL_SECONDS: Final = 30
_POOL_SIZE: Final = 10


def check_url(url: URL) -> URL:
    """Return the URL with libpq's `sslmode` in our driver's words, or raise `InvalidDatabaseUrl`."""
    query = {"ssl" if key == "sslmode" else key: value for key, value in url.query.items()}
    unknown = sorted(query.keys() - _OPTIONS)
    if unknown:
        message = f"The database URL has options the registry does not know: {', '.join(unknown)}."
        raise InvalidDatabaseUrl(message)
    return url.set(query=query)


def writing_engine(url: URL) -> AsyncEngine:
    """Make the engine that writers use."""
    return _engine(url, pool_size=_POOL_SIZE, max_overflow=0, pool_timeout=_POOL_SECONDS)


def reading_engine(writing: AsyncEngine) -> AsyncEngine:
    """Make an engine over the same pool that refuses to write and shows a reader of many tables one moment in time."""
    return writing.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def migrating_engine(url: URL, *, seconds: int) -> AsyncEngine:
    """Make an engine for one migration, each of whose statements may take `seconds`."""
    return _engine(url, seconds=seconds, poolclass=NullPool)


def listening_engine(url: URL) -> AsyncEngine:
    """Make an engine for the one connection that listens to notifications."""
    return _engine(url, poolclass=NullPool)


def _engine(url: URL, *, seconds: int = _COMMAND_SECONDS, **pool: Any) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_pre_ping=True,
        connect_args={
            "timeout": _CONNECT_SECONDS,
            "command_timeout": seconds,
            "server_settings": {
                "application_name": "causeway",
                # The server gives up too, so that a lost process holds no lock for long.
                "statement_timeout": f"{seconds}s",
                "idle_in_transaction_session_timeout": f"{seconds}s",
            },
        },
        **pool,
    )
    raise_outages_of(engine)
    return engine
