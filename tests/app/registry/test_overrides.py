from __future__ import annotations

import pytest

from app.registry import Database
from app.registry.errors import ServerNotFound, ToolNotFound
from app.registry.records import ToolOverride, ToolOverrideChanges
from tests.app.registry.examples import compilation, publish, tool


async def test_an_override_lies_beside_the_compiled_tool(database: Database) -> None:
    await publish(database, "pets")
    changes = ToolOverrideChanges(enabled=False, name="buy_pet", annotations={"readOnlyHint": False})
    async with database.transaction() as registry:
        changed = await registry.revisions.set_override("default", "pets", operation_key="POST /pets", changes=changes)
        untouched, overridden = await registry.revisions.tools("default", "pets")
    assert overridden == changed
    assert (changed.name, changed.definition["name"]) == ("add_pet", "add_pet")
    assert changed.override == ToolOverride(
        operation_key="POST /pets",
        enabled=False,
        name="buy_pet",
        description=None,
        annotations={"readOnlyHint": False},
    )
    assert untouched.override is None


async def test_a_second_change_keeps_the_fields_of_the_first(database: Database) -> None:
    await publish(database, "pets")
    async with database.transaction() as registry:
        for changes in (ToolOverrideChanges(description="Buys a pet."), ToolOverrideChanges(enabled=False)):
            changed = await registry.revisions.set_override(
                "default", "pets", operation_key="POST /pets", changes=changes
            )
    assert changed.override == ToolOverride("POST /pets", False, None, "Buys a pet.", None)  # noqa: FBT003 (a record)


async def test_an_override_that_says_nothing_goes_away(database: Database) -> None:
    await publish(database, "pets")
    async with database.transaction() as registry:
        for changes in (ToolOverrideChanges(name="buy_pet"), ToolOverrideChanges(name=None)):
            changed = await registry.revisions.set_override(
                "default", "pets", operation_key="POST /pets", changes=changes
            )
    assert changed.override is None


async def test_overrides_survive_an_import_even_when_the_tool_is_named_anew(database: Database) -> None:
    await publish(database, "pets")
    renamed = compilation("second", tools=[tool("create_pet", "POST /pets"), tool("list_pets")])
    async with database.transaction() as registry:
        await registry.revisions.set_override(
            "default", "pets", operation_key="POST /pets", changes=ToolOverrideChanges(enabled=False)
        )
        await registry.servers.add_revision("default", "pets", revision=renamed)
        found = await registry.revisions.tool("default", "pets", tool_name="create_pet")
    assert found.override is not None
    assert found.override.enabled is False


async def test_an_override_waits_for_an_operation_that_an_import_took_away(database: Database) -> None:
    await publish(database, "pets")
    async with database.transaction() as registry:
        await registry.revisions.set_override(
            "default", "pets", operation_key="POST /pets", changes=ToolOverrideChanges(enabled=False)
        )
        await registry.servers.add_revision("default", "pets", revision=compilation("second", tools=[]))
        assert await registry.revisions.tools("default", "pets") == ()
        await registry.servers.add_revision("default", "pets", revision=compilation("third"))
        found = await registry.revisions.tool("default", "pets", tool_name="add_pet")
    assert found.override is not None


async def test_a_deleted_server_takes_its_overrides_with_it(database: Database) -> None:
    await publish(database, "pets")
    async with database.transaction() as registry:
        await registry.revisions.set_override(
            "default", "pets", operation_key="POST /pets", changes=ToolOverrideChanges(enabled=False)
        )
        await registry.servers.delete("default", "pets")
    await publish(database, "pets")
    async with database.transaction(read_only=True) as registry:
        assert (await registry.revisions.tool("default", "pets", tool_name="add_pet")).override is None


async def test_a_renamed_tool_is_found_by_the_name_clients_see_first(database: Database) -> None:
    await publish(database, "pets")
    async with database.transaction() as registry:
        await registry.revisions.set_override(
            "default", "pets", operation_key="POST /pets", changes=ToolOverrideChanges(name="list_pets")
        )
        await registry.revisions.set_override(
            "default", "pets", operation_key="GET /list_pets", changes=ToolOverrideChanges(name="all_pets")
        )
        by_new_name = await registry.revisions.tool("default", "pets", tool_name="list_pets")
        by_compiled_name = await registry.revisions.tool("default", "pets", tool_name="add_pet")
    assert by_new_name.operation_key == by_compiled_name.operation_key == "POST /pets"


async def test_an_override_tells_readers_to_look_again(database: Database) -> None:
    (before,) = await publish(database, "pets")
    async with database.transaction() as registry:
        await registry.revisions.set_override(
            "default", "pets", operation_key="POST /pets", changes=ToolOverrideChanges(enabled=False)
        )
        after = await registry.servers.get("default", "pets")
    assert after.updated_at > before.updated_at


async def test_only_an_operation_of_the_active_revision_can_be_overridden(database: Database) -> None:
    await publish(database, "pets")
    async with database.transaction() as registry:
        with pytest.raises(ToolNotFound):
            await registry.revisions.set_override(
                "default", "pets", operation_key="DELETE /pets", changes=ToolOverrideChanges(enabled=False)
            )
        with pytest.raises(ServerNotFound):
            await registry.revisions.set_override(
                "default", "cats", operation_key="POST /pets", changes=ToolOverrideChanges(enabled=False)
            )


async def test_tools_whose_arguments_are_overridden_are_found_among_the_others(database: Database) -> None:
    await publish(database, "pets")
    async with database.transaction() as registry:
        for key, changes in (
            ("POST /pets", ToolOverrideChanges(pinned={"weight": 1}, hidden=["chip"])),
            ("GET /list_pets", ToolOverrideChanges(enabled=False)),
        ):
            await registry.revisions.set_override("default", "pets", operation_key=key, changes=changes)
        (found,) = await registry.revisions.tools_without_arguments("default", "pets")
        assert found.override is not None
        assert (found.operation_key, found.override.pinned, found.override.hidden) == (
            "POST /pets",
            {"weight": 1},
            ["chip"],
        )
        nothing = ToolOverrideChanges(pinned=None, hidden=None)
        await registry.revisions.set_override("default", "pets", operation_key="POST /pets", changes=nothing)
        assert await registry.revisions.tools_without_arguments("default", "pets") == ()
        assert len(await registry.revisions.overrides("default", "pets")) == 1
