from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import asyncpg
import pytest
from sqlalchemy import Engine, event, make_url
from sqlalchemy.exc import DBAPIError

from app.registry import Database
from app.registry.errors import RegistryUnavailable, ServerNotFound
from app.registry.records import ServerChanges
from tests.app.registry.examples import compilation, publish, tool
from tests.databases import postgresql_database, sqlite_database

ROOT = Path(__file__).parents[3]


class Stop(Exception):
    pass


@pytest.fixture
async def same_file(database: Database, database_url: str) -> AsyncIterator[Database]:
    """Open the database once more, as another process would open it."""
    opened = Database.open(database_url)
    yield opened
    await opened.close()


async def test_a_reader_looks_once_where_a_server_is(database: Database) -> None:
    """L03: loading a server asks for its credentials, tools and names, and 1,000 are loaded at a start."""
    await publish(database, "pets")
    asked: list[str] = []

    def note(*call: Any) -> None:
        asked.append(call[2])

    event.listen(Engine, "before_cursor_execute", note)
    try:
        async with database.transaction(read_only=True) as registry:
            for _ in range(3):
                await registry.credentials.list("default", "pets")
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert sum("active_revision" in each for each in asked) == 1
    assert sum("FROM credentials" in each for each in asked) == 3


async def test_a_block_that_raises_leaves_the_old_state(database: Database) -> None:
    (before,) = await publish(database, "pets")

    async def fail_at_the_end() -> None:
        async with database.transaction() as registry:
            await registry.servers.add_revision("default", "pets", revision=compilation("second"))
            await registry.servers.create("default", "cats", title="Cats", revision=compilation())
            raise Stop

    with pytest.raises(Stop):
        await fail_at_the_end()
    async with database.transaction(read_only=True) as registry:
        assert (await registry.servers.list("default")).items == (before,)


async def test_an_error_of_the_code_inside_the_block_stays_what_it_is(database: Database) -> None:
    with pytest.raises(ConnectionResetError):
        async with database.transaction():
            raise ConnectionResetError
    with pytest.raises(TimeoutError):
        async with database.transaction():
            raise TimeoutError


async def test_a_cancelled_import_leaves_the_old_state_and_frees_the_next_writer(database: Database) -> None:
    (before,) = await publish(database, "pets")
    large = compilation("second", tools=[tool(f"tool_{number}", text="x" * 20_000) for number in range(1_300)])
    # Moments all through the import: before, during and between its statements.
    for milliseconds in (0, 2, 5, 10, 20, 40, 80):
        with anyio.move_on_after(milliseconds / 1_000) as scope:
            async with database.transaction() as registry:
                await registry.servers.add_revision("default", "pets", revision=large)
                await anyio.sleep_forever()
        assert scope.cancelled_caught
    with anyio.fail_after(10):
        async with database.transaction() as registry:
            assert await registry.servers.get("default", "pets") == before
            await registry.servers.update("default", "pets", changes=ServerChanges(enabled=False))


async def test_a_cancelled_block_is_cancelled_and_not_an_outage(database: Database) -> None:
    async def work() -> None:
        async with database.transaction() as registry:
            while True:
                await registry.servers.names()

    for _ in range(5):
        task = asyncio.create_task(work())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_program_that_is_stopped_in_the_middle_of_statements_ends(database_url: str) -> None:
    program = textwrap.dedent("""
        import asyncio, sys
        from app.registry import Database

        async def work(database):
            async with database.transaction(read_only=True) as registry:
                while True:
                    await registry.servers.names()

        async def main():
            database = Database.open(sys.argv[1])
            await database.migrate()
            tasks = [asyncio.create_task(work(database)) for _ in range(8)]
            await asyncio.sleep(0.5)

        asyncio.run(main())
    """)
    command = [sys.executable, "-c", program, database_url]
    with anyio.fail_after(30):
        finished = await anyio.run_process(command, cwd=ROOT, check=False)
    assert (finished.returncode, finished.stderr.decode()) == (0, "")


async def test_a_killed_import_leaves_the_old_state(database: Database, database_url: str) -> None:
    (before,) = await publish(database, "pets")
    importer = textwrap.dedent("""
        import asyncio, sys
        from app.registry import Database
        from tests.app.registry.examples import compilation

        async def main():
            async with Database.open(sys.argv[1]).transaction() as registry:
                await registry.servers.add_revision("default", "pets", revision=compilation("second"))
                print("written", flush=True)
                await asyncio.sleep(60)

        asyncio.run(main())
    """)
    with subprocess.Popen([sys.executable, "-c", importer, database_url], cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert await anyio.to_thread.run_sync(process.stdout.readline) == b"written\n"
        process.send_signal(signal.SIGKILL)
    async with database.transaction() as registry:
        assert await registry.servers.get("default", "pets") == before
        added = await registry.servers.add_revision("default", "pets", revision=compilation("second"))
    assert added.server.revision == 2


async def test_a_reader_sees_one_moment_in_time(database: Database, same_file: Database) -> None:
    await publish(database, "pets")
    async with database.transaction(read_only=True) as reading:
        before = await reading.servers.get("default", "pets")
        async with same_file.transaction() as writing:
            await writing.servers.add_revision("default", "pets", revision=compilation("second", tools=()))
        assert await reading.servers.get("default", "pets") == before
        assert len(await reading.revisions.tools("default", "pets")) == 2
    async with database.transaction(read_only=True) as reading:
        assert (await reading.servers.get("default", "pets")).revision == 2


async def test_a_read_only_transaction_cannot_write(database: Database) -> None:
    await publish(database, "pets")
    with pytest.raises(DBAPIError):
        async with database.transaction(read_only=True) as registry:
            await registry.servers.delete("default", "pets")
    async with database.transaction(read_only=True) as registry:
        assert (await registry.servers.get("default", "pets")).revision == 1


async def test_twenty_writers_at_once_all_finish(database: Database, same_file: Database) -> None:
    """F18: nobody is told of a lock."""
    await publish(database, "pets")

    async def write(number: int) -> None:
        # Two pools, so that writers also meet at the file's own lock.
        async with (database, same_file)[number % 2].transaction() as registry:
            await registry.servers.create("default", f"server-{number:02}", title="", revision=compilation())
            await registry.servers.add_revision("default", "pets", revision=compilation(f"digest {number}"))

    async with anyio.create_task_group() as writers:
        for number in range(20):
            writers.start_soon(write, number)
    async with database.transaction(read_only=True) as registry:
        assert len(await registry.servers.names()) == 21
        assert (await registry.servers.get("default", "pets")).revision == 21


async def test_readers_do_not_wait_for_a_writer(database: Database) -> None:
    await publish(database, "pets")
    async with database.transaction() as writing:
        await writing.servers.update("default", "pets", changes=ServerChanges(enabled=False))
        with anyio.fail_after(2):
            async with database.transaction(read_only=True) as reading:
                assert (await reading.servers.get("default", "pets")).enabled


async def test_more_readers_than_connections_take_turns(database: Database) -> None:
    await publish(database, "pets")

    async def read() -> None:
        async with database.transaction(read_only=True) as registry:
            await registry.servers.get("default", "pets")

    async with anyio.create_task_group() as readers:
        for _ in range(50):
            readers.start_soon(read)


async def test_a_database_that_is_away_is_unavailable_within_seconds(free_tcp_port: int) -> None:
    database = Database.open(f"postgresql://postgres@127.0.0.1:{free_tcp_port}/postgres")
    with anyio.fail_after(10):
        with pytest.raises(RegistryUnavailable):
            async with database.transaction():
                pass
        with pytest.raises(RegistryUnavailable):
            await database.migrate()
        assert not await database.is_ready()
    await database.close()


async def test_a_database_that_never_answers_is_unavailable_within_seconds() -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    database = Database.open(f"postgresql://postgres@127.0.0.1:{port}/postgres")
    with anyio.fail_after(10):
        with pytest.raises(RegistryUnavailable):
            async with database.transaction():
                pass
    await database.close()
    await listener.aclose()


async def test_an_unknown_database_or_user_is_unavailable_and_not_named(postgresql: str) -> None:
    database = Database.open(make_url(postgresql).set(database="secret-name").render_as_string(hide_password=False))
    with pytest.raises(RegistryUnavailable) as refusal:
        async with database.transaction():
            pass
    assert "secret-name" not in str(refusal.value)
    await database.close()


async def test_a_lost_connection_is_unavailable_once_and_then_replaced(postgresql: str) -> None:
    async with postgresql_database(postgresql) as url:
        database = Database.open(url)
        await database.migrate()
        with pytest.raises(RegistryUnavailable):
            await _lose_the_connection(database, url)
        async with database.transaction() as registry:
            await registry.namespaces.ensure("default")
        await database.close()


async def _lose_the_connection(database: Database, url: str) -> None:
    async with database.transaction() as registry:
        await _disconnect_everybody(url)
        await registry.namespaces.ensure("default")


async def _disconnect_everybody(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    finally:
        await connection.close()


async def test_a_file_that_another_program_locks_is_unavailable_within_seconds(tmp_path: Path) -> None:
    database, other = Database.open(sqlite_database(tmp_path)), Database.open(sqlite_database(tmp_path))
    await database.migrate()
    started = time.monotonic()
    async with other.transaction():
        with pytest.raises(RegistryUnavailable):
            async with database.transaction():
                pass
    assert time.monotonic() - started < 10
    await database.close()
    await other.close()


async def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "causeway.db").write_bytes(b"This is a letter to my aunt, and not a database." * 100)
    database = Database.open(sqlite_database(tmp_path))
    with pytest.raises(RegistryUnavailable):
        async with database.transaction() as registry:
            await registry.namespaces.ensure("default")
    assert not await database.is_ready()
    await database.close()


async def test_a_database_without_tables_is_unavailable(database_url: str) -> None:
    database = Database.open(database_url)
    with pytest.raises(RegistryUnavailable):
        async with database.transaction() as registry:
            await registry.namespaces.ensure("default")
    await database.close()


async def test_work_goes_on_after_a_refusal(database: Database) -> None:
    for _ in range(30):
        with pytest.raises(ServerNotFound):
            async with database.transaction() as registry:
                await registry.servers.get("default", "pets")
    await publish(database, "pets")
