from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from app.registry import Database
from app.registry.errors import ServerNotFound
from app.registry.records import ServerChanges, ServerName, SourceState
from app.registry.tables import SourceCheckRow, now
from tests.app.registry.examples import compilation, publish

FETCHED = replace(compilation(), document_url="https://pets.example/openapi.json")
STATE = SourceState("https://pets.example/openapi.json", '"a"', "Sat, 21 Nov 2026 18:00:00 GMT", "digest")


async def scheduled(database: Database, *names: str, seconds: int | None = 3600) -> None:
    """Publish servers whose descriptions were fetched, with an interval."""
    await publish(database, *names, revision=FETCHED)
    async with database.transaction() as registry:
        for name in names:
            changes = ServerChanges(policies={"refresh_interval": seconds} if seconds else {"heal_numbers": True})
            await registry.servers.update("default", name, changes=changes)


async def claimed(database: Database) -> list[str]:
    async with database.transaction() as registry:
        return [each.name for each in await registry.sources.claim()]


async def let_time_pass(database: Database) -> None:
    async with database.transaction() as registry:
        statement = update(SourceCheckRow).values(due_at=now() - timedelta(seconds=1))
        await registry.sources._session.execute(statement)  # noqa: SLF001 - nobody else turns clocks


async def test_a_source_is_due_at_once_and_then_after_its_interval(database: Database) -> None:
    await scheduled(database, "pets")
    async with database.transaction(read_only=True) as registry:
        assert await registry.sources.are_due()
    assert await claimed(database) == ["pets"]
    assert await claimed(database) == []
    async with database.transaction(read_only=True) as registry:
        assert not await registry.sources.are_due()
    await let_time_pass(database)
    assert await claimed(database) == ["pets"]


async def test_what_has_no_interval_no_url_or_is_disabled_is_never_due(database: Database) -> None:
    await publish(database, "bare", revision=FETCHED)
    await scheduled(database, "without", seconds=None)
    await scheduled(database, "uploaded", "disabled")
    async with database.transaction() as registry:
        await registry.servers.add_revision("default", "uploaded", revision=compilation("uploaded"))
        await registry.servers.update("default", "disabled", changes=ServerChanges(enabled=False))
    assert await claimed(database) == []


async def test_of_several_that_claim_at_once_one_has_each_source(database: Database) -> None:
    names = [f"pets-{number}" for number in range(12)]
    await scheduled(database, *names)
    found = await asyncio.gather(*(claimed(database) for _ in range(4)))
    taken = [name for each in found for name in each]
    assert len(taken) == len(set(taken)), "a source was claimed twice"
    taken += await claimed(database)
    assert sorted(taken) == sorted(names)


async def test_what_was_there_is_remembered_and_the_schedule_stays(database: Database) -> None:
    await scheduled(database, "pets")
    assert await claimed(database) == ["pets"]
    async with database.transaction() as registry:
        assert await registry.sources.state("default", "pets") == SourceState()
        await registry.sources.keep("default", "pets", state=STATE)
        assert await registry.sources.state("default", "pets") == STATE
        assert await registry.sources.url("default", "pets") == FETCHED.document_url
        with pytest.raises(ServerNotFound):
            await registry.sources.keep("default", "nobody", state=STATE)
    assert await claimed(database) == []


async def test_a_condition_keeps_its_time_while_its_words_stay(database: Database) -> None:
    await publish(database, "pets")
    told = {"code": "source_failed", "message": "It is gone.", "remedy": "Mend it."}
    async with database.transaction() as registry:
        await registry.conditions.put("default", "pets", **told)
        (first,) = await registry.conditions.list("default", "pets")
        await registry.conditions.put("default", "pets", **told)
        assert await registry.conditions.list("default", "pets") == (first,)
        await registry.conditions.put("default", "pets", **{**told, "message": "It is broken."})
        (other,) = await registry.conditions.list("default", "pets")
        assert (other.message, other.since >= first.since) == ("It is broken.", True)
        await registry.conditions.clear("default", "pets", code="source_failed")
        assert await registry.conditions.list("default", "pets") == ()


async def test_declared_servers_are_told_by_who_declares_them(database: Database) -> None:
    await publish(database, "cats", "dogs", "pets")
    async with database.transaction() as registry:
        for name, by in (("cats", "apply"), ("dogs", "config")):
            await registry.servers.update("default", name, changes=ServerChanges(declared_by=by))
        assert await registry.servers.declared("default", by="apply") == ("cats",)
        assert ServerName("default", "pets") in await registry.servers.names()
