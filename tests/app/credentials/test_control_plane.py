from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.app.backends import backend, json_reply, redirect, reply
from tests.app.conftest import hide_settings
from tests.app.credentials.apis import CREDENTIALS, SUPPLIED, call, secured, supply, text
from tests.app.gateways import KEY, SERVERS, Gateway, gateway

PET = json_reply(b'{"id": 7, "name": "Rex"}')
SERVER = f"{SERVERS}/pets"


def problem(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_a_credential_is_supplied_listed_and_removed_and_never_shown(served: Gateway) -> None:
    """Acceptance K04."""
    await served.create(secured([{"basic": []}]), base_url="https://api.example/v1")
    assert (await served.http.get(CREDENTIALS)).json() == {"items": [], "next_cursor": None}
    put = await served.http.put(f"{CREDENTIALS}/basic", json=SUPPLIED["basic"])
    assert put.status_code == 200
    shown = put.json()
    assert (await served.http.get(CREDENTIALS)).json()["items"] == [shown]
    assert {**shown, "fingerprint": "", "created_at": "", "updated_at": ""} == {
        "scheme": "basic",
        "type": "http",
        "kind": "password",
        "fingerprint": "",
        "username": "bob",
        "client_id": None,
        "token_endpoint_auth_method": None,
        "grant_type": None,
        "scopes": None,
        "source": None,
        "token_origins": None,
        "origins": ["https://api.example"],
        "detached_origins": [],
        "is_readable": True,
        "created_at": "",
        "updated_at": "",
    }
    assert len(shown["fingerprint"]) == 16
    assert "canary" not in put.text
    assert (await served.http.delete(f"{CREDENTIALS}/basic")).status_code == 204
    assert problem(await served.http.delete(f"{CREDENTIALS}/basic")) == (404, "credential_not_found")
    assert (await served.http.get(CREDENTIALS)).json()["items"] == []


async def test_equal_secrets_have_equal_fingerprints_and_new_ones_new(served: Gateway) -> None:
    await served.create(secured([{"header": []}]), base_url="https://api.example")
    prints = [
        (await served.http.put(f"{CREDENTIALS}/header", json={"value": value})).json()["fingerprint"]
        for value in ("one-key", "two-key", "one-key")
    ]
    assert prints[0] == prints[2] != prints[1]


async def test_the_server_says_which_schemes_have_a_credential(served: Gateway) -> None:
    await served.create(secured([{"header": []}]), base_url="https://api.example")
    await supply(served, "header", "bearer")
    schemes = (await served.http.get(SERVER)).json()["security_schemes"]
    assert [each["name"] for each in schemes if each["has_credential"]] == ["header", "bearer"]
    assert {each["name"] for each in schemes if not each["has_credential"]} >= {"basic", "oauth"}


@pytest.mark.parametrize(
    ("scheme", "body", "status", "code", "pointer"),
    [
        ("nobody", {"value": "canary"}, 404, "security_scheme_not_found", None),
        ("header", {}, 422, "credential_invalid", "/value"),
        ("header", {"value": "canary\r\nX: y"}, 422, "credential_invalid", "/value"),
        ("header", {"value": "***"}, 422, "credential_invalid", "/value"),
        ("header", {"value": ["canary"]}, 422, "request_invalid", "/value"),
        ("header", {"canary": 1}, 422, "request_invalid", "/canary"),
        ("basic", {"value": "canary"}, 422, "credential_invalid", "/password"),
        ("bearer", {"value": "Bearer canary"}, 422, "credential_invalid", "/value"),
        ("tls", {"certificate": "x", "private_key": "canary"}, 422, "credential_invalid", "/certificate"),
        ("header", {"source": "env", "name": "HOME"}, 422, "secret_source_invalid", None),
        ("header", {"source": "file", "path": "/etc/hostname"}, 422, "secret_source_invalid", None),
        ("header", {"source": "env"}, 422, "secret_source_invalid", None),
        ("header", {"source": "vault", "path": "a", "field": "b"}, 422, "secret_source_invalid", None),
        ("header", {"source": "keychain", "name": "x"}, 422, "request_invalid", "/source"),
    ],
)
async def test_what_cannot_be_used_is_refused_and_not_repeated(
    served: Gateway, scheme: str, body: dict[str, Any], status: int, code: str, pointer: str | None
) -> None:
    await served.create(secured([{"header": []}]), base_url="https://api.example")
    answer = await served.http.put(f"{CREDENTIALS}/{scheme}", json=body)
    assert problem(answer) == (status, code)
    assert answer.json().get("pointer") == pointer
    assert "canary" not in answer.text.replace('"/canary', "").replace("/canary:", "")
    assert (await served.http.get(CREDENTIALS)).json()["items"] == []


async def test_a_body_that_is_not_json_is_refused_without_repeating_it(served: Gateway) -> None:
    await served.create(secured([{"header": []}]), base_url="https://api.example")
    answer = await served.http.put(
        f"{CREDENTIALS}/header", content=b'{"value": canary}', headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422
    assert "canary" not in answer.text


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_server_that_is_not_there_has_no_credentials(served: Gateway, method: str) -> None:
    path = f"{SERVERS}/nobody/credentials" + ("" if method == "GET" else "/x")
    answer = await served.http.request(method, path, json={"value": "x"} if method == "PUT" else None)
    assert problem(answer) == (404, "server_not_found")


async def test_client_credentials_are_stored_with_the_origins_of_api_and_token_url(served: Gateway) -> None:
    await served.create(secured([{"oauth": ["read"]}]), base_url="https://api.example")
    body = {"client_id": "c1", "client_secret": "canary-secret", "scopes": ["read"]}
    shown = (await served.http.put(f"{CREDENTIALS}/oauth", json=body)).json()
    assert (shown["kind"], shown["client_id"], shown["scopes"]) == ("client", "c1", ["read"])
    assert shown["token_endpoint_auth_method"] == "client_secret_basic"
    assert (shown["origins"], shown["token_origins"]) == (["https://api.example"], ["https://auth.example"])
    assert shown["detached_origins"] == []


async def test_the_tools_api_says_what_a_call_would_carry_and_what_it_lacks(served: Gateway) -> None:
    await served.create(secured([{"header": [], "basic": []}, {"oauth": ["read"]}]), base_url="https://api.example")
    lacking = (await served.http.get(f"{SERVER}/tools/get_pet")).json()
    assert lacking["security"] == [{"header": [], "basic": []}, {"oauth": ["read"]}]
    assert {**lacking["authorization"], "detail": ""} == {
        "alternative": None,
        "schemes": [],
        "missing": ["oauth"],
        "detail": "",
    }
    assert lacking["authorization"]["detail"] == (
        "It needs a credential: no credential was supplied for the scheme 'oauth' (oauth2). Instead of that, 'header' "
        "and 'basic' would do. Supply it with PUT /api/v1/namespaces/default/servers/pets/credentials/oauth and the "
        'body {"client_id": "...", "client_secret": "..."} or {"value": "ACCESS_TOKEN"}.'
    )
    await supply(served, "header", "basic")
    chosen = (await served.http.get(f"{SERVER}/tools/get_pet")).json()["authorization"]
    assert chosen == {"alternative": 0, "schemes": ["header", "basic"], "missing": [], "detail": ""}
    await served.http.patch(f"{SERVER}/tools/get_pet", json={"enabled": False})
    assert (await served.http.get(f"{SERVER}/tools/get_pet")).json()["authorization"] == chosen
    await served.http.patch(SERVER, json={"enabled": False})
    assert (await served.http.get(f"{SERVER}/tools/get_pet")).json()["authorization"] == chosen


async def test_a_preview_masks_credentials_and_points_at_their_schemes(served: Gateway) -> None:
    await served.create(secured([{"basic": [], "query": [], "cookie": []}]), base_url="https://api.example")
    preview = f"{SERVER}/tools/get_pet/preview"
    lacking = (await served.http.post(preview, json={"arguments": {"limit": 5}})).json()
    assert "was not sent" in lacking["detail"]
    assert lacking["url"] == "https://api.example/pets?limit=5"
    await supply(served, "basic", "query", "cookie")
    answer = await served.http.post(preview, json={"arguments": {"limit": 5, "theme": "dark"}})
    assert "canary" not in answer.text
    shown = answer.json()
    assert shown["url"] == "https://api.example/pets?limit=5&api_key=***"
    assert ["Authorization", "Basic ***"] in shown["headers"]
    assert ["Cookie", "theme=dark; sid=***"] in shown["headers"]
    assert {"part": "query", "name": "api_key", "pointer": "/components/securitySchemes/query"} in shown["pieces"]
    assert {"part": "header", "name": "Authorization", "pointer": "/components/securitySchemes/basic"} in shown[
        "pieces"
    ]
    assert shown["detail"] == ""


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
async def test_a_refusal_of_the_api_says_which_scheme_was_used(served: Gateway, status: str) -> None:
    refused = reply(status, b'{"message": "go away"}', "Content-Type: application/json")
    async with backend(refused) as api:
        await served.create(secured([{"header": []}]), base_url=api.url)
        await supply(served, "header")
        result = await call(served)
        assert text(result).startswith(f"{status}: go away")
        assert "carried the credential of the security scheme 'header' (apiKey in header X-Api-Key)" in text(result)
        await served.http.put(f"{SERVER}/document", json={"document": secured([])})
        assert "carried no credential, because the description asks for none" in text(await call(served))


# --- host binding (acceptance K14)


async def test_a_new_base_url_detaches_a_credential_until_it_is_put_again(served: Gateway) -> None:
    async with backend(PET) as api, backend(PET, host="127.0.0.2") as other:
        await served.create(secured([{"header": []}]), base_url=api.url)
        await supply(served, "header")
        await served.http.patch(SERVER, json={"base_url": other.url})
        result = await call(served)
        assert result["_meta"] == {"causeway/code": "credential_missing", "causeway/schemes": ["header"]}
        assert f"supplied for another origin than {other.url}" in text(result)
        assert other.connections == 0
        (listed,) = (await served.http.get(CREDENTIALS)).json()["items"]
        assert (listed["origins"], listed["detached_origins"]) == ([api.url], [other.url])
        assert (await served.http.get(f"{SERVER}/tools/get_pet")).json()["authorization"]["missing"] == ["header"]

        await served.http.patch(SERVER, json={"base_url": f"{api.url}/v2"})
        assert (await call(served))["isError"] is False
        await served.http.patch(SERVER, json={"base_url": other.url})
        await supply(served, "header")
        assert (await call(served))["isError"] is False
        assert [each.values("X-Api-Key") for each in other.requests] == [["canary-header-key/+="]]


async def test_a_re_import_that_moves_one_operation_detaches_it_alone(served: Gateway) -> None:
    async with backend(PET) as api, backend(PET, host="127.0.0.2") as evil:
        document = secured([{"header": []}], servers=[{"url": api.url}])
        await served.create(document)
        await supply(served, "header")
        moved = {**document["paths"]["/pets"]["get"], "operationId": "moved", "servers": [{"url": evil.url}]}
        document["paths"]["/moved"] = {"get": moved}
        await served.http.put(f"{SERVER}/document", json={"document": document})
        assert (await call(served))["isError"] is False
        assert "another origin" in text(await call(served, "moved"))
        assert (len(api.requests), evil.connections) == (1, 0)


async def test_a_server_variable_that_moves_the_host_detaches(served: Gateway) -> None:
    async with backend(PET) as api, backend(PET, host="127.0.0.2") as other:
        server = {"url": "http://{host}", "variables": {"host": {"default": api.url.removeprefix("http://")}}}
        await served.create(secured([{"header": []}], servers=[server]))
        await supply(served, "header")
        assert (await call(served))["isError"] is False
        await served.http.patch(SERVER, json={"server_variables": {"host": other.url.removeprefix("http://")}})
        assert "another origin" in text(await call(served))
        assert other.connections == 0


async def test_without_a_known_origin_nothing_can_be_bound(served: Gateway) -> None:
    await served.create(secured([{"header": []}], servers=[]))
    answer = await served.http.put(f"{CREDENTIALS}/header", json=SUPPLIED["header"])
    assert problem(answer) == (422, "credential_unbound")


async def test_a_scheme_that_goes_away_is_told_and_its_credential_stays(served: Gateway) -> None:
    document = secured([{"header": []}])
    await served.create(document, base_url="https://api.example")
    await supply(served, "header")
    await served.http.put(f"{SERVER}/document", json={"document": secured([{"header": []}], schemes={})})
    (listed,) = (await served.http.get(CREDENTIALS)).json()["items"]
    assert (listed["scheme"], listed["type"]) == ("header", None)
    assert "does not declare" in text(await call(served))


@pytest.mark.parametrize("names", [("header",), ("cookie",), ("basic",), ("query",), ("header", "query", "cookie")])
async def test_a_redirect_to_another_origin_gets_nothing(served: Gateway, names: tuple[str, ...]) -> None:
    """Acceptance K08."""
    async with backend(PET, host="127.0.0.2") as evil, backend(redirect(f"{evil.url}/steal")) as api:
        await served.create(secured([{name: [] for name in names}]), base_url=api.url)
        await supply(served, *names)
        result = await call(served)
        assert result["_meta"]["causeway/code"] == "redirect_denied"
        assert evil.connections == 0
        assert len(api.requests) == 1


async def test_a_redirect_within_the_origin_carries_the_credentials_once(served: Gateway) -> None:
    async with backend(redirect("/moved?api_key=echoed&a=1#part"), PET) as api:
        await served.create(secured([{"header": [], "query": []}]), base_url=api.url)
        await supply(served, "header", "query")
        assert (await call(served))["isError"] is False
        assert api.requests[1].target == "/moved?a=1&api_key=canary%20query%26key%3D%C3%BC"
        assert api.requests[1].values("X-Api-Key") == ["canary-header-key/+="]


# --- sources beside the database


@pytest.fixture
async def sourced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gateway]:
    hide_settings(monkeypatch, tmp_path)
    monkeypatch.setenv("PETS_KEY", "canary-from-env")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.setenv("UNLISTED", "canary-unlisted")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "password").write_text("canary from file\n")
    (tmp_path / "secrets" / "link").symlink_to("/etc/hostname")
    (tmp_path / "outside").write_text("canary-outside")
    settings: dict[str, Any] = {
        "admin_key": KEY,
        "egress_allow": ("127.0.0.0/8",),
        "credential_env": "PETS_KEY, EMPTY, CAUSEWAY_ADMIN_KEY",
        "credential_files": str(tmp_path / "secrets"),
    }
    async with gateway(tmp_path / "data", monkeypatch, **settings) as running:
        yield running


async def test_secrets_are_taken_from_listed_variables_and_files(sourced: Gateway, tmp_path: Path) -> None:
    async with backend(PET) as api:
        await sourced.create(secured([{"header": [], "basic": []}]), base_url=api.url)
        put = await sourced.http.put(f"{CREDENTIALS}/header", json={"source": "env", "name": "PETS_KEY"})
        assert put.json()["source"] == {"source": "env", "name": "PETS_KEY", "path": None, "field": None}
        path = str(tmp_path / "secrets" / "password")
        body = {"username": "bob", "source": "file", "path": path}
        assert (await sourced.http.put(f"{CREDENTIALS}/basic", json=body)).status_code == 200
        assert (await call(sourced))["isError"] is False
        assert api.requests[0].values("X-Api-Key") == ["canary-from-env"]
        assert api.requests[0].values("Authorization") == ["Basic Ym9iOmNhbmFyeSBmcm9tIGZpbGU="]


@pytest.mark.parametrize(
    "source",
    [
        {"source": "env", "name": "UNLISTED"},
        {"source": "env", "name": "EMPTY"},
        {"source": "env", "name": "CAUSEWAY_ADMIN_KEY"},
        {"source": "env", "name": "PETS_KEY", "path": "/x"},
        {"source": "file", "path": "outside"},
        {"source": "file", "path": "secrets/../outside"},
        {"source": "file", "path": "secrets/link"},
        {"source": "file", "path": "secrets"},
        {"source": "file", "path": "secrets/absent"},
        {"source": "file", "path": "secrets/pass\u0000word"},
    ],
)
async def test_nothing_that_is_not_listed_is_looked_at(
    sourced: Gateway, tmp_path: Path, source: dict[str, str]
) -> None:
    await sourced.create(secured([{"header": []}]), base_url="https://api.example")
    if "path" in source and source["source"] == "file":
        source = {**source, "path": f"{tmp_path}/{source['path']}"}
    answer = await sourced.http.put(f"{CREDENTIALS}/header", json=source)
    assert problem(answer) == (422, "secret_source_invalid")
    assert str(tmp_path) not in answer.text


async def test_a_secret_that_is_given_beside_its_source_is_refused(sourced: Gateway) -> None:
    await sourced.create(secured([{"basic": []}]), base_url="https://api.example")
    body = {"username": "bob", "value": "x", "source": "env", "name": "PETS_KEY"}
    assert problem(await sourced.http.put(f"{CREDENTIALS}/basic", json=body)) == (422, "credential_invalid")


async def test_the_mask_that_a_client_sends_back_leaves_the_credential_as_it_is(served: Gateway) -> None:
    """K04: what was read is no secret, and does not take the place of one; in PATCH of a server it has no place."""
    async with backend(json_reply(b'{"id": 7}')) as api:
        await served.create(secured([{"header": []}]), base_url=api.url)
        await supply(served, "header")
        before = (await served.http.get(CREDENTIALS)).json()
        refused = await served.http.put(f"{CREDENTIALS}/header", json={"value": "***"})
        patched = await served.http.patch(f"{SERVERS}/pets", json={"credentials": {"header": {"value": "***"}}})
        assert (refused.status_code, patched.status_code) == (422, 422)
        assert "leave the credential as it is" in refused.json()["detail"]
        assert (await served.http.get(CREDENTIALS)).json() == before
        await call(served)
    assert api.requests[0].values("X-Api-Key") == [SUPPLIED["header"]["value"]]
