"""Acceptance K07: a service without a good key does not start, and the sentence names the setting."""

from __future__ import annotations

import base64
import secrets
import stat
from pathlib import Path
from typing import Any

import pytest

from app.main import Application
from app.security.secret_keys import FILE, load_keys
from app.settings import SettingsError, load

pytestmark = pytest.mark.usefixtures("clean_environment")
ADMIN = "k" * 20
GOOD = base64.b64encode(secrets.token_bytes(32)).decode()


def test_local_mode_makes_its_key_once_readable_by_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "data"
    first = load_keys(load(data_dir=folder))
    assert load_keys(load(data_dir=folder)).current_id == first.current_id
    assert [each.name for each in folder.iterdir()] == [FILE]
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600
    assert len(base64.b64decode((folder / FILE).read_text())) == 32
    assert load_keys(load(data_dir=tmp_path / "other")).current_id != first.current_id


def test_the_setting_and_its_file_give_the_same_key(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{GOOD}\n")
    by_file = load_keys(load(secret_key_file=file, admin_key=ADMIN))
    assert by_file.current_id == load_keys(load(secret_key=GOOD, admin_key=ADMIN)).current_id
    url_safe = base64.urlsafe_b64encode(base64.b64decode(GOOD)).decode()
    assert by_file.current_id == load_keys(load(secret_key=url_safe, admin_key=ADMIN)).current_id


def test_old_keys_are_read(tmp_path: Path) -> None:
    others = [base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(2)]
    keys = load_keys(load(secret_key=GOOD, secret_keys_old=", ".join(others)))
    assert len(keys.ids) == 3
    assert keys.current_id == load_keys(load(secret_key=GOOD)).current_id


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "CAUSEWAY_SECRET_KEY .* must be set in service mode"),
        ({"secret_key": "short"}, "CAUSEWAY_SECRET_KEY must be 32 bytes in base64"),
        ({"secret_key": base64.b64encode(b"x" * 31).decode()}, "CAUSEWAY_SECRET_KEY must be 32 bytes"),
        ({"secret_key": "ü" * 44}, "CAUSEWAY_SECRET_KEY must be 32 bytes"),
        ({"secret_key": base64.b64encode(bytes(32)).decode()}, "CAUSEWAY_SECRET_KEY is not at random"),
        ({"secret_key": base64.b64encode(bytes(range(8)) * 4).decode()}, "CAUSEWAY_SECRET_KEY is not at random"),
        ({"secret_key": base64.b64encode(b"change-me-to-a-real-secret-key!!").decode()}, "is not at random"),
        ({"secret_key_file": Path("/nowhere/key")}, "CAUSEWAY_SECRET_KEY_FILE: the file .* cannot be read"),
        ({"secret_key": GOOD, "secret_keys_old": "x"}, "CAUSEWAY_SECRET_KEYS_OLD must be 32 bytes"),
    ],
)
def test_a_missing_or_weak_key_stops_the_start_of_a_service(
    tmp_path: Path, settings: dict[str, Any], told: str
) -> None:
    folder = tmp_path / "data"
    with pytest.raises(SettingsError, match=told) as caught:
        Application(load(data_dir=folder, admin_key=ADMIN, **settings), public_url="http://127.0.0.1:8080")
    assert not folder.exists()
    assert all(str(value) not in caught.value.message for name, value in settings.items() if name != "secret_keys_old")


def test_a_key_that_was_damaged_on_disk_is_not_replaced(tmp_path: Path) -> None:
    load_keys(load(data_dir=tmp_path))
    (tmp_path / FILE).write_text("damaged")
    with pytest.raises(SettingsError, match=r"secret\.key in CAUSEWAY_DATA_DIR must be 32 bytes"):
        load_keys(load(data_dir=tmp_path))
    assert (tmp_path / FILE).read_text() == "damaged"


def test_keys_are_not_shown_by_the_settings() -> None:
    settings = load(secret_key=GOOD, secret_keys_old=GOOD)
    assert GOOD not in f"{settings!r} {settings.model_dump()} {settings.model_dump_json()}"
