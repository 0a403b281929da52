"""Revisions over the control plane: what is decided about a new one, review, rollback, names that tools had."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import httpx2
import pytest

from tests.app.descriptions import PETS, operation
from tests.app.gateways import SERVERS, Gateway

PETS_URL = f"{SERVERS}/pets"


def changed(*, without: str = "", **paths: Any) -> dict[str, Any]:
    """Give PETS with further paths, and without the one named."""
    document = copy.deepcopy(PETS)
    document["paths"].pop(without, None)
    document["paths"].update({f"/{name}": item for name, item in paths.items()})
    return document


ADDED = changed(cats={"get": operation("list_cats")})
BREAKING = changed(without="/pets/{petId}")
DELETING = changed(cats={"delete": operation("drop_cats")})


def renamed() -> dict[str, Any]:
    document = copy.deepcopy(PETS)
    document["paths"]["/pets"]["get"]["operationId"] = "find_pets"
    return document


async def put(gateway: Gateway, document: Any, *, server: str = "pets", **query: Any) -> httpx2.Response:
    return await gateway.http.put(f"{SERVERS}/{server}/document", json={"document": document}, params=query)


async def result(gateway: Gateway, document: Any, **query: Any) -> dict[str, Any]:
    answer = await put(gateway, document, **query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["result"]
    return found


async def review(gateway: Gateway, policy: str, **policies: Any) -> None:
    answer = await gateway.http.patch(PETS_URL, json={"policies": {"review": policy, **policies}})
    assert answer.status_code == 200, answer.text


async def read(gateway: Gateway, path: str = "") -> Any:
    answer = await gateway.http.get(f"{PETS_URL}{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


# --- what an import tells


async def test_an_identical_description_is_no_new_revision(served: Gateway) -> None:
    """B31."""
    await served.create()
    assert await result(served, PETS) == {
        "outcome": "unchanged", "revision": 1, "breaking": 0, "changes": [], "approvals": []
    }  # fmt: skip
    assert [each["number"] for each in (await read(served, "/revisions"))["items"]] == [1]


async def test_an_import_tells_what_changed_for_callers(served: Gateway) -> None:
    await served.create()
    found = await result(served, BREAKING)
    assert (found["outcome"], found["revision"], found["breaking"]) == ("published", 2, 2)
    assert [(each["kind"], each["level"], each["tool"], each["operation"]) for each in found["changes"]] == [
        ("removed", "breaking", "get_pet", "GET /pets/{petId}"),
        ("removed", "breaking", "delete_pet", "DELETE /pets/{petId}"),
    ]


async def test_what_overrides_hide_does_not_break(served: Gateway) -> None:
    await served.create()
    for tool in ("get_pet", "delete_pet"):
        await served.http.patch(f"{PETS_URL}/tools/{tool}", json={"enabled": False})
    assert (await result(served, BREAKING, fail_on_breaking=True))["outcome"] == "published"


async def test_a_dry_run_tells_the_same_and_changes_nothing(served: Gateway) -> None:
    await served.create()
    told = (await put(served, BREAKING, dry_run=True)).json()
    assert told["counts"] == {"operations": 2, "tools": 2, "skipped": 0}
    assert told["result"].pop("revision") is None
    assert (await read(served))["revision"] == 1
    assert len((await read(served, "/revisions"))["items"]) == 1
    done = await result(served, BREAKING)
    assert done.pop("revision") == 2
    assert done == told["result"]


async def test_what_breaks_can_be_refused_with_the_diff(served: Gateway) -> None:
    await served.create()
    for dry_run in (True, False):
        answer = await put(served, BREAKING, fail_on_breaking=True, dry_run=dry_run)
        assert (answer.status_code, answer.json()["code"]) == (409, "breaking_change")
        assert answer.json()["breaking"] == 2
        assert [each["tool"] for each in answer.json()["changes"]] == ["get_pet", "delete_pet"]
    assert (await read(served))["revision"] == 1
    assert (await result(served, ADDED, fail_on_breaking=True))["outcome"] == "published"


async def test_a_server_that_is_not_there_is_made_where_that_is_wanted(served: Gateway) -> None:
    assert (await put(served, PETS)).status_code == 404
    assert (await put(served, PETS, dry_run=True)).status_code == 404
    preview = await put(served, PETS, create=True, dry_run=True)
    assert (preview.status_code, preview.json()["result"]["outcome"]) == (200, "created")
    assert (await served.http.get(PETS_URL)).status_code == 404
    made = await result(served, PETS, create=True)
    assert (made["outcome"], made["revision"]) == ("created", 1)
    assert (await result(served, PETS, create=True))["outcome"] == "unchanged"
    refused = await put(served, PETS, server=".a", create=True)
    assert (refused.status_code, refused.json()["code"]) == (422, "server_invalid")


async def test_imports_at_once_never_break_what_none_of_them_may_break(served: Gateway) -> None:
    """What is judged is what is stored: of a description and its opposite, the second is judged against the first."""
    await served.create(BREAKING)
    answers = await asyncio.gather(*(put(served, each, fail_on_breaking=True) for each in (PETS, BREAKING, PETS)))
    assert {each.status_code for each in answers} <= {200, 409}
    assert "get_pet" in await served.listed()


# --- review


@pytest.mark.parametrize(("document", "reason"), [(BREAKING, "breaking"), (DELETING, "approvals")])
async def test_under_review_what_breaks_or_deletes_waits(served: Gateway, document: Any, reason: str) -> None:
    """T06."""
    await served.create()
    await review(served, "review")
    before = await served.listed()
    found = await result(served, document)
    assert (found["outcome"], found["revision"]) == ("drafted", 2)
    assert found[reason]
    assert await served.listed() == before
    server = await read(served)
    assert (server["revision"], server["draft_revision"]) == (1, 2)
    assert [each["code"] for each in server["conditions"]] == ["revision_waits"]
    states = [(each["number"], each["state"]) for each in (await read(served, "/revisions"))["items"]]
    assert states == [(2, "draft"), (1, "active")]
    activated = await served.http.post(f"{PETS_URL}/revisions/2/activate")
    assert (activated.json()["revision"], activated.json()["draft_revision"]) == (2, None)
    assert activated.json()["conditions"] == []
    assert await served.listed() != before


async def test_under_review_what_breaks_nobody_is_served(served: Gateway) -> None:
    await served.create()
    await review(served, "review")
    assert (await result(served, ADDED))["outcome"] == "published"
    assert "list_cats" in await served.listed()


async def test_the_same_draft_again_is_the_same_revision(served: Gateway) -> None:
    await served.create()
    await review(served, "review")
    assert [(await result(served, BREAKING))["revision"] for _ in range(2)] == [2, 2]
    assert (await result(served, DELETING))["revision"] == 3
    assert (await read(served))["draft_revision"] == 3


@pytest.mark.parametrize("by", ["activating the active revision", "importing what is served"])
async def test_a_draft_is_dropped(served: Gateway, by: str) -> None:
    await served.create()
    await review(served, "review")
    await result(served, BREAKING)
    if by == "importing what is served":
        assert (await result(served, PETS))["outcome"] == "unchanged"
    else:
        await served.http.post(f"{PETS_URL}/revisions/1/activate")
    server = await read(served)
    assert (server["revision"], server["draft_revision"], server["conditions"]) == (1, None, [])


async def test_a_frozen_server_takes_nothing_new(served: Gateway) -> None:
    await served.create()
    await review(served, "freeze")
    answer = await put(served, ADDED)
    assert (answer.status_code, answer.json()["code"]) == (409, "server_frozen")
    assert [each["tool"] for each in answer.json()["changes"]] == ["list_cats"]
    assert (await result(served, PETS))["outcome"] == "unchanged"
    assert len((await read(served, "/revisions"))["items"]) == 1


# --- diff and rollback


async def test_a_revision_is_compared_with_the_active_one_and_that_with_the_one_before(served: Gateway) -> None:
    await served.create()
    await result(served, ADDED)
    await served.http.post(f"{PETS_URL}/revisions/1/activate")
    forward = await read(served, "/revisions/2/diff")
    assert (forward["revision"], forward["against"], forward["breaking"]) == (2, 1, 0)
    assert [each["kind"] for each in forward["changes"]] == ["added"]
    back = await read(served, "/revisions/1/diff?against=2")
    assert [(each["kind"], each["tool"]) for each in back["changes"]] == [("removed", "list_cats")]
    first = await read(served, "/revisions/1/diff")
    assert (first["against"], {each["kind"] for each in first["changes"]}) == (None, {"added"})
    await served.http.post(f"{PETS_URL}/revisions/2/activate")
    assert (await read(served, "/revisions/2/diff"))["against"] == 1


@pytest.mark.parametrize("path", ["/revisions/9/diff", "/revisions/1/diff?against=9", "/revisions/1/diff?against=0"])
async def test_a_revision_that_is_not_there_cannot_be_compared(served: Gateway, path: str) -> None:
    await served.create()
    assert (await served.http.get(f"{PETS_URL}{path}")).status_code in {404, 422}


# --- overrides


async def test_an_override_without_a_tool_is_kept_and_told(served: Gateway) -> None:
    await served.create()
    await served.http.patch(f"{PETS_URL}/tools/get_pet", json={"description": "Ours."})
    await result(served, BREAKING)
    (condition,) = (await read(served))["conditions"]
    assert condition["code"] == "override_without_tool"
    assert "GET /pets/{petId}" in condition["message"]
    await result(served, PETS)
    assert (await read(served))["conditions"] == []
    assert (await read(served, "/tools/get_pet"))["description"] == "Ours."


# --- names that tools had


async def called(gateway: Gateway, name: str) -> httpx2.Response:
    arguments = {"params": {"name": name, "arguments": {"limit": "much"}}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", **arguments}
    headers = {"MCP-Protocol-Version": "2025-11-25", "Accept": "application/json, text/event-stream"}
    return await gateway.http.post("/mcp/default/pets", json=message, headers=headers)


@pytest.mark.parametrize("by", ["import", "override", "activation", "search"])
async def test_a_renamed_tool_is_answered_under_its_former_name_and_not_listed(served: Gateway, by: str) -> None:
    await served.create()
    if by == "override":
        await served.http.patch(f"{PETS_URL}/tools/list_pets", json={"name": "find_pets"})
    elif by == "activation":
        await review(served, "review")
        await result(served, renamed())
        await served.http.post(f"{PETS_URL}/revisions/2/activate")
    else:
        await result(served, renamed())
    assert await served.listed() == ["find_pets", "add_pet", "get_pet", "delete_pet"]
    if by == "search":
        await review(served, "auto", tool_listing="search")
        described = await served.mcp("tools/call", {"name": "describe_tool", "arguments": {"name": "list_pets"}})
        assert described["structuredContent"]["name"] == "find_pets"
    answer = (await called(served, "list_pets")).json()
    assert "find_pets was not sent" in answer["result"]["content"][0]["text"]


async def test_without_a_grace_period_the_former_name_is_unknown(served: Gateway) -> None:
    await served.create()
    await review(served, "auto", rename_grace_days=0)
    await result(served, renamed())
    assert "no tool 'list_pets'" in (await called(served, "list_pets")).json()["error"]["message"]


async def test_a_former_name_gives_way_to_a_tool_of_that_name(served: Gateway) -> None:
    await served.create()
    taken = renamed()
    taken["paths"]["/pets"]["post"]["operationId"] = "list_pets"
    await result(served, taken)
    answer = (await called(served, "list_pets")).json()
    assert "list_pets was not sent" in answer["result"]["content"][0]["text"]
    assert "name" in answer["result"]["content"][0]["text"]
