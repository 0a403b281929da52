"""Local mode has no login: what a web page, a hostile API or a broken client may not do to it."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.e2e.backends import Backend, Received, answer, described, parameter, running_backend
from tests.e2e.gateways import Gateway, modern_request, request, wait_until

TIMEOUT = 2
MEBIBYTE = 1024 * 1024
ROUTES = ("/mcp/default/recorded", "/api/v1/namespaces/default/servers", "/api/openapi.json")


@pytest.fixture(scope="module")
def gateway_settings() -> Mapping[str, str]:
    return {"CAUSEWAY_CALL_TIMEOUT": str(TIMEOUT)}


@pytest.fixture(scope="module")
def recorded(gateway: Gateway, module_backend: Backend) -> str:
    """Serve the recording API; gives the server's name."""
    paths: dict[str, Any] = {
        "/files/{name}": {"get": {"operationId": "get_file", "parameters": [parameter("name", "path")]}},
        "/files/{name}/{part}": {
            "get": {"operationId": "get_part", "parameters": [parameter("name", "path"), parameter("part", "path")]}
        },
        "/search": {
            "get": {
                "operationId": "search",
                "parameters": [parameter("q", "query"), parameter("X-Trace", "header"), parameter("session", "cookie")],
            }
        },
        "/start": {
            "get": {"operationId": "start", "parameters": [parameter("X-Token", "header")]},
            "post": {
                "operationId": "submit",
                "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
            },
        },
    }
    gateway.publish("recorded", described(module_backend.url, paths))
    return "recorded"


@pytest.fixture(autouse=True)
def unharmed(gateway: Gateway, recorded: str) -> Iterator[None]:
    """Require after every test that the gateway still answers."""
    yield
    assert gateway.is_alive()


# --- who may speak to it


@pytest.mark.parametrize("route", [*ROUTES, "/healthz"])
@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "169.254.1.1", ""]
)
def test_a_foreign_host_is_misdirected(gateway: Gateway, host: str, route: str) -> None:
    status, _, body = raw(gateway, f"GET {route} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())

    assert status == 421
    assert json.loads(body)["code"] == "misdirected_request"


def test_two_hosts_are_misdirected(gateway: Gateway) -> None:
    lines = (
        f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{gateway.port}\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    )

    status, _, _ = raw(gateway, lines.encode())

    assert status in {400, 421}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "origin",
    ["null", "http://evil.example", "https://localhost.evil.example", "file://", "http://127.0.0.1@evil.example", "x"],
)
def test_a_foreign_origin_is_forbidden(gateway: Gateway, origin: str, route: str, backend: Backend) -> None:
    body = request("tools/call", name="search", arguments={})

    answered = gateway.http.post(gateway.url + route, json=body, headers={"Origin": origin})

    assert answered.status_code == 403
    assert answered.headers["content-type"] == "application/problem+json"
    assert "access-control-allow-origin" not in answered.headers
    assert backend.received == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_gateway_s_own_hosts_and_origins_are_welcome(gateway: Gateway, host: str) -> None:
    headers = {"Host": f"{host}:{gateway.port}", "Origin": f"http://{host}:{gateway.port}"}

    answered = gateway.http.post(gateway.mcp_url("recorded"), json=request("tools/list"), headers=headers)

    assert answered.status_code == 200


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS"])
def test_only_post_is_allowed_at_an_mcp_url(gateway: Gateway, method: str) -> None:
    answered = gateway.http.request(method, gateway.mcp_url("recorded"), headers={"Accept": "text/event-stream"})

    assert answered.status_code == 405
    assert answered.headers["allow"] == "POST"


# --- what reaches the API


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_a_path_value_that_would_climb_or_vanish_is_refused(gateway: Gateway, backend: Backend, value: str) -> None:
    for arguments in ({"name": value, "part": "a"}, {"name": "a", "part": value}):
        result = gateway.call("recorded", "get_part", arguments)
        assert result["isError"] is True
        assert "/name" in text(result) or "/part" in text(result)

    assert backend.received == []


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ("%2e%2e", "%252e%252e"),
        ("%252e", "%25252e"),
        ("../admin", "..%2Fadmin"),
        ("..\\admin", "..%5Cadmin"),
        ("....//x", "....%2F%2Fx"),
        ("a/b", "a%2Fb"),
        ("a?admin=true", "a%3Fadmin%3Dtrue"),
        ("a#b", "a%23b"),
        ("a;b=c", "a%3Bb%3Dc"),
        ("http://evil.example/", "http%3A%2F%2Fevil.example%2F"),
        ("//evil.example", "%2F%2Fevil.example"),
        ("@evil.example", "%40evil.example"),
        ("a b", "a%20b"),
        ("é駅", "%C3%A9%E9%A7%85"),
    ],
)
def test_a_path_value_is_one_segment_on_the_wire(gateway: Gateway, backend: Backend, value: str, encoded: str) -> None:
    result = gateway.call("recorded", "get_file", {"name": value})

    assert result["isError"] is False
    received = backend.only()
    assert received.line == f"GET /files/{encoded} HTTP/1.1".encode()
    assert received.header("Host") == backend.url.removeprefix("http://")


def test_a_query_value_adds_no_parameter(gateway: Gateway, backend: Backend) -> None:
    gateway.call("recorded", "search", {"q": "x&admin=true#f +"})

    assert backend.only().line == b"GET /search?q=x%26admin%3Dtrue%23f%20%2B HTTP/1.1"


@pytest.mark.parametrize("argument", ["X-Trace", "session"])
@pytest.mark.parametrize("value", ["a\r\nX-Admin: 1", "a\nb", "a\0b", "a\rb", "\r\n\r\nGET /admin HTTP/1.1"])
def test_a_header_value_adds_no_header(gateway: Gateway, backend: Backend, argument: str, value: str) -> None:
    result = gateway.call("recorded", "search", {argument: value})

    # Headers have no way to write these; cookies encode them.
    if result["isError"]:
        assert f"/{argument}" in text(result)
        assert backend.received == []
    else:
        assert argument == "session"
        received = backend.only()
        assert received.header("X-Admin") is None
        assert set(received.header("Cookie") or "") & set("\r\n\0") == set()


@pytest.mark.parametrize("credential", [{"Authorization": "Bearer caller"}, {"X-Api-Key": "caller"}], ids=str)
def test_what_the_caller_sends_about_itself_stays_here(
    gateway: Gateway, backend: Backend, credential: dict[str, str]
) -> None:
    """K09."""
    headers = {
        **credential,
        "Cookie": "caller=1",
        "Proxy-Authorization": "Basic caller",
        "X-Forwarded-For": "caller",
    }

    body = request("tools/call", name="search", arguments={"q": "a"})
    gateway.http.post(gateway.mcp_url("recorded"), json=body, headers=headers)

    assert "caller" not in str(backend.only().headers)


# --- what the API answers


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_a_redirect_to_another_origin_is_not_followed(gateway: Gateway, backend: Backend, status: str) -> None:
    with running_backend() as other:
        for location in (f"{other.url}/secret", other.url.replace("http:", "") + "/secret"):
            backend.table["GET", "/start"] = answer(b"", status=status, Location=location)
            result = gateway.call("recorded", "start", {"X-Token": "hunter2"})
            assert result["isError"] is True
            assert "origin" in text(result)
            assert "hunter2" not in json.dumps(result)

        assert other.received == []


def test_a_redirect_of_a_write_is_not_followed(gateway: Gateway, backend: Backend) -> None:
    with running_backend() as other:
        backend.table["POST", "/start"] = answer(b"", status="307 Temporary Redirect", Location=f"{other.url}/secret")

        result = gateway.call("recorded", "submit", {"body": {"secret": "hunter2"}})

        assert result["isError"] is True
        assert other.received == []
    assert len(backend.received) == 1


def test_a_redirect_within_the_origin_is_followed(gateway: Gateway, backend: Backend) -> None:
    backend.table["GET", "/start"] = answer(b"", status="302 Found", Location="/there?a=1")
    backend.table["GET", "/there"] = answer(b'{"at":"there"}')

    result = gateway.call("recorded", "start")

    assert result["structuredContent"] == {"at": "there"}
    assert [each.target for each in backend.received] == ["/start", "/there?a=1"]


def test_a_redirect_in_a_circle_ends(gateway: Gateway, backend: Backend) -> None:
    backend.table["GET", "/start"] = answer(b"", status="302 Found", Location="/start")

    result = gateway.call("recorded", "start")

    assert result["isError"] is True
    assert len(backend.received) <= 6


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_an_answer_beyond_10_mib_is_an_error_and_not_a_result(gateway: Gateway, backend: Backend, coding: str) -> None:
    large = b'"' + b"a" * (10 * MEBIBYTE) + b'"'
    body = gzip.compress(large) if coding == "gzip" else large
    backend.table["GET", "/start"] = answer(body, Content_Encoding=coding)

    answered = gateway.http.post(gateway.mcp_url("recorded"), json=request("tools/call", name="start"))

    assert answered.json()["result"]["isError"] is True
    said = "more than 200 times its size" if coding == "gzip" else "larger than 10,485,760 bytes"
    assert said in text(answered.json()["result"])
    assert len(answered.content) < 10_000


def test_an_endless_answer_is_cut_off(gateway: Gateway, backend: Backend) -> None:
    ended = []

    def pour(_: Received, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        try:
            while True:
                connection.sendall(b"a" * 65536)
        except OSError:
            ended.append(True)

    backend.table["GET", "/start"] = pour

    assert gateway.call("recorded", "start")["isError"] is True
    wait_until(lambda: bool(ended), "the end of the answer")


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"this is not HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * MEBIBYTE + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: 1\r\n" % number for number in range(20_000)) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
        b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["nothing", "short", "no HTTP", "a long header", "many headers", "bad gzip", "no location", "bad chunk"],
)
def test_an_answer_that_is_not_one_is_an_error_in_a_sentence(
    gateway: Gateway, backend: Backend, bytes_sent: bytes
) -> None:
    def send(_: Received, connection: socket.socket) -> None:
        connection.sendall(bytes_sent)

    backend.table["GET", "/start"] = send

    result = gateway.call("recorded", "start")

    assert result["isError"] is True
    assert "Traceback" not in text(result)


def test_a_slow_api_meets_the_timeout(gateway: Gateway, backend: Backend) -> None:
    backend.table["GET", "/start"] = backend.hang
    started = time.monotonic()

    result = gateway.call("recorded", "start")

    assert TIMEOUT - 0.1 <= time.monotonic() - started < TIMEOUT + 2
    assert result["isError"] is True
    assert f"{TIMEOUT} seconds" in text(result)
    wait_until(lambda: len(backend.hang_ups) == 1, "the end of the connection", seconds=2)


def test_an_api_that_trickles_meets_the_timeout(gateway: Gateway, backend: Backend) -> None:
    def trickle(_: Received, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nContent-Type: text/plain\r\n\r\n")
        connection.settimeout(0.1)
        for _each in range(100):
            connection.sendall(b"a")
            try:
                connection.recv(1)
                break
            except TimeoutError:
                continue

    backend.table["GET", "/start"] = trickle
    started = time.monotonic()

    result = gateway.call("recorded", "start")

    assert result["isError"] is True
    assert time.monotonic() - started < TIMEOUT + 2


def test_a_client_that_hangs_up_ends_the_call_to_the_api(gateway: Gateway, backend: Backend) -> None:
    """P05: within two seconds, though the API would have had longer."""
    backend.table["GET", "/start"] = backend.hang
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        client.sendall(post(gateway, json.dumps(request("tools/call", name="start", arguments={})).encode()))
        wait_until(lambda: len(backend.received) == 1, "the request")
    gone = time.monotonic()

    wait_until(lambda: len(backend.hang_ups) == 1, "the end of the connection", seconds=TIMEOUT + 1)

    # Well before the timeout would have ended it.
    assert backend.hang_ups[0] - gone < TIMEOUT - 0.5


def test_many_clients_that_hang_up_leave_room_for_the_next(gateway: Gateway, backend: Backend) -> None:
    backend.table["GET", "/start"] = backend.hang
    clients = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(60)]
    for client in clients:
        client.sendall(post(gateway, json.dumps(request("tools/call", name="start", arguments={})).encode()))
    wait_until(lambda: len(backend.received) >= 40, "the requests")
    for client in clients:
        client.close()

    wait_until(lambda: len(backend.hang_ups) == len(backend.received), "the end of the connections")
    assert gateway.call("recorded", "search")["isError"] is False


# --- what a client may not send


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_message_beyond_4_mib_is_too_large(gateway: Gateway, backend: Backend, is_chunked: bool) -> None:
    body = json.dumps(request("tools/call", name="search", arguments={"q": "a" * (4 * MEBIBYTE)})).encode()

    answered = gateway.http.post(
        gateway.mcp_url("recorded"),
        content=iter([body]) if is_chunked else body,
        headers={"Content-Type": "application/json"},
    )

    assert answered.status_code == 413
    assert answered.headers["content-type"] == "application/problem+json"
    assert answered.json()["code"]
    assert backend.received == []


def test_a_message_of_1_mib_is_not_too_large(gateway: Gateway, backend: Backend) -> None:
    result = gateway.call("recorded", "submit", {"body": {"text": "a" * MEBIBYTE}})

    assert result["isError"] is False
    assert len(json.loads(backend.only().body)["text"]) == MEBIBYTE


CALL = '"method":"tools/call","params":{"name":"search","arguments":{}}'


def message(rest: str, *, request_id: str = "1", arguments: str = "{}") -> bytes:
    """Write a message by hand, as no JSON library would."""
    return f'{{"jsonrpc":"2.0","id":{request_id},{rest.replace("{}", arguments)}}}'.encode()


BAD_MESSAGES: dict[str, bytes] = {
    "nothing": b"",
    "not JSON": b"tools/list",
    "not UTF-8": b'{"jsonrpc":"2.0","id":1,"method":"\xff"}',
    "a text": b'"tools/list"',
    "a batch": json.dumps([request("tools/list")]).encode(),
    "an empty batch": b"[]",
    "id null": message(CALL, request_id="null"),
    "id true": message(CALL, request_id="true"),
    "id a fraction": message(CALL, request_id="1.5"),
    "id an object": message(CALL, request_id="{}"),
    "no version of JSON-RPC": b'{"id":1,"method":"tools/list"}',
    "JSON-RPC 1.0": b'{"jsonrpc":"1.0","id":1,"method":"tools/list"}',
    "no method": b'{"jsonrpc":"2.0","id":1,"params":{}}',
    "method in capitals": b'{"jsonrpc":"2.0","id":1,"METHOD":"tools/list"}',
    "parameters in a list": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["search"]}',
    "method twice": message(f'"method":"ping",{CALL}'),
    "arguments twice": message(CALL, arguments='{},"arguments":{"q":"a"}'),
    "an argument twice": message(CALL, arguments='{"q":"a","q":"b"}'),
    "NaN": message(CALL, arguments='{"q":NaN}'),
    "Infinity": message(CALL, arguments='{"q":-Infinity}'),
    "100,000 deep": message(CALL, arguments="[" * 100_000 + "]" * 100_000),
    "100,000 deep and unclosed": b'{"a":' * 100_000,
}


@pytest.mark.parametrize("name", BAD_MESSAGES)
def test_a_message_that_is_not_one_is_answered_with_400(gateway: Gateway, backend: Backend, name: str) -> None:
    headers = {"Content-Type": "application/json"}

    answered = gateway.http.post(gateway.mcp_url("recorded"), content=BAD_MESSAGES[name], headers=headers)

    assert answered.status_code == 400, answered.text
    error = answered.json()["error"]
    assert error["code"] in {-32700, -32600, -32602}
    assert error["message"].endswith(".")
    assert backend.received == []


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_what_a_web_form_can_send_is_not_a_message(gateway: Gateway, backend: Backend, media_type: str) -> None:
    body = json.dumps(request("tools/call", name="search", arguments={})).encode()

    answered = gateway.http.post(gateway.mcp_url("recorded"), content=body, headers={"Content-Type": media_type})

    assert answered.status_code == 415
    assert backend.received == []


@pytest.mark.parametrize("literal", ["7" * 400, '"' + "7" * 10_000 + '"', '"\\ud800"', "-1"])
def test_an_odd_request_id_comes_back_or_is_refused(gateway: Gateway, literal: str) -> None:
    body = f'{{"jsonrpc":"2.0","id":{literal},"method":"ping"}}'.encode()

    answered = gateway.http.post(
        gateway.mcp_url("recorded"), content=body, headers={"Content-Type": "application/json"}
    )

    assert answered.status_code in {200, 400}


@pytest.mark.parametrize(
    "literal",
    ["0.1", "1E3", "-0", "9223372036854775807", "1e400", "0.30000000000000004", "123456789012345678901234567890"],
)
def test_a_number_reaches_the_api_with_its_value(gateway: Gateway, backend: Backend, literal: str) -> None:
    body = json.dumps(request("tools/call", name="submit", arguments={"body": {"number": "@"}}))

    answered = gateway.http.post(
        gateway.mcp_url("recorded"),
        content=body.replace('"@"', literal).encode(),
        headers={"Content-Type": "application/json"},
    )

    # Numbers that no double holds may also be refused.
    if literal == "1e400" and (answered.status_code == 400 or answered.json()["result"]["isError"]):
        assert backend.received == []
        return
    assert answered.status_code == 200, answered.text
    sent = json.loads(backend.only().body, parse_int=str, parse_float=str)["number"]
    assert sent.lower().replace("e+", "e") in {literal.lower(), {"1E3": "1000.0", "-0": "0"}.get(literal)}


# --- the current revision's own rules


def test_a_name_in_the_header_that_is_not_the_one_in_the_body_is_refused(gateway: Gateway, backend: Backend) -> None:
    body, headers = modern_request("tools/call", name="search", arguments={})

    for changed in ({"Mcp-Name": "start"}, {"Mcp-Method": "tools/list"}, {"MCP-Protocol-Version": "2025-11-25"}):
        answered = gateway.http.post(gateway.mcp_url("recorded"), json=body, headers={**headers, **changed})
        assert answered.status_code == 400, answered.text
        assert answered.json()["error"]["code"] == -32020

    assert backend.received == []


@pytest.mark.parametrize("missing", ["Mcp-Name", "Mcp-Method"])
def test_a_routing_header_that_is_missing_is_refused(gateway: Gateway, backend: Backend, missing: str) -> None:
    body, headers = modern_request("tools/call", name="search", arguments={})
    del headers[missing]

    answered = gateway.http.post(gateway.mcp_url("recorded"), json=body, headers=headers)

    assert answered.status_code == 400, answered.text
    assert answered.json()["error"]["code"] == -32020
    assert backend.received == []


def test_an_unknown_version_is_answered_with_those_that_are_supported(gateway: Gateway) -> None:
    body, headers = modern_request("tools/list", version="2099-01-01")

    answered = gateway.http.post(gateway.mcp_url("recorded"), json=body, headers=headers)

    assert answered.status_code == 400
    error = answered.json()["error"]
    assert error["code"] == -32022
    assert "2026-07-28" in error["data"]["supported"]


@pytest.mark.parametrize("missing", ["_meta", "io.modelcontextprotocol/clientCapabilities"])
def test_a_request_without_its_envelope_is_refused(gateway: Gateway, missing: str) -> None:
    body, headers = modern_request("tools/list")
    if missing == "_meta":
        del body["params"]["_meta"]
    else:
        del body["params"]["_meta"][missing]

    answered = gateway.http.post(gateway.mcp_url("recorded"), json=body, headers=headers)

    assert answered.status_code == 400, answered.text
    assert answered.json()["error"]["code"] == -32602


def test_an_unknown_method_is_not_found(gateway: Gateway) -> None:
    body, headers = modern_request("tools/dance")

    answered = gateway.http.post(gateway.mcp_url("recorded"), json=body, headers=headers)

    assert answered.status_code == 404
    assert answered.json()["error"]["code"] == -32601


def test_an_unknown_method_of_the_handshake_era_is_an_error_in_an_answer(gateway: Gateway) -> None:
    answered = gateway.http.post(gateway.mcp_url("recorded"), json=request("tools/dance"))

    assert answered.status_code == 200
    assert answered.json()["error"]["code"] == -32601


def test_a_server_that_is_not_there_is_not_found(gateway: Gateway) -> None:
    for url in (gateway.mcp_url("nonsense"), gateway.url + "/mcp/nonsense/recorded", gateway.mcp_url("recorded/more")):
        answered = gateway.http.post(url, json=request("tools/list"))
        assert answered.status_code == 404
        assert answered.headers["content-type"] == "application/problem+json"


def test_a_deleted_server_is_not_found(gateway: Gateway, backend: Backend) -> None:
    url = gateway.publish("brief", described(backend.url, {}))
    assert gateway.http.post(url, json=request("tools/list")).status_code == 200

    assert gateway.http.delete(f"{gateway.api}/brief").status_code == 204

    assert gateway.http.post(url, json=request("tools/list")).status_code == 404


def test_a_description_cannot_declare_headers_that_are_the_connection_s(gateway: Gateway, backend: Backend) -> None:
    names = ("Host", "Content-Length", "Transfer-Encoding", "Connection", "Authorization", "Cookie", "Mcp-Name")
    operation = {"operationId": "trick", "parameters": [parameter(name, "header") for name in names]}
    gateway.publish("tricks", described(backend.url, {"/a": {"get": operation}}))

    tool = gateway.http.get(f"{gateway.api}/tricks/tools/trick").json()

    assert tool["input_schema"].get("properties", {}) == {}


def text(result: Mapping[str, Any]) -> str:
    return "\n".join(block["text"] for block in result["content"])


def post(gateway: Gateway, body: bytes) -> bytes:
    head = (
        "POST /mcp/default/recorded HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{gateway.port}\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def raw(gateway: Gateway, content: bytes) -> tuple[int, bytes, bytes]:
    """Send bytes as they are; gives status, head and body of the answer."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(content)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), head, body
