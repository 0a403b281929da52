"""The official client authorizes itself at a certified authorization server, from a server's URL alone."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
import pytest
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

from tests.e2e.backends import Backend, described, parameter
from tests.e2e.gateways import ERAS, Gateway
from tests.node_tools import NodeTools, installed

KEY = "an-admin-key-of-some-length"
CALLBACK = "http://127.0.0.1:1/callback"
SCOPES = {
    "pets:read": {"servers": ["pets"], "tools": ["get_pet"]},
    "pets:write": {"servers": ["pets"], "tools": ["delete_pet"]},
}
_ID = parameter("id", "path", {"type": "integer"})
PATHS = {
    "/pets/{id}": {
        "get": {"operationId": "get_pet", "parameters": [_ID]},
        "delete": {"operationId": "delete_pet", "parameters": [_ID]},
    }
}


@pytest.fixture(scope="module")
def gateway_settings() -> Mapping[str, str]:
    """Run in service mode; loopback, where the API and the authorization server are, is open."""
    return {
        "CAUSEWAY_ADMIN_KEY": KEY,
        "CAUSEWAY_SECRET_KEY": base64.b64encode(bytes(range(32))).decode(),
        "CAUSEWAY_EGRESS_ALLOW": "127.0.0.0/8",
    }


@pytest.fixture(scope="module")
def node_tools(request: pytest.FixtureRequest) -> NodeTools:
    assert request.config.cache is not None
    return installed(request.config.cache)


@pytest.fixture(scope="module")
def issuer(node_tools: NodeTools) -> Iterator[str]:
    """Run the authorization server, which knows the scopes."""
    with node_tools.served("authorization-server.js", "mcp:call", *SCOPES) as url:
        yield url


@pytest.fixture
def pets(gateway: Gateway, backend: Backend, issuer: str) -> str:
    """Serve pets in a namespace that trusts the issuer by its default."""
    gateway.http.headers["Authorization"] = f"Bearer {KEY}"
    trust(gateway, issuer)
    return gateway.publish("pets", described(backend.url, PATHS))


def trust(gateway: Gateway, issuer: str, **members: object) -> None:
    url = f"{gateway.url}/api/v1/namespaces/default/issuer"
    assert gateway.http.put(url, json={"issuer": issuer, **members}).status_code == 200


@dataclass
class User:
    """The user of a client, at a browser that keeps cookies; and where the client keeps its tokens."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None
    visited: list[str] = field(default_factory=list)
    _code: AuthorizationCodeResult | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info

    async def browse(self, url: str) -> None:
        """Follow the authorization server until it leads back to the client."""
        self.visited.append(url)
        async with httpx2.AsyncClient(trust_env=False) as browser:
            for _ in range(10):
                answer = await browser.get(url)
                assert answer.is_redirect, answer.text
                url = urljoin(url, answer.headers["location"])
                if url.startswith(CALLBACK):
                    break
        given = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert "code" in given, given
        self._code = AuthorizationCodeResult(code=given["code"], state=given.get("state"), iss=given.get("iss"))

    async def came_back(self) -> AuthorizationCodeResult:
        assert self._code is not None
        return self._code


@asynccontextmanager
async def authorizing(url: str, mode: str, user: User) -> AsyncIterator[Client]:
    """Connect the official client, which authorizes itself when it is asked to."""
    metadata = OAuthClientMetadata(
        client_name="tests",
        redirect_uris=[CALLBACK],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        token_endpoint_auth_method="none",
    )
    auth = OAuthClientProvider(url, metadata, user, redirect_handler=user.browse, callback_handler=user.came_back)
    async with (
        httpx2.AsyncClient(trust_env=False, timeout=60, auth=auth) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client


@pytest.mark.parametrize("mode", ERAS)
async def test_a_client_authorizes_itself_from_the_server_url_alone(pets: str, backend: Backend, mode: str) -> None:
    """A07, A10: 401, metadata of the resource, metadata of the server, registration, code, token, call."""
    user = User()
    async with authorizing(pets, mode, user) as client:
        result = await client.call_tool("get_pet", {"id": 7})
    assert not result.is_error
    asked = parse_qs(urlsplit(user.visited[0]).query)
    assert (asked["resource"], len(user.visited)) == ([pets], 1)
    assert "mcp:call" in asked["scope"][0].split()
    assert user.tokens is not None
    assert user.tokens.access_token not in str(backend.received)


async def test_a_client_asks_for_a_scope_when_a_call_needs_it(
    gateway: Gateway, pets: str, issuer: str, backend: Backend
) -> None:
    """A11: the token that the client got permits one tool; the other is 403, and the client steps up."""
    trust(gateway, issuer, scopes={"pets:read": SCOPES["pets:read"]})
    # A client that registers itself is held to the scopes that it knew of then.
    user = User(client=OAuthClientInformationFull(client_id="registered", redirect_uris=[CALLBACK]))
    async with authorizing(pets, "auto", user) as client:
        await client.call_tool("get_pet", {"id": 7})
        trust(gateway, issuer, scopes=SCOPES)
        assert not (await client.call_tool("delete_pet", {"id": 7})).is_error
    first, second = (parse_qs(urlsplit(each).query)["scope"][0].split() for each in user.visited)
    assert "pets:read" in first
    assert "pets:write" not in first
    assert "pets:write" in second
    assert len(backend.received) == 2


async def test_a_token_for_one_server_is_refused_at_another(gateway: Gateway, pets: str, backend: Backend) -> None:
    """A10."""
    other = gateway.publish("other", described(backend.url, PATHS))
    user = User()
    async with authorizing(pets, "auto", user) as client:
        await client.list_tools()
    assert user.tokens is not None
    bearer = {"Authorization": f"Bearer {user.tokens.access_token}"}
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    async with httpx2.AsyncClient(trust_env=False, headers=bearer) as http:
        assert (await http.post(pets, json=ping)).status_code == 200
        assert (await http.post(other, json=ping)).status_code == 401
