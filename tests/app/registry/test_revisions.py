from __future__ import annotations

import time

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from app.registry import Database
from app.registry.engines import normalise
from app.registry.errors import InvalidCursor, RevisionNotFound, ServerNotFound, ToolNotFound
from tests.app.registry.examples import DIAGNOSTIC, compilation, publish, tool


async def test_a_revision_keeps_its_document_byte_for_byte(database: Database) -> None:
    (server,) = await publish(database, "pets")
    async with database.transaction() as registry:
        await registry.servers.add_revision("default", "pets", revision=compilation("second"))
        assert await registry.revisions.document("default", "pets") == b"openapi: 3.1.0 # second"
        assert await registry.revisions.document("default", "pets", number=1) == b"openapi: 3.1.0 # first"
        first = await registry.revisions.get("default", "pets", number=1)
        assert (await registry.revisions.get("default", "pets")).number == 2
    assert (first.number, first.digest, first.compiler_version) == (1, "first", "1.0")
    assert (first.media_type, first.document_url) == ("application/yaml", None)
    assert (first.counts, first.description) == (server.counts, server.description)


async def test_revisions_are_listed_newest_first_page_by_page(database: Database) -> None:
    await publish(database, "pets")
    async with database.transaction() as registry:
        for digest in ("second", "third"):
            await registry.servers.add_revision("default", "pets", revision=compilation(digest))
        newest = await registry.revisions.list("default", "pets", limit=2)
        oldest = await registry.revisions.list("default", "pets", cursor=newest.next_cursor, limit=2)
    assert [record.number for record in newest.items] == [3, 2]
    assert [record.number for record in oldest.items] == [1]
    assert oldest.next_cursor is None


@pytest.mark.parametrize(
    "cursor", ["c2VydmVyczph", "cmV2aXNpb25zOmE=", "cmV2aXNpb25zOg==", "cmV2aXNpb25zOjk5OTk5OTk5OTk5"]
)
async def test_a_cursor_of_another_list_is_refused(database: Database, cursor: str) -> None:
    await publish(database, "pets")
    async with database.transaction(read_only=True) as registry:
        with pytest.raises(InvalidCursor):
            await registry.revisions.list("default", "pets", cursor=cursor)


async def test_tools_come_back_in_the_order_they_were_compiled(database: Database) -> None:
    tools = [tool("zeta", title="é\u2028"), tool("alpha", "PUT /alpha/{id}", nested={"b": 1, "a": [None, 1.5]})]
    await publish(database, "pets", revision=compilation(tools=tools))
    async with database.transaction(read_only=True) as registry:
        stored = await registry.revisions.tools("default", "pets")
    assert [(record.name, record.operation_key) for record in stored] == [
        ("zeta", "GET /zeta"),
        ("alpha", "PUT /alpha/{id}"),
    ]
    assert [record.definition for record in stored] == [added.definition for added in tools]
    assert list(stored[1].definition["nested"]) == ["b", "a"]


async def test_tools_of_an_earlier_revision_can_be_compared_with_todays(database: Database) -> None:
    await publish(database, "pets")
    async with database.transaction() as registry:
        await registry.servers.add_revision("default", "pets", revision=compilation("second", tools=[tool("one")]))
        before = await registry.revisions.tools("default", "pets", number=1)
        after = await registry.revisions.tools("default", "pets")
    assert [record.name for record in before] == ["list_pets", "add_pet"]
    assert [record.name for record in after] == ["one"]


async def test_one_tool_is_found_by_its_name(database: Database) -> None:
    await publish(database, "pets")
    async with database.transaction(read_only=True) as registry:
        found = await registry.revisions.tool("default", "pets", tool_name="add_pet")
        assert (found.operation_key, found.override) == ("POST /pets", None)
        with pytest.raises(ToolNotFound):
            await registry.revisions.tool("default", "pets", tool_name="remove_pet")


async def test_diagnostics_come_back_as_they_were_stored(database: Database) -> None:
    await publish(database, "pets", revision=compilation(diagnostics=[DIAGNOSTIC, DIAGNOSTIC]))
    async with database.transaction() as registry:
        await registry.servers.add_revision("default", "pets", revision=compilation("second"))
        assert await registry.revisions.diagnostics("default", "pets") == ()
        assert await registry.revisions.diagnostics("default", "pets", number=1) == (DIAGNOSTIC, DIAGNOSTIC)


@pytest.mark.parametrize("number", [-1, 0, 2, 2**31, 2**80])
async def test_a_revision_that_is_not_there_is_not_found(database: Database, number: int) -> None:
    await publish(database, "pets")
    async with database.transaction(read_only=True) as registry:
        with pytest.raises(RevisionNotFound):
            await registry.revisions.get("default", "pets", number=number)


async def test_revisions_of_an_unknown_server_are_not_found(database: Database) -> None:
    async with database.transaction(read_only=True) as registry:
        with pytest.raises(ServerNotFound):
            await registry.revisions.list("default", "pets")
        with pytest.raises(ServerNotFound):
            await registry.revisions.tools("default", "pets")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE revisions SET digest = 'other'",
        "UPDATE tools SET definition = '{}'",
        "UPDATE diagnostics SET message = ''",
    ],
)
async def test_the_database_itself_refuses_to_change_a_revision(
    database: Database, database_url: str, statement: str
) -> None:
    await publish(database, "pets", revision=compilation(diagnostics=[DIAGNOSTIC]))
    engine = create_async_engine(normalise(database_url))
    try:
        with pytest.raises(DBAPIError, match="a revision never changes"):
            async with engine.begin() as connection:
                await connection.execute(text(statement))
    finally:
        await engine.dispose()


async def test_a_very_large_import_takes_seconds_at_most(database: Database) -> None:
    tools = [tool(f"tool_{number}", description="x" * 20_000) for number in range(1_300)]
    started = time.monotonic()
    await publish(database, "pets", revision=compilation(tools=tools))
    async with database.transaction(read_only=True) as registry:
        stored = await registry.revisions.tools("default", "pets")
    assert len(stored) == 1_300
    assert stored[-1].definition == tools[-1].definition
    # A fraction of this on any machine of today; one statement per tool would take far longer.
    assert time.monotonic() - started < 10
