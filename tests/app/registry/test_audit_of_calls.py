"""F15: entries of calls wait while the database is away, a bounded number of them, and none blocks the others."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from app.registry import Database
from app.registry.errors import RegistryUnavailable
from app.registry.records import AuditFilter
from app.services.audit import Audit

AWAY = "postgresql://nobody@127.0.0.1:1/none"
# No column takes it.
POISON = 2**70


def call(audit: Audit, tool: str, *, revision: int = 1) -> None:
    audit.called("local", ("default", "pets", tool), revision=revision, code="ok")


async def tools(database: Database) -> list[str]:
    async with database.transaction(read_only=True) as registry:
        found = (await registry.audit.list(AuditFilter(action="tools/call"), limit=1000)).items
    return [each.tool for each in reversed(found)]


async def test_an_entry_that_the_database_refuses_keeps_no_other_from_being_written(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    audit = Audit(database, days=90)
    for number in range(9):
        call(audit, f"tool{number}", revision=POISON if number in {0, 4, 8} else 1)
    await audit.write()
    assert await tools(database) == ["tool1", "tool2", "tool3", "tool5", "tool6", "tool7"]
    assert audit.lost == 3
    assert [each.message for each in caplog.records] == ["an entry of a call cannot be in the audit"] * 3
    call(audit, "later")
    await audit.write()
    assert (await tools(database))[-1] == "later"
    assert audit.is_keeping


async def test_entries_that_are_put_back_take_no_more_room_than_there_is(database: Database) -> None:
    away = Database.open(AWAY)
    audit = Audit(away, days=90, max_waiting=3)
    for number in range(3):
        call(audit, f"before{number}")
    writing = asyncio.create_task(audit.write())
    await asyncio.sleep(0)
    for number in range(2):
        call(audit, f"meanwhile{number}")
    with pytest.raises(RegistryUnavailable):
        await writing
    assert audit.lost == 2
    assert not audit.is_keeping
    call(audit, "without room")
    assert audit.lost == 3
    await away.close()
    audit._database = database  # noqa: SLF001 - it is back
    await audit.write()
    assert await tools(database) == ["before0", "before1", "before2"]
    assert audit.is_keeping


async def test_what_is_on_its_way_at_the_end_is_written_once(database: Database) -> None:
    audit = Audit(database, days=90)
    async with audit.following():
        for number in range(1500):
            call(audit, f"tool{number}")
        writing = asyncio.create_task(audit.write())
        await asyncio.sleep(0.01)
    with contextlib.suppress(asyncio.CancelledError):
        await writing
    async with database.transaction(read_only=True) as registry:
        first = await registry.audit.list(AuditFilter(), limit=1000)
        second = await registry.audit.list(AuditFilter(), cursor=first.next_cursor, limit=1000)
    written = [each.tool for each in (*first.items, *second.items)]
    assert len(written) == len(set(written)) == 1500
