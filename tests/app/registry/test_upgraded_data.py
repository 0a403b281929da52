"""F24: what earlier releases stored is served after an upgrade, from every state that the tables were ever in.

A state is made by the migrations up to it, and filled with what a gateway of today stores, as far as its tables have
columns for that.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext, MigrationStep
from sqlalchemy import Connection, column, insert, inspect, select, table, text

from app.registry import Database
from app.registry.engines import normalise, open_migration_engine
from app.registry.tables import Base
from app.registry.upgrades import _scripts
from tests.app.backends import Backend, backend, json_reply
from tests.app.conftest import hide_settings
from tests.app.descriptions import description, operation
from tests.app.gateways import KEY, SERVERS, Gateway, gateway
from tests.app.tenants import client, make_key
from tests.databases import postgresql_database, sqlite_database

ROOT = Path(__file__).parents[3]
STATES = [script.revision for script in reversed(list(_scripts().walk_revisions()))]
SCHEMES = {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}}
SECRET = "a-secret-of-some-length"


@dataclass(frozen=True, slots=True)
class Stored:
    """The rows of a gateway's database by table, and the text of its key."""

    rows: dict[str, list[dict[str, Any]]]
    key: str


@pytest.fixture(scope="module")
async def api() -> AsyncIterator[Backend]:
    async with backend(json_reply(b'{"id":1,"name":"Rex"}')) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"], scope="module")
async def stored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, api: Backend) -> Stored:
    folder = tmp_path_factory.mktemp("stored")
    with pytest.MonkeyPatch.context() as monkeypatch:
        hide_settings(monkeypatch, folder)
        if request.param == "sqlite":
            return await made(folder, monkeypatch, sqlite_database(folder), api)
        async with postgresql_database(request.getfixturevalue("postgresql")) as url:
            return await made(folder, monkeypatch, url, api)


@pytest.fixture
async def url(request: pytest.FixtureRequest, stored: Stored, tmp_path: Path) -> AsyncIterator[str]:
    """Give an empty database of the kind that the rows are from."""
    if "sqlite" in request.node.name:
        yield sqlite_database(tmp_path)
        return
    async with postgresql_database(request.getfixturevalue("postgresql")) as made_url:
        yield made_url


async def made(folder: Path, monkeypatch: pytest.MonkeyPatch, url: str, api: Backend) -> Stored:
    document = description({"/pet": {"get": operation("get_pet")}}, server=api.url)
    async with gateway(folder, monkeypatch, **settings(url)) as one:
        await one.create({**document, "components": SCHEMES, "security": [{"key": []}]})
        put = await one.http.put(f"{SERVERS}/pets/credentials/key", json={"value": SECRET})
        assert put.status_code == 200, put.text
        renamed = await one.http.patch(f"{SERVERS}/pets/tools/get_pet", json={"description": "By hand."})
        assert renamed.status_code == 200, renamed.text
        key = (await make_key(one, "call", name="kept"))["key"]
        async with one.application.database._engines.reader.connect() as connection:  # noqa: SLF001 - every row
            rows = {
                each.name: [dict(row) for row in (await connection.execute(select(each))).mappings()]
                for each in Base.metadata.sorted_tables
            }
    return Stored(rows, key)


def settings(url: str) -> dict[str, Any]:
    return {"admin_key": KEY, "egress_allow": ("127.0.0.0/8",), "database_url": url}


async def fill(url: str, state: str, stored: Stored) -> None:
    """Make the tables of a state, and store in them what they can hold."""

    def work(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            # Rows are stored whole, in whatever order.
            connection.execute(text("SET session_replication_role = replica"))
        _upgrade_to(connection, state)
        for name in inspect(connection).get_table_names():
            if name in stored.rows:
                _fill_table(connection, name, stored.rows[name])

    engine = open_migration_engine(normalise(url))
    async with engine.begin() as connection:
        await connection.run_sync(work)
    await engine.dispose()


def _upgrade_to(connection: Connection, state: str) -> None:
    scripts = _scripts()

    def steps(_current: tuple[str, ...], _context: MigrationContext) -> Iterable[MigrationStep]:
        ahead = reversed(list(scripts.iterate_revisions(state, "base")))
        return [MigrationStep.upgrade_from_script(scripts.revision_map, script) for script in ahead]

    context = MigrationContext.configure(connection, opts={"fn": steps, "script": scripts})
    with Operations.context(context):
        context.run_migrations()


def _fill_table(connection: Connection, name: str, rows: list[dict[str, Any]]) -> None:
    there = {each["name"] for each in inspect(connection).get_columns(name)}
    columns = [each for each in Base.metadata.tables[name].columns if each.name in there]
    bare = table(name, *(column(each.name, each.type) for each in columns))
    if rows:
        connection.execute(insert(bare), [{key: row[key] for key in row.keys() & there} for row in rows])
    numbered = next((each.name for each in columns if each.name in {"id", "number"} and each.primary_key), None)
    if numbered and rows and connection.dialect.name == "postgresql":
        # What comes later is numbered after what was stored with its numbers.
        last = max(row[numbered] for row in rows)
        connection.execute(
            text("SELECT setval(pg_get_serial_sequence(:name, :numbered), :last)"),
            {"name": name, "numbered": numbered, "last": last},
        )


async def called(one: Gateway) -> bool:
    result = await one.mcp("tools/call", {"name": "get_pet", "arguments": {}})
    return result["isError"] is False


@pytest.mark.parametrize("state", STATES)
async def test_what_an_earlier_release_stored_is_served_after_the_upgrade(
    stored: Stored, url: str, state: str, api: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F24: servers are callable, secrets are decrypted, keys work, and the next import is stored."""
    hide_settings(monkeypatch, tmp_path)
    await fill(url, state, stored)
    async with gateway(tmp_path / "data", monkeypatch, **settings(url)) as one:
        had_credentials, had_keys = state >= "0004", state >= "0012"
        assert await called(one) == had_credentials
        if had_credentials:
            assert api.requests[-1].values("X-Key") == [SECRET]
        async with client(one, stored.key) as http:
            assert (await http.get(SERVERS)).status_code == (200 if had_keys else 401)
        (tool,) = (await one.mcp("tools/list"))["tools"]
        assert tool["description"].startswith("By hand.")
        again = await one.http.put(f"{SERVERS}/pets/document", json={"document": description({}, server=api.url)})
        assert (again.status_code, again.json()["revision"]) == (200, 2), again.text


async def test_a_migration_that_is_killed_is_run_again(stored: Stored, url: str) -> None:
    """F24: killed after some statements, it has changed nothing."""
    await fill(url, STATES[0], stored)
    migration = textwrap.dedent("""
        import asyncio, os, signal, sys
        from sqlalchemy import event
        from app.registry.engines import normalise, open_migration_engine
        from app.registry.upgrades import upgrade

        left = int(sys.argv[2])

        def count(*_):
            global left
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

        async def main():
            engine = open_migration_engine(normalise(sys.argv[1]))
            event.listen(engine.sync_engine, "after_cursor_execute", count)
            async with engine.begin() as connection:
                await connection.run_sync(upgrade)

        asyncio.run(main())
    """)
    command = [sys.executable, "-c", migration, url, "20"]
    killed = await anyio.to_thread.run_sync(lambda: subprocess.run(command, cwd=ROOT, check=False))
    assert killed.returncode == -signal.SIGKILL
    database = Database.open(url)
    assert not await database.is_ready()
    await database.migrate()
    assert await database.is_ready()
    async with database.transaction(read_only=True) as registry:
        assert (await registry.servers.get("default", "pets")).revision == 1
    await database.close()
