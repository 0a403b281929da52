"""Every grant of oauth2, alone and with other schemes: one request for a token, and what arrives at the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.security.callers import EVERY, Caller
from converters.credentials import AUTHORIZATION_CODE, CLIENT_CREDENTIALS, DEVICE_CODE, TOKEN_EXCHANGE, Secret
from tests.app.credentials.apis import SCHEMES, secured, supply
from tests.app.credentials.test_matrix import ARGUMENTS, arrived, expected
from tests.app.credentials.user_server import Scene, user_scene
from tests.app.gateways import Gateway

CALLER = Caller("https://issuer.example#ann", frozenset({"call"}), EVERY, token=Secret("caller-token-of-ann"))
GRANTS = [CLIENT_CREDENTIALS, AUTHORIZATION_CODE, DEVICE_CODE, TOKEN_EXCHANGE]


@pytest.fixture
async def scene(served: Gateway) -> AsyncIterator[Scene]:
    async with user_scene(served) as made:
        yield made


async def called(scene: Scene) -> dict[str, Any]:
    application = scene.gateway.application
    snapshot = application.catalog.find("default", "pets")
    assert snapshot is not None
    return (await application.serving.calls.call(snapshot, "get_pet", ARGUMENTS, caller=CALLER)).to_json()


async def agreed(scene: Scene, grant: str) -> None:
    """Do what the user does for a grant."""
    asked = await called(scene)
    if grant == AUTHORIZATION_CODE:
        back = await scene.agree(asked["_meta"]["causeway/url"])
        assert (await scene.browser.get(back.headers["location"])).status_code == 200
        return
    devices = scene.gateway.application.secrets.user_tokens._devices  # noqa: SLF001 - what is under way
    for each in list(devices._under_way.values()):  # noqa: SLF001 - what is under way
        assert each.asking is not None
        await each.asking


@pytest.mark.parametrize("grant", GRANTS)
@pytest.mark.parametrize("further", [(), ("header",), ("query",), ("cookie",), ("header", "query", "cookie")])
@pytest.mark.parametrize("is_alternative", [False, True])
async def test_a_grant_with_other_schemes(
    scene: Scene, grant: str, further: tuple[str, ...], is_alternative: bool
) -> None:
    """AND: all of them arrive. OR: the one that can be satisfied does, the other having no credential."""
    url = scene.authorization.url
    places = {"tokenUrl": f"{url}/token", "scopes": {"read": ""}}
    flows = {
        "clientCredentials": places,
        "authorizationCode": {**places, "authorizationUrl": f"{url}/authorize"},
        "deviceAuthorization": {**places, "deviceAuthorizationUrl": f"{url}/device"},
    }
    schemes = {**SCHEMES, "oauth": {"type": "oauth2", "flows": flows}}
    together: dict[str, list[str]] = {"oauth": ["read"], **{name: [] for name in further}}
    security: list[dict[str, list[str]]] = [{"basic": []}, together] if is_alternative else [together]
    await scene.gateway.create(secured(security, schemes=schemes), base_url=scene.api.url)
    await scene.supply(grant_type=grant)
    await supply(scene.gateway, *further)
    check = scene.state.fault_of
    scene.state.fault_of = lambda form: "" if form["grant_type"] == TOKEN_EXCHANGE else check(form)  # type: ignore[method-assign] # this server knows the grant as well
    if grant in {AUTHORIZATION_CODE, DEVICE_CODE}:
        await agreed(scene, grant)
    result = await called(scene)
    assert result["isError"] is False, result
    target, headers = expected(further)
    headers["Authorization"] = f"Bearer {scene.state.issued[0]}"
    assert [arrived(each) for each in scene.api.requests] == [(target, headers)]
    assert [form["grant_type"] for form in scene.state.forms] == [grant]
