from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import anyio
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from app.registry import Database
from app.registry.engines import normalise, open_migration_engine
from app.registry.errors import RegistryTooNew
from app.registry.tables import Base

ROOT = Path(__file__).parents[3]


async def test_the_models_match_the_migrations(database: Database, database_url: str) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, Base.metadata))

    engine = open_migration_engine(normalise(database_url))
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


async def test_constraints_have_the_same_names_in_models_and_migrations(database: Database, database_url: str) -> None:
    def names(connection: Connection) -> set[str | None]:
        return set(connection.scalars(text("SELECT conname FROM pg_constraint WHERE contype IN ('p', 'f', 'u')")))

    if database_url.startswith("sqlite"):
        pytest.skip("SQLite does not tell the names of all constraints")
    engine = open_migration_engine(normalise(database_url))
    async with engine.connect() as connection:
        found = await connection.run_sync(names)
    await engine.dispose()
    expected = {constraint.name for table in Base.metadata.tables.values() for constraint in table.constraints}
    assert expected <= found


async def test_a_database_is_ready_once_it_is_migrated(database_url: str) -> None:
    database = Database.open(database_url)
    assert not await database.is_ready()
    await database.migrate()
    assert await database.is_ready()
    await database.close()


async def test_migrating_again_changes_nothing(database: Database) -> None:
    await database.migrate()
    async with database.transaction(read_only=True) as registry:
        assert await registry.namespaces.exists("default")


async def test_starters_in_one_process_migrate_one_after_the_other(database_url: str) -> None:
    databases = [Database.open(database_url) for _ in range(4)]
    async with anyio.create_task_group() as starters:
        for database in databases:
            starters.start_soon(database.migrate)
    assert await databases[0].is_ready()
    for database in databases:
        await database.close()


async def test_starting_processes_migrate_one_after_the_other(database_url: str) -> None:
    starter = textwrap.dedent("""
        import asyncio, sys
        from app.registry import Database

        async def main():
            print("ready", flush=True)
            sys.stdin.readline()
            database = Database.open(sys.argv[1])
            await database.migrate()
            async with database.transaction() as registry:
                await registry.namespaces.ensure("default")
            assert await database.is_ready()
            await database.close()

        asyncio.run(main())
    """)
    command = [sys.executable, "-W", "error", "-c", starter, database_url]
    starters = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    for process in starters:
        assert process.stdout is not None
        await anyio.to_thread.run_sync(process.stdout.readline)
    for process in starters:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in starters:
        _, complaints = await anyio.to_thread.run_sync(process.communicate)
        assert (process.returncode, complaints) == (0, b"")


async def test_a_failed_migration_leaves_no_tables_behind(database_url: str) -> None:
    engine = open_migration_engine(normalise(database_url))
    # In the way of the third table of the first revision.
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE revisions (id INTEGER)"))
    database = Database.open(database_url)
    with pytest.raises(Exception, match="already exists"):
        await database.migrate()
    async with engine.begin() as connection:
        await connection.execute(text("DROP TABLE revisions"))
    await engine.dispose()
    await database.migrate()
    assert await database.is_ready()
    await database.close()


async def test_a_database_of_a_newer_release_is_left_alone(database: Database, database_url: str) -> None:
    engine = open_migration_engine(normalise(database_url))
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999_future'"))
    await engine.dispose()
    assert not await database.is_ready()
    with pytest.raises(RegistryTooNew):
        await database.migrate()
