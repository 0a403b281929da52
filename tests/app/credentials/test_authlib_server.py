"""OAuth 2.0 against authlib's authorization server, which refuses what its reading of the RFCs does not allow.

Each test says what the description says, what the owner supplies, and that the server and its API took what arrived.
"""

from __future__ import annotations

import time

import httpx2
import pytest

from tests.app.credentials.apis import CREDENTIALS, call, secured, text
from tests.app.credentials.authlib_server import METHODS, AuthlibServer, Client
from tests.app.credentials.token_server import serving
from tests.app.credentials.user_server import REDIRECT_URI
from tests.app.gateways import PUBLIC_URL, Gateway

SECRET = "a secret/with+what=has&to be encoded %41"


async def supply(gateway: Gateway, client: Client, **changes: str) -> None:
    body = {
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "token_endpoint_auth_method": client.token_endpoint_auth_method,
        **changes,
    }
    answer = await gateway.http.put(f"{CREDENTIALS}/oauth", json=body)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("method", METHODS)
async def test_a_client_gets_a_token_for_itself(served: Gateway, method: str) -> None:
    client = Client("client 1:é", SECRET, method)
    server = AuthlibServer(client)
    async with serving(server.answer) as authorization, serving(server.api) as api:
        # The description: flows.clientCredentials.tokenUrl, and `security: [{oauth: [read]}]` at the operation.
        flow = {"tokenUrl": f"{authorization.url}/token", "scopes": {"read": ""}}
        schemes = {"oauth": {"type": "oauth2", "flows": {"clientCredentials": flow}}}
        await served.create(secured([{"oauth": ["read"]}], schemes=schemes), base_url=api.url)
        # The owner: PUT .../credentials/oauth with the client.
        await supply(served, client)

        result = await call(served)
        assert result["isError"] is False, text(result)
        # A token that the API does not accept any more is replaced.
        server.live.clear()
        assert (await call(served))["isError"] is False
        assert server.answered == [200, 200]

        # A client whose secret is wrong gets none, and the call is not sent.
        await supply(served, client, client_secret="wrong")
        asked = len(api.requests)
        result = await call(served)
        assert (result["isError"], server.answered[-1]) == (True, 401)
        assert "invalid_client" in text(result)
        assert len(api.requests) == asked


@pytest.mark.parametrize("method", METHODS)
async def test_a_user_connects_with_pkce_and_the_token_is_renewed(
    served: Gateway, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client("client-1", SECRET, method, redirect_uri=REDIRECT_URI)
    server = AuthlibServer(client)
    transport = httpx2.ASGITransport(served.application)
    async with (
        serving(server.answer) as authorization,
        serving(server.api) as api,
        httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as browser,
        httpx2.AsyncClient(trust_env=False) as outside,
    ):
        # The description: flows.authorizationCode, and `security: [{oauth: [read]}]` at the operation.
        url = authorization.url
        flow = {"authorizationUrl": f"{url}/authorize", "tokenUrl": f"{url}/token", "scopes": {"read": ""}}
        schemes = {"oauth": {"type": "oauth2", "flows": {"authorizationCode": flow}}}
        await served.create(secured([{"oauth": ["read"]}], schemes=schemes), base_url=api.url)
        # The owner: the client, registered with the redirect URI `{PUBLIC_URL}/connect/callback`.
        await supply(served, client)

        # The user: the link of the answer, the page, and the authorization server, which sends them back.
        link = (await call(served))["_meta"]["causeway/url"]
        sent = await browser.post(link, headers={"Origin": PUBLIC_URL})
        back = await outside.get(sent.headers["location"])
        assert back.status_code == 302, back.text
        page = await browser.get(back.headers["location"])
        assert "Your account is connected" in page.text

        result = await call(served)
        assert result["isError"] is False, text(result)
        # A minute later a token that the API does not accept any more is renewed, and the refresh token is replaced.
        monkeypatch.setattr(served.application.secrets.user_tokens, "_clock", lambda: time.time() + 60)
        (before,) = server.refreshable
        server.live.clear()
        result = await call(served)
        assert result["isError"] is False, text(result)
        assert server.answered == [200, 200]
        (after,) = server.refreshable
        assert after != before
