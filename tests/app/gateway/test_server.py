from __future__ import annotations

import asyncio
import json
from typing import Any

import mcp_types.methods
import pytest

from app.errors import UpstreamTimeoutError
from app.gateway.calls import ToolCalls
from app.gateway.catalog import SnapshotCatalog
from app.gateway.server import MAX_BODY, McpEndpoint
from app.security.callers import LOCAL, set_caller
from tests.app.asgi import Answer, Exchange, answer
from tests.app.descriptions import PETS, description, operation, snapshot
from tests.app.gateway.endpoints import (
    HANDSHAKE,
    MODERN,
    PATH,
    PET,
    PREFIX,
    FakeUpstream,
    ask,
    endpoint,
    envelope,
    headers,
    json_response,
    post,
    request,
)

PING = request("ping")
VERSIONS = (*HANDSHAKE, MODERN)
CALL = {"name": "get_pet", "arguments": {"petId": 7}}


def error(given: Answer) -> tuple[int, int]:
    return given.status, given.json()["error"]["code"]


# --- HTTP


@pytest.mark.parametrize(
    "path", ["/mcp/default/cats", "/mcp/other/pets", "/mcp/default", "/mcp/", "/mcp/default/pets/x"]
)
async def test_a_url_without_a_server_is_404(path: str) -> None:
    given = await post(endpoint(), PING, path=path)
    assert (given.status, given.header("content-type")) == (404, "application/problem+json")


async def test_a_slash_at_the_end_of_the_url_is_forgiven() -> None:
    assert (await post(endpoint(), PING, path=f"{PATH}/")).status == 200


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "HEAD", "OPTIONS", "PATCH"])
async def test_only_post_is_allowed(method: str) -> None:
    given = await answer(endpoint(), method=method, path=PATH, headers=headers())
    assert (given.status, given.header("allow")) == (405, "POST")


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_a_body_that_is_not_declared_as_json_is_415(kind: str | None) -> None:
    given = await post(endpoint(), PING, [("Content-Type", kind)] if kind is not None else [])
    assert given.status == 415


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", "application/json ;x=y"])
async def test_parameters_and_case_of_the_media_type_do_not_matter(kind: str) -> None:
    assert (await post(endpoint(), PING, [("Content-Type", kind)])).status == 200


@pytest.mark.parametrize("accept", ["text/event-stream", "text/html", "image/*"])
async def test_a_client_that_does_not_accept_json_gets_406(accept: str) -> None:
    given = await post(endpoint(), PING, [("Content-Type", "application/json"), ("Accept", accept)])
    assert given.status == 406


@pytest.mark.parametrize("accept", [None, "*/*", "application/*", "text/event-stream, application/json;q=0.9"])
async def test_a_client_that_accepts_json_somehow_is_answered(accept: str | None) -> None:
    more = [("Accept", accept)] if accept else []
    assert (await post(endpoint(), PING, [("Content-Type", "application/json"), *more])).status == 200


async def test_accept_may_stand_in_two_lines() -> None:
    sent = [("Content-Type", "application/json"), ("Accept", "application/json"), ("Accept", "text/event-stream")]
    assert (await post(endpoint(), PING, sent)).status == 200


async def test_a_declared_body_beyond_the_limit_is_413_and_is_not_read() -> None:
    exchange = Exchange(endpoint(), path=PATH, headers=[*headers(), ("Content-Length", str(MAX_BODY + 1))])
    given = await exchange.run()
    assert given is not None
    assert (given.status, exchange.read) == (413, 0)


@pytest.mark.parametrize("declared", [None, "10", "99999999999999999999", "nonsense"])
async def test_a_body_that_grows_beyond_the_limit_is_413_whatever_was_declared(declared: str | None) -> None:
    more = [("Content-Length", declared)] if declared else []
    exchange = Exchange(endpoint(), path=PATH, headers=[*headers(), *more], chunks=[b" " * 1024 * 1024] * 20)
    given = await exchange.run()
    assert given is not None
    assert given.status == 413
    assert exchange.read <= 5


async def test_a_body_of_exactly_the_limit_is_read() -> None:
    given = await post(endpoint(), PING + b" " * (MAX_BODY - len(PING)))
    assert given.status == 200


async def test_a_body_in_pieces_is_one_message() -> None:
    pieces = [PING[:5], b"", PING[5:9], PING[9:]]
    assert (await answer(endpoint(), path=PATH, headers=headers(), chunks=pieces)).json()["result"] == {}


async def test_a_problem_below_json_rpc_is_an_rfc_9457_problem() -> None:
    given = await post(endpoint(), PING, [("Content-Type", "text/plain")])
    assert given.header("content-type") == "application/problem+json"
    assert {"type", "status", "title", "detail"} <= given.json().keys()
    assert given.header("content-length") == str(len(given.body))


# --- JSON-RPC


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", -32700),
        (b"[]", -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","method":"ping"}', -32700),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":NaN}}', -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":1e9999999999999999999}}', -32700),
    ],
)
async def test_a_body_that_is_no_message_is_400(body: bytes, code: int) -> None:
    given = await post(endpoint(), body)
    assert error(given) == (400, code)
    assert given.json()["id"] is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","method":"notifications/initialized"}',
        b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}',
        b'{"jsonrpc":"2.0","method":"tools/call","params":{"name":"get_pet","arguments":{"petId":7}}}',
        b'{"jsonrpc":"2.0","id":1,"result":{}}',
        b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}',
    ],
)
async def test_a_message_that_wants_no_answer_is_202_and_does_nothing(body: bytes) -> None:
    upstream = FakeUpstream(PET)
    given = await post(endpoint(upstream), body)
    assert (given.status, given.body, upstream.plans) == (202, b"", [])


@pytest.mark.parametrize("request_id", [0, -1, 1, "", "a", "é", 9223372036854775807])
async def test_an_answer_has_the_id_of_its_request(request_id: Any) -> None:
    given = await post(endpoint(), request("ping", request_id=request_id))
    assert given.json() == {"jsonrpc": "2.0", "id": request_id, "result": {}}


async def test_two_requests_with_one_id_each_get_their_own_answer() -> None:
    served = endpoint(FakeUpstream(PET))
    listed, called = await asyncio.gather(ask(served, "tools/list"), ask(served, "tools/call", CALL))
    assert "tools" in listed.json()["result"]
    assert "content" in called.json()["result"]


# --- versions


@pytest.mark.parametrize("version", HANDSHAKE)
async def test_the_handshake_negotiates_each_released_version(version: str) -> None:
    offer = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}
    given = await post(endpoint(), request("initialize", offer))
    result = given.json()["result"]
    assert (given.status, result["protocolVersion"]) == (200, version)
    assert result["serverInfo"]["name"] == "pets"
    assert "tools" in result["capabilities"]
    mcp_types.methods.validate_server_result("initialize", version, result)


@pytest.mark.parametrize("version", ["1999-01-01", "2099-12-31", MODERN, "latest"])
async def test_the_handshake_offers_its_newest_version_where_it_does_not_know_the_client_s(version: str) -> None:
    offer = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}
    given = await post(endpoint(), request("initialize", offer))
    assert given.json()["result"]["protocolVersion"] == HANDSHAKE[-1]


async def test_the_handshake_tells_the_instructions() -> None:
    offer = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}
    given = await post(endpoint(None, snapshot(instructions="Be kind.")), request("initialize", offer))
    assert given.json()["result"]["instructions"] == "Be kind."


@pytest.mark.parametrize("params", [{}, {"protocolVersion": 5}, {"protocolVersion": "2025-11-25"}])
async def test_a_handshake_that_lacks_what_it_needs_is_an_error(params: dict[str, Any]) -> None:
    assert error(await post(endpoint(), request("initialize", params))) == (200, -32602)


async def test_a_modern_client_discovers_the_server() -> None:
    given = await ask(endpoint(), "server/discover", version=MODERN)
    result = given.json()["result"]
    assert (given.status, result["resultType"], result["supportedVersions"]) == (200, "complete", [MODERN])
    assert result["_meta"][f"{PREFIX}serverInfo"]["name"] == "pets"
    mcp_types.methods.validate_server_result("server/discover", MODERN, result)


@pytest.mark.parametrize("version", HANDSHAKE)
async def test_ping_is_answered_in_the_handshake_versions(version: str) -> None:
    assert (await ask(endpoint(), "ping", version=version)).json()["result"] == {}


@pytest.mark.parametrize("method", ["ping", "initialize", "tools/buy", "tools/sell", "Tools/List", "prompts/list"])
async def test_a_method_unknown_to_2026_07_28_is_404(method: str) -> None:
    assert error(await ask(endpoint(), method, version=MODERN)) == (404, -32601)


@pytest.mark.parametrize("method", ["server/discover", "tools/buy", "tools/sell", "prompts/list", "Tools/List"])
@pytest.mark.parametrize("version", HANDSHAKE)
async def test_a_method_unknown_to_a_handshake_version_is_an_error_in_a_200(method: str, version: str) -> None:
    assert error(await ask(endpoint(), method, version=version)) == (200, -32601)


@pytest.mark.parametrize(
    ("more", "params", "code"),
    [
        ([("Mcp-Method", "ping")], envelope(), -32020),
        ([], envelope(), -32020),
        ([("Mcp-Method", "Tools/List")], envelope(), -32020),
        ([("Mcp-Method", "tools/list"), ("Mcp-Method", "tools/list")], envelope(), -32020),
        ([("Mcp-Method", "tools/list"), ("MCP-Protocol-Version", "2025-11-25")], envelope(), -32020),
        ([("Mcp-Method", "tools/list")], envelope("2025-11-25"), -32020),
        ([("Mcp-Method", "tools/list")], envelope(None), -32020),
        ([("Mcp-Method", "tools/list")], envelope(["2026-07-28"]), -32020),
        ([("Mcp-Method", "tools/list")], None, -32602),
        ([("Mcp-Method", "tools/list")], {}, -32602),
        ([("Mcp-Method", "tools/list")], {"_meta": "x"}, -32602),
        ([("Mcp-Method", "tools/list")], {"_meta": {f"{PREFIX}protocolVersion": MODERN}}, -32602),
    ],
)
async def test_headers_and_body_of_a_modern_request_must_agree(
    more: list[tuple[str, str]], params: dict[str, Any] | None, code: int
) -> None:
    given = await post(endpoint(), request("tools/list", params), headers(MODERN, *more))
    assert error(given) == (400, code)


@pytest.mark.parametrize("more", [[], [("Mcp-Name", "list_pets")], [("Mcp-Name", "GET_PET")]])
async def test_a_tool_that_the_headers_do_not_name_is_not_called(more: list[tuple[str, str]]) -> None:
    upstream = FakeUpstream(PET)
    sent = headers(MODERN, ("Mcp-Method", "tools/call"), *more)
    given = await post(endpoint(upstream), request("tools/call", envelope(**CALL)), sent)
    assert (error(given), upstream.plans) == ((400, -32020), [])


async def test_an_envelope_without_the_header_is_refused() -> None:
    given = await post(endpoint(), request("tools/list", envelope()), headers(None, ("Mcp-Method", "tools/list")))
    assert error(given) == (400, -32020)


@pytest.mark.parametrize("version", ["2099-01-01", "draft", ""])
async def test_an_unknown_modern_version_is_told_the_ones_that_are_served(version: str) -> None:
    sent = [*headers(), ("MCP-Protocol-Version", version), ("Mcp-Method", "tools/list")]
    given = await post(endpoint(), request("tools/list", envelope(version)), sent)
    assert error(given) == (400, -32022)
    assert given.json()["error"]["data"] == {"supported": [MODERN], "requested": version}


async def test_an_unknown_version_in_the_header_alone_is_400() -> None:
    assert (await post(endpoint(), request("tools/list"), headers("1999-01-01"))).status == 400


async def test_a_header_s_white_space_does_not_count() -> None:
    sent = [*headers(), ("MCP-Protocol-Version", f" {MODERN} "), ("Mcp-Method", "tools/list  ")]
    assert (await post(endpoint(), request("tools/list", envelope()), sent)).status == 200


async def test_a_client_that_states_no_version_gets_what_2025_03_26_knows() -> None:
    given = await post(endpoint(), request("tools/list"))
    assert {key for tool in given.json()["result"]["tools"] for key in tool} == {
        "name",
        "description",
        "inputSchema",
        "annotations",
    }


# --- tools/list


@pytest.mark.parametrize("version", VERSIONS)
async def test_tools_are_listed_in_every_version(version: str) -> None:
    served = snapshot()
    given = await ask(endpoint(None, served), "tools/list", version=version)
    assert given.status == 200
    assert given.body == b'{"jsonrpc":"2.0","id":1,"result":' + served.tool_list(version) + b"}"
    assert given.header("content-type") == "application/json"
    assert given.header("content-length") == str(len(given.body))


@pytest.mark.parametrize(("version", "status"), [("2025-11-25", 200), (MODERN, 400)])
@pytest.mark.parametrize("cursor", ["", "x", 0, False, {}])
async def test_a_cursor_is_refused_because_the_list_has_one_page(version: str, status: int, cursor: Any) -> None:
    assert error(await ask(endpoint(), "tools/list", {"cursor": cursor}, version=version)) == (status, -32602)


async def test_a_cursor_of_null_is_none() -> None:
    assert "result" in (await ask(endpoint(), "tools/list", {"cursor": None})).json()


# --- tools/call


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_result_is_what_the_sdk_expects_of_that_version(version: str) -> None:
    given = await ask(endpoint(), "tools/call", CALL, version=version)
    result = given.json()["result"]
    mcp_types.methods.validate_server_result("tools/call", version, result)
    assert (given.status, result["isError"]) == (200, False)
    assert ("structuredContent" in result) == (version in VERSIONS[2:])
    assert ("resultType" in result) == (version == MODERN)


DIGITS = '{"id": 12345678901234567890123, "weight": 0.1000000000000000000001, "far": 1E300, "name":"\\u00e9"}'


@pytest.mark.parametrize("version", VERSIONS[2:])
async def test_structured_content_is_the_api_s_own_text_digit_for_digit(version: str) -> None:
    given = await ask(endpoint(FakeUpstream(json_response(DIGITS))), "tools/call", CALL, version=version)
    assert b'"structuredContent":' + DIGITS.encode() + b"," in given.body
    assert given.json()["result"]["content"] == [{"type": "text", "text": DIGITS}]


@pytest.mark.parametrize("text", ["[1,2]", "5", '"x"', "null", "true"])
async def test_an_answer_that_is_no_object_is_structured_as_unexpected_and_text_as_it_came(text: str) -> None:
    result = (await ask(endpoint(FakeUpstream(json_response(text))), "tools/call", CALL)).json()["result"]
    assert result["structuredContent"] == {"unexpected_answer": json.loads(text)}
    assert result["content"][0]["text"] == text
    assert "causeway/warning" in result["_meta"]


@pytest.mark.parametrize("text", ['{"a":NaN,"b":[Infinity,-Infinity]}', '\ufeff{"a":null,"b":[null,null]}'])
async def test_json_that_is_not_strict_is_strict_in_the_answer(text: str) -> None:
    given = await ask(endpoint(FakeUpstream(json_response(text))), "tools/call", CALL)
    parsed = json.loads(given.body, parse_constant=lambda name: pytest.fail(f"{name} on the wire"))
    assert parsed["result"]["structuredContent"] == {"a": None, "b": [None, None]}


@pytest.mark.parametrize("text", ["{", '{"a":1}}', "[" * 5_000, '{"a":' + "9" * 5_000 + "}"])
async def test_broken_json_is_text_with_a_warning(text: str) -> None:
    result = (await ask(endpoint(FakeUpstream(json_response(text))), "tools/call", CALL)).json()["result"]
    assert (result["isError"], result["content"][0]["text"]) == (False, text)
    assert "causeway/warning" in result["_meta"]
    assert result["structuredContent"] == {"unexpected_answer": text}


@pytest.mark.parametrize(("version", "status"), [("2024-11-05", 200), ("2025-11-25", 200), (MODERN, 400)])
async def test_an_unknown_tool_is_an_error_of_the_protocol(version: str, status: int) -> None:
    given = await ask(endpoint(), "tools/call", {"name": "buy_pet", "arguments": {}}, version=version)
    assert error(given) == (status, -32602)
    assert "buy_pet" in given.json()["error"]["message"]


@pytest.mark.parametrize("params", [None, {}, {"name": None}, {"name": 5}, {"name": ["get_pet"]}])
async def test_a_call_without_a_tool_name_is_refused(params: dict[str, Any] | None) -> None:
    assert error(await ask(endpoint(), "tools/call", params)) == (200, -32602)


@pytest.mark.parametrize("arguments", [[], "x", 5, True])
async def test_arguments_are_an_object(arguments: Any) -> None:
    upstream = FakeUpstream(PET)
    given = await ask(endpoint(upstream), "tools/call", {"name": "list_pets", "arguments": arguments})
    assert (error(given), upstream.plans) == ((200, -32602), [])


@pytest.mark.parametrize("params", [{"name": "list_pets"}, {"name": "list_pets", "arguments": None}])
async def test_arguments_may_be_left_out(params: dict[str, Any]) -> None:
    upstream = FakeUpstream(PET)
    await ask(endpoint(upstream), "tools/call", params)
    assert [plan.url for plan in upstream.plans] == ["https://api.pets.example/v1/pets"]


async def test_arguments_that_do_not_fit_are_a_result_and_no_protocol_error() -> None:
    upstream = FakeUpstream(PET)
    given = await ask(endpoint(upstream), "tools/call", {"name": "get_pet", "arguments": {"petId": "x"}})
    result = given.json()["result"]
    assert (given.status, result["isError"], result["_meta"]["causeway/code"]) == (200, True, "arg_type")
    assert upstream.plans == []


async def test_an_upstream_error_keeps_its_code_beside_the_modern_envelope() -> None:
    upstream = FakeUpstream(UpstreamTimeoutError("The API did not answer within 12.5 seconds."))
    result = (await ask(endpoint(upstream), "tools/call", CALL, version=MODERN)).json()["result"]
    assert (result["isError"], result["resultType"]) == (True, "complete")
    assert result["_meta"].keys() == {"causeway/code", f"{PREFIX}serverInfo"}


@pytest.mark.parametrize("literal", ["0.1", "1E3", "0.12345678901234567890", "9223372036854775807", "-0.0"])
async def test_a_number_reaches_the_api_with_the_value_it_was_written_with(literal: str) -> None:
    upstream = FakeUpstream(PET)
    body = b'{"name":"add_pet","arguments":{"name":"Rex","weight":' + literal.encode() + b"}}"
    message = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":' + body + b"}"
    await post(endpoint(upstream), message)
    sent = (upstream.plans[0].body or b"").decode().partition('"weight":')[2].rstrip("}")
    assert sent in {literal, literal.replace("1E3", "1E+3")}


async def test_a_client_s_headers_never_reach_the_api() -> None:
    upstream = FakeUpstream(PET)
    sent = headers("2025-11-25", ("Authorization", "Bearer secret"), ("Cookie", "a=secret"), ("X-Api-Key", "secret"))
    await post(endpoint(upstream), request("tools/call", CALL), sent)
    assert "secret" not in repr(upstream.plans)
    assert {name for name, _ in upstream.plans[0].headers} == {"Accept", "Causeway-Hops"}


# --- clients that go away


async def test_a_client_that_hangs_up_cancels_its_call_and_gets_no_answer() -> None:
    upstream = FakeUpstream()
    exchange = Exchange(endpoint(upstream), path=PATH, headers=headers(), chunks=[request("tools/call", CALL)])
    async with asyncio.timeout(5):
        running = asyncio.ensure_future(exchange.run())
        await upstream.arrived.wait()
        exchange.hang_up()
        assert await running is None
    assert upstream.was_cancelled


async def test_hanging_up_one_call_leaves_the_others_alone() -> None:
    upstream = FakeUpstream()
    served = endpoint(upstream)
    exchange = Exchange(served, path=PATH, headers=headers(), chunks=[request("tools/call", CALL)])
    running = asyncio.ensure_future(exchange.run())
    await upstream.arrived.wait()
    exchange.hang_up()
    await running
    upstream.response = PET
    assert (await ask(served, "tools/call", CALL)).json()["result"]["isError"] is False


async def test_a_client_that_leaves_in_the_middle_of_its_message_is_not_answered() -> None:
    async def receive() -> dict[str, Any]:
        events.append("asked")
        if len(events) == 1:
            return {"type": "http.request", "body": b'{"jsonrpc"', "more_body": True}
        return {"type": "http.disconnect"}

    events: list[str] = []
    sent: list[Any] = []

    async def send(event: Any) -> None:
        sent.append(event)

    raw = [(name.lower().encode(), value.encode()) for name, value in headers()]
    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": PATH, "headers": raw}
    set_caller(scope, LOCAL)
    await endpoint()(scope, receive, send)
    assert sent == []


async def test_a_stop_of_the_gateway_is_not_taken_for_a_client_that_left() -> None:
    upstream = FakeUpstream()
    exchange = Exchange(endpoint(upstream), path=PATH, headers=headers(), chunks=[request("tools/call", CALL)])
    running = asyncio.ensure_future(exchange.run())
    await upstream.arrived.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert upstream.was_cancelled


# --- servers that change meanwhile


async def test_a_call_in_flight_finishes_on_the_snapshot_it_started_with() -> None:
    catalog = SnapshotCatalog()
    catalog.put(snapshot())
    upstream = FakeUpstream(PET)
    started, proceed = asyncio.Event(), asyncio.Event()

    class Slow(FakeUpstream):
        async def send(self, plan: Any, **options: Any) -> Any:
            started.set()
            await proceed.wait()
            return await upstream.send(plan, **options)

    served = McpEndpoint(catalog, ToolCalls(Slow(), deadline=5))
    running = asyncio.ensure_future(ask(served, "tools/call", CALL))
    await started.wait()
    catalog.drop("default", "pets")
    proceed.set()
    assert (await running).json()["result"]["structuredContent"] == {"id": 7, "name": "Rex"}
    assert (await ask(served, "tools/list")).status == 404


async def test_each_snapshot_is_served_at_its_own_url() -> None:
    cats = snapshot(description(PETS["paths"], title="Cats"), name="cats", namespace="other")
    served = endpoint(None, snapshot(), cats)
    offer = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}
    for path, title in ((PATH, "Pets"), ("/mcp/other/cats", "Cats")):
        given = await post(served, request("initialize", offer), path=path)
        assert given.json()["result"]["serverInfo"]["title"] == title


# --- lists

CURSORS: tuple[Any, ...] = ("", "x", "MA==", "eyJvZmZzZXQiOjF9", "other/pets:1", "a" * 10_000, 0, True, {}, ["x"])


@pytest.mark.parametrize("method", ["tools/list", "resources/list", "resources/templates/list"])
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_cursor_that_nobody_was_given_is_refused(version: str, method: str) -> None:
    """P03: lists have one page, so that every cursor is garbage, or of another list, or of another tenant."""
    served = endpoint()
    for cursor in CURSORS:
        given = await ask(served, method, {"cursor": cursor}, version=version)
        assert given.json()["error"]["code"] == -32602, cursor
    assert (await ask(served, method, {}, version=version)).json()["result"].get("nextCursor") is None


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_list_is_the_same_in_every_process_and_in_the_order_of_the_description(version: str) -> None:
    """P03."""
    paths = {
        f"/{name}": {"get": operation(name), "post": operation(f"add_{name}")} for name in ("zebra", "apple", "mango")
    }
    lists = [
        (await ask(endpoint(None, snapshot(description(paths))), "tools/list", {}, version=version)).body
        for _ in range(3)
    ]
    assert lists[0] == lists[1] == lists[2]
    names = [tool["name"] for tool in json.loads(lists[0])["result"]["tools"]]
    assert names == ["zebra", "add_zebra", "apple", "add_apple", "mango", "add_mango"]
