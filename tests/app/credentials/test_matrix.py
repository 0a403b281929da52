"""Every scheme in every place, alone and together: what arrives at the API (OAS, RFC 6750, 7616, 7617)."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.app.backends import Received, backend, json_reply, reply
from tests.app.credentials.apis import SUPPLIED, Alternatives, call, secured, supply, text
from tests.app.gateways import Gateway

PET = json_reply(b'{"id": 7, "name": "Rex"}')
BASIC = "Basic " + base64.b64encode("bob:canary:basic pässword".encode()).decode()
# Where each credential arrives: (part, name, value).
ARRIVES: dict[str, tuple[str, str, str]] = {
    "header": ("header", "X-Api-Key", "canary-header-key/+="),
    "query": ("query", "api_key", "canary%20query%26key%3D%C3%BC"),
    "cookie": ("cookie", "sid", "canary-cookie-key"),
    "basic": ("header", "Authorization", BASIC),
    "bearer": ("header", "Authorization", "Bearer canary.bearer.token"),
    "token": ("header", "Authorization", "Token canary-token-value"),
    "oauth": ("header", "Authorization", "Bearer canary.oauth.token"),
    "oidc": ("header", "Authorization", "Bearer canary.oidc.token"),
}
SCHEMES = list(ARRIVES)
IN_AUTHORIZATION = {name for name, place in ARRIVES.items() if place[1] == "Authorization"}
ARGUMENTS: dict[str, Any] = {"limit": 5, "theme": "dark", "X-Trace": "t1"}


def expected(names: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    """Give the target and the header fields that the description asks for, with these schemes."""
    query, cookies, headers = ["limit=5"], ["theme=dark"], {"X-Trace": "t1"}
    for name in names:
        part, field, value = ARRIVES[name]
        if part == "query":
            query.append(f"{field}={value}")
        elif part == "cookie":
            cookies.append(f"{field}={value}")
        else:
            headers[field] = value
    return f"/pets?{'&'.join(query)}", {**headers, "Cookie": "; ".join(cookies)}


def arrived(request: Received) -> tuple[str, dict[str, str]]:
    wanted = {"X-Trace", "Cookie", "X-Api-Key", "Authorization"}
    names = [name for name, _ in request.headers]
    assert len(names) == len({each.lower() for each in names}), "a field came twice"
    return request.target, {name: value for name, value in request.headers if name in wanted}


async def check(gateway: Gateway, security: Alternatives, supplied: tuple[str, ...], sent: tuple[str, ...]) -> None:
    async with backend(PET) as api:
        await gateway.create(secured(security), base_url=api.url)
        await supply(gateway, *supplied)
        result = await call(gateway, **ARGUMENTS)
        assert result["isError"] is False, text(result)
        assert [arrived(each) for each in api.requests] == [expected(sent)]


@pytest.mark.parametrize("name", SCHEMES)
async def test_one_scheme(served: Gateway, name: str) -> None:
    await check(served, [{name: []}], (name,), (name,))


@pytest.mark.parametrize("name", SCHEMES)
async def test_one_scheme_as_the_document_s_default(served: Gateway, name: str) -> None:
    async with backend(PET) as api:
        await served.create(secured(default=[{name: []}]), base_url=api.url)
        await supply(served, name)
        await call(served, **ARGUMENTS)
        assert [arrived(each) for each in api.requests] == [expected((name,))]


@pytest.mark.parametrize("name", SCHEMES)
async def test_an_operation_that_overrides_the_default_with_an_empty_list_carries_nothing(
    served: Gateway, name: str
) -> None:
    async with backend(PET) as api:
        await served.create(secured([], default=[{name: []}]), base_url=api.url)
        await supply(served, name)
        await call(served, **ARGUMENTS)
        assert [arrived(each) for each in api.requests] == [expected(())]


@pytest.mark.parametrize("name", SCHEMES)
async def test_an_operation_s_own_alternative_is_used_instead_of_the_default(served: Gateway, name: str) -> None:
    other = "cookie" if name != "cookie" else "header"
    async with backend(PET) as api:
        await served.create(secured([{name: []}], default=[{other: []}]), base_url=api.url)
        await supply(served, name, other)
        await call(served, **ARGUMENTS)
        assert [arrived(each) for each in api.requests] == [expected((name,))]


PAIRS = list(itertools.combinations(SCHEMES, 2))


@pytest.mark.parametrize(("first", "second"), [each for each in PAIRS if not IN_AUTHORIZATION.issuperset(each)])
async def test_two_schemes_that_go_together(served: Gateway, first: str, second: str) -> None:
    await check(served, [{first: [], second: []}], (first, second), (first, second))


@pytest.mark.parametrize(("first", "second"), [each for each in PAIRS if IN_AUTHORIZATION.issuperset(each)])
async def test_two_schemes_that_want_the_same_field_are_refused_and_nothing_is_sent(
    served: Gateway, first: str, second: str
) -> None:
    async with backend(PET) as api:
        await served.create(secured([{first: [], second: []}]), base_url=api.url)
        await supply(served, first, second)
        result = await call(served, **ARGUMENTS)
        assert result["_meta"] == {"causeway/code": "credential_missing", "causeway/schemes": [second]}
        assert "goes where another scheme of the same alternative goes" in text(result)
        assert api.connections == 0


@pytest.mark.parametrize(("first", "second"), PAIRS)
async def test_of_two_alternatives_the_one_with_a_credential_is_used(served: Gateway, first: str, second: str) -> None:
    await check(served, [{first: []}, {second: []}], (second,), (second,))


@pytest.mark.parametrize("name", SCHEMES)
async def test_an_optional_credential_is_sent_where_there_is_one(served: Gateway, name: str) -> None:
    await check(served, [{}, {name: []}], (name,), (name,))


@pytest.mark.parametrize("name", SCHEMES)
async def test_without_one_an_optional_credential_is_left_out(served: Gateway, name: str) -> None:
    await check(served, [{name: []}, {}], (), ())


@pytest.mark.parametrize("name", [*SCHEMES, "digest", "tls"])
async def test_without_its_credential_nothing_is_sent_and_the_answer_says_how_to_supply_it(
    served: Gateway, name: str
) -> None:
    async with backend(PET) as api:
        await served.create(secured([{name: []}]), base_url=api.url)
        result = await call(served)
        assert (result["isError"], api.connections) == (True, 0)
        assert result["_meta"]["causeway/schemes"] == [name]
        how = f"PUT /api/v1/namespaces/default/servers/pets/credentials/{name} and the body "
        assert how in text(result)
        assert repr(name) in text(result)


@pytest.mark.parametrize(
    ("security", "supplied", "sent"),
    [
        ([{"header": [], "query": [], "cookie": []}], ("header", "query", "cookie"), ("header", "query", "cookie")),
        ([{"header": [], "bearer": []}, {"query": []}], ("header", "query"), ("query",)),
        ([{"header": [], "bearer": []}, {"query": []}], ("header", "bearer"), ("header", "bearer")),
        ([{"header": [], "bearer": []}, {"query": []}], ("header", "bearer", "query"), ("query",)),
        ([{"oauth": ["read", "write"]}, {"oidc": ["read"]}], ("oauth", "oidc"), ("oidc",)),
        ([{"oauth": ["read"]}, {"header": []}], ("oauth", "header"), ("header",)),
        ([{"nobody": []}, {"header": []}], ("header",), ("header",)),
    ],
)
async def test_alternatives_of_several_schemes(
    served: Gateway, security: Alternatives, supplied: tuple[str, ...], sent: tuple[str, ...]
) -> None:
    await check(served, security, supplied, sent)


async def test_an_undeclared_scheme_never_grants(served: Gateway) -> None:
    async with backend(PET) as api:
        await served.create(secured([{"nobody": []}]), base_url=api.url)
        result = await call(served)
        assert (result["isError"], api.connections) == (True, 0)
        assert "does not declare the scheme 'nobody'" in text(result)


@pytest.mark.parametrize(
    ("definition", "given", "field", "value"),
    [
        ({"type": "basic"}, SUPPLIED["basic"], "Authorization", BASIC),
        ({"type": "apiKey", "in": "header", "name": "X-Api-Key"}, {"value": "k"}, "X-Api-Key", "k"),
        (
            {"type": "oauth2", "flow": "application", "tokenUrl": "https://a.example/", "scopes": {"read": ""}},
            {"value": "t"},
            "Authorization",
            "Bearer t",
        ),
    ],
)
async def test_swagger_2_schemes(
    served: Gateway, definition: Mapping[str, Any], given: dict[str, Any], field: str, value: str
) -> None:
    document = {
        "swagger": "2.0",
        "info": {"title": "Pets", "version": "1"},
        "host": "api.example",
        "securityDefinitions": {"it": definition},
        "paths": {"/pets": {"get": {"operationId": "get_pet", "security": [{"it": []}], "responses": {"200": {}}}}},
    }
    async with backend(PET) as api:
        await served.create(document, base_url=api.url)
        answer = await served.http.put("/api/v1/namespaces/default/servers/pets/credentials/it", json=given)
        assert answer.status_code == 200, answer.text
        await call(served)
        assert api.requests[0].values(field) == [value]
        preview = await served.http.post(
            "/api/v1/namespaces/default/servers/pets/tools/get_pet/preview", json={"arguments": {}}
        )
        assert {"part": "header", "name": field, "pointer": "/securityDefinitions/it"} in preview.json()["pieces"]


CHALLENGE = 'Digest realm="pets", qop="auth", nonce="abc", algorithm={algorithm}'


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-256-sess", "SHA-512-256"])
@pytest.mark.parametrize("further", [(), ("header",), ("query",), ("cookie",)])
async def test_digest_answers_the_challenge_of_the_api(
    served: Gateway, algorithm: str, further: tuple[str, ...]
) -> None:
    challenge = reply("401 Unauthorized", b"", f"WWW-Authenticate: {CHALLENGE.format(algorithm=algorithm)}")
    async with backend(challenge, PET) as api:
        await served.create(secured([{name: [] for name in ("digest", *further)}]), base_url=api.url)
        await supply(served, "digest", *further)
        result = await call(served, **ARGUMENTS)
    assert result["isError"] is False
    first, second = api.requests
    assert arrived(first) == expected(further)
    target, headers = arrived(second)
    given = headers.pop("Authorization")
    assert (target, headers) == expected(further)
    assert given.startswith('Digest username="bob", realm="pets", nonce="abc", ')
    assert f'uri="{target}"' in given
    assert f"algorithm={algorithm}" in given


async def test_digest_that_is_refused_is_the_api_s_401(served: Gateway) -> None:
    challenge = reply("401 Unauthorized", b"", f"WWW-Authenticate: {CHALLENGE.format(algorithm='MD5')}")
    async with backend(challenge) as api:
        await served.create(secured([{"digest": []}]), base_url=api.url)
        await supply(served, "digest")
        result = await call(served)
    assert len(api.requests) == 2
    assert text(result).startswith("401 Unauthorized")
    assert "the security scheme 'digest' (http digest)" in text(result)


@pytest.mark.parametrize("protection", ["auth", "auth-int"])
async def test_a_post_that_is_challenged_is_sent_again_with_its_body(served: Gateway, protection: str) -> None:
    asked = CHALLENGE.format(algorithm="MD5").replace('"auth"', f'"{protection}"')
    challenge = reply("401 Unauthorized", b"", f"WWW-Authenticate: {asked}")
    document = secured([{"digest": []}])
    item = document["paths"]["/pets"]
    body = {"required": True, "content": {"text/plain": {"schema": {"type": "string"}}}}
    item["post"] = {**item["get"], "operationId": "add_pet", "requestBody": body}
    async with backend(challenge, PET) as api:
        await served.create(document, base_url=api.url)
        await supply(served, "digest")
        await call(served, "add_pet", body="Rex")
    assert [each.body for each in api.requests] == [b"Rex", b"Rex"]
    (given,) = api.requests[1].values("Authorization")
    assert 'uri="/pets"' in given
    key, second = hashed("bob:pets:canary-digest-password"), "POST:/pets"
    second += f":{hashed('Rex')}" if protection == "auth-int" else ""
    nonce = re.search(r'cnonce="([0-9a-f]+)"', given)
    assert nonce is not None
    wanted = hashed(f"{key}:abc:00000001:{nonce[1]}:{protection}:{hashed(second)}")
    assert f'response="{wanted}"' in given


def hashed(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()  # noqa: S324 - the protocol's
