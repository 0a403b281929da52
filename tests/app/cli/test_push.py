"""`causeway push` against a gateway: what it prints, what it ends with, what a pull request is shown."""

from __future__ import annotations

import asyncio
import copy
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner, Result

from app.cli import Failure, causeway
from tests.app.backends import backend, json_reply, reply
from tests.app.cli.gateways import listening_gateway
from tests.app.conftest import hide_settings
from tests.app.descriptions import PETS, operation
from tests.app.gateways import KEY


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("gateway")
    with pytest.MonkeyPatch.context() as monkeypatch:
        hide_settings(monkeypatch, folder)
        with listening_gateway(folder, monkeypatch) as url:
            yield url


def push(url: str, document: Path, *options: str, name: str, key: str = KEY) -> tuple[int, str, str]:
    """Give the exit code, what was printed, and the sentence of a failure."""
    arguments = ["push", str(document), "--to", url, "--name", name, "--key", key, *options]
    done: Result = CliRunner().invoke(causeway, arguments, standalone_mode=False)
    if isinstance(done.exception, Failure):
        return done.exception.exit_code, done.output, done.exception.message
    assert done.exception is None, done.exception
    return 0, done.output, ""


def written(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document))
    return path


def without_one_pet() -> dict[str, Any]:
    document = copy.deepcopy(PETS)
    del document["paths"]["/pets/{petId}"]
    return document


def revision(url: str, name: str) -> int:
    answer = httpx2.get(f"{url}/api/v1/namespaces/default/servers/{name}", headers={"X-API-Key": KEY}, trust_env=False)
    number: int = answer.json()["revision"]
    return number


def test_a_document_is_pushed_once(gateway: str, tmp_path: Path) -> None:
    document = written(tmp_path / "pets.json", PETS)
    assert push(gateway, document, name="once") == (
        0, "default/once: The server was made (revision 1).\n", ""
    )  # fmt: skip
    assert push(gateway, document, name="once") == (
        0, "default/once: Nothing changed (revision 1).\n", ""
    )  # fmt: skip
    assert revision(gateway, "once") == 1


def test_a_breaking_document_is_refused_with_the_diff(gateway: str, tmp_path: Path) -> None:
    push(gateway, written(tmp_path / "pets.json", PETS), name="strict")
    broken = written(tmp_path / "broken.json", without_one_pet())
    code, output, sentence = push(gateway, broken, "--fail-on-breaking", name="strict")
    assert code == 1
    assert "breaking    removed  get_pet  (GET /pets/{petId})\n" in output
    assert "2 changes, 2 breaking\n" in output
    assert "breaks callers in 2 tools" in sentence
    assert revision(gateway, "strict") == 1
    assert push(gateway, broken, name="strict")[0] == 0
    assert revision(gateway, "strict") == 2


def test_a_dry_run_prints_the_diff_and_changes_nothing(gateway: str, tmp_path: Path) -> None:
    document = written(tmp_path / "pets.json", PETS)
    assert push(gateway, document, "--dry-run", name="dry")[1] == "default/dry: The server would be made.\n"
    push(gateway, document, name="dry")
    more = copy.deepcopy(PETS)
    more["paths"]["/cats"] = {"delete": operation("drop_cats")}
    output = push(gateway, written(tmp_path / "more.json", more), "--dry-run", name="dry")[1]
    assert "compatible  added    drop_cats" in output
    assert "to approve  drop_cats  (DELETE /cats): it deletes, and is new" in output
    assert output.endswith("default/dry: The new revision would be served.\n")
    assert revision(gateway, "dry") == 1


@pytest.mark.parametrize("form", ["directory", "directory with an entry"])
def test_a_split_description_is_pushed_whole(gateway: str, tmp_path: Path, form: str) -> None:
    folder = tmp_path / "api"
    folder.mkdir()
    split = copy.deepcopy(PETS)
    split["paths"]["/pets"] = {"$ref": "pets.json"}
    written(folder / "openapi.json", split)
    written(folder / "pets.json", PETS["paths"]["/pets"])
    entry = ["--entry", "openapi.json"] if form == "directory with an entry" else []
    name = form.replace(" ", "-")
    assert push(gateway, folder, *entry, name=name)[0] == 0
    code, output, _ = push(gateway, folder, *entry, name=name)
    assert (code, "Nothing changed" in output) == (0, True)


def test_an_overlay_and_a_base_url_go_along(gateway: str, tmp_path: Path) -> None:
    overlay = {
        "overlay": "1.0.0",
        "info": {"title": "Ours", "version": "1"},
        "actions": [{"target": "$.paths['/pets/{petId}']", "remove": True}],
    }
    options = ["--overlay", str(written(tmp_path / "overlay.json", overlay)), "--base-url", "https://pets.example/v2"]
    assert push(gateway, written(tmp_path / "pets.json", PETS), *options, name="laid")[0] == 0
    url = f"{gateway}/api/v1/namespaces/default/servers/laid"
    server = httpx2.get(url, headers={"X-API-Key": KEY}, trust_env=False).json()
    assert (server["counts"]["tools"], server["base_url"]) == (2, "https://pets.example/v2")


@pytest.mark.parametrize("name", ["missing.json", "broken.yaml"])
def test_a_document_that_is_refused_ends_with_2(gateway: str, tmp_path: Path, name: str) -> None:
    (tmp_path / "broken.yaml").write_text("openapi: 3.1.0\ninfo:\n  title: a\n  version: '1'\npaths:\n  - /pets\n")
    code, output, sentence = push(gateway, tmp_path / name, name="bad")
    assert (code, output) == (2, "")
    assert str(tmp_path / name) in sentence
    if name == "broken.yaml":
        assert "broken.yaml:5: " in sentence
        assert "(at /paths)" in sentence


def test_a_wrong_key_and_a_gateway_that_is_away_end_with_3(gateway: str, tmp_path: Path) -> None:
    document = written(tmp_path / "pets.json", PETS)
    assert push(gateway, document, name="a", key="wrong")[0] == 3
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        away = f"http://127.0.0.1:{listener.getsockname()[1]}"
        code, _, sentence = push(away, document, name="a")
    assert (code, sentence) == (3, f"{away.removeprefix('http://')} cannot be reached.")
    assert push("ftp://example", document, name="a")[0] == 3


async def test_a_web_server_that_is_no_gateway_ends_with_3(tmp_path: Path) -> None:
    document = written(tmp_path / "pets.json", PETS)
    for strange in (reply("200 OK", b"<html>", "Content-Type: text/html"), reply("404 Not Found"), json_reply(b"[]")):
        async with backend(strange) as other:
            url = f"http://127.0.0.1:{other.port}"
            code, _, sentence = await asyncio.to_thread(push, url, document, name="a")
        assert (code, sentence) == (3, f"127.0.0.1:{other.port} does not answer as a gateway does.")


def test_a_name_that_cannot_be_is_refused(gateway: str, tmp_path: Path) -> None:
    assert push(gateway, written(tmp_path / "pets.json", PETS), name="../a")[0] == 2


def test_the_summary_of_a_job_has_the_diff_as_a_table(
    gateway: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(gateway, written(tmp_path / "pets.json", PETS), name="told")
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    changed = without_one_pet()
    changed["paths"]["/a|b"] = {"get": operation("a_b")}
    document = written(tmp_path / "changed.json", changed)
    push(gateway, document, "--fail-on-breaking", name="told")
    push(gateway, document, name="told")
    text = summary.read_text()
    assert text.startswith(
        "before\n### default/told\n\nThe description breaks callers in 2 tools; nothing was changed.\n"
    )
    assert text.count("| breaking | get\\_pet | GET /pets/\\{petId\\} | removed |\n") == 2
    assert "| compatible | a\\_b | GET /a\\|b | added |\n" in text
    assert "The new revision is served (revision 2)." in text
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "")
    assert push(gateway, document, name="told")[0] == 0
