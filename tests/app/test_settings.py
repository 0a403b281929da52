from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.main import create_app
from app.settings import MIN_KEY_LENGTH, Settings, SettingsError, is_loopback, load

pytestmark = pytest.mark.usefixtures("clean_environment")
KEY = "k" * MIN_KEY_LENGTH


def write_file(text: str) -> None:
    Path("causeway.toml").write_text(text)


def test_without_any_setting_it_is_local_mode_on_port_8080(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    settings = load()
    assert (settings.host, settings.port, settings.public_url, settings.is_local) == ("127.0.0.1", 8080, None, True)
    assert settings.data_dir == tmp_path / "causeway"
    assert settings.registry_url == f"sqlite:///{tmp_path / 'causeway' / 'causeway.db'}"
    assert settings.namespace_keys_folder == tmp_path / "causeway" / "namespace-keys"
    assert load(database_url="postgresql://somewhere/else").namespace_keys_folder is None
    assert load(database_url="postgresql://a/b", namespace_keys=tmp_path).namespace_keys_folder == tmp_path
    assert (settings.egress_allow, settings.egress_deny, settings.call_timeout) == ((), (), 30)


def test_the_data_lie_below_the_home_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load().data_dir == tmp_path / ".local" / "share" / "causeway"


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    write_file('port = 1\nhost = "127.0.0.3"\ncall_timeout = 5\n')
    assert (load().port, load().host, load().call_timeout) == (1, "127.0.0.3", 5)
    monkeypatch.setenv("CAUSEWAY_PORT", "2")
    monkeypatch.setenv("CAUSEWAY_HOST", "127.0.0.2")
    assert (load().port, load().host, load().call_timeout) == (2, "127.0.0.2", 5)
    assert (load(port=3).port, load(port=3).host) == (3, "127.0.0.2")


def test_what_the_command_line_leaves_out_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAUSEWAY_PORT", "2")
    assert load(port=None, host=None, database_url=None).port == 2


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAUSEWAY_PORT", "")
    monkeypatch.setenv("CAUSEWAY_ADMIN_KEY", "")
    assert (load().port, load().is_local) == (8080, True)


def test_lists_are_written_in_the_file_and_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    write_file('egress_allow = ["10.20.0.0/16", "fd00::/8"]\n')
    monkeypatch.setenv("CAUSEWAY_EGRESS_DENY", '["192.0.2.0/24"]')
    assert load().egress_allow == ("10.20.0.0/16", "fd00::/8")
    assert load().egress_deny == ("192.0.2.0/24",)


def test_no_dotenv_file_and_no_unknown_name_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("CAUSEWAY_PORT=5\n")
    monkeypatch.setenv("PORT", "6")
    monkeypatch.setenv("CAUSEWAY_NO_SUCH_SETTING", "7")
    write_file("no_such_setting = 1\n")
    assert load().port == 8080


def test_settings_are_frozen() -> None:
    settings = load()
    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]


def test_the_key_is_never_shown() -> None:
    settings = load(admin_key="a-secret-key-of-some-length")
    assert "a-secret" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


@pytest.mark.parametrize(
    ("host", "key", "is_local"),
    [("127.0.0.1", None, True), ("localhost", None, True), ("::1", None, True), ("127.0.0.2", None, True),
     ("[::1]", None, True), ("127.0.0.1", KEY, False), ("0.0.0.0", KEY, False), ("::", KEY, False)],  # noqa: S104
)  # fmt: skip
def test_local_mode_is_loopback_without_a_key(host: str, key: str | None, is_local: bool) -> None:
    assert load(host=host, admin_key=key).is_local is is_local


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "gateway.example", ""])  # noqa: S104
@pytest.mark.parametrize("key", ["", "short", "k" * (MIN_KEY_LENGTH - 1)])
def test_a_key_has_some_length(host: str, key: str) -> None:
    with pytest.raises(SettingsError, match="CAUSEWAY_ADMIN_KEY must be set to at least 16 characters"):
        load(host=host, admin_key=key)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "gateway.example", ""])  # noqa: S104
def test_beyond_this_machine_it_is_service_mode_with_or_without_a_key(host: str) -> None:
    """A20: without one there is the set-up, never a default key."""
    assert (load(host=host).is_local, load(host=host).admin_key) == (False, None)


@pytest.mark.parametrize("url", ["http://gateway.example", "http://10.0.0.1:8080", "http://[2001:db8::1]/causeway"])
def test_an_http_url_beyond_this_machine_is_refused_in_service_mode(url: str) -> None:
    """Z06: keys would be read on the way."""
    with pytest.raises(SettingsError, match="CAUSEWAY_PUBLIC_URL is http"):
        load(admin_key=KEY, public_url=url)
    assert load(admin_key=KEY, public_url=url.replace("http:", "https:")).public_url
    assert load(admin_key=KEY, public_url="http://localhost:8080").public_url
    assert load(public_url=url).is_local


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "gateway.example"])  # noqa: S104
def test_metrics_are_served_beyond_this_machine_only_where_there_are_keys(host: str) -> None:
    """Z06."""
    with pytest.raises(SettingsError, match="CAUSEWAY_METRICS_HOST"):
        load(metrics_host=host)
    assert load(metrics_host=host, admin_key=KEY).metrics_host == host


@pytest.mark.parametrize("key", ["", "short"])
def test_a_short_key_is_refused_on_this_machine_too(key: str) -> None:
    with pytest.raises(SettingsError, match="CAUSEWAY_ADMIN_KEY"):
        load(admin_key=key)


@pytest.mark.parametrize(
    "given",
    [
        {"port": -1},
        {"port": 65_536},
        {"port": "http"},
        {"call_timeout": 0},
        {"call_timeout": 301},
        {"egress_allow": ("10.0.0.0/99",)},
        {"egress_deny": ("http://everything",)},
        {"egress_proxy": "proxy.corp:3128"},
        {"trusted_proxies": ("proxy.corp",), "admin_key": "k" * 16},
        {"metrics_port": 65_536},
        {"public_url": "gateway.example"},
        {"public_url": "ftp://gateway.example"},
        {"public_url": "https://user@gateway.example"},
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(given: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=f"CAUSEWAY_{next(iter(given)).upper()}: "):
        load(**given)


@pytest.mark.parametrize(
    "text", ["10.0.0.0/8,192.168.0.0/16", "10.0.0.0/8, 192.168.0.0/16", '["10.0.0.0/8","192.168.0.0/16"]']
)
def test_networks_are_a_list_by_commas(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("CAUSEWAY_EGRESS_ALLOW", text)
    assert load().egress_allow == ("10.0.0.0/8", "192.168.0.0/16")


def secrets(folder: Path, **values: str) -> Path:
    for name, value in values.items():
        (folder / f"causeway_{name}").write_text(value)
    return folder


def test_a_folder_of_secrets_is_read_after_the_environment_and_before_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As Docker, Compose and Kubernetes mount secrets: a file for each, with or without an end of line."""
    write_file('host = "127.0.0.3"\nport = 1\ndatabase_url = "sqlite:///file.db"\n')
    folder = secrets(tmp_path, admin_key=f"{KEY}\n", database_url="postgresql://u:p@h/d", port="2", other="ignored")
    monkeypatch.setenv("CAUSEWAY_SECRETS_DIR", str(folder))
    monkeypatch.setenv("CAUSEWAY_PORT", "3")
    settings = load()
    assert settings.admin_key
    assert settings.admin_key.get_secret_value() == KEY
    assert (settings.host, settings.port, settings.database_url) == ("127.0.0.3", 3, "postgresql://u:p@h/d")


def test_a_key_that_is_an_empty_file_is_refused_and_not_local_mode(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="CAUSEWAY_ADMIN_KEY"):
        load(secrets_dir=secrets(tmp_path, admin_key="\n"))


def test_a_folder_of_secrets_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="CAUSEWAY_SECRETS_DIR: must be a folder"):
        load(secrets_dir=tmp_path / "none")


def test_a_secret_that_cannot_be_read_is_named_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "causeway_admin_key").write_bytes(b"\xff secret")
    with pytest.raises(SettingsError, match=r'"admin_key".*decode') as refused:
        load(secrets_dir=tmp_path)
    assert " secret" not in str(refused.value)


def test_a_file_that_is_not_toml_is_named() -> None:
    write_file("port = = 1")
    with pytest.raises(SettingsError, match=r"causeway\.toml: "):
        load()


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for field in Settings.model_fields.values())


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),  # noqa: S104
     ("10.0.0.1", False), ("localhost.example", False), ("", False)],
)  # fmt: skip
def test_loopback_is_this_machine_and_nothing_else(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({"port": 9}, "http://127.0.0.1:9"),
        ({"host": "::1"}, "http://[::1]:8080"),
        ({"public_url": "https://gateway.example/x/"}, "https://gateway.example/x"),
    ],
)
async def test_clients_are_told_the_public_url_else_host_and_port(
    given: dict[str, Any], url: str, tmp_path: Path
) -> None:
    application = create_app(load(data_dir=tmp_path, **given))
    assert application.public_url == url
    with contextlib.suppress(Exception):
        await application.database.close()
