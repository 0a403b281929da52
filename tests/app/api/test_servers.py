from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.main import Application
from app.services.compiling import Compiler
from app.settings import load
from tests.app.backends import backend, json_reply, redirect, reply
from tests.app.descriptions import PETS, description, operation, written
from tests.app.gateways import PUBLIC_URL, SECRET_KEY, SERVERS, Gateway, InProcessCompiler, gateway

CATS = description({"/cats": {"get": operation("list_cats")}}, title="Cats")
WITH_VARIABLES = {
    **PETS,
    "servers": [
        {
            "url": "https://{region}.pets.example/{base}",
            "variables": {"region": {"default": "eu", "enum": ["eu", "us"]}, "base": {"default": "v1"}},
        }
    ],
}
PETS_URL = f"{SERVERS}/pets"

UNSET_POLICIES = dict.fromkeys(
    (
        "response_budget",
        "heal_numbers",
        "call_timeout",
        "require_credentials",
        "passthrough_headers",
        "confirm",
        "tool_listing",
        "review",
        "rename_grace_days",
        "refresh_interval",
    )
)


def problem(answer: httpx2.Response) -> tuple[int, str]:
    """Give status and code of an answer that has to be an RFC 9457 problem."""
    body = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "code"} <= body.keys()
    assert body["status"] == answer.status_code
    assert body["type"] == f"urn:causeway:problem:{body['code']}"
    assert body["detail"]
    return answer.status_code, body["code"]


# --- create


async def test_a_description_becomes_a_server_that_is_live_at_once(served: Gateway) -> None:
    server = await served.create()
    assert server.pop("created_at")
    assert server.pop("updated_at")
    assert server == {
        "namespace": "default",
        "name": "pets",
        "title": "Pets",
        "kind": "openapi",
        "revision": 1,
        "draft_revision": None,
        "conditions": [],
        "counts": {"operations": 4, "tools": 4, "skipped": 0},
        "diagnostics": [],
        "endpoints": {
            "streamable_http": f"{PUBLIC_URL}/mcp/default/pets",
            "sse": f"{PUBLIC_URL}/mcp/default/pets/sse",
        },
        "security_schemes": [],
        "enabled": True,
        "base_url": None,
        "server_variables": {},
        "instructions": None,
        "certificate_authorities": None,
        "policies": UNSET_POLICIES,
        "openapi": "3.1.0",
    }
    assert await served.listed() == ["list_pets", "add_pet", "get_pet", "delete_pet"]


@pytest.mark.parametrize(
    "document", [PETS, json.dumps(PETS), json.dumps(PETS, indent=2)], ids=["object", "text", "indented"]
)
async def test_a_document_is_an_object_or_a_text(served: Gateway, document: Any) -> None:
    assert (await served.create(document))["counts"]["tools"] == 4


async def test_a_server_without_a_name_is_named_after_its_title(served: Gateway) -> None:
    assert (await served.create(description(PETS["paths"], title="My Pet Store!"), name=None))["name"] == "my-pet-store"


@pytest.mark.parametrize(
    "name", ["a/b", ".", "..", ".a", "-a", "a" * 64, "é", "a b", "a\n", "a\x00", "a%2Fb", "<script>", "a?b", "\u202ea"]
)
async def test_a_name_that_cannot_stand_in_a_url_is_refused(served: Gateway, name: str) -> None:
    assert problem(await served.http.post(SERVERS, json={"name": name, "document": PETS})) == (422, "server_invalid")


@pytest.mark.parametrize("name", ["a", "A", "0", "a.b-c_d", "a" * 63])
async def test_a_name_of_letters_digits_and_marks_is_taken(served: Gateway, name: str) -> None:
    assert (await served.create(name=name))["name"] == name
    assert (await served.http.get(f"{SERVERS}/{name}")).status_code == 200


async def test_a_name_that_is_taken_is_a_conflict_and_changes_nothing(served: Gateway) -> None:
    await served.create()
    answer = await served.http.post(SERVERS, json={"name": "pets", "document": CATS})
    assert problem(answer) == (409, "server_exists")
    assert await served.listed() == ["list_pets", "add_pet", "get_pet", "delete_pet"]


async def test_a_server_needs_a_namespace(served: Gateway) -> None:
    answer = await served.http.post("/api/v1/namespaces/nobody/servers", json={"document": PETS})
    assert problem(answer) == (404, "namespace_not_found")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "spec_missing"),
        ({"name": "pets"}, "spec_missing"),
        ({"document": None}, "spec_missing"),
        ({"document": PETS, "document_url": "http://127.0.0.1/"}, "spec_missing"),
        ({"document": ""}, "spec_not_object"),
        ({"document": "hello"}, "spec_not_object"),
        ({"document": {}}, "spec_not_openapi"),
        ({"document": {"openapi": "4.0.0", "info": {}, "paths": {}}}, "spec_version"),
        ({"document": {"openapi": "3.1.0", "info": {"title": "a"}, "paths": []}}, "spec_paths"),
    ],
)
async def test_a_description_that_cannot_be_used_is_422_and_nothing_is_stored(
    served: Gateway, body: dict[str, Any], code: str
) -> None:
    answer = await served.http.post(SERVERS, json={"name": "broken", **body})
    assert problem(answer) == (422, code)
    assert answer.json()["remedy"]
    assert (await served.http.get(f"{SERVERS}/broken")).status_code == 404


async def test_a_problem_of_a_document_says_where_and_what_to_do(served: Gateway) -> None:
    text = "openapi: 3.1.0\ninfo:\n  title: a\n  version: '1'\npaths:\n  - /pets\n"
    body = (await served.http.post(SERVERS, json={"document": text})).json()
    assert (body["pointer"], body["line"]) == ("/paths", 5)
    assert body["remedy"] == "Write `paths` as an object of path items."


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"document": PETS, "nope": 1}, "/nope"),
        ({"document": PETS, "a/b~c": 1}, "/a~1b~0c"),
        ({"document": 5}, "/document"),
        ({"document": ["x"]}, "/document"),
        ({"document": PETS, "name": 5}, "/name"),
        ({"document": PETS, "server_variables": {"region": 5}}, "/server_variables/region"),
        ({"document": PETS, "server_variables": "eu"}, "/server_variables"),
        ([], ""),
        ("text", ""),
    ],
)
async def test_a_request_of_the_wrong_shape_says_where(served: Gateway, body: Any, pointer: str) -> None:
    answer = await served.http.post(SERVERS, json=body)
    assert problem(answer) == (422, "request_invalid")
    assert answer.json().get("pointer", "") == pointer
    assert all(each["pointer"] == pointer for each in answer.json()["errors"])


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[" * 100_000, b'{"document":' + b"9" * 5_000 + b"}"])
async def test_a_request_that_is_not_json_is_400(served: Gateway, raw: bytes) -> None:
    answer = await served.http.post(SERVERS, content=raw, headers={"Content-Type": "application/json"})
    assert problem(answer) == (400, "request_invalid")


async def test_diagnostics_say_what_was_lost(served: Gateway) -> None:
    paths = {**PETS["paths"], "/broken/{}": {"get": operation("broken")}}
    server = await served.create(description(paths))
    assert server["counts"] == {"operations": 5, "tools": 4, "skipped": 1}
    (found,) = [each for each in server["diagnostics"] if each["severity"] == "error"]
    assert found.keys() == {"code", "severity", "document", "pointer", "line", "message", "remedy"}
    assert found["pointer"].startswith("/paths/~1broken~1{}")
    assert found["line"] == 1


async def test_what_a_description_names_as_security_is_shown(served: Gateway) -> None:
    schemes = {
        "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
        "token": {"type": "http", "scheme": "bearer"},
    }
    server = await served.create({**PETS, "components": {"securitySchemes": schemes}, "security": [{"key": []}]})
    assert server["security_schemes"] == [
        {"name": "key", "type": "apiKey", "scheme": None, "in": "header", "has_credential": False},
        {"name": "token", "type": "http", "scheme": "bearer", "in": None, "has_credential": False},
    ]


# --- base URL and server variables


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example",
        "/v1",
        "ftp://api.example",
        "file:///etc/passwd",
        "http://",
        "http:///v1",
        "http://user@api.example",
        "http://user:secret@api.example",
        "http://good\\@127.0.0.1/",
        "http://127.0.0.1#@good/",
        "http://api.example?x=1",
        "http://api.example/#f",
        "http://api.example?",
        "http://api.example:99999",
        "http://api.example:0",
        "http://api.example:x",
        "http://[::1",
        "http://a b/",
        "http://a\tb/",
        "http://a\nb/",
        "javascript:alert(1)",
    ],
)
async def test_a_base_url_that_is_no_plain_http_url_is_refused_everywhere(served: Gateway, url: str) -> None:
    await served.create()
    for answer in (
        await served.http.post(SERVERS, json={"name": "other", "document": PETS, "base_url": url}),
        await served.http.put(f"{PETS_URL}/document", json={"document": CATS, "base_url": url}),
        await served.http.patch(PETS_URL, json={"base_url": url}),
    ):
        assert problem(answer) == (422, "server_invalid")
    assert (await served.http.get(PETS_URL)).json()["revision"] == 1
    assert (await served.http.get(f"{SERVERS}/other")).status_code == 404


async def test_a_base_url_takes_the_place_of_the_described_server(served: Gateway) -> None:
    assert (await served.create(base_url="http://127.0.0.1:9/x"))["base_url"] == "http://127.0.0.1:9/x"
    preview = f"{PETS_URL}/tools/get_pet/preview"
    body = {"arguments": {"petId": 7}}
    assert (await served.http.post(preview, json=body)).json()["url"] == "http://127.0.0.1:9/x/pets/7"
    await served.http.patch(PETS_URL, json={"base_url": None})
    assert (await served.http.post(preview, json=body)).json()["url"] == "https://api.pets.example/v1/pets/7"


@pytest.mark.parametrize("variables", [{"region": "asia"}, {"region": ""}, {"Region": "eu"}, {"nope": "x"}])
async def test_a_server_variable_beyond_the_description_is_refused(served: Gateway, variables: dict[str, str]) -> None:
    await served.create(WITH_VARIABLES)
    for answer in (
        await served.http.post(SERVERS, json={"name": "b", "document": WITH_VARIABLES, "server_variables": variables}),
        await served.http.patch(PETS_URL, json={"server_variables": variables}),
        await served.http.put(f"{PETS_URL}/document", json={"document": WITH_VARIABLES, "server_variables": variables}),
    ):
        assert problem(answer) == (422, "server_invalid")


async def test_server_variables_fill_the_server_s_url(served: Gateway) -> None:
    await served.create(WITH_VARIABLES, server_variables={"region": "us", "base": "v2"})
    body = {"arguments": {"petId": 7}}
    preview = f"{PETS_URL}/tools/get_pet/preview"
    assert (await served.http.post(preview, json=body)).json()["url"] == "https://us.pets.example/v2/pets/7"
    await served.http.patch(PETS_URL, json={"server_variables": None})
    assert (await served.http.post(preview, json=body)).json()["url"] == "https://eu.pets.example/v1/pets/7"


async def test_a_preview_of_a_server_that_nobody_placed_is_422(served: Gateway) -> None:
    await served.create(description(PETS["paths"], server=None))
    answer = await served.http.post(f"{PETS_URL}/tools/get_pet/preview", json={"arguments": {"petId": 7}})
    assert problem(answer) == (422, "server_unknown")


# --- read, change, delete


async def test_a_patch_changes_what_it_names_and_nothing_else(served: Gateway) -> None:
    before = await served.create(base_url="http://127.0.0.1:9")
    answer = await served.http.patch(PETS_URL, json={"instructions": "Be kind."})
    after = answer.json()
    assert (answer.status_code, after.pop("instructions")) == (200, "Be kind.")
    assert after.pop("updated_at") > before.pop("updated_at")
    del before["instructions"]
    assert after == before
    assert (await served.http.patch(PETS_URL, json={})).json()["instructions"] == "Be kind."
    assert (await served.http.patch(PETS_URL, json={"instructions": None})).json()["instructions"] is None


async def test_a_disabled_server_is_not_served_until_it_is_enabled(served: Gateway) -> None:
    await served.create()
    assert (await served.http.patch(PETS_URL, json={"enabled": False})).json()["enabled"] is False
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    assert (await served.http.post("/mcp/default/pets", json=ping)).status_code == 404
    call = await served.http.post(f"{PETS_URL}/tools/get_pet/call", json={"arguments": {"petId": 7}})
    assert problem(call) == (404, "tool_unknown")
    assert (await served.http.patch(PETS_URL, json={"enabled": None})).json()["enabled"] is False
    await served.http.patch(PETS_URL, json={"enabled": True})
    assert await served.mcp("ping") == {}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"nope": 1}, "/nope"),
        ({"name": "other"}, "/name"),
        ({"title": "Other"}, "/title"),
        ({"revision": 2}, "/revision"),
        ({"enabled": "maybe"}, "/enabled"),
        ({"server_variables": {"a": 1}}, "/server_variables/a"),
        ([], ""),
    ],
)
async def test_a_patch_of_what_is_no_setting_is_refused(served: Gateway, body: Any, pointer: str) -> None:
    await served.create()
    answer = await served.http.patch(PETS_URL, json=body)
    assert problem(answer) == (422, "request_invalid")
    assert answer.json().get("pointer", "") == pointer


async def test_a_patch_that_is_not_json_is_refused(served: Gateway) -> None:
    await served.create()
    answer = await served.http.patch(PETS_URL, content=b'{"x":', headers={"Content-Type": "application/json"})
    assert problem(answer) == (422, "request_invalid")
    assert "pointer" not in answer.json()


async def test_a_deleted_server_is_gone_everywhere(served: Gateway) -> None:
    await served.create()
    answer = await served.http.delete(PETS_URL)
    assert (answer.status_code, answer.content) == (204, b"")
    assert problem(await served.http.get(PETS_URL)) == (404, "server_not_found")
    assert problem(await served.http.delete(PETS_URL)) == (404, "server_not_found")
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    assert (await served.http.post("/mcp/default/pets", json=ping)).status_code == 404
    assert (await served.create(CATS))["revision"] == 1
    assert await served.listed() == ["list_cats"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {}),
        ("DELETE", "", None),
        ("PUT", "/document", {"document": PETS}),
        ("GET", "/document", None),
        ("GET", "/validity", None),
        ("GET", "/revisions", None),
        ("GET", "/revisions/1", None),
        ("POST", "/revisions/1/activate", None),
        ("GET", "/tools", None),
        ("GET", "/tools/get_pet", None),
        ("PATCH", "/tools/get_pet", {}),
    ],
)
async def test_a_server_that_is_not_there_is_404_on_every_route(
    served: Gateway, method: str, path: str, body: Any
) -> None:
    for url in (f"{SERVERS}/nobody{path}", f"/api/v1/namespaces/nobody/servers/pets{path}"):
        assert problem(await served.http.request(method, url, json=body)) == (404, "server_not_found")


@pytest.mark.parametrize("path", ["/api/v1", "/api/v1/nope", "/api", "/", "/docs", "/redoc", "/mcp", "/x/y"])
async def test_a_path_that_is_not_there_is_a_problem_too(served: Gateway, path: str) -> None:
    assert problem(await served.http.get(path)) == (404, "not_found")


async def test_a_method_that_is_not_there_says_what_is(served: Gateway) -> None:
    answer = await served.http.delete(SERVERS)
    assert problem(answer) == (405, "method_not_allowed")
    assert answer.headers["allow"]


# --- replace


async def test_a_new_description_is_a_new_revision_and_live(served: Gateway) -> None:
    await served.create()
    answer = await served.http.put(f"{PETS_URL}/document", json={"document": CATS})
    assert (answer.status_code, answer.json()["revision"], answer.json()["title"]) == (200, 2, "Cats")
    assert await served.listed() == ["list_cats"]


async def test_the_same_description_again_is_the_same_revision(served: Gateway) -> None:
    before = await served.create()
    for _ in range(2):
        answer = await served.http.put(f"{PETS_URL}/document", json={"document": PETS})
        assert (answer.status_code, answer.json()["revision"]) == (200, 1)
    assert answer.json()["created_at"] == before["created_at"]
    assert len((await served.http.get(f"{PETS_URL}/revisions")).json()["items"]) == 1


async def test_settings_that_come_with_the_same_description_are_kept(served: Gateway) -> None:
    await served.create(base_url="http://127.0.0.1:9")
    body = {"document": PETS, "base_url": "http://127.0.0.1:10"}
    answer = await served.http.put(f"{PETS_URL}/document", json=body)
    assert (answer.json()["revision"], answer.json()["base_url"]) == (1, "http://127.0.0.1:10")
    answer = await served.http.put(f"{PETS_URL}/document", json={"document": CATS})
    assert (answer.json()["revision"], answer.json()["base_url"]) == (2, "http://127.0.0.1:10")


@pytest.mark.parametrize("document", ["", "hello", {"openapi": "9"}, {"openapi": "3.1.0", "info": {}, "paths": []}])
async def test_a_failed_import_leaves_the_last_good_revision_live(served: Gateway, document: Any) -> None:
    await served.create()
    answer = await served.http.put(f"{PETS_URL}/document", json={"document": document})
    assert problem(answer)[0] == 422
    assert (await served.http.get(PETS_URL)).json()["revision"] == 1
    assert await served.listed() == ["list_pets", "add_pet", "get_pet", "delete_pet"]


async def test_an_earlier_revision_is_served_again_when_it_is_activated(served: Gateway) -> None:
    await served.create()
    await served.http.put(f"{PETS_URL}/document", json={"document": CATS})
    answer = await served.http.post(f"{PETS_URL}/revisions/1/activate")
    assert (answer.status_code, answer.json()["revision"], answer.json()["title"]) == (200, 1, "Pets")
    assert len(await served.listed()) == 4
    assert problem(await served.http.post(f"{PETS_URL}/revisions/9/activate")) == (404, "revision_not_found")
    again = await served.http.put(f"{PETS_URL}/document", json={"document": CATS})
    assert again.json()["revision"] == 3


async def test_revisions_are_listed_newest_first_page_by_page(served: Gateway) -> None:
    await served.create()
    for number in range(4):
        changed = description(PETS["paths"], title=f"Pets {number}")
        await served.http.put(f"{PETS_URL}/document", json={"document": changed})
    numbers: list[int] = []
    params: dict[str, Any] = {"limit": 2}
    while True:
        page = (await served.http.get(f"{PETS_URL}/revisions", params=params)).json()
        assert len(page["items"]) <= 2
        numbers += [each["number"] for each in page["items"]]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    assert numbers == [5, 4, 3, 2, 1]
    one = (await served.http.get(f"{PETS_URL}/revisions/3")).json()
    assert (one["number"], one["counts"]["tools"], one["document_url"]) == (3, 4, None)


@pytest.mark.parametrize("number", ["0", "-1", "x", "1.5", "9" * 30])
async def test_a_revision_that_cannot_be_is_no_defect(served: Gateway, number: str) -> None:
    await served.create()
    for answer in (
        await served.http.get(f"{PETS_URL}/revisions/{number}"),
        await served.http.post(f"{PETS_URL}/revisions/{number}/activate"),
    ):
        assert problem(answer)[0] in {404, 422}


# --- lists


async def test_servers_are_listed_by_name_page_by_page(served: Gateway) -> None:
    for name in ("zoo", "ants", "Bees", "pets"):
        await served.create(name=name)
    first = (await served.http.get(SERVERS, params={"limit": 3})).json()
    assert [each["name"] for each in first["items"]] == ["Bees", "ants", "pets"]
    last = (await served.http.get(SERVERS, params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert ([each["name"] for each in last["items"]], last["next_cursor"]) == (["zoo"], None)
    assert first["items"][0].keys() == {
        *("namespace", "name", "title", "kind", "revision", "counts", "endpoints", "enabled"),
    }


async def test_a_cursor_of_another_list_is_refused(served: Gateway) -> None:
    for name in ("ants", "pets"):
        await served.create(name=name)
    cursor = (await served.http.get(SERVERS, params={"limit": 1})).json()["next_cursor"]
    for url, given in (
        (SERVERS, "garbage"),
        (SERVERS, "%00"),
        (SERVERS, "💥"),
        (f"{PETS_URL}/revisions", cursor),
        ("/api/v1/namespaces", cursor),
    ):
        assert problem(await served.http.get(url, params={"cursor": given})) == (400, "invalid_cursor")


@pytest.mark.parametrize("limit", ["0", "-1", "201", "x", "1e3", ""])
async def test_a_page_has_1_to_200_entries(served: Gateway, limit: str) -> None:
    assert problem(await served.http.get(SERVERS, params={"limit": limit})) == (422, "request_invalid")


# --- the document


@pytest.mark.parametrize("text", [json.dumps(PETS, indent=3), "# mine\n" + json.dumps(PETS) + "\n"])
async def test_a_document_is_given_back_byte_for_byte_as_an_attachment(served: Gateway, text: str) -> None:
    await served.create(text)
    answer = await served.http.get(f"{PETS_URL}/document")
    assert answer.text == text
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"] == "application/octet-stream"


async def test_a_document_is_fetched_from_its_url(served: Gateway) -> None:
    relative = description(PETS["paths"], server="/v1")
    async with backend(redirect("/openapi.json"), reply("200 OK", written(relative))) as api:
        answer = await served.http.post(SERVERS, json={"name": "pets", "document_url": f"{api.url}/docs"})
        assert answer.status_code == 201
        preview = await served.http.post(f"{PETS_URL}/tools/get_pet/preview", json={"arguments": {"petId": 7}})
        assert preview.json()["url"] == f"{api.url}/v1/pets/7"
        revision = (await served.http.get(f"{PETS_URL}/revisions/1")).json()
        assert revision["document_url"] == f"{api.url}/openapi.json"


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (reply("200 OK", b"<!doctype html><title>Sign in</title>", "Content-Type: text/html"), 422, "spec_"),
        (reply("404 Not Found"), 502, "upstream_unreachable"),
        (redirect("http://169.254.169.254/"), 422, "egress_denied"),
        (redirect("/again"), 422, "redirect_denied"),
    ],
    ids=["html", "404", "metadata", "loop"],
)
async def test_a_url_that_gives_no_document_says_why(served: Gateway, content: bytes, status: int, code: str) -> None:
    async with backend(content) as api:
        answer = await served.http.post(SERVERS, json={"name": "pets", "document_url": f"{api.url}/x?key=secret"})
    found = problem(answer)
    assert found[0] == status
    assert found[1].startswith(code)
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://x/", "openapi.json", "http://u:p@127.0.0.1/", "gopher://x", "\ud800"]
)
async def test_a_document_url_is_a_plain_http_url(served: Gateway, url: str) -> None:
    body = json.dumps({"document_url": url})
    answer = await served.http.post(SERVERS, content=body, headers={"Content-Type": "application/json"})
    assert problem(answer) == (422, "egress_denied")


async def test_references_to_other_places_are_never_fetched(served: Gateway) -> None:
    async with backend(reply("200 OK", b"{}")) as canary:
        remote = {"$ref": f"{canary.url}/schema.json"}
        paths = {
            "/a": {"get": operation("a", parameters=[{"name": "x", "in": "query", "schema": remote}])},
            "/b": {"get": {"operationId": "b", "responses": {"200": remote}}},
            "/c": remote,
        }
        document = {**description(paths), "externalDocs": {"url": f"{canary.url}/docs"}}
        answer = await served.http.post(SERVERS, json={"name": "pets", "document": document})
        assert answer.status_code in {201, 422}
    assert canary.connections == 0


# --- several at once


async def test_of_two_imports_under_one_name_exactly_one_wins(served: Gateway) -> None:
    answers = await asyncio.gather(
        *(
            served.http.post(SERVERS, json={"name": "pets", "document": document})
            for document in (PETS, CATS, PETS, CATS)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    (winner,) = [answer.json()["title"] for answer in answers if answer.status_code == 201]
    assert (await served.http.get(PETS_URL)).json()["title"] == winner
    assert ("list_cats" in await served.listed()) == (winner == "Cats")
    assert len((await served.http.get(f"{PETS_URL}/revisions")).json()["items"]) == 1


async def test_replacements_at_once_are_taken_one_after_the_other(served: Gateway) -> None:
    await served.create()
    documents = [description({f"/{n}": {"get": operation(f"tool_{n}")}}, title=f"Pets {n}") for n in range(6)]
    answers = await asyncio.gather(
        *(served.http.put(f"{PETS_URL}/document", json={"document": each}) for each in documents)
    )
    assert [answer.status_code for answer in answers] == [200] * 6
    server = (await served.http.get(PETS_URL)).json()
    assert server["revision"] == 7
    # What is served is what is stored.
    assert await served.listed() == [f"tool_{server['title'].removeprefix('Pets ')}"]


async def test_an_import_and_a_deletion_at_once_end_in_one_of_the_two(served: Gateway) -> None:
    await served.create()
    replaced, deleted = await asyncio.gather(
        served.http.put(f"{PETS_URL}/document", json={"document": CATS}), served.http.delete(PETS_URL)
    )
    assert (replaced.status_code, deleted.status_code) in {(200, 204), (404, 204)}
    assert (await served.http.get(PETS_URL)).status_code == 404
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    assert (await served.http.post("/mcp/default/pets", json=ping)).status_code == 404


# --- the real compiler, and starting again


async def test_the_compile_process_gives_what_this_process_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None
) -> None:
    async with gateway(tmp_path, monkeypatch, compiler=Compiler, admin_key="k" * 20) as running:
        await running.create()
        tools = [
            (await running.http.get(f"{PETS_URL}/tools/{name}")).json()
            for name in ("list_pets", "add_pet", "get_pet", "delete_pet")
        ]
        refused = await running.http.post(SERVERS, json={"document": "openapi: 3.1.0\npaths: []\n"})
        assert problem(refused) == (422, "spec_paths")
        assert refused.json()["line"] == 2
    (tmp_path / "second").mkdir()
    async with gateway(tmp_path / "second", monkeypatch, compiler=InProcessCompiler, admin_key="k" * 20) as running:
        await running.create()
        assert [(await running.http.get(f"{PETS_URL}/tools/{tool['name']}")).json() for tool in tools] == tools


async def test_validity_is_a_report_about_the_description(served: Gateway) -> None:
    await served.create()
    await served.create({**PETS, "info": {"title": "No version"}}, name="invalid")
    assert (await served.http.get(f"{PETS_URL}/validity")).json() == {"valid": True, "problems": []}
    found = (await served.http.get(f"{SERVERS}/invalid/validity")).json()
    assert (found["valid"], found["problems"][0]["pointer"]) == (False, "/info")


async def test_what_was_imported_is_served_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None
) -> None:
    async with gateway(tmp_path, monkeypatch) as running:
        await running.create()
        await running.create(name="off")
        await running.http.patch(f"{SERVERS}/off", json={"enabled": False})
        await running.http.patch(f"{PETS_URL}/tools/get_pet", json={"name": "fetch_pet"})
        before = await running.mcp("tools/list")
    async with gateway(tmp_path, monkeypatch) as running:
        assert await running.mcp("tools/list") == before
        assert running.application.catalog.find("default", "off") is None


async def test_a_gateway_starts_and_stops_as_an_asgi_lifespan(tmp_path: Path, clean_environment: None) -> None:
    application = Application(load(data_dir=tmp_path, admin_key="k" * 20, secret_key=SECRET_KEY), public_url=PUBLIC_URL)
    events = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[str] = []

    async def receive() -> Any:
        return next(events)

    async def send(event: Any) -> None:
        sent.append(event["type"])

    await application({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_policies_are_set_replaced_and_cleared(local: Gateway) -> None:
    await local.create(name="pets")
    url = f"{SERVERS}/pets"

    changed = await local.http.patch(url, json={"policies": {"response_budget": 5_000, "heal_numbers": True}})
    assert changed.json()["policies"] == {**UNSET_POLICIES, "response_budget": 5_000, "heal_numbers": True}
    changed = await local.http.patch(url, json={"policies": {"call_timeout": 2.5, "tool_listing": "auto"}})
    assert changed.json()["policies"] == {**UNSET_POLICIES, "call_timeout": 2.5, "tool_listing": "auto"}
    cleared = await local.http.patch(url, json={"policies": None})
    assert set(cleared.json()["policies"].values()) == {None}


@pytest.mark.parametrize(
    "policies",
    [
        {"response_budget": 1},
        {"call_timeout": 301},
        {"heal_numbers": "sometimes"},
        {"tool_listing": "none"},
        {"unknown": 1},
        [],
    ],
)
async def test_policies_that_cannot_be_kept_are_refused(local: Gateway, policies: Any) -> None:
    await local.create(name="pets")

    refused = await local.http.patch(f"{SERVERS}/pets", json={"policies": policies})
    assert refused.status_code == 422


async def test_policies_hold_from_the_next_call_on(local: Gateway) -> None:
    async with backend(json_reply(b'{"rows": ["' + b"x" * 3_000 + b'"]}')) as api:
        await local.create(name="pets", base_url=api.url)
        call = {"name": "list_pets", "arguments": {"limit": "7"}}
        assert (await local.mcp("tools/call", call))["isError"]
        await local.http.patch(f"{SERVERS}/pets", json={"policies": {"heal_numbers": True, "response_budget": 1_000}})
        result = await local.mcp("tools/call", call)

    assert result["_meta"]["causeway/repaired"] == ["/limit: the text was read as a number."]
    assert len(result["content"][0]["text"]) < 1_100
    assert "causeway/resource" in result["_meta"]
