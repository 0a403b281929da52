from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.registry import Database
from tests.databases import postgresql_database, postgresql_server, sqlite_database


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    with postgresql_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    if request.param == "sqlite":
        yield sqlite_database(tmp_path)
        return
    async with postgresql_database(request.getfixturevalue("postgresql")) as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Give a migrated database with the namespace `default`."""
    opened = Database.open(database_url)
    await opened.migrate()
    async with opened.transaction() as registry:
        await registry.namespaces.ensure("default")
    yield opened
    await opened.close()
