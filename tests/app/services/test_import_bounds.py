"""A description at a URL decides what is fetched next, so how far that goes is bounded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.outbound import DocumentFetcher, EgressPolicy
from app.registry import Database
from app.services import import_description
from app.services.compile_worker import Job
from app.services.compiling import Compiler
from app.services.events import ServerEvents
from app.services.import_description import ImportDescription, ImportOptions, Source
from app.services.import_turns import ImportTurns
from converters import DescriptionError

ENTRY = "http://api.example/0"


class Fetching(DocumentFetcher):
    """Answers every URL with a document of a size, and counts."""

    def __init__(self, size: int) -> None:
        super().__init__(EgressPolicy())
        self.urls: list[str] = []
        self._content = b"x" * size

    async def fetch(self, url: str) -> tuple[bytes, str]:
        self.urls.append(url)
        return self._content, url


class Chaining(Compiler):
    """Finds some further documents missing, however many there are."""

    def __init__(self, each_time: int) -> None:
        super().__init__()
        self._each_time = each_time

    async def compile(self, job: Job) -> dict[str, Any]:
        have = len(job.further)
        return {"missing": [f"http://api.example/{have + number + 1}" for number in range(self._each_time)]}


async def imported(folder: Path, fetcher: Fetching, compiler: Compiler) -> DescriptionError:
    database = Database.open(f"sqlite:///{folder / 'registry.db'}")
    try:
        await database.migrate()
        async with database.transaction() as registry:
            await registry.namespaces.ensure("default")
        importer = ImportDescription(database, compiler, fetcher, ServerEvents(), turns=ImportTurns(2))
        with pytest.raises(DescriptionError) as caught:
            await importer.create("default", "chain", source=Source(url=ENTRY), options=ImportOptions())
        async with database.transaction(read_only=True) as registry:
            assert await registry.servers.names() == ()
    finally:
        await database.close()
    return caught.value


async def test_documents_that_always_name_another_one_end(tmp_path: Path) -> None:
    fetcher = Fetching(size=10)
    error = await imported(tmp_path, fetcher, Chaining(1))
    assert (error.code, len(fetcher.urls)) == ("spec_too_large", 21)


async def test_many_large_documents_are_not_all_fetched(tmp_path: Path) -> None:
    fetcher = Fetching(size=4 * 1024 * 1024)
    error = await imported(tmp_path, fetcher, Chaining(1_000))
    assert error.code == "spec_too_large"
    assert len(fetcher.urls) < 20


async def test_more_documents_than_allowed_are_not_fetched_at_all(tmp_path: Path) -> None:
    fetcher = Fetching(size=1)
    error = await imported(tmp_path, fetcher, Chaining(5_001))
    assert (error.code, fetcher.urls) == ("spec_too_large", [ENTRY])


async def test_an_import_that_takes_too_long_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_description, "_MAX_SECONDS", 0)
    error = await imported(tmp_path, Fetching(size=1), Chaining(1))
    assert "took longer" in error.message
