from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

import pytest

from app.registry import Database
from app.registry.errors import InvalidCursor, KeyNotFound, NamespaceNotFound
from app.registry.records import KeyGrant, NewApiKey

NOW = datetime.now(UTC)


def new(key_id: str, namespace: str = "default", *, expires_at: datetime | None = None) -> NewApiKey:
    grant = KeyGrant(("call",), namespace, ("pets",), ("*",), {"streams": 3})
    return NewApiKey(key_id, secrets.token_bytes(32), "cwk_abcdef", "CI", grant, "admin", expires_at)


async def add(database: Database, *keys: NewApiKey) -> None:
    async with database.transaction() as registry:
        for each in keys:
            await registry.keys.add(each)


async def state(database: Database) -> tuple[int, int, int]:
    async with database.transaction(read_only=True) as registry:
        return await registry.keys.state()


async def usable(database: Database) -> list[str]:
    async with database.transaction(read_only=True) as registry:
        return sorted(each.id for each in await registry.keys.usable())


async def test_a_key_is_read_as_it_was_stored(database: Database) -> None:
    made = new("a", expires_at=NOW + timedelta(days=1))
    await add(database, made)
    async with database.transaction(read_only=True) as registry:
        record = await registry.keys.get("a")
    assert (record.id, record.digest, record.grant, record.expires_at) == (
        "a",
        made.digest,
        made.grant,
        made.expires_at,
    )
    assert (record.last_used_at, record.revoked_at, record.created_by) == (None, None, "admin")


async def test_a_key_is_for_a_namespace_that_is_there_or_for_every_one(database: Database) -> None:
    with pytest.raises(NamespaceNotFound):
        await add(database, new("a", "nowhere"))
    await add(database, new("b", "*"))
    assert await usable(database) == ["b"]


async def test_revoked_and_expired_keys_are_not_usable_and_stay_in_the_list(database: Database) -> None:
    await add(database, new("a"), new("b"), new("c", expires_at=NOW - timedelta(seconds=1)))
    async with database.transaction() as registry:
        await registry.keys.revoke("b")
        first = (await registry.keys.get("b")).revoked_at
        await registry.keys.revoke("b")
        assert (await registry.keys.get("b")).revoked_at == first
        assert [each.id for each in (await registry.keys.list(None)).items] == ["a", "b", "c"]
        with pytest.raises(KeyNotFound):
            await registry.keys.revoke("d")
    assert await usable(database) == ["a"]


async def test_the_state_is_another_whenever_a_key_came_or_went(database: Database) -> None:
    seen = [await state(database)]
    async with database.transaction() as registry:
        await registry.namespaces.create("team")
    for key in (new("a"), new("b", "team"), new("c", "team")):
        await add(database, key)
        seen.append(await state(database))
    async with database.transaction() as registry:
        await registry.keys.revoke("a")
    seen.append(await state(database))
    async with database.transaction() as registry:
        await registry.namespaces.delete("team")
    seen.append(await state(database))
    await add(database, new("d"))
    seen.append(await state(database))
    assert len(set(seen)) == len(seen)
    async with database.transaction() as registry:
        await registry.keys.used({"a": NOW})
    assert await state(database) == seen[-1]


async def test_a_deleted_namespace_takes_its_keys_with_it(database: Database) -> None:
    async with database.transaction() as registry:
        await registry.namespaces.create("team")
    await add(database, new("a", "team"), new("b"), new("c", "*"))
    async with database.transaction() as registry:
        await registry.namespaces.delete("team")
        await registry.namespaces.create("team")
    assert await usable(database) == ["b", "c"]


async def test_the_last_use_never_goes_back(database: Database) -> None:
    await add(database, new("a"))
    for time in (NOW, NOW - timedelta(hours=1)):
        async with database.transaction() as registry:
            await registry.keys.used({"a": time, "gone": time})
    async with database.transaction(read_only=True) as registry:
        assert (await registry.keys.get("a")).last_used_at == NOW


async def test_keys_are_listed_page_by_page_by_namespace(database: Database) -> None:
    async with database.transaction() as registry:
        await registry.namespaces.create("team")
    await add(database, new("a", "team"), new("b"), new("c", "team"), new("d", "*"))
    async with database.transaction(read_only=True) as registry:
        first = await registry.keys.list(frozenset({"team"}), limit=1)
        rest = await registry.keys.list(frozenset({"team"}), cursor=first.next_cursor, limit=1)
        assert [each.id for each in (*first.items, *rest.items)] == ["a", "c"]
        assert rest.next_cursor is None
        with pytest.raises(InvalidCursor):
            await registry.keys.list(None, cursor="c2VydmVyczph")
