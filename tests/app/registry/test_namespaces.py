from __future__ import annotations

import anyio
import pytest

from app.registry import Database
from app.registry.errors import InvalidCursor, NamespaceExists, NamespaceNotFound
from tests.app.registry.examples import publish


async def test_a_created_namespace_exists_until_it_is_deleted(database: Database) -> None:
    async with database.transaction() as registry:
        assert not await registry.namespaces.exists("team")
        created = await registry.namespaces.create("team")
        assert created.name == "team"
        assert await registry.namespaces.exists("team")
        await registry.namespaces.delete("team")
        assert not await registry.namespaces.exists("team")


async def test_a_name_is_taken_once(database: Database) -> None:
    async with database.transaction() as registry:
        with pytest.raises(NamespaceExists):
            await registry.namespaces.create("default")
        assert await registry.namespaces.exists("default")


async def test_ensuring_a_namespace_twice_is_the_same_as_once(database: Database) -> None:
    async with database.transaction() as registry:
        first = await registry.namespaces.ensure("team")
        assert await registry.namespaces.ensure("team") == first


async def test_starters_that_ensure_the_same_namespace_at_once_all_succeed(database: Database) -> None:
    async def ensure() -> None:
        async with database.transaction() as registry:
            assert (await registry.namespaces.ensure("team")).name == "team"

    async with anyio.create_task_group() as starters:
        for _ in range(8):
            starters.start_soon(ensure)


async def test_namespaces_are_listed_in_order_page_by_page(database: Database) -> None:
    async with database.transaction() as registry:
        for name in ("c", "a"):
            await registry.namespaces.create(name)
        first = await registry.namespaces.list(limit=2)
        last = await registry.namespaces.list(cursor=first.next_cursor, limit=2)
        with pytest.raises(InvalidCursor):
            await registry.namespaces.list(cursor="c2VydmVyczph")
    assert [record.name for record in first.items] == ["a", "c"]
    assert ([record.name for record in last.items], last.next_cursor) == (["default"], None)


async def test_deleting_a_namespace_deletes_its_servers(database: Database) -> None:
    await publish(database, "pets")
    async with database.transaction() as registry:
        await registry.namespaces.delete("default")
        assert await registry.servers.names() == ()


async def test_an_unknown_namespace_cannot_be_deleted(database: Database) -> None:
    async with database.transaction() as registry:
        with pytest.raises(NamespaceNotFound):
            await registry.namespaces.delete("nowhere")
