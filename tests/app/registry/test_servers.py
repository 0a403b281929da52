from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from app.registry import Database
from app.registry.errors import InvalidCursor, NamespaceNotFound, RevisionNotFound, ServerExists, ServerNotFound
from app.registry.records import ServerChanges, ServerName
from tests.app.registry.examples import DIAGNOSTIC, compilation, publish, tool


async def test_a_created_server_is_read_back_as_it_was_written(database: Database) -> None:
    async with database.transaction() as registry:
        created = await registry.servers.create(
            "default",
            "pets",
            title="The Pets API",
            base_url="https://pets.example/v1",
            server_variables={"region": "eu"},
            instructions="Ask before you delete.",
            revision=compilation(),
        )
    async with database.transaction(read_only=True) as registry:
        assert await registry.servers.get("default", "pets") == created
    assert (created.namespace, created.name, created.title) == ("default", "pets", "The Pets API")
    assert (created.kind, created.enabled, created.revision) == ("openapi", True, 1)
    assert (created.base_url, created.server_variables) == ("https://pets.example/v1", {"region": "eu"})
    assert created.instructions == "Ask before you delete."
    assert created.counts == {"operations": 2, "tools": 2, "skipped": 0}
    assert created.description == {"title": "Pets", "version": "first"}


async def test_times_are_aware_and_in_utc(database: Database) -> None:
    (server,) = await publish(database, "pets")
    assert server.created_at.tzinfo is UTC
    assert datetime.now(UTC) - server.created_at < timedelta(minutes=1)


async def test_records_cannot_be_changed(database: Database) -> None:
    (server,) = await publish(database, "pets")
    with pytest.raises(dataclasses.FrozenInstanceError):
        server.title = "Cats"  # type: ignore[misc]


async def test_a_name_is_taken_once_per_namespace(database: Database) -> None:
    await publish(database, "pets")
    async with database.transaction() as registry:
        await registry.namespaces.create("other")
        await registry.servers.create("other", "pets", title="Pets", revision=compilation())
        with pytest.raises(ServerExists):
            await registry.servers.create("default", "pets", title="Pets", revision=compilation())


async def test_a_refused_name_leaves_the_transaction_usable(database: Database) -> None:
    await publish(database, "pets")
    async with database.transaction() as registry:
        with pytest.raises(ServerExists):
            await registry.servers.create("default", "pets", title="Pets", revision=compilation())
        await registry.servers.create("default", "pets-2", title="Pets", revision=compilation())
    async with database.transaction(read_only=True) as registry:
        assert (await registry.servers.get("default", "pets-2")).revision == 1


async def test_a_server_needs_a_namespace(database: Database) -> None:
    async with database.transaction() as registry:
        with pytest.raises(NamespaceNotFound):
            await registry.servers.create("nowhere", "pets", title="Pets", revision=compilation())
        with pytest.raises(NamespaceNotFound):
            await registry.servers.list("nowhere")


async def test_an_unknown_server_is_not_found_by_any_method(database: Database) -> None:
    async with database.transaction() as registry:
        with pytest.raises(ServerNotFound):
            await registry.servers.get("default", "pets")
        with pytest.raises(ServerNotFound):
            await registry.servers.update("default", "pets", changes=ServerChanges())
        with pytest.raises(ServerNotFound):
            await registry.servers.delete("default", "pets")
        with pytest.raises(ServerNotFound):
            await registry.servers.add_revision("default", "pets", revision=compilation())
        with pytest.raises(ServerNotFound):
            await registry.servers.activate_revision("default", "pets", number=1)


async def test_servers_are_listed_in_order_of_code_points_page_by_page(database: Database) -> None:
    await publish(database, "b", "a_b", "a-b", "a", "Z", "é")
    found: list[str] = []
    cursor: str | None = None
    async with database.transaction(read_only=True) as registry:
        while True:
            page = await registry.servers.list("default", cursor=cursor, limit=2)
            assert len(page.items) == 2
            found += [server.name for server in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
    assert found == ["Z", "a", "a-b", "a_b", "b", "é"]


async def test_a_list_holds_only_its_namespace(database: Database) -> None:
    await publish(database, "pets")
    async with database.transaction() as registry:
        await registry.namespaces.create("other")
        assert (await registry.servers.list("other")).items == ()
        assert [server.name for server in (await registry.servers.list("default")).items] == ["pets"]


async def test_a_page_survives_the_deletion_of_the_server_its_cursor_names(database: Database) -> None:
    await publish(database, "a", "b", "c")
    async with database.transaction() as registry:
        page = await registry.servers.list("default", limit=2)
        await registry.servers.delete("default", "b")
        rest = await registry.servers.list("default", cursor=page.next_cursor)
    assert [server.name for server in rest.items] == ["c"]


@pytest.mark.parametrize("cursor", ["", "b", "!!!!", "é", "bmFtZXNwYWNlczph", "/w==", "c2VydmVycw=="])
async def test_a_cursor_that_the_list_did_not_make_is_refused(database: Database, cursor: str) -> None:
    async with database.transaction(read_only=True) as registry:
        with pytest.raises(InvalidCursor):
            await registry.servers.list("default", cursor=cursor)


@pytest.mark.parametrize("limit", [-1, 0, 1])
async def test_a_page_holds_at_least_one_server(database: Database, limit: int) -> None:
    await publish(database, "a", "b")
    async with database.transaction(read_only=True) as registry:
        assert len((await registry.servers.list("default", limit=limit)).items) == 1


async def test_all_names_are_there_for_start_up(database: Database) -> None:
    await publish(database, "b", "a")
    async with database.transaction() as registry:
        await registry.namespaces.create("another")
        await registry.servers.create("another", "c", title="C", revision=compilation())
        names = await registry.servers.names()
    assert names == (ServerName("another", "c"), ServerName("default", "a"), ServerName("default", "b"))


async def test_an_update_changes_what_it_names_and_nothing_else(database: Database) -> None:
    (before,) = await publish(database, "pets")
    async with database.transaction() as registry:
        after = await registry.servers.update(
            "default",
            "pets",
            changes=ServerChanges(base_url="https://pets.example", server_variables={"a": "b"}, enabled=False),
        )
    assert after.updated_at > before.updated_at
    assert after == dataclasses.replace(
        before,
        base_url="https://pets.example",
        server_variables={"a": "b"},
        enabled=False,
        updated_at=after.updated_at,
    )


async def test_none_clears_a_setting(database: Database) -> None:
    await publish(database, "pets")
    async with database.transaction() as registry:
        await registry.servers.update("default", "pets", changes=ServerChanges(instructions="Be kind."))
        cleared = await registry.servers.update("default", "pets", changes=ServerChanges(instructions=None))
    assert cleared.instructions is None


async def test_an_update_without_changes_does_not_touch_the_server(database: Database) -> None:
    (before,) = await publish(database, "pets")
    async with database.transaction() as registry:
        assert await registry.servers.update("default", "pets", changes=ServerChanges()) == before


async def test_a_new_revision_becomes_the_active_one(database: Database) -> None:
    await publish(database, "pets")
    async with database.transaction() as registry:
        added = await registry.servers.add_revision("default", "pets", revision=compilation("second", tools=()))
    assert added.is_new
    assert added.server.revision == 2
    assert added.server.counts == {"operations": 0, "tools": 0, "skipped": 0}
    assert added.server.description == {"title": "Pets", "version": "second"}


async def test_an_identical_digest_stores_nothing(database: Database) -> None:
    (before,) = await publish(database, "pets")
    async with database.transaction() as registry:
        added = await registry.servers.add_revision("default", "pets", revision=compilation())
        assert (await registry.revisions.list("default", "pets")).items[0].number == 1
    assert not added.is_new
    assert added.server == before


async def test_settings_change_together_with_a_revision_or_without_one(database: Database) -> None:
    await publish(database, "pets")
    async with database.transaction() as registry:
        same = await registry.servers.add_revision(
            "default", "pets", revision=compilation(), changes=ServerChanges(base_url="https://one.example")
        )
        new = await registry.servers.add_revision(
            "default", "pets", revision=compilation("second"), changes=ServerChanges(title="Pets 2")
        )
    assert (same.is_new, same.server.revision, same.server.base_url) == (False, 1, "https://one.example")
    assert (new.is_new, new.server.revision, new.server.title) == (True, 2, "Pets 2")
    assert new.server.base_url == "https://one.example"


async def test_a_rollback_activates_an_earlier_revision_and_numbers_go_on(database: Database) -> None:
    await publish(database, "pets")
    async with database.transaction() as registry:
        await registry.servers.add_revision("default", "pets", revision=compilation("second"))
        back = await registry.servers.activate_revision("default", "pets", number=1)
        again = await registry.servers.add_revision("default", "pets", revision=compilation("second"))
    assert (back.revision, back.description["version"]) == (1, "first")
    assert (again.is_new, again.server.revision) == (True, 3)


@pytest.mark.parametrize("number", [-1, 0, 2, 2**31, 2**80])
async def test_only_an_existing_revision_can_be_activated(database: Database, number: int) -> None:
    await publish(database, "pets")
    async with database.transaction() as registry:
        with pytest.raises(RevisionNotFound):
            await registry.servers.activate_revision("default", "pets", number=number)


async def test_a_deleted_server_leaves_nothing_for_its_successor(database: Database) -> None:
    await publish(database, "pets", revision=compilation(diagnostics=[DIAGNOSTIC]))
    async with database.transaction() as registry:
        await registry.servers.add_revision("default", "pets", revision=compilation("second"))
        await registry.servers.delete("default", "pets")
        with pytest.raises(ServerNotFound):
            await registry.servers.get("default", "pets")
    (server,) = await publish(database, "pets", revision=compilation("third", tools=[tool("one")]))
    async with database.transaction(read_only=True) as registry:
        assert server.revision == 1
        assert [record.digest for record in (await registry.revisions.list("default", "pets")).items] == ["third"]
        assert [record.name for record in await registry.revisions.tools("default", "pets")] == ["one"]
        assert await registry.revisions.diagnostics("default", "pets") == ()


async def test_text_that_no_database_stores_does_not_stop_an_import(database: Database) -> None:
    odd = dataclasses.replace(DIAGNOSTIC, message="a\x00b\ud800c")
    await publish(
        database, "pets", revision=compilation(tools=[tool("a", "GET /\x00", title="\x00")], diagnostics=[odd])
    )
    async with database.transaction(read_only=True) as registry:
        (stored,) = await registry.revisions.diagnostics("default", "pets")
        (kept,) = await registry.revisions.tools("default", "pets")
        with pytest.raises(ServerNotFound):
            await registry.servers.get("default", "pets\x00")
    assert stored.message == "a\ufffdb\ufffdc"
    assert kept.definition["title"] == "\x00"
