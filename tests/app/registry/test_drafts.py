from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from app.registry import Database
from app.registry.errors import ServerNotFound
from app.registry.records import ToolOverrideChanges
from app.registry.revisions import LONGEST_GRACE
from app.registry.tables import FormerToolNameRow, now
from tests.app.registry.examples import compilation, publish, tool


async def test_a_draft_is_stored_and_not_served(database: Database) -> None:
    await publish(database, "pets")
    async with database.transaction() as registry:
        added = await registry.servers.add_revision("default", "pets", revision=compilation("second"), is_draft=True)
        again = await registry.servers.add_revision("default", "pets", revision=compilation("second"), is_draft=True)
    assert (added.number, added.is_new, added.server.revision, added.server.draft_revision) == (2, True, 1, 2)
    assert (again.number, again.is_new, again.server.draft_revision) == (2, False, 2)


async def test_a_draft_ends_with_another_active_revision_or_the_active_one_again(database: Database) -> None:
    await publish(database, "pets")
    for ends in ("second", "first", "third"):
        async with database.transaction() as registry:
            await registry.servers.add_revision("default", "pets", revision=compilation("draft"), is_draft=True)
            added = await registry.servers.add_revision("default", "pets", revision=compilation(ends))
        assert added.server.draft_revision is None, ends
        assert added.server.revision == added.number, ends


async def test_holding_a_server_gives_it(database: Database) -> None:
    (server,) = await publish(database, "pets")
    async with database.transaction() as registry:
        assert await registry.servers.hold("default", "pets") == server
        with pytest.raises(ServerNotFound):
            await registry.servers.hold("default", "nobody")


async def test_overrides_without_a_tool_are_told_apart(database: Database) -> None:
    await publish(database, "pets")
    async with database.transaction() as registry:
        for key in ("GET /list_pets", "POST /pets"):
            changes = ToolOverrideChanges(description=f"Ours, {key}.")
            await registry.revisions.set_override("default", "pets", operation_key=key, changes=changes)
        assert await registry.revisions.stale_overrides("default", "pets") == ()
        left = compilation("second", tools=(tool("list_pets"),))
        await registry.servers.add_revision("default", "pets", revision=left)
        assert await registry.revisions.stale_overrides("default", "pets") == ("POST /pets",)
        overrides = await registry.revisions.overrides("default", "pets")
    assert [each.operation_key for each in overrides] == ["GET /list_pets", "POST /pets"]
    assert overrides[1].description == "Ours, POST /pets."


async def test_former_names_are_kept_for_a_year(database: Database) -> None:
    await publish(database, "pets")
    async with database.transaction() as registry:
        await registry.revisions.keep_former_names("default", "pets", names={"old": "GET /a", "older": "GET /b"})
        await registry.revisions.keep_former_names("default", "pets", names={"old": "GET /c"})
        found = {each.name: each.operation_key for each in await registry.revisions.former_names("default", "pets")}
        assert found == {"old": "GET /c", "older": "GET /b"}
        long_ago = now() - LONGEST_GRACE - timedelta(days=1)
        aged = update(FormerToolNameRow).where(FormerToolNameRow.name == "older").values(renamed_at=long_ago)
        await registry.revisions._session.execute(aged)  # noqa: SLF001 - nobody else writes a time of their choice
        await registry.revisions.keep_former_names("default", "pets", names={})
        assert [each.name for each in await registry.revisions.former_names("default", "pets")] == ["old"]


async def test_the_revision_before_one_is_found(database: Database) -> None:
    await publish(database, "pets")
    async with database.transaction() as registry:
        await registry.servers.add_revision("default", "pets", revision=compilation("second"))
        assert await registry.revisions.previous("default", "pets", number=2) == 1
        assert await registry.revisions.previous("default", "pets", number=1) is None
