from __future__ import annotations

import asyncio
import base64
import secrets
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli import Failure, causeway
from app.registry import Database
from app.security.secret_keys import load_keys
from app.services import stored_credentials
from app.settings import load
from converters.credentials import Secret, Token
from tests.app.registry.examples import compilation

pytestmark = pytest.mark.usefixtures("clean_environment")


def new_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


async def stored(folder: Path, key: str) -> None:
    settings = load(data_dir=folder, secret_key=key)
    database = Database.open(settings.registry_url)
    await database.migrate()
    details = stored_credentials.details_of(Token(Secret("a-key")), origins=["https://a.example"], source=None)
    async with database.transaction() as registry:
        await registry.namespaces.ensure("default")
        await registry.servers.create("default", "pets", title="Pets", revision=compilation())
        new = stored_credentials.sealed(load_keys(settings), ("default", "pets", "key"), details, "a-key")
        await registry.credentials.put("default", "pets", scheme="key", new=new)
    await database.close()


async def key_ids(folder: Path) -> frozenset[str]:
    database = Database.open(load(data_dir=folder).registry_url)
    async with database.transaction(read_only=True) as registry:
        found = await registry.credentials.key_ids()
    await database.close()
    return found


def rotated(monkeypatch: pytest.MonkeyPatch, folder: Path, key: str, old: str = "") -> Result:
    monkeypatch.setenv("CAUSEWAY_DATA_DIR", str(folder))
    monkeypatch.setenv("CAUSEWAY_SECRET_KEY", key)
    monkeypatch.setenv("CAUSEWAY_SECRET_KEYS_OLD", old)
    return CliRunner().invoke(causeway, ["secrets", "rotate"], standalone_mode=False)


def test_rotate_encrypts_everything_under_the_current_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old, new = new_key(), new_key()
    asyncio.run(stored(tmp_path, old))
    before = asyncio.run(key_ids(tmp_path))
    done = rotated(monkeypatch, tmp_path, new, old)
    assert (done.exception, done.output) == (None, "1 credentials were encrypted under the current key.\n")
    after = asyncio.run(key_ids(tmp_path))
    keys = load_keys(load(secret_key=new, data_dir=tmp_path))
    assert {each.partition(".")[0] for each in after} == {keys.current_id}
    assert all(keys.is_current(each) for each in after)
    assert not any(keys.is_current(each) for each in before)
    assert rotated(monkeypatch, tmp_path, new).output == "0 credentials were encrypted under the current key.\n"


def test_what_cannot_be_read_is_counted_and_ends_with_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asyncio.run(stored(tmp_path, new_key()))
    before = asyncio.run(key_ids(tmp_path))
    done = rotated(monkeypatch, tmp_path, new_key())
    assert isinstance(done.exception, Failure)
    assert done.exception.exit_code == 1
    assert "CAUSEWAY_SECRET_KEYS_OLD" in done.exception.message
    assert asyncio.run(key_ids(tmp_path)) == before
