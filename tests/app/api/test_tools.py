from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from app.api.problems import problem as make_problem
from tests.app.api.test_servers import problem
from tests.app.backends import backend, json_reply, reply, then_close
from tests.app.descriptions import PETS, description, operation
from tests.app.gateways import SERVERS, Gateway

TOOLS = f"{SERVERS}/pets/tools"


async def replaced(served: Gateway, document: dict[str, Any]) -> None:
    answer = await served.http.put(f"{SERVERS}/pets/document", json={"document": document})
    assert answer.status_code == 200


# --- reading


async def test_tools_are_listed_in_document_order_disabled_ones_included(served: Gateway) -> None:
    await served.create()
    await served.http.patch(f"{TOOLS}/add_pet", json={"enabled": False})
    listed = (await served.http.get(TOOLS)).json()
    assert [(each["name"], each["enabled"]) for each in listed["items"]] == [
        ("list_pets", True),
        ("add_pet", False),
        ("get_pet", True),
        ("delete_pet", True),
    ]
    assert listed["items"][0]["operation"] == "GET /pets"


async def test_a_tool_shows_its_schemas_and_where_it_comes_from(served: Gateway) -> None:
    scheme = {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}, "o": {"type": "oauth2", "flows": {}}}
    security = [{"key": []}, {"key": [], "o": ["read"]}]
    await served.create({**PETS, "components": {"securitySchemes": scheme}, "security": security})
    tool = (await served.http.get(f"{TOOLS}/get_pet")).json()
    assert (tool["method"], tool["path"], tool["pointer"]) == ("GET", "/pets/{petId}", "/paths/~1pets~1{petId}/get")
    assert tool["input_schema"]["required"] == ["petId"]
    assert tool["output_schema"]["type"] == "object"
    assert tool["security"] == [{"key": []}, {"key": [], "o": ["read"]}]
    assert tool["annotations"]["readOnlyHint"] is True


@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_a_tool_that_is_not_there_is_404(served: Gateway, method: str) -> None:
    await served.create()
    assert problem(await served.http.request(method, f"{TOOLS}/buy_pet", json={})) == (404, "tool_not_found")


# --- overrides


async def test_an_override_changes_what_clients_see(served: Gateway) -> None:
    await served.create()
    changes = {"name": "fetch_pet", "description": "Fetches one.", "annotations": {"readOnlyHint": False, "x": 1}}
    answer = await served.http.patch(f"{TOOLS}/get_pet", json=changes)
    assert answer.status_code == 200
    assert {key: answer.json()[key] for key in ("name", "description")} == {
        "name": "fetch_pet",
        "description": "Fetches one.",
    }
    await served.http.patch(f"{TOOLS}/delete_pet", json={"enabled": False})
    listed = {tool["name"]: tool for tool in (await served.mcp("tools/list"))["tools"]}
    assert list(listed) == ["list_pets", "add_pet", "fetch_pet"]
    assert listed["fetch_pet"]["description"] == "Fetches one."
    assert listed["fetch_pet"]["annotations"] == {"readOnlyHint": False, "x": 1}


async def test_overrides_survive_a_new_description(served: Gateway) -> None:
    await served.create()
    await served.http.patch(f"{TOOLS}/get_pet", json={"name": "fetch_pet"})
    await served.http.patch(f"{TOOLS}/delete_pet", json={"enabled": False})
    await replaced(served, description({**PETS["paths"], "/more": {"get": operation("more")}}))
    assert await served.listed() == ["list_pets", "add_pet", "fetch_pet", "more"]


async def test_null_gives_back_what_the_description_says(served: Gateway) -> None:
    await served.create()
    before = (await served.http.get(f"{TOOLS}/get_pet")).json()
    await served.http.patch(f"{TOOLS}/get_pet", json={"name": "fetch", "enabled": False, "description": "x"})
    answer = await served.http.patch(f"{TOOLS}/fetch", json={"name": None, "enabled": None, "description": None})
    assert answer.json() == before
    assert "get_pet" in await served.listed()


@pytest.mark.parametrize("name", ["list_pets", "LIST_PETS", "List_Pets"])
async def test_a_name_that_another_tool_has_is_refused(served: Gateway, name: str) -> None:
    await served.create()
    answer = await served.http.patch(f"{TOOLS}/get_pet", json={"name": name})
    assert problem(answer) == (422, "tool_invalid")
    assert "GET /pets" in answer.json()["detail"]
    assert "get_pet" in await served.listed()


async def test_a_name_that_another_tool_gave_up_is_free(served: Gateway) -> None:
    await served.create()
    await served.http.patch(f"{TOOLS}/list_pets", json={"name": "all_pets"})
    assert (await served.http.patch(f"{TOOLS}/get_pet", json={"name": "list_pets"})).status_code == 200
    assert await served.listed() == ["all_pets", "add_pet", "list_pets", "delete_pet"]
    # The name that clients see wins over the one it was compiled under.
    assert (await served.http.get(f"{TOOLS}/list_pets")).json()["operation"] == "GET /pets/{petId}"


async def test_a_tool_may_be_named_as_it_is(served: Gateway) -> None:
    await served.create()
    assert (await served.http.patch(f"{TOOLS}/get_pet", json={"name": "Get_Pet"})).status_code == 200
    assert (await served.http.patch(f"{TOOLS}/Get_Pet", json={"name": "get_pet"})).status_code == 200


@pytest.mark.parametrize("name", ["", " ", "a b", "a" * 65, "é", "a/b", "a\n", "<b>", "\u202e"])
async def test_a_name_that_clients_refuse_is_refused(served: Gateway, name: str) -> None:
    await served.create()
    assert problem(await served.http.patch(f"{TOOLS}/get_pet", json={"name": name})) == (422, "tool_invalid")


@pytest.mark.parametrize("body", [{"input_schema": {}}, {"enabled": "maybe"}, {"annotations": []}, {"name": 5}, []])
async def test_what_cannot_be_overridden_is_refused(served: Gateway, body: Any) -> None:
    await served.create()
    assert problem(await served.http.patch(f"{TOOLS}/get_pet", json=body)) == (422, "request_invalid")


ADD_PET = {"pinned": {"weight": 2.5}, "hidden": ["chip"]}


async def arguments_of(served: Gateway, tool: str) -> list[str]:
    """Give the names of the arguments that clients are told of."""
    found = {each["name"]: each for each in (await served.mcp("tools/list"))["tools"]}
    return list(found[tool]["inputSchema"]["properties"])


async def conditions_of(served: Gateway) -> list[dict[str, Any]]:
    conditions: list[dict[str, Any]] = (await served.http.get(f"{SERVERS}/pets")).json()["conditions"]
    return conditions


async def test_pinned_and_hidden_arguments_are_not_listed_and_the_pinned_are_sent(served: Gateway) -> None:
    await served.create()
    assert (await served.http.patch(f"{TOOLS}/add_pet", json=ADD_PET)).status_code == 200
    assert await arguments_of(served, "add_pet") == ["name"]
    previewed = await served.http.post(f"{TOOLS}/add_pet/preview", json={"arguments": {"name": "Rex"}})
    assert json.loads(previewed.json()["body"]) == {"name": "Rex", "weight": 2.5}
    for name in ("weight", "chip"):
        surplus = {"arguments": {"name": "Rex", name: 1}}
        assert (await served.http.post(f"{TOOLS}/add_pet/preview", json=surplus)).status_code == 422
    assert await conditions_of(served) == []


async def test_a_required_argument_is_hidden_where_it_is_pinned(served: Gateway) -> None:
    await served.create()
    refused = await served.http.patch(f"{TOOLS}/get_pet", json={"hidden": ["petId"]})
    assert problem(refused) == (422, "tool_invalid")
    assert "'petId' cannot be hidden without a value" in refused.json()["detail"]
    assert await arguments_of(served, "get_pet") == ["petId"]
    both = {"pinned": {"petId": 7}, "hidden": ["petId"]}
    assert (await served.http.patch(f"{TOOLS}/get_pet", json=both)).status_code == 200
    previewed = await served.http.post(f"{TOOLS}/get_pet/preview", json={"arguments": {}})
    assert previewed.json()["url"].endswith("/pets/7")


@pytest.mark.parametrize(
    "body",
    [{"pinned": {"nothing": 1}}, {"hidden": ["nothing"]}, {"pinned": {"weight": "2.5"}}, {"pinned": {"chip": []}}],
)
async def test_what_cannot_be_pinned_or_hidden_is_refused_and_changes_nothing(served: Gateway, body: Any) -> None:
    await served.create()
    assert (await served.http.patch(f"{TOOLS}/add_pet", json=body)).status_code == 422
    assert await arguments_of(served, "add_pet") == ["name", "weight", "chip"]


async def test_pinned_arguments_survive_a_new_description_and_are_told_when_they_are_gone(served: Gateway) -> None:
    await served.create()
    await served.http.patch(f"{TOOLS}/add_pet", json=ADD_PET)
    await replaced(served, description({**PETS["paths"], "/more": {"get": operation("more")}}))
    assert await arguments_of(served, "add_pet") == ["name"]
    changed = json.loads(json.dumps(PETS).replace('"chip"', '"tag"'))
    await replaced(served, changed)
    assert await arguments_of(served, "add_pet") == ["name", "tag"]
    (condition,) = await conditions_of(served)
    assert condition["code"] == "override_without_argument"
    assert "POST /pets: There is no argument 'chip'." in condition["message"]
    # What is not changed may stay as it is, so that everything else can be.
    assert (await served.http.patch(f"{TOOLS}/add_pet", json={"description": "Adds one."})).status_code == 200
    assert (await served.http.patch(f"{TOOLS}/add_pet", json={"hidden": ["tag"]})).status_code == 200
    assert await conditions_of(served) == []
    await served.http.patch(f"{TOOLS}/add_pet", json={"pinned": None, "hidden": None})
    assert await arguments_of(served, "add_pet") == ["name", "weight", "tag"]


async def test_what_the_description_pins_may_be_pinned_to_something_else(served: Gateway) -> None:
    paths = json.loads(json.dumps(PETS["paths"]))
    paths["/pets"]["post"]["x-mcp"] = {"pinned": {"weight": 1, "chip": 5}}
    await served.create(description(paths))
    assert (await served.http.patch(f"{TOOLS}/add_pet", json={"pinned": {"weight": 3}})).status_code == 200
    previewed = await served.http.post(f"{TOOLS}/add_pet/preview", json={"arguments": {"name": "Rex"}})
    assert json.loads(previewed.json()["body"]) == {"name": "Rex", "weight": 3, "chip": 5}


# --- preview


async def test_a_preview_shows_the_request_and_what_made_each_piece_and_sends_nothing(served: Gateway) -> None:
    async with backend() as api:
        await served.create(base_url=api.url)
        answer = await served.http.post(f"{TOOLS}/add_pet/preview", json={"arguments": {"name": "Ré", "weight": 1.5}})
        listing = await served.http.post(f"{TOOLS}/list_pets/preview", json={"arguments": {"limit": 5}})
    server = {"part": "server", "name": api.url, "pointer": ""}
    accept = {"part": "accept", "name": "application/json, */*;q=0.1", "pointer": "/paths/~1pets/post/responses"}
    place = "/paths/~1pets/post/requestBody/content/application~1json/schema/properties"
    assert answer.json() == {
        "method": "POST",
        "url": f"{api.url}/pets",
        "headers": [["Accept", "application/json, */*;q=0.1"], ["Content-Type", "application/json"]],
        "body": '{"name":"Ré","weight":1.5}',
        "body_encoding": "text",
        "pieces": [
            server,
            accept,
            {"part": "body", "name": "name", "pointer": f"{place}/name"},
            {"part": "body", "name": "weight", "pointer": f"{place}/weight"},
            {"part": "content_type", "name": "application/json", "pointer": place.removesuffix("/schema/properties")},
        ],
        "detail": "",
    }
    assert listing.json()["url"] == f"{api.url}/pets?limit=5"
    assert listing.json()["body"] is None
    assert listing.json()["pieces"] == [
        server,
        {"part": "query", "name": "limit", "pointer": "/paths/~1pets/get/parameters/0"},
        {"part": "accept", "name": "*/*", "pointer": "/paths/~1pets/get"},
    ]
    assert api.connections == 0


async def test_every_piece_of_a_preview_names_the_place_that_made_it(served: Gateway) -> None:
    names = {"p": "path", "q": "query", "X-H": "header", "c": "cookie"}
    parameters = [{"name": name, "in": where, "required": True, "schema": {}} for name, where in names.items()]
    body = {"required": True, "content": {"application/xml": {"schema": {"type": "object", "properties": {"a": {}}}}}}
    put = operation("put_it", parameters=parameters, requestBody=body)
    document = description({"/x/{p}": {"put": put}})
    await served.create({**document, "servers": [{"url": "https://api.example.com/v1"}]})

    arguments = {"p": 1, "q": 2, "X-H": "h", "c": "d", "a": 3}
    answer = await served.http.post(f"{TOOLS}/put_it/preview", json={"arguments": arguments})

    at = "/paths/~1x~1{p}/put"
    content = f"{at}/requestBody/content/application~1xml"
    assert [(each["part"], each["name"], each["pointer"]) for each in answer.json()["pieces"]] == [
        ("server", "https://api.example.com/v1", "/servers/0"),
        ("path", "p", f"{at}/parameters/0"),
        ("query", "q", f"{at}/parameters/1"),
        ("header", "X-H", f"{at}/parameters/2"),
        ("cookie", "c", f"{at}/parameters/3"),
        ("accept", "application/json, */*;q=0.1", f"{at}/responses"),
        ("body", "a", f"{content}/schema/properties/a"),
        ("content_type", "application/xml", content),
    ]
    assert answer.json()["body"] == "<root><a>3</a></root>"


NUMBERS = ["9223372036854775807", "123456789012345678901234567890", "0.1", "1.10", "100.00", "-0", "1E+400", "1e-7"]


@pytest.mark.parametrize("literal", NUMBERS)
async def test_numbers_of_a_try_keep_their_digits(served: Gateway, literal: str) -> None:
    body = {"required": True, "content": {"application/json": {"schema": {"type": "array"}}}}
    async with backend(json_reply(b"{}")) as api:
        document = description({"/x": {"post": operation("post_it", requestBody=body)}})
        await served.create(document, base_url=api.url)
        raw = f'{{"arguments":{{"body":[{literal}]}}}}'
        headers = {"Content-Type": "application/json"}
        shown = await served.http.post(f"{TOOLS}/post_it/preview", content=raw, headers=headers)
        await served.http.post(f"{TOOLS}/post_it/call", content=raw, headers=headers)
    assert shown.json()["body"] == f"[{literal.replace('1e-7', '1E-7')}]"
    assert api.requests[0].body.decode() == shown.json()["body"]


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "9" * 5000, "1E99999999999999999999", "{", '"\xff"'])
async def test_what_is_no_json_is_refused(served: Gateway, literal: str) -> None:
    await served.create()
    answer = await served.http.post(
        f"{TOOLS}/list_pets/preview",
        content=f'{{"arguments":{{"limit":{literal}}}}}'.encode("latin-1"),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code in {400, 422}
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_a_binary_body_is_previewed_as_base64(served: Gateway) -> None:
    body = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
    await served.create(description({"/files": {"put": operation("put_file", requestBody=body)}}))
    content = base64.b64encode(b"\xff\xfe\x00").decode()
    answer = await served.http.post(f"{TOOLS}/put_file/preview", json={"arguments": {"body": content}})
    assert (answer.json()["body"], answer.json()["body_encoding"]) == (content, "base64")


@pytest.mark.parametrize("action", ["preview"])
async def test_arguments_that_do_not_fit_are_422_with_every_problem(served: Gateway, action: str) -> None:
    await served.create()
    answer = await served.http.post(f"{TOOLS}/add_pet/{action}", json={"arguments": {"weight": "x", "nam": 1}})
    assert problem(answer) == (422, "arguments_invalid")
    found = {each["pointer"]: each["code"] for each in answer.json()["errors"]}
    assert found == {"/name": "arg_required", "/weight": "arg_type", "/nam": "arg_unknown"}
    assert answer.json()["pointer"] in found


@pytest.mark.parametrize("action", ["preview", "call"])
async def test_a_tool_that_is_not_served_cannot_be_tried(served: Gateway, action: str) -> None:
    await served.create()
    await served.http.patch(f"{TOOLS}/get_pet", json={"enabled": False})
    for url, told in (
        (f"{TOOLS}/buy_pet", (404, "tool_unknown")),
        (f"{TOOLS}/get_pet", (410, "tool_gone")),
        (f"{SERVERS}/nobody/tools/get_pet", (404, "tool_unknown")),
    ):
        answer = await served.http.post(f"{url}/{action}", json={"arguments": {"petId": 7}})
        assert problem(answer) == told


@pytest.mark.parametrize("body", [[], {"arguments": []}, {"arguments": "x"}, {"args": {}}])
@pytest.mark.parametrize("action", ["preview", "call"])
async def test_a_try_of_the_wrong_shape_is_422(served: Gateway, action: str, body: Any) -> None:
    await served.create()
    assert problem(await served.http.post(f"{TOOLS}/get_pet/{action}", json=body)) == (422, "request_invalid")


# --- call


async def test_a_call_is_performed_and_gives_the_mcp_result(served: Gateway) -> None:
    async with backend(json_reply(b'{"id": 7, "name": "Rex"}')) as api:
        await served.create(base_url=f"{api.url}/v1")
        answer = await served.http.post(f"{TOOLS}/get_pet/call", json={"arguments": {"petId": 7}})
        called = await served.mcp("tools/call", {"name": "get_pet", "arguments": {"petId": 7}})
    assert answer.status_code == 200
    assert answer.json() == called
    assert answer.json() == {
        "content": [{"type": "text", "text": '{"id": 7, "name": "Rex"}'}],
        "structuredContent": {"id": 7, "name": "Rex"},
        "isError": False,
    }
    assert [request.line for request in api.requests] == ["GET /v1/pets/7 HTTP/1.1"] * 2


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            reply("404 Not Found", b'{"detail":"No such pet"}', "Content-Type: application/json"),
            "404 Not Found: No such pet",
        ),
        (reply("500 Oops", b"<html><title>Oops</title></html>", "Content-Type: text/html"), "500 Oops: Oops"),
    ],
    ids=["json", "html"],
)
async def test_an_error_of_the_api_is_a_result(served: Gateway, content: bytes, told: str) -> None:
    async with backend(content) as api:
        await served.create(base_url=api.url)
        answer = await served.http.post(f"{TOOLS}/get_pet/call", json={"arguments": {"petId": 7}})
    assert (answer.status_code, answer.json()["isError"]) == (200, True)
    assert answer.json()["content"][0]["text"].startswith(told)


async def test_an_api_that_breaks_off_is_a_result_with_a_code(served: Gateway) -> None:
    async with backend(then_close(b"")) as api:
        await served.create(base_url=api.url)
        answer = await served.http.post(f"{TOOLS}/delete_pet/call", json={"arguments": {"petId": 7}})
    assert (answer.status_code, answer.json()["_meta"]) == (200, {"causeway/code": "upstream_reset"})


async def test_a_call_with_arguments_that_do_not_fit_is_a_result_and_sends_nothing(served: Gateway) -> None:
    async with backend() as api:
        await served.create(base_url=api.url)
        answer = await served.http.post(f"{TOOLS}/get_pet/call", json={"arguments": {"petId": "x"}})
    assert (answer.json()["isError"], answer.json()["_meta"]) == (True, {"causeway/code": "arg_type"})
    assert api.connections == 0


@pytest.mark.parametrize(
    "content", [b'{"a":1e999}', b'{"a":NaN}', b'{"a":"\\ud800"}', b'{"a":"\xff"}', b'{"a":' + b"9" * 400 + b"}"]
)
async def test_odd_json_of_an_api_is_still_an_answer(served: Gateway, content: bytes) -> None:
    async with backend(json_reply(content)) as api:
        await served.create(base_url=api.url)
        answer = await served.http.post(f"{TOOLS}/get_pet/call", json={"arguments": {"petId": 7}})
    assert (answer.status_code, answer.json()["isError"]) == (200, False)


async def test_metadata_addresses_are_never_called(served: Gateway) -> None:
    await served.create(base_url="http://169.254.169.254/latest")
    answer = await served.http.post(f"{TOOLS}/get_pet/call", json={"arguments": {"petId": 7}})
    assert answer.json()["_meta"] == {"causeway/code": "egress_denied"}


def test_a_code_without_a_status_of_its_own_is_a_bad_request_or_an_unusable_document() -> None:
    found = {code: make_problem(code, "x").status_code for code in ("spec_new", "ref_new", "arg_new", "other")}
    assert found == {"spec_new": 422, "ref_new": 422, "arg_new": 422, "other": 400}
