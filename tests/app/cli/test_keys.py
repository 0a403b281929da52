"""`causeway keys`, straight in the database and against a running gateway."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import causeway
from app.errors import CausewayError
from app.security.keys import is_key
from tests.app.gateways import KEY, SECRET_KEY
from tests.e2e.gateways import run_causeway, started_gateway

pytestmark = pytest.mark.usefixtures("clean_environment")


def keys(folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[str, list[dict[str, object]]]:
    monkeypatch.setenv("CAUSEWAY_DATA_DIR", str(folder))
    done = CliRunner().invoke(causeway, ["keys", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    return done.stdout.strip(), [json.loads(line) for line in lines if line.startswith("{")]


def test_keys_are_made_listed_and_revoked_in_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = ("--scope", "call", "--scope", "import", "--namespace", "*", "--expires-in", "90d")
    text, _ = keys(tmp_path, monkeypatch, "create", "CI", *wide)
    assert is_key(text.encode())
    _, (found,) = keys(tmp_path, monkeypatch, "list")
    assert (found["name"], found["scopes"], found["namespace"], found["servers"]) == (
        "CI",
        ["call", "import"],
        "*",
        ["*"],
    )
    assert found["expires_at"] is not None
    assert text not in json.dumps(found)
    keys(tmp_path, monkeypatch, "revoke", str(found["id"]))
    assert keys(tmp_path, monkeypatch, "list")[1][0]["revoked_at"] is not None


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["create", "x"], 2),
        (["create", "x", "--scope", "root"], 2),
        (["create", "x", "--scope", "call", "--namespace", "nowhere"], 2),
        (["create", "x", "--scope", "call", "--namespace", "*", "--expires-in", "soon"], 2),
        (["revoke", "0123"], 1),
        (["list", "--to", "http://127.0.0.1:1"], 3),
        (["list", "--to", "nonsense"], 3),
        (["list", "--to", "http://127.0.0.1:1", "--key", "cwk_" + "0" * 49], 3),
    ],
    ids=str,
)
def test_what_does_not_work_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int
) -> None:
    monkeypatch.setenv("CAUSEWAY_DATA_DIR", str(tmp_path))
    done = CliRunner().invoke(causeway, ["keys", *arguments])
    # What is not click's own is turned into a sentence and code 2 by `main`.
    assert code == (2 if isinstance(done.exception, CausewayError) else done.exit_code), done.output


def test_keys_of_a_running_gateway_open_it_until_they_are_revoked(tmp_path: Path) -> None:
    """A03: a key that is revoked in the database is refused by the gateway within seconds."""
    settings = {"CAUSEWAY_ADMIN_KEY": KEY, "CAUSEWAY_SECRET_KEY": SECRET_KEY}
    with started_gateway(tmp_path, settings=settings) as gateway:
        reach = ("--to", gateway.url, "--key", KEY)
        made = run_causeway("keys", "create", "CI", "--scope", "call", *reach, folder=tmp_path)
        assert made.returncode == 0, made.stderr
        found = json.loads(run_causeway("keys", "list", *reach, folder=tmp_path).stdout)
        header = {"X-API-Key": made.stdout.strip()}
        assert gateway.http.get(gateway.api, headers=header).status_code == 200
        assert run_causeway("keys", "revoke", found["id"], *reach, folder=tmp_path).returncode == 0
        assert gateway.http.get(gateway.api, headers=header).status_code == 401
        assert run_causeway("keys", "list", "--to", gateway.url, folder=tmp_path).returncode == 3
        called = run_causeway("call", gateway.mcp_url("pets"), "get_pet", folder=tmp_path)
        assert (called.returncode, called.stderr.count("\n")) == (3, 1)
        assert "A valid key is needed" in called.stderr
