"""Namespaces hold no more than they may, whoever adds at the same time (issue "tenants", quotas)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.registry import Database
from app.registry.errors import NamespaceNotFound, QuotaExceeded
from app.registry.records import Quota, Usage
from tests.app.registry.examples import compilation, publish, tool

LARGER = compilation("larger", tools=[tool("one"), tool("two"), tool("three")])
SIZE = len(compilation().document)


@pytest.fixture
async def bounded(database: Database, database_url: str) -> AsyncIterator[Database]:
    """Open the database as a gateway whose namespaces may hold two servers and four tools."""
    opened = Database.open(database_url, quota=Quota(servers=2, tools=4))
    yield opened
    await opened.close()


async def test_what_would_be_too_much_is_refused_and_nothing_of_it_is_stored(bounded: Database) -> None:
    await publish(bounded, "one", "two")
    with pytest.raises(QuotaExceeded, match=r"may hold 2 servers and would hold 3; nothing was changed"):
        await publish(bounded, "three")
    with pytest.raises(QuotaExceeded, match="may hold 4 tools and would hold 5"):
        async with bounded.transaction() as registry:
            await registry.servers.add_revision("default", "one", revision=LARGER)
    async with bounded.transaction() as registry:
        record = await registry.quotas.get("default")
        assert (record.limits, record.used) == (Quota(2, 4), Usage(2, 4, 2 * SIZE))
        assert [each.name for each in await registry.servers.names()] == ["one", "two"]
        assert (await registry.servers.get("default", "one")).revision == 1
        await registry.namespaces.create("other")
        await registry.servers.create("other", "one", title="One", revision=compilation())


async def test_of_several_that_add_at_the_same_time_only_so_many_get_through(bounded: Database) -> None:
    done = await asyncio.gather(*(publish(bounded, f"server-{each}") for each in range(6)), return_exceptions=True)
    assert sum(isinstance(each, QuotaExceeded) for each in done) == 4
    async with bounded.transaction(read_only=True) as registry:
        assert (await registry.quotas.get("default")).used.servers == 2


async def test_a_draft_counts_when_it_is_activated_and_its_document_at_once(bounded: Database) -> None:
    await publish(bounded, "one", "two")
    async with bounded.transaction() as registry:
        await registry.servers.add_revision("default", "one", revision=LARGER, is_draft=True)
        assert (await registry.quotas.get("default")).used == Usage(2, 4, 2 * SIZE + len(LARGER.document))
    with pytest.raises(QuotaExceeded):
        async with bounded.transaction() as registry:
            await registry.servers.activate_revision("default", "one", number=2)


async def test_a_namespace_may_have_less_and_not_more_than_the_gateway_lets_it(bounded: Database) -> None:
    async with bounded.transaction() as registry:
        await registry.namespaces.set_quota("default", Quota(servers=1, tools=100, document_bytes=SIZE))
        assert (await registry.quotas.get("default")).limits == Quota(1, 4, SIZE)
        with pytest.raises(NamespaceNotFound):
            await registry.namespaces.set_quota("nobody", Quota())
        with pytest.raises(NamespaceNotFound):
            await registry.quotas.get("nobody")
    await publish(bounded, "one")
    with pytest.raises(QuotaExceeded, match="bytes of documents"):
        async with bounded.transaction() as registry:
            await registry.servers.add_revision("default", "one", revision=compilation("second"))
    async with bounded.transaction() as registry:
        await registry.namespaces.set_quota("default", Quota())
        assert (await registry.quotas.get("default")).limits == Quota(2, 4)
        await registry.servers.add_revision("default", "one", revision=compilation("second"))


async def test_what_is_too_much_after_a_quota_was_lowered_stays_and_may_become_less(bounded: Database) -> None:
    await publish(bounded, "one", "two")
    async with bounded.transaction() as registry:
        await registry.namespaces.set_quota("default", Quota(servers=1, tools=1))
    smaller = compilation("smaller", tools=[tool("one")])
    async with bounded.transaction() as registry:
        await registry.servers.add_revision("default", "one", revision=smaller)
        assert (await registry.quotas.get("default")).used.tools == 3
    with pytest.raises(QuotaExceeded):
        await publish(bounded, "three")


async def test_without_quotas_nothing_is_counted(database: Database) -> None:
    await publish(database, "one", "two", "three")
    async with database.transaction(read_only=True) as registry:
        assert (await registry.quotas.get("default")).limits == Quota()
