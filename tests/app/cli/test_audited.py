"""What is changed without the control plane is in the audit, too: once, by who did it (issue: append-only audit)."""

from __future__ import annotations

import asyncio
import copy
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import causeway
from app.cli.config_directory import ConfigDirectory
from app.cli.serve import _import
from app.registry import Database
from app.registry.records import AuditFilter
from app.settings import load
from tests.app.cli.test_config_directory import declare, folder
from tests.app.cli.test_secrets import new_key, rotated, stored
from tests.app.descriptions import PETS
from tests.app.gateways import Gateway, gateway

__all__ = ["folder"]

LESS = copy.deepcopy(PETS)
del LESS["paths"]["/pets/{petId}"]


async def told(database: Database, subject: str) -> list[tuple[str, str, str, str]]:
    """Give what somebody did, in order: action, namespace, server, target."""
    async with database.transaction(read_only=True) as registry:
        found = (await registry.audit.list(AuditFilter(subject=subject), limit=1000)).items
    return [(each.action, each.namespace, each.server, each.target) for each in reversed(found)]


async def told_in(folder: Path, subject: str) -> list[tuple[str, str, str, str]]:
    database = Database.open(load(data_dir=folder).registry_url)
    found = await told(database, subject)
    await database.close()
    return found


async def test_a_folder_of_declarations_is_told_when_it_changes_something(served: Gateway, folder: Path) -> None:
    database = served.application.database
    path = declare(folder, "pets", namespace="team")
    cats = declare(folder, "cats", namespace="team")
    for _ in range(2):
        await ConfigDirectory(folder, served.application).look()
    expected = [
        ("create_namespace", "team", "", ""),
        ("apply_declaration", "team", "cats", ""),
        ("apply_declaration", "team", "pets", ""),
    ]
    assert await told(database, "config") == expected
    directory = ConfigDirectory(folder, served.application)
    await directory.look()
    (folder / "documents" / "pets.json").write_text(json.dumps(LESS))
    await directory.look()
    expected.append(("apply_declaration", "team", "pets", ""))
    path.write_text("name: [")
    await directory.look()
    declare(folder, "pets", namespace="team", document=LESS)
    cats.unlink()
    await directory.look()
    assert await told(database, "config") == [*expected, ("prune_servers", "team", "", "cats")]


async def test_documents_named_to_serve_are_told_when_they_are_new(served: Gateway, tmp_path: Path) -> None:
    document = tmp_path / "openapi.json"
    for description in (PETS, PETS, LESS):
        document.write_text(json.dumps(description))
        await _import(served.application, "pets", str(document))
    assert await told(served.application.database, "cli") == [
        ("create_server", "default", "pets", ""),
        ("replace_document", "default", "pets", ""),
    ]


async def test_what_every_start_makes_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None
) -> None:
    for _ in range(2):
        async with gateway(tmp_path, monkeypatch) as running:
            assert await told(running.application.database, "gateway") == [
                ("create_namespace", "default", "", ""),
                ("create_server", "default", "causeway", ""),
            ]


def test_keys_made_and_revoked_in_the_database_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None
) -> None:
    monkeypatch.setenv("CAUSEWAY_DATA_DIR", str(tmp_path))

    def keys(*arguments: str) -> str:
        return CliRunner().invoke(causeway, ["keys", *arguments], catch_exceptions=False).stdout

    keys("create", "CI", "--scope", "call", "--namespace", "*")
    key = json.loads(keys("list"))["id"]
    keys("revoke", key)
    keys("revoke", "0123")
    assert asyncio.run(told_in(tmp_path, "cli")) == [("create_key", "", "", key), ("revoke_key", "", "", key)]


def test_a_rotation_that_encrypts_something_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None
) -> None:
    old, new = new_key(), new_key()
    asyncio.run(stored(tmp_path, old))
    for _ in range(2):
        assert rotated(monkeypatch, tmp_path, new, old).exception is None
    assert asyncio.run(told_in(tmp_path, "cli")) == [("rotate_secrets", "", "", "")]
