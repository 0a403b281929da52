"""Descriptions of the size people really have: imported in seconds, listed by the official client in every era."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx2
import pytest

from tests.e2e.gateways import ERAS, Gateway, connected

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
DESCRIPTIONS = {
    "stripe": "stripe/spec3.json",
    "github": "github/api.github.com.json",
    "kubernetes": "kubernetes-2.0/swagger.json",
    "docker": "docker-2.0/swagger.yaml",
    "discord": "discord-3.1/openapi.json",
}
IMPORT_SECONDS = 20


@pytest.fixture(scope="module")
def imported(gateway: Gateway) -> dict[str, httpx2.Response]:
    """Keep the answers of imports, so that each description is imported once."""
    return {}


@pytest.fixture(params=DESCRIPTIONS)
def name(request: pytest.FixtureRequest, gateway: Gateway, imported: dict[str, httpx2.Response]) -> str:
    """Import a description, unless it has been."""
    name = str(request.param)
    if name not in imported:
        started = time.monotonic()
        imported[name] = gateway.upload(document(name), file_name=Path(DESCRIPTIONS[name]).name, name=name)
        imported[name].extensions["seconds"] = time.monotonic() - started
    return name


def document(name: str) -> bytes:
    path = CORPUS / DESCRIPTIONS[name]
    if not path.exists():
        pytest.skip(f"the corpus is not here: {path}")
    return path.read_bytes()


def test_a_big_description_is_imported_in_time_and_every_operation_is_accounted_for(
    gateway: Gateway, imported: dict[str, httpx2.Response], name: str
) -> None:
    answer = imported[name]

    assert answer.status_code == 201, answer.text
    assert answer.extensions["seconds"] < IMPORT_SECONDS
    counts = answer.json()["counts"]
    assert counts["tools"] > 50
    assert counts["operations"] == counts["tools"] + counts["skipped"]
    assert len(gateway.tool_names(name)) == counts["tools"]
    assert gateway.is_alive()


@pytest.mark.parametrize("mode", ERAS)
async def test_the_official_client_lists_the_tools_that_the_control_plane_lists(
    gateway: Gateway, name: str, mode: str
) -> None:
    async with connected(gateway.mcp_url(name), mode) as client:
        listed = await client.list_tools()

    assert listed.next_cursor is None
    assert [tool.name for tool in listed.tools] == gateway.tool_names(name)
    assert all(tool.input_schema["type"] == "object" for tool in listed.tools)
    assert all(len(json.dumps(tool.input_schema)) <= 64 * 1024 for tool in listed.tools)


def test_the_same_description_again_keeps_the_revision_and_a_changed_one_makes_a_new_one(gateway: Gateway) -> None:
    first = document("discord")
    created = gateway.upload(first, name="again")
    assert created.status_code == 201, created.text

    again = gateway.replace("again", first)
    changed = gateway.replace(
        "again", first.replace(b'"summary"', b'"x-summary"', 1).replace(b"Discord", b"Concord", 1)
    )

    assert (again.status_code, again.json()["revision"]) == (200, created.json()["revision"])
    assert changed.status_code == 200, changed.text
    assert changed.json()["revision"] == created.json()["revision"] + 1
    revisions = gateway.http.get(f"{gateway.api}/again/revisions").json()["items"]
    assert [each["number"] for each in revisions] == [2, 1]
