"""RFC 8693: the caller's access token is exchanged for one of the API, where the owner says so."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.security.callers import EVERY, Caller
from converters.credentials import TOKEN_EXCHANGE, Secret
from tests.app.backends import Received
from tests.app.credentials.apis import CREDENTIALS
from tests.app.credentials.user_server import Scene, user_scene
from tests.app.gateways import Gateway


@pytest.fixture
async def scene(served: Gateway) -> AsyncIterator[Scene]:
    async with user_scene(served) as made:
        answer = made.state.fault_of

        def exchanging(form: dict[str, str]) -> str:
            return "" if form.get("grant_type") == TOKEN_EXCHANGE else answer(form)

        made.state.fault_of = exchanging  # type: ignore[method-assign] # this server knows the grant as well
        yield made


async def call_with(scene: Scene, token: str | None, subject: str = "https://issuer.example#ann") -> dict[str, Any]:
    application = scene.gateway.application
    snapshot = application.catalog.find("default", "pets")
    assert snapshot is not None
    caller = Caller(subject, frozenset({"call"}), EVERY, token=None if token is None else Secret(token))
    return (await application.serving.calls.call(snapshot, "get_pet", {}, caller=caller)).to_json()


async def test_the_caller_s_token_is_exchanged_and_never_sent_to_the_api(scene: Scene) -> None:
    """Acceptance K09."""
    # The description: any flow with a token URL. The owner: the client, and that tokens are exchanged.
    await scene.start(grant_type=TOKEN_EXCHANGE)
    (stored,) = (await scene.gateway.http.get(CREDENTIALS)).json()["items"]
    assert (stored["grant_type"], stored["token_origins"]) == (TOKEN_EXCHANGE, [scene.authorization.url])
    results = [await call_with(scene, "caller-token-of-ann") for _ in range(2)]
    assert [each["isError"] for each in results] == [False, False]
    # The token endpoint got one request (section 2.1), the client in `Authorization`.
    kind = "urn:ietf:params:oauth:token-type:access_token"
    assert scene.state.forms == [
        {
            "grant_type": TOKEN_EXCHANGE,
            "subject_token": "caller-token-of-ann",
            "subject_token_type": kind,
            "requested_token_type": kind,
            "scope": "read",
        }
    ]
    # The API got what it was exchanged for, and nothing of what the caller showed.
    sent = [each.values("Authorization") for each in scene.api.requests]
    assert sent == [[f"Bearer {scene.state.issued[0]}"]] * 2
    assert "caller-token" not in json.dumps([each.headers for each in scene.api.requests])


async def test_each_caller_s_token_is_exchanged_for_itself(scene: Scene) -> None:
    await scene.start(grant_type=TOKEN_EXCHANGE)
    await call_with(scene, "caller-token-of-ann", "ann")
    await call_with(scene, "caller-token-of-bob", "bob")
    await call_with(scene, "caller-token-of-ann", "ann")
    sent = [each.values("Authorization")[0] for each in scene.api.requests]
    assert sent == [f"Bearer {scene.state.issued[index]}" for index in (0, 1, 0)]


async def test_who_shows_no_access_token_is_told(scene: Scene) -> None:
    await scene.start(grant_type=TOKEN_EXCHANGE)
    result = await call_with(scene, None)
    assert result["_meta"]["causeway/code"] == "credential_token_failed"
    assert "this caller showed none" in result["content"][0]["text"]
    assert (scene.state.forms, scene.api.requests) == ([], [])


async def test_an_exchange_that_is_refused_is_told_without_the_token(scene: Scene) -> None:
    """Acceptance K03, for the caller's own token, in errors and in what the API gives back."""
    await scene.start(grant_type=TOKEN_EXCHANGE, client_secret="wrong-secret")
    refused = await call_with(scene, "caller-token-of-ann")
    assert "invalid_client" in refused["content"][0]["text"]
    assert "caller-token-of-ann" not in json.dumps(refused)
    await scene.supply(grant_type=TOKEN_EXCHANGE)
    answer = scene.api.answer

    async def echoing(request: Received) -> bytes:
        return (await answer(request)).replace(b"Bearer ", b"Lucky!!")

    scene.api.answer = echoing
    told = json.dumps(await call_with(scene, "caller-token-of-ann"))
    assert [each for each in scene.state.issued if each in told] == []
