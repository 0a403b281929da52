"""Whose account a call uses, from the request on: API keys and an issuer's access tokens (acceptance K09, K11)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from converters.credentials import TOKEN_EXCHANGE
from tests.app.credentials.user_server import Scene, user_scene
from tests.app.gateways import PUBLIC_URL, SERVERS, Gateway
from tests.app.security.issuer import Issuer, running_issuer
from tests.app.tenants import caller, client

ISSUER = "/api/v1/namespaces/default/issuer"
PATH = "/mcp/default/pets"


@pytest.fixture
async def scene(served: Gateway) -> AsyncIterator[Scene]:
    async with user_scene(served) as made:
        yield made


@pytest.fixture
async def issuer(served: Gateway) -> AsyncIterator[Issuer]:
    async with running_issuer() as running:
        answer = await served.http.put(ISSUER, json={"issuer": running.url})
        assert answer.status_code == 200, answer.text
        yield running
        assert (await served.http.delete(ISSUER)).status_code == 204


async def called(http: httpx2.AsyncClient) -> dict[str, Any]:
    """Call the tool as an MCP client does that shows what `http` shows."""
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "get_pet", "arguments": {}}}
    headers = {"MCP-Protocol-Version": "2025-11-25", "Accept": "application/json, text/event-stream"}
    answer = await http.post(PATH, json=message, headers=headers)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()["result"]
    return result


async def connect(scene: Scene, refused: dict[str, Any]) -> None:
    back = await scene.agree(refused["_meta"]["causeway/url"])
    assert (await scene.browser.get(back.headers["location"])).status_code == 200


def code_of(result: dict[str, Any]) -> str:
    return str(result.get("_meta", {}).get("causeway/code", ""))


def sent(scene: Scene) -> list[str]:
    return [each.values("Authorization")[0].removeprefix("Bearer ") for each in scene.api.requests]


async def test_a_key_that_is_not_connected_never_uses_the_account_of_one_that_is(scene: Scene) -> None:
    """K11, with two API keys."""
    await scene.start()
    async with caller(scene.gateway, "call") as ann, caller(scene.gateway, "call") as bob:
        await connect(scene, await called(ann))
        assert (await called(ann))["isError"] is False
        refused = await called(bob)
        assert (code_of(refused), len(scene.api.requests)) == ("authorization_required", 1)
        assert scene.state.issued[0] not in json.dumps(refused)
        # Nor does the administrator, nor is another's connection seen, or ended.
        assert code_of(await called(scene.gateway.http)) == "authorization_required"
        place = f"{SERVERS}/pets/connections"
        (own,) = (await ann.get(place)).json()["items"]
        assert (await bob.get(place)).json()["items"] == []
        assert (await bob.delete(f"{place}/oauth", params={"subject": own["subject"]})).status_code == 404
        await connect(scene, refused)
        assert [(await called(each))["isError"] for each in (bob, ann)] == [False, False]
    assert sent(scene) == [scene.state.issued[index] for index in (0, 1, 0)]


async def test_users_of_an_issuer_have_an_account_each(scene: Scene, issuer: Issuer) -> None:
    """K11, with access tokens; K09: the API never gets one."""
    await scene.start()
    tokens = {name: issuer.token(f"{PUBLIC_URL}{PATH}", sub=name) for name in ("ann", "bob")}
    async with client(scene.gateway, tokens["ann"]) as ann, client(scene.gateway, tokens["bob"]) as bob:
        await connect(scene, await called(ann))
        assert (await called(ann))["isError"] is False
        assert code_of(await called(bob)) == "authorization_required"
    # The next token of the same user is the same user's.
    async with client(scene.gateway, issuer.token(f"{PUBLIC_URL}{PATH}", sub="ann", jti="another")) as ann:
        assert (await called(ann))["isError"] is False
    assert sent(scene) == [scene.state.issued[0]] * 2
    seen = str([each.headers for each in (*scene.api.requests, *scene.authorization.requests)])
    assert not any(each in seen for each in tokens.values())


async def test_an_issuer_s_token_is_exchanged_for_its_user_alone(
    scene: Scene, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """K09, RFC 8693: from a signed access token in the request to what the API gets."""
    fault_of = scene.state.fault_of

    def exchanging(form: dict[str, str]) -> str:
        return "" if form.get("grant_type") == TOKEN_EXCHANGE else fault_of(form)

    # This server knows the grant as well.
    monkeypatch.setattr(scene.state, "fault_of", exchanging)
    await scene.start(grant_type=TOKEN_EXCHANGE)
    tokens = [issuer.token(f"{PUBLIC_URL}{PATH}", sub=name) for name in ("ann", "bob")]
    for token in (*tokens, tokens[0]):
        async with client(scene.gateway, token) as http:
            assert (await called(http))["isError"] is False
    assert [each["subject_token"] for each in scene.state.forms] == tokens
    assert sent(scene) == [scene.state.issued[index] for index in (0, 1, 0)]
    assert not any(each in str([one.headers for one in scene.api.requests]) for each in tokens)
    # A key is no token, and a token for another server is none for this one.
    async with caller(scene.gateway, "call") as http:
        assert code_of(await called(http)) == "credential_token_failed"
    async with client(scene.gateway, issuer.token(f"{PUBLIC_URL}/mcp/default/other", sub="ann")) as http:
        assert (await http.post(PATH, json={"jsonrpc": "2.0", "id": 1, "method": "ping"})).status_code == 401
    assert len(scene.state.forms) == 2
