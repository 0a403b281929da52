"""Old revisions: a server that is imported again and again fills neither its namespace nor the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from app.registry import Database
from app.registry.errors import QuotaExceeded
from app.registry.records import AuditFilter, Quota
from app.services.retention import Retention
from tests.app.registry.examples import compilation, publish

SIZE = len(compilation("rev-00").document)


async def add(database: Database, *numbers: int, is_draft: bool = False) -> None:
    """Add revisions of these numbers, each in a transaction."""
    for number in numbers:
        async with database.transaction() as registry:
            added = await registry.servers.add_revision(
                "default", "pets", revision=compilation(f"rev-{number:02}"), is_draft=is_draft
            )
        assert added.number == number


async def activate(database: Database, number: int) -> None:
    async with database.transaction() as registry:
        await registry.servers.activate_revision("default", "pets", number=number)


async def numbers(database: Database) -> list[int]:
    async with database.transaction(read_only=True) as registry:
        found = (await registry.revisions.list("default", "pets", limit=200)).items
    return sorted(each.number for each in found)


async def served_days_ago(database: Database, days: int) -> None:
    """Have all that was served be so long ago."""
    async with database.transaction() as registry:
        statement = text("UPDATE served_revisions SET until = :until").bindparams(
            until=datetime.now(UTC) - timedelta(days=days)
        )
        await registry.retention._session.execute(statement)  # noqa: SLF001 - nobody else turns clocks


async def removals(database: Database) -> int:
    async with database.transaction(read_only=True) as registry:
        return len((await registry.audit.list(AuditFilter(action="remove_revisions", subject="gateway"))).items)


async def test_the_newest_are_kept_and_what_is_served_waits_or_was_served_lately(database: Database) -> None:
    await publish(database, "pets", "cats", revision=compilation("rev-01"))
    await add(database, *range(2, 13))
    await activate(database, 2)
    await add(database, 13, is_draft=True)
    await served_days_ago(database, 8)
    await activate(database, 3)
    await activate(database, 4)
    await add(database, 14, 15, is_draft=True)
    retention = Retention(database, count=2, days=7)
    assert await retention.clean() == 15 - 5
    # The newest two, one of which waits; what is served; what was until a moment ago.
    assert await numbers(database) == [2, 3, 4, 14, 15]
    assert await removals(database) == 1
    assert await retention.clean() == 0
    assert await removals(database) == 1
    await served_days_ago(database, 8)
    assert await retention.clean() == 2
    assert await numbers(database) == [4, 14, 15]
    await add(database, 16)
    async with database.transaction(read_only=True) as registry:
        assert (await registry.servers.get("default", "cats")).revision == 1
        assert len(await registry.revisions.tools("default", "pets")) == 2


async def test_imports_alone_never_exceed_the_quota(database: Database, database_url: str) -> None:
    await publish(database, "pets", revision=compilation("rev-01"))
    bounded = Database.open(database_url, quota=Quota(document_bytes=3 * SIZE))
    await add(bounded, *range(2, 9))
    assert await numbers(bounded) == [6, 7, 8]
    await activate(bounded, 6)
    await add(bounded, 9)
    assert await numbers(bounded) == [6, 8, 9], "what was served until now is the last to go"
    await add(bounded, 10, 11, is_draft=True)
    assert await numbers(bounded) == [9, 10, 11]
    await bounded.close()


async def test_what_is_served_makes_no_room_for_anything(database: Database, database_url: str) -> None:
    await publish(database, "pets", "cats", revision=compilation("rev-01"))
    bounded = Database.open(database_url, quota=Quota(document_bytes=2 * SIZE))
    await add(bounded, 2)
    assert await numbers(bounded) == [2]
    with pytest.raises(QuotaExceeded):
        await add(bounded, 3, is_draft=True)
    with pytest.raises(QuotaExceeded):
        await publish(bounded, "dogs", revision=compilation("rev-01"))
    assert await numbers(bounded) == [2]
    await bounded.close()
