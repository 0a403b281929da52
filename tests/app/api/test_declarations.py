"""Declarations over the control plane: applied whole or not at all, idempotent, given back without a secret."""

from __future__ import annotations

import copy
import json
from typing import Any

import httpx2
import pytest

from tests.app.descriptions import PETS
from tests.app.gateways import SERVERS, Gateway

URL = f"{SERVERS}/pets/declaration"
SCHEMES = {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}, "basic": {"type": "http", "scheme": "basic"}}
SECURED = {**PETS, "components": {"securitySchemes": SCHEMES}, "security": [{"key": []}]}
FULL: dict[str, Any] = {
    "name": "pets",
    "source": {"file": "documents/pets.yaml"},
    "base_url": "https://pets.example/v3",
    "instructions": "Be kind to pets.",
    "policies": {"heal_numbers": True, "review": "auto"},
    "tools": {
        "GET /pets": {"name": "find_pets", "annotations": {"readOnlyHint": True}},
        "GET /gone": {"enabled": False},
    },
}


async def put(gateway: Gateway, declaration: Any, document: Any = SECURED, **query: Any) -> httpx2.Response:
    files = {"declaration": (None, json.dumps(declaration)), "document": ("a.json", json.dumps(document))}
    return await gateway.http.put(URL, files=files, params=query)


async def applied(gateway: Gateway, declaration: Any, document: Any = SECURED, **query: Any) -> tuple[str, list[str]]:
    answer = await put(gateway, declaration, document, **query)
    assert answer.status_code == 200, answer.text
    return answer.json()["outcome"], answer.json()["differences"]


async def read(gateway: Gateway, path: str = "") -> Any:
    answer = await gateway.http.get(f"{SERVERS}/pets{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_declaration_makes_a_server_and_then_changes_nothing(served: Gateway) -> None:
    """B31."""
    assert await applied(served, FULL) == ("created", [])
    server = await read(served)
    assert (server["base_url"], server["instructions"]) == (FULL["base_url"], FULL["instructions"])
    assert server["policies"]["heal_numbers"] is True
    assert await served.listed() == ["find_pets", "add_pet", "get_pet", "delete_pet"]
    assert [each["code"] for each in server["conditions"]] == ["override_without_tool"]
    assert await applied(served, FULL) == ("unchanged", [])
    assert (await read(served))["updated_at"] == server["updated_at"]


async def test_what_is_not_declared_any_more_is_as_usual(served: Gateway) -> None:
    await applied(served, FULL)
    assert await applied(served, {"name": "pets", "source": FULL["source"]}) == (
        "changed", ["base_url", "instructions", "policies", "tools"]
    )  # fmt: skip
    server = await read(served)
    assert (server["base_url"], server["instructions"], server["conditions"]) == (None, None, [])
    assert await served.listed() == ["list_pets", "add_pet", "get_pet", "delete_pet"]


async def test_a_dry_run_tells_the_same_and_changes_nothing(served: Gateway) -> None:
    assert await applied(served, FULL, dry_run=True) == ("created", [])
    assert (await served.http.get(f"{SERVERS}/pets")).status_code == 404
    await applied(served, FULL)
    before = await read(served)
    less = copy.deepcopy(SECURED)
    del less["paths"]["/pets/{petId}"]
    answer = (await put(served, {**FULL, "enabled": False}, less, dry_run=True)).json()
    assert (answer["outcome"], answer["differences"], answer["description"]["breaking"]) == ("changed", ["enabled"], 2)
    assert await read(served) == before


async def test_what_was_applied_is_given_back(served: Gateway) -> None:
    """B31."""
    await applied(served, FULL)
    assert await read(served, "/declaration") == FULL


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"base_url": "nonsense"}, None),
        ({"server_variables": {"nobody": "a"}}, None),
        ({"tools": {"GET /pets": {"name": "not legal"}}}, "/tools/GET ~1pets/name"),
        ({"tools": {"GET /pets": {"name": "ADD_PET"}}}, "/tools/GET ~1pets/name"),
        ({"tools": {"GET /pets": {}}}, "/tools/GET ~1pets"),
        ({"tools": {"list_pets": {"enabled": False}}}, "/tools/list_pets/[key]"),
        ({"credentials": {"nobody": {"secretRef": {"source": "env", "name": "A"}}}}, "/credentials/nobody"),
        ({"credentials": {"key": {"secretRef": {"source": "env", "name": "UNKNOWN"}}}}, "/credentials/key/secretRef"),
        ({"credentials": {"key": {"secretRef": {"source": "stored"}}}}, "/credentials/key/secretRef"),
        ({"credentials": {"key": {"value": "plain"}}}, "/credentials/key/secretRef"),
        ({"source": {"file": "a", "url": "https://a.example"}}, "/source"),
        ({"surplus": 1}, "/surplus"),
    ],
)
async def test_what_cannot_be_used_is_refused_by_place_and_nothing_is_changed(
    served: Gateway, change: dict[str, Any], pointer: str | None
) -> None:
    """K16: a reference that is not known is a clear error."""
    await applied(served, FULL)
    before = await read(served)
    other = {**SECURED, "info": {"title": "Other", "version": "2"}}
    answer = await put(served, {**FULL, **change}, other)
    assert answer.status_code == 422, answer.text
    assert answer.json().get("pointer") == pointer
    assert await read(served) == before


async def test_secrets_are_exported_by_reference_only(served: Gateway) -> None:
    """K16."""
    await served.create(SECURED)
    await served.http.put(f"{SERVERS}/pets/credentials/key", json={"value": "a-plain-secret"})
    await served.http.put(
        f"{SERVERS}/pets/credentials/basic", json={"username": "bob", "password": "another-plain-secret"}
    )
    exported = await served.http.get(URL)
    assert "plain-secret" not in exported.text
    assert exported.json()["credentials"] == {
        "basic": {"secretRef": {"source": "stored"}, "username": "bob"},
        "key": {"secretRef": {"source": "stored"}},
    }
    assert await applied(served, exported.json()) == ("unchanged", [])
    assert {each["scheme"] for each in (await read(served, "/credentials"))["items"]} == {"basic", "key"}


async def test_a_declaration_has_to_be_that_of_the_url_and_complete(served: Gateway) -> None:
    wrong = await put(served, {**FULL, "name": "others"})
    assert (wrong.status_code, "default/others" in wrong.json()["detail"]) == (422, True)
    alone = await served.http.put(URL, files={"declaration": (None, json.dumps(FULL))})
    assert (alone.status_code, "`document`" in alone.json()["detail"]) == (422, True)
    broken = await served.http.put(URL, files={"declaration": (None, "{")})
    assert broken.status_code == 400
    assert (await served.http.put(URL, json=FULL)).status_code == 415


async def test_under_review_a_declaration_is_a_draft(served: Gateway) -> None:
    """T06."""
    reviewed = {**FULL, "policies": {"review": "review"}}
    await applied(served, reviewed)
    less = copy.deepcopy(SECURED)
    del less["paths"]["/pets/{petId}"]
    answer = (await put(served, reviewed, less)).json()
    assert (answer["outcome"], answer["description"]["outcome"]) == ("changed", "drafted")
    assert (await read(served))["draft_revision"] == 2
    assert "get_pet" in await served.listed()


async def test_only_what_was_declared_is_pruned(served: Gateway) -> None:
    await applied(served, FULL)
    await served.create(name="by_hand")
    prune = "/api/v1/namespaces/default/prune"
    for dry_run in (True, False):
        answer = await served.http.post(prune, json={"keep": []}, params={"dry_run": dry_run})
        assert answer.json() == {"items": ["pets"]}
    assert (await served.http.get(f"{SERVERS}/pets")).status_code == 404
    assert (await served.http.get(f"{SERVERS}/by_hand")).status_code == 200
    assert (await served.http.post(prune, json={"keep": []})).json() == {"items": []}


async def test_overlays_are_given_back(served: Gateway) -> None:
    overlay = b"overlay: 1.0.0\ninfo: {title: a, version: '1'}\nactions: [{target: '$.paths', update: {/x: {}}}]\n"
    files: Any = [("declaration", (None, json.dumps({**FULL, "source": {**FULL["source"], "overlays": ["a.yaml"]}}))),
             ("document", ("a.json", json.dumps(SECURED))), ("overlay", ("a.yaml", overlay))]  # fmt: skip
    assert (await served.http.put(URL, files=files)).status_code == 200
    assert (await read(served, "/declaration"))["source"]["overlays"] == ["documents/pets.overlay-1.yaml"]
    assert (await served.http.get(f"{URL}/overlays/1")).content == overlay
    assert (await served.http.get(f"{URL}/overlays/2")).status_code == 404


async def test_pinned_and_hidden_arguments_are_declared_and_given_back(served: Gateway) -> None:
    tools = {"POST /pets": {"pinned": {"weight": 2.5}, "hidden": ["chip"]}}
    assert await applied(served, {**FULL, "tools": tools}) == ("created", [])
    given = (await read(served, "/declaration"))["tools"]["POST /pets"]
    assert {name: value for name, value in given.items() if value is not None} == tools["POST /pets"]
    assert await applied(served, {**FULL, "tools": tools}) == ("unchanged", [])
    wrong = {"POST /pets": {"pinned": {"height": 2.5}}}
    refused = (await put(served, {**FULL, "tools": wrong})).json()
    assert (refused["status"], refused["code"], refused["pointer"]) == (
        422,
        "declaration_invalid",
        "/tools/POST ~1pets",
    )
    assert "There is no argument 'height'." in refused["detail"]
