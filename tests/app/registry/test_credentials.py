from __future__ import annotations

import pytest

from app.registry import Database
from app.registry.errors import CredentialNotFound, ServerNotFound
from app.registry.records import NewCredential
from tests.app.registry.examples import compilation


def sealed(content: bytes = b"\x00\xff sealed", key_id: str = "k1", **details: object) -> NewCredential:
    return NewCredential({"kind": "value", **details}, "f1", key_id, content)


@pytest.fixture
async def database_with_server(database: Database) -> Database:
    async with database.transaction() as registry:
        await registry.servers.create("default", "pets", title="Pets", revision=compilation())
        await registry.servers.create("default", "dogs", title="Dogs", revision=compilation())
    return database


async def test_a_credential_is_stored_replaced_and_removed(database_with_server: Database) -> None:
    async with database_with_server.transaction() as registry:
        first = await registry.credentials.put("default", "pets", scheme="key", new=sealed())
        await registry.credentials.put("default", "pets", scheme="a", new=sealed())
    async with database_with_server.transaction() as registry:
        second = await registry.credentials.put("default", "pets", scheme="key", new=sealed(b"new", username="bob"))
        found = await registry.credentials.list("default", "pets")
        assert await registry.credentials.list("default", "dogs") == ()
    assert [each.scheme for each in found] == ["a", "key"]
    assert (second.content, second.details["username"]) == (b"new", "bob")
    assert (second.namespace, second.server, second.created_at) == ("default", "pets", first.created_at)
    assert second.updated_at > first.updated_at
    async with database_with_server.transaction() as registry:
        await registry.credentials.delete("default", "pets", scheme="key")
        with pytest.raises(CredentialNotFound):
            await registry.credentials.delete("default", "pets", scheme="key")
        assert [each.scheme for each in await registry.credentials.list("default", "pets")] == ["a"]


async def test_a_change_moves_the_server_s_time(database_with_server: Database) -> None:
    async with database_with_server.transaction() as registry:
        before = (await registry.servers.get("default", "pets")).updated_at
        await registry.credentials.put("default", "pets", scheme="key", new=sealed())
        between = (await registry.servers.get("default", "pets")).updated_at
        await registry.credentials.delete("default", "pets", scheme="key")
        assert before < between < (await registry.servers.get("default", "pets")).updated_at


async def test_a_server_that_goes_takes_its_credentials_along(database_with_server: Database) -> None:
    async with database_with_server.transaction() as registry:
        await registry.credentials.put("default", "pets", scheme="key", new=sealed())
        await registry.servers.delete("default", "pets")
    async with database_with_server.transaction() as registry:
        assert await registry.credentials.key_ids() == frozenset()
        with pytest.raises(ServerNotFound):
            await registry.credentials.list("default", "pets")
        with pytest.raises(ServerNotFound):
            await registry.credentials.put("default", "pets", scheme="key", new=sealed())
        with pytest.raises(ServerNotFound):
            await registry.credentials.delete("default", "pets", scheme="key")


async def test_what_is_sealed_with_another_key_is_found_and_resealed_once(database_with_server: Database) -> None:
    async with database_with_server.transaction() as registry:
        await registry.credentials.put("default", "pets", scheme="key", new=sealed(key_id="old"))
        await registry.credentials.put("default", "dogs", scheme="key", new=sealed(key_id="new"))
        assert await registry.credentials.key_ids() == {"old", "new"}
        (record,) = await registry.credentials.sealed_with({"old", "older"})
        assert (record.server, record.key_id) == ("pets", "old")
        assert await registry.credentials.reseal(record, sealed(b"again", key_id="new"))
        assert not await registry.credentials.reseal(record, sealed(b"too late", key_id="new"))
        assert await registry.credentials.sealed_with({"old"}) == ()
        assert (await registry.credentials.list("default", "pets"))[0].content == b"again"
