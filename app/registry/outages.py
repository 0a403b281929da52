"""Which failures of a driver mean that the database is away, as opposed to a mistake of ours."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from asyncpg import DataError, PostgresError
from sqlalchemy import event, exc
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine

from app.registry.errors import RegistryUnavailable

# The connection is of no use, or the file: locked, out of memory, failing to be read, corrupt, full, gone, no database.
# Extended codes, such as one for each way to fail to read, keep the kind in their lowest byte.
_SQLITE_OUTAGES: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOTADB,
    }
)
_PRIMARY_CODE: Final = 0xFF
# SQLSTATE classes and codes: connection, authorization, transaction rollback, resources, object state (a lock not
# granted in time), operator intervention, system error; unknown database; table not there (not migrated yet).
_OUTAGES: Final = ("08", "28", "40", "53", "55", "57", "58", "3D000", "42P01")


def is_outage(error: BaseException) -> bool:
    """Tell whether `error`, raised by SQLAlchemy or a driver, means that trying again later may work."""
    if isinstance(error, exc.DBAPIError):
        return error.connection_invalidated or _is_driver_outage(error)
    if isinstance(error, PostgresError):
        return (error.sqlstate or "").startswith(_OUTAGES)
    # The command timeout of asyncpg is the built-in TimeoutError, which is an OSError.
    return isinstance(error, (OSError, exc.TimeoutError))


@contextmanager
def outages_raised() -> Iterator[None]:
    """Turn outages into `RegistryUnavailable`."""
    try:
        yield
    except Exception as error:
        if is_outage(error):
            raise RegistryUnavailable from error
        raise


def raise_outages_of(engine: AsyncEngine) -> None:
    """Make every statement on `engine` raise `RegistryUnavailable` in an outage.

    Done at the engine, so that an `OSError` of the code that runs inside a transaction stays what it is.
    """
    event.listen(engine.sync_engine, "handle_error", _raise_outage)


def _raise_outage(context: ExceptionContext) -> None:
    error = context.original_exception
    # SQLAlchemy counts a cancelled task among the disconnects; a cancellation has to stay one.
    if isinstance(error, Exception) and (context.is_disconnect or is_outage(context.sqlalchemy_exception or error)):
        raise RegistryUnavailable from error


def _is_driver_outage(error: exc.DBAPIError) -> bool:
    if isinstance(error.orig, sqlite3.Error):
        return error.orig.sqlite_errorcode & _PRIMARY_CODE in _SQLITE_OUTAGES or "no such table" in str(error.orig)
    sqlstate = getattr(error.orig, "sqlstate", None)
    if sqlstate is not None:
        return str(sqlstate).startswith(_OUTAGES)
    # asyncpg refuses to use a broken connection, which is an outage, and to send a value that does not fit its type,
    # which is a mistake of ours; SQLAlchemy knows both as InterfaceError.
    is_ours = error.orig is not None and isinstance(error.orig.__cause__, DataError)
    return isinstance(error, exc.InterfaceError) and not is_ours
