from __future__ import annotations

import anyio
import pytest

from app.registry import Database
from app.registry.errors import IssuerNotFound, NamespaceNotFound

SCOPES = {"z": {"servers": ["*"], "tools": ["*"]}, "a": {"servers": ["pets"], "tools": ["get_pet"]}}


async def put(database: Database, namespace: str = "default", issuer: str = "https://a.example") -> None:
    async with database.transaction() as registry:
        await registry.issuers.put(namespace, issuer=issuer, jwks_uri=None, algorithms=["RS256"], scopes=SCOPES)


async def test_a_namespace_has_one_issuer_until_it_is_deleted(database: Database) -> None:
    await put(database)
    await put(database, issuer="https://b.example")
    async with database.transaction() as registry:
        found = await registry.issuers.get("default")
        assert (found.issuer, found.jwks_uri, found.algorithms) == ("https://b.example", None, ["RS256"])
        assert list(found.scopes.items()) == list(SCOPES.items())
        assert await registry.issuers.list() == (found,)
        await registry.issuers.delete("default")
        with pytest.raises(IssuerNotFound):
            await registry.issuers.delete("default")
        with pytest.raises(IssuerNotFound):
            await registry.issuers.get("default")


async def test_an_issuer_belongs_to_a_namespace_and_goes_with_it(database: Database) -> None:
    with pytest.raises(NamespaceNotFound):
        await put(database, "team")
    async with database.transaction() as registry:
        await registry.namespaces.create("team")
    await put(database, "team")
    async with database.transaction() as registry:
        await registry.namespaces.delete("team")
        assert await registry.issuers.list() == ()


async def test_those_who_put_an_issuer_at_once_take_turns(database: Database) -> None:
    async with anyio.create_task_group() as putting:
        for number in range(6):
            putting.start_soon(put, database, "default", f"https://{number}.example")
    async with database.transaction(read_only=True) as registry:
        assert len(await registry.issuers.list()) == 1
