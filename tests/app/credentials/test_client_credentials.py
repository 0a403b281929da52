"""oauth2 by client credentials: what the token endpoint gets, what the API gets, and what happens when one refuses.

The first test is the documentation: what the description says, what an owner supplies, what arrives.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import ECKey, RSAKey

from tests.app.backends import Received, redirect
from tests.app.conftest import hide_settings
from tests.app.credentials.apis import CREDENTIALS, call, secured, text
from tests.app.credentials.token_server import CLIENT, CLIENT_ID, CLIENT_SECRET, Authorization, Peer, serving
from tests.app.gateways import KEY, SERVERS, Gateway, gateway

SERVER = f"{SERVERS}/pets"


@dataclass(frozen=True, slots=True)
class Scene:
    """An API behind a gateway, and the server that issues its tokens."""

    gateway: Gateway
    state: Authorization
    authorization: Peer
    api: Peer

    def description(self, **members: Any) -> dict[str, Any]:
        flow = {"tokenUrl": f"{self.authorization.url}/token?tenant=1", "scopes": {"read": "", "write": ""}}
        return secured(
            [{"oauth": ["read"]}],
            schemes={"oauth": {"type": "oauth2", "flows": {"clientCredentials": flow}}},
            **members,
        )

    async def supply(self, **changes: Any) -> None:
        body = {name: value for name, value in {**CLIENT, **changes}.items() if value is not None}
        answer = await self.gateway.http.put(f"{CREDENTIALS}/oauth", json=body)
        assert answer.status_code == 200, answer.text

    async def start(self, **changes: Any) -> None:
        await self.gateway.create(self.description(), base_url=self.api.url)
        await self.supply(**changes)


@asynccontextmanager
async def scene_of(running: Gateway) -> AsyncIterator[Scene]:
    state = Authorization()
    async with serving(state.answer) as authorization, serving(state.api) as api:
        yield Scene(running, state, authorization, api)


def files(folder: Path) -> list[bytes]:
    """Read everything below a folder."""
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
async def scene(served: Gateway) -> AsyncIterator[Scene]:
    async with scene_of(served) as made:
        yield made


async def test_a_call_carries_a_token_that_was_got_with_the_client_s_credentials(scene: Scene) -> None:
    # The description: flows.clientCredentials.tokenUrl, and `security: [{oauth: [read]}]` at the operation.
    await scene.gateway.create(scene.description(), base_url=scene.api.url)
    # The owner: PUT .../credentials/oauth.
    body = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    stored = await scene.gateway.http.put(f"{CREDENTIALS}/oauth", json=body)
    assert (stored.json()["kind"], stored.json()["token_origins"]) == ("client", [scene.authorization.url])

    first, second = await call(scene.gateway), await call(scene.gateway)

    # The token endpoint got one request (RFC 6749 section 4.4.2), the client in `Authorization` (section 2.3.1).
    (asked,) = scene.authorization.requests
    assert asked.line == "POST /token?tenant=1 HTTP/1.1"
    pair = f"{quote(CLIENT_ID, safe='')}:{quote(CLIENT_SECRET, safe='')}"
    assert asked.values("Authorization") == ["Basic " + base64.b64encode(pair.encode()).decode()]
    assert scene.state.forms == [{"grant_type": "client_credentials", "scope": "read"}]
    # The API got the token with every call (RFC 6750 section 2.1), and nothing of the client.
    assert [each.values("Authorization") for each in scene.api.requests] == [[f"Bearer {scene.state.issued[0]}"]] * 2
    assert [first["isError"], second["isError"]] == [False, False]


async def test_the_client_s_secret_in_the_form(scene: Scene) -> None:
    await scene.start(token_endpoint_auth_method="client_secret_post")
    assert (await call(scene.gateway))["isError"] is False
    assert scene.authorization.requests[0].values("Authorization") == []
    assert scene.state.forms == [{"grant_type": "client_credentials", "scope": "read", **CLIENT}]


@pytest.mark.parametrize("kind", ["rsa", "ec"])
async def test_a_client_that_signs(scene: Scene, kind: str) -> None:
    """RFC 7523 section 2.2: `private_key_jwt` with an RSA key and one on P-256."""
    key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    scene.state.key = RSAKey.import_key(pem) if kind == "rsa" else ECKey.import_key(pem)
    await scene.start(client_secret=None, private_key=pem)
    (shown,) = (await scene.gateway.http.get(CREDENTIALS)).json()["items"]
    assert shown["token_endpoint_auth_method"] == "private_key_jwt"
    result = await call(scene.gateway)
    assert result["isError"] is False, text(result)
    (form,) = scene.state.forms
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert "client_secret" not in form


async def test_the_scopes_that_the_owner_names_are_asked_for_in_the_place_of_the_operation_s(scene: Scene) -> None:
    await scene.start(scopes=["write", "read"])
    await call(scene.gateway)
    assert scene.state.forms[0]["scope"] == "read write"
    await scene.supply(scopes=["write"])
    result = await call(scene.gateway)
    assert (len(scene.state.forms), len(scene.api.requests)) == (1, 1)
    assert "does not cover read" in text(result)


async def test_twenty_calls_at_once_ask_for_one_token(scene: Scene) -> None:
    """Acceptance K13, in one instance: without a token, and with one that the API does not accept any more."""
    await scene.start()
    scene.state.seconds = 0.1
    results = await asyncio.gather(*(call(scene.gateway) for _ in range(20)))
    assert [each["isError"] for each in results] == [False] * 20
    assert len(scene.state.issued) == 1
    scene.state.live.clear()
    results = await asyncio.gather(*(call(scene.gateway) for _ in range(20)))
    assert [each["isError"] for each in results] == [False] * 20
    assert len(scene.state.issued) == 2


async def test_a_token_is_renewed_before_it_expires(scene: Scene) -> None:
    await scene.start()
    scene.state.lifetime = 1.0
    await call(scene.gateway)
    await call(scene.gateway)
    assert len(scene.state.issued) == 1
    await asyncio.sleep(0.92)
    assert (await call(scene.gateway))["isError"] is False
    assert len(scene.state.issued) == 2
    assert scene.api.requests[-1].values("Authorization") == [f"Bearer {scene.state.issued[1]}"]


async def test_a_token_that_the_api_refuses_is_got_anew_and_the_call_repeated_with_its_body(scene: Scene) -> None:
    description = scene.description()
    item = description["paths"]["/pets"]
    content = {"text/plain": {"schema": {"type": "string"}}}
    item["post"] = {**item["get"], "operationId": "add_pet", "requestBody": {"required": True, "content": content}}
    await scene.gateway.create(description, base_url=scene.api.url)
    await scene.supply()
    await call(scene.gateway, "add_pet", body="Rex")
    scene.state.live.clear()
    assert (await call(scene.gateway, "add_pet", body="Rex"))["isError"] is False
    assert [each.body for each in scene.api.requests] == [b"Rex"] * 3
    assert len(scene.state.issued) == 2


async def test_an_api_that_refuses_every_token_does_not_make_the_gateway_ask_again_and_again(scene: Scene) -> None:
    await scene.start()

    async def refusing(request: Received) -> bytes:
        scene.state.live.clear()
        return await scene.state.api(request)

    scene.api.answer = refusing
    results = [await call(scene.gateway) for _ in range(5)]
    assert all(text(each).startswith("401") for each in results)
    assert "the security scheme 'oauth' (oauth2); the API did not accept it" in text(results[0])
    assert (len(scene.state.issued), len(scene.api.requests)) == (2, 6)


async def test_a_wrong_secret_is_told_with_the_server_s_error_and_not_asked_again_at_once(scene: Scene) -> None:
    await scene.start(client_secret="canary-wrong-secret/+=")
    results = await asyncio.gather(*(call(scene.gateway) for _ in range(20)))
    assert len(scene.state.forms) == 1
    assert scene.api.requests == []
    (told,) = {text(each) for each in results}
    assert told.startswith(
        "The call was not sent, because no token was got for the security scheme 'oauth' (client 'client 1' with the "
        f"scopes read): the token endpoint {scene.authorization.url}/token answered 401 invalid_client: Echo "
    )
    pair = base64.b64encode(b"client+1:canary-wrong-secret%2F%2B%3D").decode()
    assert [form for form in ("canary-wrong", "canary%2Dwrong", pair) if form in json.dumps(results)] == []
    assert results[0]["_meta"] == {"causeway/code": "credential_token_failed", "causeway/retryAfter": 1}
    # A new secret is tried at once.
    await scene.supply()
    assert (await call(scene.gateway))["isError"] is False


async def test_a_token_endpoint_that_fails_is_asked_again_after_a_moment(scene: Scene) -> None:
    await scene.start()
    scene.state.status = "503 Service Unavailable"
    assert "answered 503 temporarily_unavailable." in text(await call(scene.gateway))
    scene.state.status = ""
    assert (await call(scene.gateway))["_meta"]["causeway/code"] == "credential_token_failed"
    await asyncio.sleep(0.55)
    assert (await call(scene.gateway))["isError"] is False
    assert len(scene.state.forms) == 2


async def test_a_redirect_of_the_token_endpoint_is_not_followed(scene: Scene) -> None:
    """Acceptance S08 and K08."""
    await scene.start()

    async def redirecting(request: Received) -> bytes:
        return redirect(f"{scene.api.url}/token", "307 Temporary Redirect")

    scene.authorization.answer = redirecting
    assert "answered 307." in text(await call(scene.gateway))
    assert scene.api.requests == []


async def test_a_token_endpoint_that_is_away_or_slow_is_told(scene: Scene) -> None:
    await scene.start()
    await scene.gateway.http.patch(SERVER, json={"policies": {"call_timeout": 0.3}})
    scene.state.seconds = 1.0
    slow = await call(scene.gateway)
    assert text(slow) == "The call was not sent: there was no access token within 0.3 seconds."
    assert slow["_meta"]["causeway/code"] == "upstream_timeout"


async def test_the_egress_policy_holds_for_the_token_endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Acceptance S01 and S04, for tokens: the API may be called, the token endpoint may not."""
    hide_settings(monkeypatch, tmp_path)
    async with (
        gateway(tmp_path, monkeypatch, admin_key=KEY, egress_allow=("127.0.0.1/32",)) as running,
        scene_of(running) as scene,
    ):
        for place in ("http://127.0.0.2:8080", "http://169.254.169.254", "http://[::1]:8080"):
            scene.authorization.url = place
            await scene.gateway.create(scene.description(), base_url=scene.api.url)
            await scene.supply()
            result = await call(running)
            assert result["_meta"]["causeway/code"] == "egress_denied", place
            assert f"the token endpoint {place}/token" in text(result)
            await running.http.delete(SERVER)
        assert (scene.api.requests, scene.authorization.requests) == ([], [])


async def test_the_client_s_secret_stays_with_the_token_url_it_was_supplied_for(scene: Scene) -> None:
    """Acceptance K14: a re-import moves the token URL; nothing goes there until an owner supplies the secret again."""
    await scene.start()
    await call(scene.gateway)
    async with serving(scene.state.answer) as other:
        moved = json.loads(json.dumps(scene.description()).replace(scene.authorization.url, other.url))
        answer = await scene.gateway.http.put(f"{SERVER}/document", json={"document": moved})
        assert answer.is_success, answer.text
        result = await call(scene.gateway)
        assert result["_meta"] == {"causeway/code": "credential_missing", "causeway/schemes": ["oauth"]}
        assert f"were not supplied for the token URL at {other.url}" in text(result)
        (shown,) = (await scene.gateway.http.get(CREDENTIALS)).json()["items"]
        assert shown["detached_origins"] == [other.url]
        assert other.requests == []
        await scene.supply()
        assert (await call(scene.gateway))["isError"] is False
        assert len(other.requests) == 1


async def test_a_deleted_or_replaced_secret_takes_its_token_along(scene: Scene) -> None:
    await scene.start()
    await call(scene.gateway)
    await scene.gateway.http.delete(f"{CREDENTIALS}/oauth")
    assert (await call(scene.gateway))["_meta"]["causeway/code"] == "credential_missing"
    await scene.supply()
    await call(scene.gateway)
    assert len(scene.state.issued) == 2


async def test_no_token_and_no_secret_is_found_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Acceptance K01, K03 and K05: results with echoes, errors, previews, lists, logs and what is stored."""
    caplog.set_level("DEBUG")
    hide_settings(monkeypatch, tmp_path)
    told: list[str] = []
    async with (
        gateway(tmp_path, monkeypatch, admin_key=KEY, egress_allow=("127.0.0.0/8",)) as running,
        scene_of(running) as scene,
    ):
        await scene.start()
        told.append(json.dumps(await call(running)))
        scene.state.live.clear()
        told.append(json.dumps(await call(running)))
        scene.state.live.clear()
        told += [json.dumps(await call(running)) for _ in range(3)]
        preview = (await running.http.post(f"{SERVER}/tools/get_pet/preview", json={"arguments": {}})).json()
        assert ["Authorization", "Bearer ***"] in preview["headers"]
        told.append(json.dumps(preview))
        for path in ("", "/credentials", "/tools/get_pet", "/revisions"):
            told.append((await running.http.get(f"{SERVER}{path}")).text)
        held = running.application.secrets.credentials.held("default", "pets")
        told.append(repr(held.by_scheme))
        told += [content.decode("latin-1") for content in files(tmp_path)]
        issued = scene.state.issued
    out, err = capfd.readouterr()
    told += [out, err, caplog.text]
    secrets = [*issued, CLIENT_SECRET, quote(CLIENT_SECRET, safe=""), quote_plus(CLIENT_SECRET)]
    forms = {
        form for each in secrets for form in (each, quote(each, safe=""), base64.b64encode(each.encode()).decode())
    }
    assert len(issued) == 2
    assert [form for form in forms if any(form in each for each in told)] == []
    assert '"echo": "Bearer ***"' in told[0]


@pytest.mark.parametrize(
    ("scheme", "sentence"),
    [
        (
            {"type": "oauth2", "flows": {"implicit": {"authorizationUrl": "https://auth.example/"}, "password": {}}},
            "declares the flows implicit, password, and no `tokenUrl` of `clientCredentials`, by which",
        ),
        ({"type": "oauth2"}, "declares no flow, and no `tokenUrl` of `clientCredentials`"),
    ],
)
async def test_flows_that_need_a_person_take_a_token_instead(
    served: Gateway, scheme: dict[str, Any], sentence: str
) -> None:
    await served.create(secured([{"oauth": []}], schemes={"oauth": scheme}), base_url="https://api.example")
    answer = await served.http.put(f"{CREDENTIALS}/oauth", json=CLIENT)
    assert (answer.status_code, answer.json()["code"]) == (422, "credential_invalid")
    assert sentence in answer.json()["detail"]
    assert 'supply {"value": "ACCESS_TOKEN"}' in answer.json()["detail"]
    assert (await served.http.put(f"{CREDENTIALS}/oauth", json={"value": "a.token"})).status_code == 200


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"client_id": "c", "private_key": "canary"}, "/private_key"),
        ({"client_id": "c", "token_endpoint_auth_method": "private_key_jwt"}, "/private_key"),
        ({"client_id": "c", "client_secret": "canary", "private_key": "canary"}, "/private_key"),
    ],
)
async def test_a_client_that_cannot_be_used_is_refused(scene: Scene, body: dict[str, str], pointer: str) -> None:
    await scene.gateway.create(scene.description(), base_url=scene.api.url)
    answer = await scene.gateway.http.put(f"{CREDENTIALS}/oauth", json=body)
    assert (answer.status_code, answer.json()["pointer"]) == (422, pointer)
    assert "canary" not in answer.text


async def test_a_key_that_cannot_sign_is_refused(scene: Scene) -> None:
    await scene.gateway.create(scene.description(), base_url=scene.api.url)
    key = ec.generate_private_key(ec.SECP192R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    answer = await scene.gateway.http.put(f"{CREDENTIALS}/oauth", json={"client_id": "c", "private_key": pem})
    assert (answer.status_code, answer.json()["pointer"]) == (422, "/private_key")
    assert "must be an RSA key" in answer.json()["detail"]


async def test_open_id_connect_names_the_token_endpoint_in_its_metadata(scene: Scene) -> None:
    """OpenID Connect Discovery 1.0 section 4: read once, and only where it is the issuer's own."""
    url = f"{scene.authorization.url}/.well-known/openid-configuration"
    schemes = {"oauth": {"type": "openIdConnect", "openIdConnectUrl": url}}
    await scene.gateway.create(secured([{"oauth": ["read"]}], schemes=schemes), base_url=scene.api.url)
    await scene.supply()
    scene.state.metadata = {"issuer": "https://evil.example", "token_endpoint": f"{scene.authorization.url}/t"}
    assert "the metadata are those of another issuer" in text(await call(scene.gateway))
    assert scene.state.forms == []
    scene.state.metadata["issuer"] = scene.authorization.url
    await asyncio.sleep(0.55)
    assert (await call(scene.gateway))["isError"] is False
    scene.state.live.clear()
    assert (await call(scene.gateway))["isError"] is False
    lines = [each.line.partition(" HTTP")[0] for each in scene.authorization.requests]
    metadata = "GET /.well-known/openid-configuration"
    assert lines == [metadata, metadata, "POST /t", "POST /t"]
