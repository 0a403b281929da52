"""Servers on disk: whole or not at all, with nothing in them that a thief of the disk could use."""

from __future__ import annotations

import dataclasses
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.registry.records import CredentialRecord, ServerName, ServerRecord
from app.services.server_files import ServerFiles
from app.services.tools import LoadedServer

URL = "postgresql://causeway@db.example/causeway"
TIME = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)


def loaded(name: str = "pets", *, text: str = "Lists pets \ud800\x00 \N{CAT}.") -> LoadedServer:
    server = ServerRecord(
        namespace="default",
        name=name,
        title="Pets",
        kind="openapi",
        base_url=None,
        server_variables={"region": "eu"},
        instructions=None,
        certificate_authorities=None,
        policies={"heal_numbers": True},
        enabled=True,
        revision=3,
        draft_revision=None,
        declared_by=None,
        counts={"operations": 1, "tools": 1, "skipped": 0},
        description={"title": "Pets", "security_schemes": {}},
        created_at=TIME,
        updated_at=TIME,
    )
    credential = CredentialRecord(
        namespace="default",
        server=name,
        scheme="key",
        details={"origins": ["https://pets.example"]},
        fingerprint="0123456789abcdef",
        key_id="0011223344556677",
        content=bytes(range(256)),
        created_at=TIME,
        updated_at=TIME,
    )
    definitions = ({"name": "list_pets", "description": text, "limit": 10**30},)
    return LoadedServer(
        server, definitions, "https://pets.example/openapi.json", {"pets": ("list_pets", 1.5)}, (credential,)
    )


async def kept(files: ServerFiles) -> list[LoadedServer]:
    return [each async for each in files.read()]


def all_files(folder: Path) -> list[Path]:
    return [each for each in folder.rglob("*") if each.is_file()]


async def test_what_is_written_is_read_as_it_was(tmp_path: Path) -> None:
    await ServerFiles(tmp_path, URL).write(loaded())
    assert await kept(ServerFiles(tmp_path, URL)) == [loaded()]


async def test_a_server_has_one_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    files = ServerFiles(tmp_path, URL)
    for title in ("first", "second"):
        await files.write(loaded(text=title))
    (file,) = all_files(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [each.definitions[0]["description"] for each in await kept(files)] == ["second"]


async def test_names_that_differ_in_case_alone_have_a_file_each(tmp_path: Path) -> None:
    files = ServerFiles(tmp_path, URL)
    for name in ("pets", "Pets", "../pets"):
        await files.write(loaded(name))
    assert {each.server.name for each in await kept(files)} == {"pets", "Pets", "../pets"}
    assert len(all_files(tmp_path)) == 3


async def test_a_server_that_is_gone_has_no_file(tmp_path: Path) -> None:
    files = ServerFiles(tmp_path, URL)
    for name in ("pets", "cats", "dogs"):
        await files.write(loaded(name))
    await files.remove(ServerName("default", "pets"))
    await files.retain([ServerName("default", "cats")])
    assert [each.server.name for each in await kept(ServerFiles(tmp_path, URL))] == ["cats"]


async def test_another_database_has_other_files(tmp_path: Path) -> None:
    await ServerFiles(tmp_path, URL).write(loaded())
    assert await kept(ServerFiles(tmp_path, f"{URL}_of_others")) == []


@pytest.mark.parametrize("length", [0, 10, -1])
async def test_a_file_that_is_not_whole_is_not_read(tmp_path: Path, length: int) -> None:
    files = ServerFiles(tmp_path, URL)
    for name in ("pets", "cats"):
        await files.write(loaded(name))
    broken = all_files(tmp_path)[0]
    broken.write_bytes(broken.read_bytes()[:length])
    assert len(await kept(files)) == 1


async def test_a_file_of_another_release_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = ServerFiles(tmp_path, URL)
    await files.write(loaded())

    @dataclasses.dataclass(frozen=True)
    class LaterRecord(ServerRecord):
        region: str = dataclasses.field(kw_only=True)

    monkeypatch.setattr("app.services.server_files.ServerRecord", LaterRecord)
    assert await kept(files) == []


async def test_what_does_not_fit_is_not_kept_and_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = ServerFiles(tmp_path, URL, max_bytes=3_000)
    await files.write(loaded("pets", text="x" * 1_000))
    for name in ("cats", "dogs"):
        await files.write(loaded(name, text="x" * 1_000))
    assert [each.server.name for each in await kept(files)] == ["pets"]
    assert len(caplog.records) == 1


async def test_a_folder_that_cannot_be_written_is_told_and_nothing_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """F26: a disk that does not take more is no reason to stop serving."""
    (tmp_path / "servers").write_text("A file where the folder should be.")
    files = ServerFiles(tmp_path, URL)
    await files.write(loaded())
    await files.remove(ServerName("default", "pets"))
    await files.retain([])
    assert len(caplog.records) == 1
    assert all_files(tmp_path) == [tmp_path / "servers"]
