"""MCP servers behind access tokens: the real wiring, with an issuer on a loopback socket."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.app.backends import backend, json_reply
from tests.app.descriptions import PETS
from tests.app.gateways import KEY, PUBLIC_URL, Gateway, gateway
from tests.app.security.issuer import Issuer, running_issuer
from tests.app.security.tokens import ed_key, rsa_key, signed

ISSUER_PATH = "/api/v1/namespaces/default/issuer"
PETS_URL = f"{PUBLIC_URL}/mcp/default/pets"
METADATA_URL = f"{PUBLIC_URL}/.well-known/oauth-protected-resource/mcp/default/pets"
SCOPES = {
    "pets:read": {"servers": ["pets"], "tools": ["get_pet"]},
    "pets:write": {"servers": ["pets"], "tools": ["*"]},
    "others": {"servers": ["other"]},
}
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with running_issuer() as running:
        yield running


@pytest.fixture
async def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path, monkeypatch, admin_key=KEY, egress_allow=("127.0.0.0/8",)) as running:
        for name in ("pets", "other"):
            await running.create(name=name)
        yield running


@pytest.fixture
async def trusting(service: Gateway, issuer: Issuer) -> Gateway:
    """Have the namespace trust the issuer, whose default scope permits everything."""
    assert (await service.http.put(ISSUER_PATH, json={"issuer": issuer.url})).status_code == 200
    return service


async def send(
    service: Gateway, token: str | None = None, *, path: str = "/mcp/default/pets", body: Any = PING, **more: Any
) -> httpx2.Response:
    """Post a message with a token and nothing else."""
    transport = httpx2.ASGITransport(service.application)
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as http:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return await http.post(path, json=body, headers={**headers, **more})


def challenge(answer: httpx2.Response) -> dict[str, str]:
    scheme, _, parameters = answer.headers["www-authenticate"].partition(" ")
    assert scheme == "Bearer"
    return dict(re.findall(r'(\w+)="([^"]*)"', parameters))


def call(tool: str, **arguments: Any) -> dict[str, Any]:
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


# --- discovery


async def test_a_request_without_a_token_is_told_where_to_get_one(trusting: Gateway, issuer: Issuer) -> None:
    """A10."""
    answer = await send(trusting)
    assert answer.status_code == 401
    assert challenge(answer) == {"resource_metadata": METADATA_URL, "scope": "mcp:call"}
    transport = httpx2.ASGITransport(trusting.application)
    async with httpx2.AsyncClient(transport=transport) as http:
        assert (await http.get(METADATA_URL)).json() == {
            "resource": PETS_URL,
            "authorization_servers": [issuer.url],
            "scopes_supported": ["mcp:call"],
            "bearer_methods_supported": ["header"],
        }


@pytest.mark.parametrize("path", ["/mcp/default/pets/sse", "/mcp/default/pets/messages", "/mcp/default/pets/"])
async def test_the_other_urls_of_a_server_lead_to_the_same_resource(trusting: Gateway, path: str) -> None:
    """A10."""
    assert challenge(await send(trusting, path=path))["resource_metadata"] == METADATA_URL


async def test_without_an_issuer_no_token_is_asked_for(service: Gateway, issuer: Issuer) -> None:
    answer = await send(service, issuer.token(PETS_URL))
    assert (answer.status_code, challenge(answer)) == (401, {"realm": "causeway"})
    assert (await service.http.get(METADATA_URL)).status_code == 404
    assert not issuer.fetches


@pytest.mark.parametrize(
    "path", ["/mcp/default/x%22y", "/mcp/default/x%0d%0ay", "/mcp/default", "/mcp/x/pets", "/api/v1"]
)
async def test_what_is_no_server_of_the_namespace_leads_nowhere(trusting: Gateway, issuer: Issuer, path: str) -> None:
    answer = await send(trusting, issuer.token(PETS_URL), path=path)
    assert (answer.status_code, challenge(answer)) == (401, {"realm": "causeway"})


async def test_a_server_that_is_not_there_is_told_from_others_by_nobody_without_a_token(trusting: Gateway) -> None:
    one, other = await send(trusting), await send(trusting, path="/mcp/default/nope")
    assert other.headers["www-authenticate"] == one.headers["www-authenticate"].replace("/pets", "/nope")
    assert one.content == other.content


# --- tokens


async def test_a_token_opens_the_server_it_is_for(trusting: Gateway, issuer: Issuer) -> None:
    """A07, A10."""
    assert (await send(trusting, issuer.token(PETS_URL))).json()["result"] == {}
    refused = await send(trusting, issuer.token(PETS_URL), path="/mcp/default/other")
    assert (refused.status_code, challenge(refused)["error"]) == (401, "invalid_token")


@pytest.mark.parametrize("path", ["/api/v1/namespaces", "/api/v1/namespaces/default/servers", ISSUER_PATH])
async def test_a_token_opens_nothing_of_the_control_plane(trusting: Gateway, issuer: Issuer, path: str) -> None:
    assert (await send(trusting, issuer.token(PETS_URL), path=path)).status_code == 401
    assert (await send(trusting, issuer.token(f"{PUBLIC_URL}{path}"), path=path)).status_code == 401


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://evil.example"},
        {"aud": None},
        {"exp": 1},
        {"exp": None},
        {"nbf": 9_999_999_999},
    ],
)
async def test_a_bad_token_is_challenged_again(trusting: Gateway, issuer: Issuer, changed: dict[str, Any]) -> None:
    """A07."""
    token = signed({**_claims(issuer), **changed})
    answer = await send(trusting, token)
    found = challenge(answer)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")
    assert (found["error"], found["resource_metadata"], found["scope"]) == ("invalid_token", METADATA_URL, "mcp:call")
    assert token not in answer.text


def _claims(issuer: Issuer) -> dict[str, Any]:
    return {"iss": issuer.url, "aud": PETS_URL, "sub": "a", "exp": 9_000_000_000, "scope": "mcp:call"}


async def test_a_token_that_names_keys_of_its_own_makes_nobody_fetch_them(trusting: Gateway, issuer: Issuer) -> None:
    """A06."""
    await send(trusting, issuer.token(PETS_URL))
    fetched = issuer.fetches.total()
    own = rsa_key("attacker")
    async with backend(json_reply(b"{}")) as evil:
        for header in ({"jku": evil.url}, {"x5u": evil.url}, {"jwk": own.as_dict(private=False)}):
            answer = await send(trusting, issuer.token(PETS_URL, own, header={"kid": "r1", **header}))
            assert answer.status_code == 401
        assert not evil.requests
    assert issuer.fetches.total() == fetched


async def test_a_key_that_the_issuer_took_back_signs_no_more(trusting: Gateway, issuer: Issuer) -> None:
    """A09."""
    old = issuer.token(PETS_URL)
    assert (await send(trusting, old)).status_code == 200
    issuer.keys = [rsa_key("r2"), ed_key()]
    assert (await send(trusting, issuer.token(PETS_URL))).status_code == 200
    assert (await send(trusting, issuer.token(PETS_URL, ed_key(), header={"alg": "EdDSA"}))).status_code == 200
    assert (await send(trusting, old)).status_code == 401
    assert issuer.fetches["/keys"] == 2


@pytest.mark.parametrize(("status", "padding"), [("500 Oops", 0), ("", 1_000_000), ("302 Found", 0)])
async def test_an_issuer_that_cannot_be_asked_is_no_reason_to_ask_for_another_token(
    trusting: Gateway, issuer: Issuer, status: str, padding: int
) -> None:
    """A09."""
    issuer.status, issuer.padding = status, padding
    answer = await send(trusting, issuer.token(PETS_URL))
    assert (answer.status_code, answer.json()["code"]) == (503, "issuer_unavailable")
    assert answer.headers["retry-after"]
    assert "127.0.0.1" not in answer.text


async def test_an_issuer_in_a_network_that_is_closed_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None, issuer: Issuer
) -> None:
    async with gateway(tmp_path, monkeypatch, admin_key=KEY) as service:
        await service.create()
        assert (await service.http.put(ISSUER_PATH, json={"issuer": issuer.url})).status_code == 200
        assert (await send(service, issuer.token(PETS_URL))).status_code == 503
    assert not issuer.fetches


# --- scopes


async def test_a_token_without_a_scope_for_the_server_is_told_which_it_takes(service: Gateway, issuer: Issuer) -> None:
    """A11."""
    await service.http.put(ISSUER_PATH, json={"issuer": issuer.url, "scopes": SCOPES})
    for scope in ("", "others", "mcp:call", "pets:READ"):
        answer = await send(service, issuer.token(PETS_URL, scope=scope))
        found = challenge(answer)
        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
        assert (found["error"], found["scope"]) == ("insufficient_scope", "pets:read pets:write")
        assert found["resource_metadata"] == METADATA_URL


async def test_a_scope_permits_its_tools_and_names_the_scope_of_others(service: Gateway, issuer: Issuer) -> None:
    """A11."""
    async with backend(json_reply(b'{"id": 7}')) as api:
        await service.http.put(ISSUER_PATH, json={"issuer": issuer.url, "scopes": SCOPES})
        await service.http.patch("/api/v1/namespaces/default/servers/pets", json={"base_url": api.url})
        token = issuer.token(PETS_URL, scope="pets:read")
        assert (await send(service, token, body=call("get_pet", petId=7))).json()["result"]["isError"] is False
        answer = await send(service, token, body=call("list_pets"))
        assert (answer.status_code, challenge(answer)["scope"]) == (403, "pets:write")
        assert len(api.requests) == 1
        both = issuer.token(PETS_URL, scope="pets:read pets:write")
        assert (await send(service, both, body=call("list_pets"))).status_code == 200
        assert (await send(service, token, body=call("nope"))).json()["error"]["code"] == -32602


async def test_no_token_is_sent_on_to_the_api(trusting: Gateway, issuer: Issuer) -> None:
    """A client's token is for the gateway ("Token Passthrough")."""
    async with backend(json_reply(b'{"id": 7}')) as api:
        await trusting.http.patch("/api/v1/namespaces/default/servers/pets", json={"base_url": api.url})
        token = issuer.token(PETS_URL)
        assert (await send(trusting, token, body=call("get_pet", petId=7))).status_code == 200
        assert token not in str(api.requests)


# --- the control plane


async def test_an_issuer_is_read_replaced_and_deleted(service: Gateway, issuer: Issuer) -> None:
    assert (await service.http.get(ISSUER_PATH)).json()["code"] == "issuer_not_found"
    body = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys", "algorithms": ["RS256"], "scopes": SCOPES}
    put = await service.http.put(ISSUER_PATH, json=body)
    read = (await service.http.get(ISSUER_PATH)).json()
    assert put.json() == read
    assert read == {
        **body,
        "scopes": {**SCOPES, "others": {"servers": ["other"], "tools": ["*"]}},
        "updated_at": read["updated_at"],
    }
    assert list(read["scopes"]) == list(SCOPES)
    assert (await send(service, issuer.token(PETS_URL, scope="pets:read"))).status_code == 200
    assert (await service.http.put(ISSUER_PATH, json={"issuer": "https://other.example"})).status_code == 200
    assert (await send(service, issuer.token(PETS_URL, scope="pets:read"))).status_code == 503
    assert (await service.http.delete(ISSUER_PATH)).status_code == 204
    assert (await service.http.delete(ISSUER_PATH)).status_code == 404
    assert challenge(await send(service, issuer.token(PETS_URL))) == {"realm": "causeway"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"issuer": "http://login.example"},
        {"issuer": "https://login.example", "jwks_uri": "file:///x"},
        {"issuer": "https://login.example", "algorithms": ["HS256"]},
        {"issuer": "https://login.example", "algorithms": []},
        {"issuer": "https://login.example", "scopes": {}},
        {"issuer": "https://login.example", "scopes": {"a b": {}}},
        {"issuer": "https://login.example", "scopes": {'a"': {}}},
        {"issuer": "https://login.example", "scopes": {"a": {"tools": []}}},
        {"issuer": "https://login.example", "unknown": 1},
    ],
)
async def test_an_issuer_that_cannot_be_trusted_is_refused(service: Gateway, body: dict[str, Any]) -> None:
    answer = await service.http.put(ISSUER_PATH, json=body)
    assert answer.status_code == 422, answer.text
    assert (await service.http.get(ISSUER_PATH)).status_code == 404


async def test_an_issuer_belongs_to_its_namespace(trusting: Gateway, issuer: Issuer) -> None:
    assert (await trusting.http.put("/api/v1/namespaces/nope/issuer", json={"issuer": issuer.url})).status_code == 404
    await trusting.http.post("/api/v1/namespaces", json={"name": "team"})
    url = "/api/v1/namespaces/team/servers"
    assert (await trusting.http.post(url, json={"name": "pets", "document": PETS})).status_code == 201
    answer = await send(trusting, issuer.token(f"{PUBLIC_URL}/mcp/team/pets"), path="/mcp/team/pets")
    assert (answer.status_code, challenge(answer)) == (401, {"realm": "causeway"})
