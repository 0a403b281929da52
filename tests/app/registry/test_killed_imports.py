"""F20, F21: an import is whole or not there, whatever becomes of the process that does it, or who else imports."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from app.registry import Database
from app.services.import_description import ImportOptions, Source
from tests.app.conftest import hide_settings
from tests.app.gateway_pairs import pair
from tests.app.gateways import SERVERS, InProcessCompiler
from tests.app.registry.importer import described, importing
from tests.databases import postgresql_database

ROOT = Path(__file__).parents[3]
# All twenty of them, of 2,000 operations each, with CAUSEWAY_INSTANCES=whole: some minutes.
KILLS, OPERATIONS = (20, 2_000) if os.environ.get("CAUSEWAY_INSTANCES") == "whole" else (6, 30)


class Importer:
    """The process of `tests.app.registry.importer`, and how long its imports take: to compile, and to be stored."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.seconds = (0.0, 0.0)

    async def finish(self, number: int) -> None:
        await self._begin(number)
        started = time.monotonic()
        await self._told("compiled")
        compiled = time.monotonic()
        assert await self._told("ended") == "ended 0"
        self.seconds = (compiled - started, time.monotonic() - compiled)

    async def kill(self, number: int, *, seconds: float, when_compiled: bool) -> bool:
        """Kill an import so many seconds after it began, or was compiled; tells whether it was still running."""
        process = await self._begin(number)
        if when_compiled:
            await self._told("compiled")
        await asyncio.sleep(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        return await self._told("ended") == f"ended {-signal.SIGKILL}"

    async def _begin(self, number: int) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{number}\n".encode())
        return int(await self._told(""))

    async def _told(self, start: str) -> str:
        assert self._process.stdout is not None
        while line := (await self._process.stdout.readline()).decode().strip():
            if line.startswith(start):
                return line
        raise AssertionError("the importer ended")


@contextlib.asynccontextmanager
async def importer(url: str) -> AsyncIterator[Importer]:
    arguments = ["-m", "tests.app.registry.importer", url, str(OPERATIONS)]
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=ROOT, stdin=PIPE, stdout=PIPE)
    try:
        yield Importer(process)
    finally:
        process.kill()
        await process.wait()


def names(number: int) -> set[str]:
    return {f"tool_{number}_{index}" for index in range(OPERATIONS)}


async def tools(database: Database) -> set[str]:
    async with database.transaction(read_only=True) as registry:
        return {each.name for each in await registry.revisions.tools("default", "pets")}


async def numbers(database: Database) -> list[int]:
    async with database.transaction(read_only=True) as registry:
        return [each.number for each in (await registry.revisions.list("default", "pets", limit=200)).items]


async def orphans(database: Database) -> int:
    """Count the tools of revisions that are not whole."""
    query = "SELECT count(*) FROM (SELECT revision_id FROM tools GROUP BY revision_id HAVING count(*) <> :whole) AS t"
    async with database._engines.reader.connect() as connection:  # noqa: SLF001 - what the repositories do not show
        return int((await connection.execute(text(query), {"whole": OPERATIONS})).scalar_one())


async def test_an_import_that_is_killed_leaves_the_old_revision_or_the_new_one(
    database: Database, database_url: str
) -> None:
    """F20: no mix, no orphan, no lock left, and the same import works again."""
    chance = random.Random(20)  # noqa: S311 - moments, not secrets
    importing_here = importing(database, InProcessCompiler())
    source = Source(described(0, operations=OPERATIONS))
    await importing_here.create("default", "pets", source=source, options=ImportOptions())
    killed = 0
    async with importer(database_url) as other:
        await other.finish(1)
        live = 1
        for number in range(2, 2 + KILLS):
            when_compiled = number % 2 == 1
            longest = other.seconds[when_compiled]
            # The first is killed at once, and the others at any moment of it.
            seconds = 0 if number == 2 else chance.uniform(0, longest)
            killed += await other.kill(number, seconds=seconds, when_compiled=when_compiled)
            found = await tools(database)
            assert found in (names(live), names(number))
            assert await orphans(database) == 0
            async with asyncio.timeout(120):
                again = Source(described(number, operations=OPERATIONS))
                done = await importing_here.replace("default", "pets", source=again, options=ImportOptions())
            assert done.outcome == ("unchanged" if found == names(number) else "published")
            assert await tools(database) == names(number)
            live = number
    assert killed
    assert sorted(await numbers(database)) == list(range(1, KILLS + 3))


async def test_imports_into_one_server_at_once_are_one_after_the_other(database: Database, database_url: str) -> None:
    """F21, by two processes' connections."""
    here, there = database, Database.open(database_url)
    importers = [importing(each, InProcessCompiler()) for each in (here, there)]
    sources = [Source(described(number, operations=OPERATIONS)) for number in range(9)]
    await importers[0].create("default", "pets", source=sources[0], options=ImportOptions())
    imports = [
        importers[number % 2].replace("default", "pets", source=sources[number], options=ImportOptions())
        for number in range(1, 9)
    ]
    done = await asyncio.gather(*imports)
    assert sorted(each.revision or 0 for each in done) == list(range(2, 10))
    last = max(range(8), key=lambda index: done[index].revision or 0)
    assert await tools(here) == names(last + 1)
    assert await orphans(here) == 0
    await there.close()


async def test_instances_that_import_into_one_server_at_once_end_with_the_same_one(
    postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F21: both are answered and in the audit, and what the last one gave is what both serve."""
    hide_settings(monkeypatch, tmp_path)
    async with postgresql_database(postgresql) as url, pair(tmp_path, monkeypatch, url) as two:
        await two[0].create({"openapi": "3.1.0", "info": {"title": "Pets", "version": "1"}, "paths": {}})
        documents = [described(number, operations=OPERATIONS).decode() for number in (1, 2)]
        given = await asyncio.gather(
            *(
                each.http.put(f"{SERVERS}/pets/document", json={"document": document})
                for each, document in zip(two, documents, strict=True)
            )
        )
        assert [each.status_code for each in given] == [200, 200]
        revisions = [each.json()["result"]["revision"] for each in given]
        assert sorted(revisions) == [2, 3]
        audited = await two[0].http.get("/api/v1/audit", params={"action": "replace_document"})
        assert sorted(each["request_id"] for each in audited.json()["items"]) == sorted(
            each.headers["x-request-id"] for each in given
        )
        last = names(1 + revisions.index(3))
        assert await tools(two[0].application.database) == last
        async with asyncio.timeout(20):
            for each in two:
                while set(await each.listed()) != last:  # noqa: ASYNC110 - what clients are given
                    await asyncio.sleep(0.02)
