from __future__ import annotations

import asyncio

import pytest

from app.registry import Database
from app.registry.connections import ConnectionKey
from app.registry.errors import ConnectionNotFound, ServerNotFound
from app.registry.records import ConnectionAttempt, NewConnection
from tests.app.registry.examples import compilation

KEY = ConnectionKey("default", "pets", "oauth", "key:1")


def sealed(content: bytes = b"\x00 sealed", key_id: str = "k1") -> NewConnection:
    return NewConnection({"client_id": "c"}, key_id, content)


@pytest.fixture
async def pets(database: Database) -> Database:
    async with database.transaction() as registry:
        await registry.servers.create("default", "pets", title="Pets", revision=compilation())
        await registry.connections.put(KEY, sealed())
    return database


async def test_a_connection_is_stored_replaced_and_removed(pets: Database) -> None:
    other = KEY._replace(subject="local")
    async with pets.transaction() as registry:
        await registry.connections.put(KEY, sealed(b"new"))
        await registry.connections.put(other, sealed())
        found = await registry.connections.find(KEY)
        assert found is not None
        assert (found.namespace, found.server, found.content, found.details) == (
            "default",
            "pets",
            b"new",
            {"client_id": "c"},
        )
        everybody = await registry.connections.list("default", "pets")
        assert [each.subject for each in everybody] == ["key:1", "local"]
        assert [each.subject for each in await registry.connections.list("default", "pets", subject="local")] == [
            "local"
        ]
        await registry.connections.delete(KEY)
        assert await registry.connections.find(KEY) is None
        with pytest.raises(ConnectionNotFound):
            await registry.connections.delete(KEY)
        with pytest.raises(ServerNotFound):
            await registry.connections.put(KEY._replace(server="nobody"), sealed())


async def test_a_connection_is_claimed_once_until_it_is_settled(pets: Database) -> None:
    async def claimed(claim: str) -> bool:
        async with pets.transaction() as registry:
            found = await registry.connections.claim(KEY, claim, seconds=30)
            return found is not None and found.is_ours

    assert sorted(await asyncio.gather(*(claimed(f"c{index}") for index in range(5)))) == [False] * 4 + [True]
    async with pets.transaction() as registry:
        assert not await registry.connections.release(KEY, "nobody's")
        await registry.connections.put(KEY, sealed(b"connected anew"))
    assert await claimed("first")
    async with pets.transaction() as registry:
        assert await registry.connections.renew(KEY, "first", sealed(b"renewed"))
        assert not await registry.connections.renew(KEY, "first", sealed(b"twice"))
    async with pets.transaction() as registry:
        assert (await registry.connections.claim(KEY, "lost", seconds=-1)) is not None
    assert await claimed("second"), "a claim runs out where its holder is gone"
    async with pets.transaction() as registry:
        assert await registry.connections.release(KEY, "second", is_broken=True)
    assert not await claimed("third"), "what is broken is not renewed"
    async with pets.transaction() as registry:
        found = await registry.connections.find(KEY)
        assert found is not None
        assert (found.is_broken, found.content) == (True, b"renewed")
        assert await registry.connections.claim(KEY._replace(subject="nobody"), "c", seconds=1) is None


async def test_an_attempt_is_taken_once_and_expires(pets: Database) -> None:
    attempt = ConnectionAttempt("default", "pets", "k1", b"sealed")
    async with pets.transaction() as registry:
        await registry.connections.begin("a", attempt, seconds=60)
        await registry.connections.begin("b", attempt, seconds=-1)

    async def taken(state: str) -> ConnectionAttempt | None:
        async with pets.transaction() as registry:
            return await registry.connections.take(state)

    found = await asyncio.gather(taken("a"), taken("a"), taken("b"), taken("c"))
    assert sorted(found, key=lambda each: each is None) == [attempt, None, None, None]
    async with pets.transaction() as registry:
        with pytest.raises(ServerNotFound):
            await registry.connections.begin("d", ConnectionAttempt("default", "nobody", "k", b""), seconds=1)


async def test_what_is_sealed_with_another_key_is_found_and_resealed_once(pets: Database) -> None:
    async with pets.transaction() as registry:
        assert await registry.connections.key_ids() == {"k1"}
        (record,) = await registry.connections.sealed_with({"k1"})
        assert await registry.connections.reseal(record, sealed(b"again", "k2"))
        assert not await registry.connections.reseal(record, sealed(b"too late", "k2"))
        assert await registry.connections.sealed_with({"k1"}) == ()
        await registry.servers.delete("default", "pets")
        assert await registry.connections.key_ids() == frozenset()
