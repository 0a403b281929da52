"""OAuth 2.0 and OpenID Connect against a certified authorization server, `oidc-provider`, as users and owners meet it.

Each test says what the description says, what the owner supplies, and what the API accepts. The API is the server's own
userinfo endpoint (OpenID Connect Core 1.0 section 5.3), which knows whether a token is good, or one that records.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import RSAKey

from app.registry.connections import ConnectionKey
from converters.credentials import AUTHORIZATION_CODE, DEVICE_CODE
from tests.app.backends import backend, json_reply
from tests.app.credentials.apis import CREDENTIALS, call, text
from tests.app.descriptions import description, operation
from tests.app.gateways import PUBLIC_URL, SERVERS, Gateway
from tests.node_tools import NodeTools, installed

SECRET = "a-client-secret-of-some-length"
REDIRECT_URI = f"{PUBLIC_URL}/connect/callback"
KEY = rsa.generate_private_key(65537, 2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
USERS = {
    "application_type": "native",
    "redirect_uris": [REDIRECT_URI],
    "grant_types": ["authorization_code", "refresh_token", DEVICE_CODE],
}
ITSELF: dict[str, Any] = {"redirect_uris": [], "response_types": [], "grant_types": ["client_credentials"]}
CLIENTS = [
    {"client_id": "users", "client_secret": SECRET, "token_endpoint_auth_method": "client_secret_basic", **USERS},
    {"client_id": "public", "token_endpoint_auth_method": "none", **USERS},
    {"client_id": "basic", "client_secret": SECRET, "token_endpoint_auth_method": "client_secret_basic", **ITSELF},
    {"client_id": "post", "client_secret": SECRET, "token_endpoint_auth_method": "client_secret_post", **ITSELF},
    {
        "client_id": "signing",
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [RSAKey.import_key(PEM).as_dict(private=False)]},
        **ITSELF,
    },
]


@pytest.fixture(scope="module")
def node_tools(request: pytest.FixtureRequest) -> NodeTools:
    assert request.config.cache is not None
    return installed(request.config.cache)


@pytest.fixture(scope="module")
def issuer(node_tools: NodeTools) -> Iterator[str]:
    """Run the authorization server."""
    with node_tools.served("authorization-server.js", "read", CLIENTS=json.dumps(CLIENTS)) as url:
        yield url


def discovered(issuer: str, path: str = "/me") -> dict[str, Any]:
    """Describe one operation that wants what the metadata of the issuer say."""
    scheme = {"type": "openIdConnect", "openIdConnectUrl": f"{issuer}/.well-known/openid-configuration"}
    security = [{"oidc": ["openid"] if path == "/me" else ["read"]}]
    found = description({path: {"get": operation("get_pet", security=security)}})
    return {**found, "components": {"securitySchemes": {"oidc": scheme}}}


async def supplied(gateway: Gateway, **client: str) -> None:
    answer = await gateway.http.put(f"{CREDENTIALS}/oidc", json=client)
    assert answer.status_code == 200, answer.text


def browser_of(gateway: Gateway) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(gateway.application), base_url=PUBLIC_URL)


async def followed(outside: httpx2.AsyncClient, answer: httpx2.Response) -> str:
    """Go where a browser is sent at the authorization server; gives the URL that leads back, or the last page."""
    for _ in range(20):
        if not answer.has_redirect_location:
            return answer.text
        location = urljoin(str(answer.url), answer.headers["location"])
        if location.startswith(PUBLIC_URL):
            return location
        answer = await outside.get(location)
    raise AssertionError(answer)


async def connected(gateway: Gateway) -> str:
    """Connect an account as a browser does; gives the last page."""
    link = (await call(gateway))["_meta"]["causeway/url"]
    async with browser_of(gateway) as browser, httpx2.AsyncClient(trust_env=False) as outside:
        sent = await browser.post(link, headers={"Origin": PUBLIC_URL})
        back = await followed(outside, await outside.get(sent.headers["location"]))
        return (await browser.get(back)).text


@pytest.mark.parametrize("client", [{"client_id": "users", "client_secret": SECRET}, {"client_id": "public"}])
async def test_a_user_connects_by_authorization_code_and_the_token_is_renewed(
    served: Gateway, issuer: str, client: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """PKCE, `iss` (RFC 9207), discovery, and refresh tokens that are replaced."""
    await served.create(discovered(issuer), base_url=issuer)
    await supplied(served, **client, grant_type=AUTHORIZATION_CODE)
    assert "Your account is connected" in await connected(served)
    result = await call(served)
    assert (result["isError"], '"sub": "alice"' in text(result).replace('":"', '": "')) == (False, True), text(result)
    # Twice over: the second time with the refresh token that the first renewal gave.
    tokens = served.application.secrets.user_tokens
    for ahead in (4000.0, 8000.0):
        clock = _ahead(ahead)
        monkeypatch.setattr(tokens, "_clock", clock)
        monkeypatch.setattr(tokens._renewal, "_clock", clock)  # noqa: SLF001 - its clock
        assert (await call(served))["isError"] is False


async def test_a_connection_that_is_ended_is_revoked(served: Gateway, issuer: str) -> None:
    """RFC 7009, at the endpoint that the metadata name: neither of the tokens is good after it."""
    await served.create(discovered(issuer), base_url=issuer)
    await supplied(served, client_id="users", client_secret=SECRET, grant_type=AUTHORIZATION_CODE)
    await connected(served)
    await call(served)
    held = served.application.secrets.user_tokens._held[ConnectionKey("default", "pets", "oidc", "admin")]  # noqa: SLF001 - what nobody is shown
    assert held.connection is not None
    tokens = held.connection.tokens
    async with httpx2.AsyncClient(trust_env=False, auth=("users", SECRET)) as outside:
        bearer = {"Authorization": f"Bearer {tokens['access_token'].reveal()}"}
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"].reveal()}
        assert (await outside.get(f"{issuer}/me", headers=bearer, auth=None)).status_code == 200
        assert (await served.http.delete(f"{SERVERS}/pets/connections/oidc")).status_code == 204
        assert (await outside.get(f"{issuer}/me", headers=bearer, auth=None)).status_code == 401
        assert (await outside.post(f"{issuer}/token", data=form)).json()["error"] == "invalid_grant"


def _ahead(seconds: float) -> Any:
    return lambda: time.time() + seconds


@pytest.mark.parametrize(
    "client",
    [
        {"client_id": "basic", "client_secret": SECRET},
        {"client_id": "post", "client_secret": SECRET, "token_endpoint_auth_method": "client_secret_post"},
        {"client_id": "signing", "private_key": PEM},
    ],
)
async def test_a_client_gets_a_token_for_itself(served: Gateway, issuer: str, client: dict[str, str]) -> None:
    """Client credentials with `client_secret_basic`, `client_secret_post` and `private_key_jwt`."""
    async with backend(json_reply(b'{"id": 7}')) as api:
        await served.create(discovered(issuer, "/pets"), base_url=api.url)
        await supplied(served, **client)
        result = await call(served)
        assert result["isError"] is False, text(result)
        assert re.fullmatch("Bearer .{20,}", api.requests[0].values("Authorization")[0])


async def test_a_user_enters_a_code_on_another_device(served: Gateway, issuer: str) -> None:
    """RFC 8628, with the pages of the server: enter the code, confirm it, sign in."""
    await served.create(discovered(issuer), base_url=issuer)
    await supplied(served, client_id="public", grant_type=DEVICE_CODE)
    asked = await call(served)
    assert asked["_meta"]["causeway/code"] == "authorization_required", text(asked)
    devices = served.application.secrets.user_tokens._devices  # noqa: SLF001 - what is under way
    ((_, under_way),) = devices._under_way.items()  # noqa: SLF001 - what is under way
    assert under_way.asking is not None
    async with httpx2.AsyncClient(trust_env=False) as outside:
        page = await outside.get(asked["_meta"]["causeway/url"])
        for further in ({}, {"confirm": "yes"}):
            page = await outside.post(f"{issuer}/device", data={**_hidden(page.text), **further})
        await followed(outside, page)
    await under_way.asking
    assert (await call(served))["isError"] is False


def _hidden(page: str) -> dict[str, str]:
    """Read the fields that a form sends by itself."""
    found = {}
    for tag in re.findall("<input[^>]*>", page):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if "name" in attributes and attributes.get("value"):
            found[attributes["name"]] = attributes["value"]
    return found
