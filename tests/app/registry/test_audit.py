from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.registry import Database
from app.registry.engines import normalise, open_migration_engine
from app.registry.errors import InvalidCursor
from app.registry.records import AuditEntry, AuditFilter

NOW = datetime.now(UTC)


def entry(subject: str, *, days: int = 0, namespace: str = "default", server: str = "pets") -> AuditEntry:
    return AuditEntry(subject, "update_server", NOW - timedelta(days=days), namespace, server, code="ok")


async def add(database: Database, *entries: AuditEntry) -> None:
    async with database.transaction() as registry:
        await registry.audit.add(entries)


async def subjects(database: Database, wanted: AuditFilter | None = None) -> list[str]:
    async with database.transaction(read_only=True) as registry:
        return [each.subject for each in (await registry.audit.list(wanted or AuditFilter())).items]


@pytest.mark.parametrize("statement", ["UPDATE audit SET subject = 'nobody'", "DELETE FROM audit"])
async def test_what_is_in_the_audit_is_neither_changed_nor_taken_away(
    database: Database, database_url: str, statement: str
) -> None:
    await add(database, entry("a"))
    engine = open_migration_engine(normalise(database_url))
    with pytest.raises(DBAPIError, match="the audit never changes"):
        async with engine.begin() as connection:
            await connection.execute(text(statement))
    await engine.dispose()
    assert await subjects(database) == ["a"]


async def test_only_what_is_old_is_taken_away(database: Database) -> None:
    await add(database, entry("old", days=40), entry("newer", days=20), entry("new"))
    async with database.transaction() as registry:
        assert await registry.audit.remove_before(NOW - timedelta(days=30)) == 1
    assert await subjects(database) == ["new", "newer"]
    with pytest.raises(DBAPIError, match="the audit never changes"):
        async with database.transaction() as registry:
            await registry.audit.remove_before(NOW + timedelta(days=1))
    assert await subjects(database) == ["new", "newer"]


async def test_entries_are_listed_newest_first_page_by_page(database: Database) -> None:
    await add(database, *(entry(f"s{number}") for number in range(5)))
    async with database.transaction(read_only=True) as registry:
        first = await registry.audit.list(AuditFilter(), limit=2)
        second = await registry.audit.list(AuditFilter(), cursor=first.next_cursor, limit=2)
        with pytest.raises(InvalidCursor):
            await registry.audit.list(AuditFilter(), cursor="YXVkaXQ6bm9uZQ==")
    assert [each.subject for each in (*first.items, *second.items)] == ["s4", "s3", "s2", "s1"]


async def test_entries_are_filtered_by_what_one_reaches_and_asks_for(database: Database) -> None:
    """K10."""
    await add(database, entry("a"), entry("b", namespace="other"), entry("c", server="bills"), entry("d", days=3))
    assert await subjects(database, AuditFilter(namespaces=frozenset({"default"}))) == ["d", "c", "a"]
    assert await subjects(database, AuditFilter(namespaces=frozenset())) == []
    assert await subjects(database, AuditFilter(servers=frozenset({"bills"}))) == ["c"]
    assert await subjects(database, AuditFilter(until=NOW - timedelta(days=1))) == ["d"]
    assert await subjects(database, AuditFilter(namespace="other", subject="b")) == ["b"]
