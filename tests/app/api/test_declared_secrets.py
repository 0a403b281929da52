"""The secrets of a declaration: by reference only, stored with everything else that it says or not at all."""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.registry.credentials import Credentials
from app.registry.errors import RegistryUnavailable
from tests.app.backends import backend, json_reply
from tests.app.conftest import hide_settings
from tests.app.descriptions import PETS
from tests.app.gateways import KEY, SERVERS, Gateway, gateway

URL = f"{SERVERS}/pets/declaration"
SCHEMES: dict[str, Any] = {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}
SECURED: dict[str, Any] = {**PETS, "components": {"securitySchemes": SCHEMES}, "security": [{"key": []}]}
OTHER = {**SECURED, "info": {"title": "Other", "version": "2"}}


@pytest.fixture
async def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gateway]:
    """Run a gateway whose operator keeps secrets in a folder."""
    hide_settings(monkeypatch, tmp_path)
    (tmp_path / "secrets").mkdir()
    for name in ("key", "tenant"):
        (tmp_path / "secrets" / name).write_text(f"the-{name}-of-the-operator\n")
    more: dict[str, Any] = {"admin_key": KEY, "egress_allow": ("127.0.0.0/8",)}
    async with gateway(tmp_path / "data", monkeypatch, credential_files=(tmp_path / "secrets",), **more) as running:
        yield running


def declared(folder: Path, base_url: str = "https://pets.example/v3", **more: Any) -> dict[str, Any]:
    kept = {
        name: {"secretRef": {"source": "file", "path": str(folder / "secrets" / name)}} for name in ("key", "tenant")
    }
    return {
        "name": "pets",
        "source": {"file": "documents/pets.yaml"},
        "base_url": base_url,
        "credentials": {"key": kept["key"]},
        "headers": {"X-Tenant": kept["tenant"], "X-Version": {**kept["tenant"], "is_secret": False}},
        **more,
    }


async def put(own: Gateway, declaration: Any, document: Any = SECURED, **query: Any) -> httpx2.Response:
    files = {"declaration": (None, json.dumps(declaration)), "document": ("a.json", json.dumps(document))}
    return await own.http.put(URL, files=files, params=query)


async def applied(own: Gateway, declaration: Any, document: Any = SECURED, **query: Any) -> tuple[str, list[str]]:
    answer = await put(own, declaration, document, **query)
    assert answer.status_code == 200, answer.text
    return answer.json()["outcome"], answer.json()["differences"]


async def read(own: Gateway, path: str = "") -> Any:
    return (await own.http.get(f"{SERVERS}/pets{path}")).json()


SECRETS = ["credentials/key", "headers/X-Tenant", "headers/X-Version"]


async def test_credentials_and_header_fields_are_declared_sent_and_given_back(own: Gateway, tmp_path: Path) -> None:
    """B31, K16: what is exported refers to secrets, and applied again it changes nothing."""
    async with backend(json_reply(b"{}")) as api:
        declaration = declared(tmp_path, api.url)
        for dry_run in (True, False):
            assert await applied(own, declaration, dry_run=dry_run) == ("created", SECRETS)
        await own.mcp("tools/call", {"name": "get_pet", "arguments": {"petId": 1}})
    (request,) = api.requests
    assert [request.values(name) for name in ("X-Key", "X-Tenant", "X-Version")] == [
        ["the-key-of-the-operator"],
        ["the-tenant-of-the-operator"],
        ["the-tenant-of-the-operator"],
    ]
    exported = await own.http.get(URL)
    assert exported.json() == declaration
    assert "of-the-operator" not in exported.text
    assert await applied(own, exported.json()) == ("unchanged", [])


async def test_a_field_that_was_supplied_by_hand_is_exported_as_stored(own: Gateway, tmp_path: Path) -> None:
    """K16."""
    await own.create(SECURED, base_url="https://pets.example")
    await own.http.put(f"{SERVERS}/pets/headers/X-Plan", json={"value": "a-plain-value", "is_secret": False})
    exported = await own.http.get(URL)
    assert exported.json()["headers"] == {"X-Plan": {"secretRef": {"source": "stored"}, "is_secret": False}}
    assert "a-plain-value" not in exported.text
    assert await applied(own, exported.json()) == ("unchanged", [])
    secret = {"X-Plan": {"secretRef": {"source": "stored"}}}
    answers = [await put(own, declared(tmp_path, headers=each)) for each in (secret, {"X-Other": secret["X-Plan"]})]
    assert [(each.status_code, each.json()["pointer"]) for each in answers] == [
        (422, "/headers/X-Plan/secretRef"),
        (422, "/headers/X-Other/secretRef"),
    ]


@pytest.mark.parametrize(
    ("headers", "pointer"),
    [
        ({"Host": {"secretRef": {"source": "stored"}}}, "/headers/Host/secretRef"),
        ({"X-A": {"secretRef": {"source": "env", "name": "UNKNOWN"}}}, "/headers/X-A/secretRef"),
        ({"X-A": {"value": "plain"}}, "/headers/X-A/secretRef"),
        ({each: {"secretRef": {"source": "stored"}} for each in ("X-A", "x-a")}, "/headers/x-a"),
    ],
    ids=["written by the gateway", "not kept", "plain", "twice"],
)
async def test_a_field_that_cannot_be_added_is_refused_by_place(
    own: Gateway, tmp_path: Path, headers: dict[str, Any], pointer: str
) -> None:
    """K16."""
    refused = await put(own, declared(tmp_path, headers=headers))
    assert (refused.status_code, refused.json()["pointer"]) == (422, pointer), refused.text
    assert (await own.http.get(f"{SERVERS}/pets")).status_code == 404


async def test_what_is_declared_is_bound_to_where_requests_go_by_the_same_declaration(
    own: Gateway, tmp_path: Path
) -> None:
    await applied(own, declared(tmp_path))
    moved = declared(tmp_path, "https://moved.example")
    for dry_run in (True, False):
        assert await applied(own, moved, dry_run=dry_run) == ("changed", ["base_url", *SECRETS])
    for path in ("/credentials", "/headers"):
        for each in (await read(own, path))["items"]:
            assert (each["origins"], each["detached_origins"]) == (["https://moved.example"], [])
    assert await applied(own, moved) == ("unchanged", [])


async def test_a_declaration_whose_secrets_cannot_be_stored_changes_nothing(
    own: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it is one transaction, whatever breaks off in the middle."""
    await applied(own, declared(tmp_path))
    before = [await read(own), await read(own, "/declaration")]

    async def away(*_: Any, **__: Any) -> None:
        raise RegistryUnavailable

    with monkeypatch.context() as patched:
        patched.setattr(Credentials, "put", away)
        broken_off = await put(own, declared(tmp_path, "https://moved.example"), OTHER)
    assert broken_off.status_code == 503
    assert [await read(own), await read(own, "/declaration")] == before
    nowhere = {**copy.deepcopy(OTHER), "servers": [{"url": "/relative"}]}
    refused = await put(own, {each: value for each, value in declared(tmp_path).items() if each != "base_url"}, nowhere)
    assert (refused.status_code, refused.json()["pointer"]) == (422, "/credentials/key/secretRef"), refused.text
    assert [await read(own), await read(own, "/declaration")] == before
    listed = await own.http.get("/api/v1/audit", params={"action": "apply_declaration"})
    assert len(listed.json()["items"]) == 1


async def test_a_credential_for_what_waits_for_a_review_waits_with_it(own: Gateway, tmp_path: Path) -> None:
    reviewed: dict[str, Any] = {"policies": {"review": "review"}}
    await applied(own, declared(tmp_path, **reviewed, credentials={}, headers={}), PETS)
    breaking = copy.deepcopy(SECURED)
    del breaking["paths"]["/pets/{petId}"]
    declaration = declared(tmp_path, **reviewed, headers={})
    answer = (await put(own, declaration, breaking)).json()
    assert (answer["description"]["outcome"], answer["differences"]) == ("drafted", [])
    assert (await read(own, "/credentials"))["items"] == []
    await own.http.post(f"{SERVERS}/pets/revisions/2/activate")
    assert await applied(own, declaration, breaking) == ("changed", ["credentials/key"])
