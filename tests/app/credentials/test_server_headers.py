"""Header fields of every request: kept, bound and masked as credentials are (acceptance K03, K04, K06, K08, K14)."""

from __future__ import annotations

import base64
import json
import secrets
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.security.secret_keys import load_keys
from app.services.rotation import rotate
from app.settings import load
from tests.app.backends import backend, json_reply, redirect, reply
from tests.app.conftest import hide_settings
from tests.app.credentials.apis import CREDENTIALS, SUPPLIED, call, secured, text
from tests.app.gateways import KEY, SECRET_KEY, SERVERS, Gateway, gateway

PET = json_reply(b'{"id": 7, "name": "Rex"}')
HEADERS = f"{SERVERS}/pets/headers"
VALUE = "canary-subscription/+key"


async def put(served: Gateway, name: str, value: Any = VALUE, **members: Any) -> httpx2.Response:
    return await served.http.put(f"{HEADERS}/{name}", json={"value": value, **members})


async def test_a_header_field_goes_with_every_request_and_before_an_argument(served: Gateway) -> None:
    async with backend(PET) as api:
        await served.create(secured([]), base_url=api.url)
        assert (await put(served, "X-Subscription")).status_code == 200
        assert (await put(served, "x-trace", "ours")).status_code == 200
        await call(served, **{"X-Trace": "written by the model"})
        assert (await put(served, "X-SUBSCRIPTION", "another")).status_code == 200
        await call(served)
        assert (await served.http.delete(f"{HEADERS}/x-subscription")).status_code == 204
        await call(served)
    first, second, third = api.requests
    assert (first.values("X-Subscription"), first.values("X-Trace")) == ([VALUE], ["ours"])
    assert second.values("X-Subscription") == ["another"]
    assert third.values("X-Subscription") == []


async def test_it_goes_beside_a_credential(served: Gateway) -> None:
    async with backend(PET) as api:
        await served.create(secured([{"bearer": []}]), base_url=api.url)
        await put(served, "X-Subscription")
        assert "needs a credential" in text(await call(served))
        await served.http.put(f"{CREDENTIALS}/bearer", json=SUPPLIED["bearer"])
        await call(served)
        listed = [each["scheme"] for each in (await served.http.get(CREDENTIALS)).json()["items"]]
    (request,) = api.requests
    assert request.values("Authorization") == [f"Bearer {SUPPLIED['bearer']['value']}"]
    assert request.values("X-Subscription") == [VALUE]
    assert listed == ["bearer"]


async def test_a_mock_server_that_is_called_without_credentials_gets_it(served: Gateway) -> None:
    async with backend(PET) as api:
        await served.create(secured([{"bearer": []}]), base_url=api.url)
        await served.http.patch(f"{SERVERS}/pets", json={"policies": {"require_credentials": False}})
        await put(served, "X-Subscription")
        await call(served)
    assert api.requests[0].values("X-Subscription") == [VALUE]


async def test_a_read_shows_a_fingerprint_and_never_the_value(served: Gateway) -> None:
    """K04; the mask that stands for the value does not replace it."""
    async with backend(PET) as api:
        await served.create(secured([]), base_url=api.url)
        answers = [await put(served, "X-Subscription"), await served.http.get(HEADERS)]
        answers.append(await served.http.post(f"{SERVERS}/pets/tools/get_pet/preview", json={"arguments": {}}))
        masked = await put(served, "X-Subscription", "***")
        await call(served)
    (shown,) = answers[1].json()["items"]
    assert shown.keys() >= {"name", "fingerprint", "origins", "detached_origins", "is_readable"}
    assert (shown["name"], shown["origins"], shown["is_readable"]) == ("X-Subscription", [api.url], True)
    assert not any(VALUE in each.text for each in answers)
    assert '"***"' in answers[2].text
    assert (masked.status_code, masked.json()["code"]) == (422, "credential_invalid")
    assert api.requests[0].values("X-Subscription") == [VALUE]


async def test_an_echo_is_masked_unless_the_value_is_no_secret(served: Gateway) -> None:
    """K03."""
    coded = base64.b64encode(VALUE.encode()).decode()
    async with backend(json_reply(json.dumps({"id": 7, "name": f"{VALUE} {coded} 2022-11-28"}).encode())) as api:
        await served.create(secured([]), base_url=api.url)
        await put(served, "X-Subscription")
        await put(served, "X-Version", "2022-11-28", is_secret=False)
        result = json.dumps(await call(served))
    assert VALUE not in result
    assert coded not in result
    assert "*** *** 2022-11-28" in result


async def test_it_is_bound_to_the_origin_it_was_supplied_for(served: Gateway) -> None:
    """K14: after a new base URL or a re-import calls are refused until an owner puts the field again."""
    async with backend(PET) as api, backend(PET) as other:
        await served.create(secured([]), base_url=api.url)
        await put(served, "X-Subscription")
        await served.http.patch(f"{SERVERS}/pets", json={"base_url": other.url})
        refused = await call(served)
        (shown,) = (await served.http.get(HEADERS)).json()["items"]
        assert not other.requests
        await put(served, "X-Subscription")
        await call(served)
    assert refused["_meta"]["causeway/code"] == "credential_missing"
    assert refused["_meta"]["causeway/schemes"] == ["X-Subscription"]
    assert "PUT .../headers/X-Subscription" in text(refused)
    assert shown["detached_origins"] == [other.url]
    assert other.requests[0].values("X-Subscription") == [VALUE]


async def test_a_redirect_to_another_origin_does_not_take_it_along(served: Gateway) -> None:
    """K08."""
    async with backend(PET) as other, backend(redirect(f"{other.url}/pets")) as api:
        await served.create(secured([]), base_url=api.url)
        await put(served, "X-Subscription")
        await call(served)
    assert len(api.requests) == 1
    assert not any(VALUE in value for each in other.requests for _, value in each.headers)


@pytest.mark.parametrize(
    "name",
    [
        *("Host", "Connection", "Transfer-Encoding", "Content-Length", "Content-Type", "Cookie", "Mcp-Session-Id"),
        *("Proxy-Authorization", "X-Forwarded-Host", "Forwarded", "Causeway-Hops", "a b", "x:y", "ü", "x%0d%0ay"),
    ],
)
async def test_what_frames_or_routes_a_message_is_refused(served: Gateway, name: str) -> None:
    await served.create(secured([]))
    answer = await put(served, name)
    assert (answer.status_code, answer.json()["code"]) == (422, "credential_invalid")


@pytest.mark.parametrize(("name", "owner"), [("authorization", "b"), ("X-API-KEY", "h")])
async def test_a_field_that_a_scheme_writes_is_supplied_as_its_credential(
    served: Gateway, name: str, owner: str
) -> None:
    schemes = {"b": {"type": "http", "scheme": "bearer"}, "h": {"type": "apiKey", "in": "header", "name": "X-Api-Key"}}
    await served.create(secured([], schemes=schemes))
    answer = await put(served, name)
    assert answer.status_code == 422
    assert f"PUT .../credentials/{owner}" in answer.json()["detail"]


async def test_a_scheme_that_a_later_description_declares_stands_before_it(served: Gateway) -> None:
    schemes = {"bearer": {"type": "http", "scheme": "bearer"}}
    async with backend(PET) as api:
        await served.create(secured([], schemes={}), base_url=api.url)
        assert (await put(served, "Authorization", "Custom ours")).status_code == 200
        await call(served)
        document = {"document": secured([{"bearer": []}], schemes=schemes)}
        assert (await served.http.put(f"{SERVERS}/pets/document", json=document)).status_code == 200
        await served.http.put(f"{CREDENTIALS}/bearer", json=SUPPLIED["bearer"])
        await call(served)
    assert api.requests[0].values("Authorization") == ["Custom ours"]
    assert api.requests[-1].values("Authorization") == [f"Bearer {SUPPLIED['bearer']['value']}"]


@pytest.mark.parametrize("value", ["", " spaced", "line\nbreak", "x\r\nHost: evil", "nul\0", None, 7])
async def test_a_value_that_would_break_the_message_is_refused(served: Gateway, value: Any) -> None:
    await served.create(secured([]))
    assert (await put(served, "X-Subscription", value)).status_code == 422


async def test_one_that_is_not_there_is_not_removed(served: Gateway) -> None:
    await served.create(secured([]))
    answer = await served.http.delete(f"{HEADERS}/X-None")
    assert (answer.status_code, answer.json()["code"]) == (404, "header_not_found")


async def test_its_value_can_stay_with_the_operator_and_it_is_rotated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None
) -> None:
    """K05, K06: a ciphertext in the database, sealed anew under another key; a reference keeps nothing there."""
    hide_settings(monkeypatch, tmp_path)
    monkeypatch.setenv("PETS_KEY", "from the environment")
    data = tmp_path / "data"
    settings: dict[str, Any] = {"admin_key": KEY, "egress_allow": ("127.0.0.1",), "credential_env": ("PETS_KEY",)}
    other = base64.b64encode(secrets.token_bytes(32)).decode()
    async with backend(PET) as api:
        async with gateway(data, monkeypatch, **settings) as running:
            await running.create(secured([]), base_url=api.url)
            await put(running, "X-Subscription")
            body = {"source": "env", "name": "PETS_KEY"}
            assert (await running.http.put(f"{HEADERS}/X-Referred", json=body)).status_code == 200
            both = await running.http.put(f"{HEADERS}/X-Both", json={**body, "value": "x"})
            assert both.status_code == 422
            await call(running)
            keys = load_keys(load(data_dir=data, secret_key=other, secret_keys_old=SECRET_KEY, admin_key=KEY))
            assert (await rotate(running.application.database, keys)).resealed == 2
        stored = b"".join(each.read_bytes() for each in data.rglob("*") if each.is_file())
        async with gateway(data, monkeypatch, **settings, secret_key=other) as running:
            await call(running)
    assert VALUE.encode() not in stored
    for request in api.requests:
        assert request.values("X-Subscription") == [VALUE]
        assert request.values("X-Referred") == ["from the environment"]


async def test_a_value_that_cannot_be_read_stops_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None
) -> None:
    hide_settings(monkeypatch, tmp_path)
    monkeypatch.setenv("PETS_KEY", "from the environment")
    settings: dict[str, Any] = {"admin_key": KEY, "egress_allow": ("127.0.0.1",), "credential_env": ("PETS_KEY",)}
    async with backend(reply()) as api, gateway(tmp_path / "data", monkeypatch, **settings) as running:
        await running.create(secured([]), base_url=api.url)
        body = {"source": "env", "name": "PETS_KEY"}
        assert (await running.http.put(f"{HEADERS}/X-Referred", json=body)).status_code == 200
        monkeypatch.setenv("PETS_KEY", " ")
        await running.application.secrets.credentials.refresh()
        refused = await call(running)
    assert "cannot be read" in text(refused)
    assert not api.requests
