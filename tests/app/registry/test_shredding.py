"""Acceptance K17: what a namespace kept secret is gone with it, backups of the database included."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import make_url

from app.security.sealing import SecretKeys
from app.services.rotation import rotate
from tests.app.conftest import hide_settings
from tests.app.credentials.apis import secured
from tests.app.credentials.test_keeping import new_key
from tests.app.gateways import KEY, SECRET_KEY, Gateway, gateway

LEAVER, STAYER = "/api/v1/namespaces/leaver", "/api/v1/namespaces/stayer"
PETS = {"name": "pets", "document": secured([{"header": []}]), "base_url": "http://127.0.0.1:1"}
CREDENTIALS = "/servers/pets/credentials"


@asynccontextmanager
async def keeping(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> AsyncIterator[Gateway]:
    hide_settings(monkeypatch, folder)
    given = {"admin_key": KEY, "secret_key": SECRET_KEY, "egress_allow": ("127.0.0.0/8",), **settings}
    async with gateway(folder / "data", monkeypatch, database_url=url, **given) as running:
        yield running


@asynccontextmanager
async def restored(url: str) -> AsyncIterator[str]:
    """Make a whole copy of a database that nobody is connected to, as a backup and its restoration do."""
    copied = make_url(url)
    if copied.drivername.startswith("sqlite"):
        path = f"{copied.database}-restored"
        with sqlite3.connect(str(copied.database)) as source, sqlite3.connect(path) as target:
            source.backup(target)
        yield f"sqlite:///{path}"
        return
    name = f"{copied.database}_restored"
    administration = copied.set(database="postgres").render_as_string(hide_password=False)
    await _execute(administration, f"CREATE DATABASE {name} TEMPLATE {copied.database}")
    try:
        yield copied.set(database=name).render_as_string(hide_password=False)
    finally:
        await _execute(administration, f"DROP DATABASE {name} WITH (FORCE)")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def supplied(running: Gateway, namespace: str, secret: str) -> None:
    assert (await running.http.post("/api/v1/namespaces", json={"name": namespace.rpartition("/")[2]})).is_success
    assert (await running.http.post(f"{namespace}/servers", json=PETS)).is_success
    await put(running, namespace, secret)


async def put(running: Gateway, namespace: str, secret: str) -> None:
    answer = await running.http.put(f"{namespace}{CREDENTIALS}/header", json={"value": secret})
    assert answer.is_success, answer.text


async def is_readable(running: Gateway, namespace: str) -> bool:
    (shown,) = (await running.http.get(f"{namespace}{CREDENTIALS}")).json()["items"]
    readable: bool = shown["is_readable"]
    return readable


async def test_a_backup_from_before_a_namespace_was_deleted_does_not_give_its_secrets_back(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Acceptance K17: the restored database, the operator's key and the folder as it is do not suffice."""
    folder = tmp_path / "keys"
    async with keeping(database_url, tmp_path, monkeypatch, namespace_keys=folder) as running:
        await supplied(running, LEAVER, "the-leaver-s-secret")
        await supplied(running, STAYER, "the-stayer-s-secret")
        assert {each.name.partition(".")[0] for each in folder.iterdir()} == {"leaver", "stayer"}
        assert {each.stat().st_mode & 0o777 for each in folder.iterdir()} == {0o600}
    async with restored(database_url) as backup:
        async with keeping(database_url, tmp_path, monkeypatch, namespace_keys=folder) as running:
            assert (await running.http.delete(LEAVER)).status_code == 204
        assert {each.name.partition(".")[0] for each in folder.iterdir()} == {"stayer"}
        async with keeping(backup, tmp_path, monkeypatch, namespace_keys=folder) as running:
            assert not await is_readable(running, LEAVER)
            assert await is_readable(running, STAYER)
            assert (await running.http.get("/readyz")).status_code == 200
            await put(running, LEAVER, "another-secret")
            assert await is_readable(running, LEAVER)


async def test_without_a_folder_a_backup_stays_readable_until_the_operator_s_key_is_retired(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Acceptance K17: what the documentation says of a gateway without NAMESPACE_KEYS."""
    async with keeping(database_url, tmp_path, monkeypatch) as running:
        await supplied(running, LEAVER, "the-leaver-s-secret")
    async with restored(database_url) as backup:
        async with keeping(database_url, tmp_path, monkeypatch) as running:
            assert (await running.http.delete(LEAVER)).status_code == 204
        async with keeping(backup, tmp_path, monkeypatch) as running:
            assert await is_readable(running, LEAVER)
        async with keeping(backup, tmp_path, monkeypatch, secret_key=new_key()) as running:
            assert not await is_readable(running, LEAVER)


async def test_what_was_sealed_without_keys_of_namespaces_is_read_and_sealed_anew(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Acceptance K17: the folder may be given to a gateway that has secrets already."""
    async with keeping(database_url, tmp_path, monkeypatch) as running:
        await supplied(running, LEAVER, "the-leaver-s-secret")
        await supplied(running, STAYER, "the-stayer-s-secret")
    folder = tmp_path / "keys"
    async with keeping(database_url, tmp_path, monkeypatch, namespace_keys=folder) as running:
        assert await is_readable(running, LEAVER)
        assert not folder.exists()
        keys = running.application.secrets.credentials._keys  # noqa: SLF001 - its keys
        assert isinstance(keys, SecretKeys)
        await put(running, LEAVER, "written-anew")
        assert [each.name.partition(".")[0] for each in folder.iterdir()] == ["leaver"]
        done = await rotate(running.application.database, keys)
        assert (done.resealed, done.unreadable) == (1, 0)
        assert (await rotate(running.application.database, keys)).resealed == 0
        assert await is_readable(running, STAYER)
        async with running.application.database.transaction(read_only=True) as registry:
            assert all(keys.is_current(each) for each in await registry.credentials.key_ids())


async def test_a_folder_that_is_missing_makes_the_gateway_unready_and_nothing_is_lost(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Acceptance K17: a folder that is not mounted is told, and what is written meanwhile stands beside."""
    folder, elsewhere = tmp_path / "keys", tmp_path / "not mounted"
    async with keeping(database_url, tmp_path, monkeypatch, namespace_keys=folder) as running:
        await supplied(running, LEAVER, "the-leaver-s-secret")
        await supplied(running, STAYER, "the-stayer-s-secret")
    async with keeping(database_url, tmp_path, monkeypatch, namespace_keys=elsewhere) as running:
        answer = await running.http.get("/readyz")
        assert (answer.status_code, "CAUSEWAY_NAMESPACE_KEYS" in answer.text) == (503, True)
        assert not await is_readable(running, LEAVER)
        await put(running, STAYER, "written-meanwhile")
    for each in elsewhere.iterdir():
        each.rename(folder / each.name)
    async with keeping(database_url, tmp_path, monkeypatch, namespace_keys=folder) as running:
        assert (await running.http.get("/readyz")).status_code == 200
        assert await is_readable(running, LEAVER)
        assert await is_readable(running, STAYER)


async def test_a_namespace_whose_keys_cannot_be_shredded_stays(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Acceptance K17: deletion says why it failed, and can be repeated."""
    folder = tmp_path / "keys"
    async with keeping(database_url, tmp_path, monkeypatch, namespace_keys=folder) as running:
        await supplied(running, LEAVER, "the-leaver-s-secret")
        (key,) = folder.iterdir()
        key.rename(tmp_path / "aside")
        key.mkdir()
        answer = await running.http.delete(LEAVER)
        assert (answer.status_code, answer.json()["code"]) == (503, "namespace_keys_unavailable")
        key.rmdir()
        (tmp_path / "aside").rename(key)
        assert await is_readable(running, LEAVER)
        assert (await running.http.delete(LEAVER)).status_code == 204
        assert list(folder.iterdir()) == []
