"""oauth2 by device authorization (RFC 8628): the user enters a code on another device, and we ask whether they have."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.outbound import EgressPolicy, TokenEndpoint
from app.registry.connections import ConnectionKey
from app.services.device_flows import DeviceFlows
from converters.credentials import DEVICE_CODE, ClientCredentials, Secret
from converters.device_authorization import read_device_authorization
from converters.token_requests import AccessToken, Endpoints, TokenAnswerError, TokenRequest
from tests.app.backends import Received
from tests.app.credentials.apis import CREDENTIALS, call, text
from tests.app.credentials.token_server import CLIENT_ID, CLIENT_SECRET, serving
from tests.app.credentials.user_server import Scene, UserAuthorization, user_scene
from tests.app.gateways import Gateway

KEY = ConnectionKey("default", "pets", "oauth", "admin")


@pytest.fixture
async def scene(served: Gateway) -> AsyncIterator[Scene]:
    async with user_scene(served) as made:
        yield made


def device_flow(scene: Scene) -> dict[str, Any]:
    url = scene.authorization.url
    flow = {"deviceAuthorizationUrl": f"{url}/device", "tokenUrl": f"{url}/token", "scopes": {"read": ""}}
    return {"oauth": {"type": "oauth2", "flows": {"deviceAuthorization": flow}}}


async def until_called(scene: Scene) -> dict[str, Any]:
    """Call until the account is connected."""
    for _ in range(600):
        result = await call(scene.gateway)
        if not result["isError"]:
            return result
        await asyncio.sleep(0.05)
    raise AssertionError(result)


async def test_a_user_enters_the_code_of_the_answer_on_another_device(scene: Scene) -> None:
    # The description (OpenAPI 3.2): flows.deviceAuthorization with deviceAuthorizationUrl and tokenUrl.
    agreed = asyncio.Event()
    answer = scene.authorization.answer

    async def waiting(request: Received) -> bytes:
        scene.state.polls = [] if agreed.is_set() else ["authorization_pending"]
        return await answer(request)

    scene.authorization.answer = waiting
    # The owner: the client.
    await scene.start(device_flow(scene))
    (stored,) = (await scene.gateway.http.get(CREDENTIALS)).json()["items"]
    assert stored["grant_type"] == DEVICE_CODE
    # Every call until the user agreed is answered with the same code, and asks for no other.
    results = [await call(scene.gateway) for _ in range(3)]
    for each in results:
        assert each["_meta"]["causeway/code"] == "authorization_required"
        assert "open https://auth.example/device in a browser and enter the code WDJB-MJHT" in text(each)
        assert each["_meta"]["causeway/url"] == "https://auth.example/device"
        assert "canary-device-code" not in json.dumps(each)
    agreed.set()
    await until_called(scene)
    assert scene.api.requests[0].values("Authorization") == [f"Bearer {scene.state.issued[0]}"]
    asked = [each for each in scene.authorization.requests if each.target == "/device"]
    assert len(asked) == 1
    # The token endpoint got the device code (RFC 8628 section 3.4).
    assert scene.state.forms[-1] == {"grant_type": DEVICE_CODE, "device_code": "canary-device-code"}


async def test_who_does_not_agree_is_given_another_code_at_the_next_call(scene: Scene) -> None:
    scene.state.polls = ["access_denied"] * 1000
    await scene.start(device_flow(scene))
    await call(scene.gateway)
    devices = scene.gateway.application.secrets.user_tokens._devices  # noqa: SLF001 - what is under way
    following = devices._under_way[KEY].asking  # noqa: SLF001 - what is under way
    assert following is not None
    await asyncio.wait_for(asyncio.shield(following), 30)
    await call(scene.gateway)
    assert len([each for each in scene.authorization.requests if each.target == "/device"]) == 2


async def flow_of(state: UserAuthorization, *polls: str) -> tuple[list[float], list[AccessToken]]:
    """Run a device flow against a server that answers these errors first; gives the pauses and the tokens."""
    state.polls = list(polls)
    pauses: list[float] = []
    kept: list[AccessToken] = []
    done = asyncio.Event()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async def keep(_: ConnectionKey, __: TokenRequest, got: AccessToken) -> None:
        kept.append(got)
        done.set()

    async with serving(state.answer) as server:
        endpoint = TokenEndpoint(EgressPolicy(allow_private=True))
        flows = DeviceFlows(endpoint, keep, pause=pause)
        client = ClientCredentials(CLIENT_ID, Secret(CLIENT_SECRET), "client_secret_basic", grant_type=DEVICE_CODE)
        places = Endpoints(token=f"{server.url}/token", device=f"{server.url}/device")
        request = TokenRequest("oauth", places, client, (), "https://api.example")
        first, second = await asyncio.gather(*(flows.authorization(KEY, request, "") for _ in range(2)))
        assert first is second
        async with asyncio.timeout(30):
            await done.wait()
        await flows.close()
        await endpoint.close()
    return pauses, kept


async def test_the_server_s_interval_is_kept_and_grows_when_it_says_so() -> None:
    """RFC 8628 section 3.5: five seconds more at each `slow_down`, for all requests that follow."""
    pauses, kept = await flow_of(
        UserAuthorization(), "authorization_pending", "slow_down", "authorization_pending", "slow_down"
    )
    assert [round(each, 2) for each in pauses] == [0.05, 0.05, 5.05, 5.05, 10.05]
    assert len(kept) == 1


def answered(**members: Any) -> bytes:
    body = {"device_code": "d", "user_code": "u", "verification_uri": "https://a.example/d", **members}
    return json.dumps({name: value for name, value in body.items() if value is not None}).encode()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (answered(verification_uri="javascript:alert(1)"), "none that a browser may open"),
        (answered(verification_uri=None), "none that a browser may open"),
        (answered(user_code=None), "holds no codes"),
        (answered(user_code="a\nb"), "holds no codes"),
        (answered(device_code=7), "holds no codes"),
        (b"<html>", "holds no codes"),
    ],
)
def test_an_answer_that_is_of_no_use_or_unsafe_is_refused(body: bytes, sentence: str) -> None:
    """Acceptance W09, for device authorization."""
    with pytest.raises(TokenAnswerError, match=sentence):
        read_device_authorization(200, body)


def test_what_the_server_leaves_out_has_the_values_of_the_rfc() -> None:
    found = read_device_authorization(200, answered(verification_uri_complete="file:///x", expires_in=1800))
    assert (found.interval, found.lifetime, found.complete_url) == (5.0, 1800.0, "")
