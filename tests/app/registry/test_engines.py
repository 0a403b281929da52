from __future__ import annotations

import stat
from pathlib import Path

import pytest
from sqlalchemy import text

from app.registry import Database
from app.registry.engines import normalise, open_engines
from app.registry.errors import InvalidDatabaseUrl, RegistryUnavailable
from tests.databases import sqlite_database


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("sqlite:///data/causeway.db", "sqlite+aiosqlite:///data/causeway.db"),
        ("sqlite:////var/lib/causeway.db", "sqlite+aiosqlite:////var/lib/causeway.db"),
        ("sqlite+aiosqlite:///causeway.db", "sqlite+aiosqlite:///causeway.db"),
        ("postgres://ann@db/causeway", "postgresql+asyncpg://ann@db/causeway"),
        ("postgresql://ann:pw@db:5433/causeway", "postgresql+asyncpg://ann:pw@db:5433/causeway"),
        ("postgresql+asyncpg://ann@db/causeway", "postgresql+asyncpg://ann@db/causeway"),
        ("postgresql://ann@db/causeway?sslmode=require", "postgresql+asyncpg://ann@db/causeway?ssl=require"),
        ("postgresql://ann@/causeway?host=/run", "postgresql+asyncpg://ann@/causeway?host=%2Frun"),
    ],
)
def test_urls_are_read_with_and_without_the_driver(given: str, used: str) -> None:
    assert normalise(given).render_as_string(hide_password=False) == used


@pytest.mark.parametrize(
    "url",
    [
        "",
        "causeway.db",
        "mysql://ann:hunter2@db/causeway",
        "postgresql://ann:hunter2@db:port/causeway",
        "postgresql://ann:hunter2@db/causeway?channel_binding=require",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:causeway.db?uri=true",
        "sqlite://causeway.db",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_repeating_its_password(url: str) -> None:
    with pytest.raises(InvalidDatabaseUrl) as refusal:
        Database.open(url)
    assert "hunter2" not in str(refusal.value)


async def test_the_database_and_its_log_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "causeway"
    database = Database.open(sqlite_database(folder))
    await database.migrate()
    async with database.transaction() as registry:
        await registry.namespaces.ensure("default")
    files = list(folder.iterdir())
    await database.close()
    assert {file.name for file in files} >= {"causeway.db", "causeway.db-wal"}
    assert {stat.S_IMODE(folder.stat().st_mode)} == {0o700}
    assert {stat.S_IMODE((folder / "causeway.db").stat().st_mode)} == {0o600}


def test_a_file_that_cannot_be_made_is_unavailable_and_not_named(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(RegistryUnavailable) as refusal:
        Database.open(sqlite_database(tmp_path / "state"))
    assert "state" not in str(refusal.value)


@pytest.mark.parametrize(
    ("pragma", "value"), [("foreign_keys", 1), ("journal_mode", "wal"), ("busy_timeout", 5_000), ("query_only", 0)]
)
async def test_connections_of_writers_are_prepared(tmp_path: Path, pragma: str, value: object) -> None:
    engines = open_engines(normalise(sqlite_database(tmp_path)))
    async with engines.writer.connect() as connection:
        assert (await connection.execute(text(f"PRAGMA {pragma}"))).scalar_one() == value
    await engines.dispose()
