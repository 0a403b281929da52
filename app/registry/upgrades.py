"""Migrations run from here, without `alembic.ini` or `env.py`, so that an installed wheel can do it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import ScriptDirectory
from alembic.script.revision import ResolutionError
from sqlalchemy import Connection, func, select

import migrations
from app.registry.errors import RegistryTooNew

# Any number that no other program takes as an advisory lock in the same database: "causeway" in ASCII.
_LOCK: Final = int.from_bytes(b"causeway")


def upgrade(connection: Connection) -> None:
    """Bring the database to the newest revision in the connection's transaction, which the caller commits.

    On PostgreSQL a second starter waits here for the first to commit; on SQLite it waits to begin its exclusive
    transaction. Raises `RegistryTooNew` if the database is ahead of this release.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))

    def steps(current: tuple[str, ...], _context: MigrationContext) -> Iterable[MigrationStep]:
        scripts = _scripts()
        ahead = list(scripts.iterate_revisions("heads", current or "base"))
        return [MigrationStep.upgrade_from_script(scripts.revision_map, script) for script in reversed(ahead)]

    context = MigrationContext.configure(connection, opts={"fn": steps, "script": _scripts()})
    try:
        with Operations.context(context):
            context.run_migrations()
    except ResolutionError as error:
        raise RegistryTooNew from error


def is_current(connection: Connection) -> bool:
    """Tell whether the database is at the newest revision this release knows."""
    return set(MigrationContext.configure(connection).get_current_heads()) == set(_scripts().get_heads())


@cache
def _scripts() -> ScriptDirectory:
    folder = Path(migrations.__path__[0])
    return ScriptDirectory(folder, version_locations=[folder])
