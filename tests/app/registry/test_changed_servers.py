"""A process hears which servers may have changed, and looks at all of them where it may have missed something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from app.registry import Database, notifications
from app.registry.changed_servers import ChangedServers
from app.registry.errors import ServerNotFound
from app.registry.notifications import open_notifications
from app.registry.records import ServerChanges, ServerName, ToolOverrideChanges
from tests.app.registry.examples import compilation, publish

PETS = ServerName("default", "pets")
LONG = 600


@asynccontextmanager
async def heard_of(url: str, *, poll_seconds: float = LONG) -> AsyncIterator[ChangedServers]:
    """Listen to the database; the first look, at everything, is over."""
    listening = open_notifications(url)
    changed = ChangedServers(listening, poll_seconds=poll_seconds)
    if listening is not None:
        await listening.open()
        assert await changed.next() is None
    yield changed
    if listening is not None:
        await listening.close()


async def heard(changed: ChangedServers) -> set[ServerName] | None:
    async with asyncio.timeout(20):
        found = await changed.next()
    return None if found is None else set(found)


@pytest.fixture
def postgresql_url(database: Database, database_url: str) -> str:
    if database_url.startswith("sqlite"):
        pytest.skip("SQLite does not tell")
    return database_url


async def test_every_change_of_a_server_is_told_when_it_is_committed(database: Database, postgresql_url: str) -> None:
    async with heard_of(postgresql_url) as changed:
        await publish(database, "pets")
        assert await heard(changed) == {PETS}
        async with database.transaction() as registry:
            await registry.servers.update("default", "pets", changes=ServerChanges(enabled=False))
        assert await heard(changed) == {PETS}
        async with database.transaction() as registry:
            await registry.revisions.set_override(
                "default", "pets", operation_key="POST /pets", changes=ToolOverrideChanges(name="new_pet")
            )
        assert await heard(changed) == {PETS}
        async with database.transaction() as registry:
            await registry.namespaces.delete("default")
        assert await heard(changed) == {PETS}


async def test_a_change_that_is_rolled_back_is_not_told(database: Database, postgresql_url: str) -> None:
    await publish(database, "pets")
    async with heard_of(postgresql_url) as changed:
        with pytest.raises(ServerNotFound):
            await _delete_and_fail(database)
        await publish(database, "cats")
        assert await heard(changed) == {ServerName("default", "cats")}


async def _delete_and_fail(database: Database) -> None:
    async with database.transaction() as registry:
        await registry.servers.delete("default", "pets")
        await registry.servers.delete("default", "pets")


async def test_a_name_longer_than_a_notification_has_everything_looked_at(
    database: Database, postgresql_url: str
) -> None:
    async with heard_of(postgresql_url) as changed:
        await publish(database, "x" * 9_000)
        assert await heard(changed) is None


async def test_after_a_connection_broke_everything_is_looked_at(
    database: Database, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F17: stale connections are replaced."""
    monkeypatch.setattr(notifications, "_RECONNECT_SECONDS", 0.05)
    async with heard_of(postgresql_url) as changed:
        admin = await asyncpg.connect(postgresql_url)
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "AND datname = current_database() AND query LIKE 'LISTEN%'"
        )
        await admin.close()
        assert await heard(changed) is None
        await publish(database, "pets")
        assert await heard(changed) == {PETS}


async def test_without_any_news_everything_is_looked_at_now_and_then(database: Database, database_url: str) -> None:
    async with heard_of(database_url, poll_seconds=0.05) as changed:
        assert await heard(changed) is None
        assert await heard(changed) is None


async def test_every_change_gives_a_server_another_version(database: Database) -> None:
    (server,) = await publish(database, "pets")
    seen = [server.version]

    async def see() -> None:
        async with database.transaction(read_only=True) as registry:
            versions = await registry.servers.versions()
            assert versions == await registry.servers.versions([PETS])
            assert versions == {PETS: (await registry.servers.get("default", "pets")).version}
            assert await registry.servers.versions([ServerName("default", "dogs")]) == {}
        assert versions[PETS] not in seen
        seen.append(versions[PETS])

    async with database.transaction() as registry:
        await registry.servers.update("default", "pets", changes=ServerChanges(instructions="Be kind."))
    await see()
    async with database.transaction() as registry:
        await registry.servers.add_revision("default", "pets", revision=compilation("second"))
    await see()
    async with database.transaction() as registry:
        await registry.servers.activate_revision("default", "pets", number=1)
    await see()
    async with database.transaction() as registry:
        await registry.servers.delete("default", "pets")
    await publish(database, "pets")
    await see()
