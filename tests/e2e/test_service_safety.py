"""Service mode as it is deployed, behind a proxy and with keys: raw requests over a socket, from whoever may try."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.e2e.backends import Backend, Received, answer, described, parameter
from tests.e2e.gateways import Gateway, modern_request, request, started_gateway, wait_until

ADMIN = "an-admin-key-of-some-length"
PUBLIC = "gateway.example"
PATH = "/mcp/default/pets"
HANDSHAKE = {"MCP-Protocol-Version": "2025-11-25"}
CALL: dict[str, Any] = {"name": "get_pet", "arguments": {"id": 7}}
PAGES = (
    PATH,
    f"{PATH}/sse",
    f"{PATH}/messages?sessionId=p.x",
    "/api/v1/namespaces",
    "/api/openapi.json",
    "/metrics",
    "/connect/default/pets/x",
    "/console",
    "/registry/default/v0.1/servers",
    f"/.well-known/oauth-protected-resource{PATH}",
    "/healthz",
)
_ID = parameter("id", "path", {"type": "integer"})
PATHS = {
    "/pets/{id}": {
        "get": {"operationId": "get_pet", "parameters": [_ID]},
        "delete": {"operationId": "delete_pet", "parameters": [_ID]},
    }
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Run a gateway whose public name is another than what it listens on; loopback is its proxy."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    settings = {
        "CAUSEWAY_ADMIN_KEY": ADMIN,
        "CAUSEWAY_SECRET_KEY": base64.b64encode(bytes(range(32))).decode(),
        "CAUSEWAY_EGRESS_ALLOW": "127.0.0.0/8",
        "CAUSEWAY_PUBLIC_URL": f"https://{PUBLIC}",
        "CAUSEWAY_TRUSTED_PROXIES": "127.0.0.1/32",
        "CAUSEWAY_LOG_FORMAT": "json",
        "CAUSEWAY_LOG_LEVEL": "debug",
    }
    folder = tmp_path_factory.mktemp("service")
    with started_gateway(folder, "--port", str(port), settings=settings, is_quiet=False) as started:
        started.url = f"http://127.0.0.1:{port}"
        started.http.headers["Authorization"] = f"Bearer {ADMIN}"
        yield started


@pytest.fixture(scope="module")
def published(gateway: Gateway, module_backend: Backend) -> Gateway:
    """Serve pets; gives their gateway."""
    gateway.publish("pets", described(module_backend.url, PATHS))
    return gateway


@pytest.fixture
def pets(published: Gateway, backend: Backend) -> Gateway:
    """Give the gateway of the pets, whose API has received nothing yet."""
    backend.table["GET", "/pets/7"] = answer()
    return published


def key(gateway: Gateway, **grant: Any) -> str:
    made = gateway.http.post(f"{gateway.url}/api/v1/keys", json={"name": "k", "scopes": ["call"], **grant})
    assert made.status_code == 201, made.text
    return str(made.json()["key"])


def written(
    gateway: Gateway, headers: Mapping[str, str] | list[tuple[str, str]], *, path: str, method: str, body: bytes = b""
) -> bytes:
    """Write a request as it goes over the wire: nothing is added but what ends it."""
    fields = list(headers.items()) if isinstance(headers, Mapping) else headers
    if not any(name.lower() == "host" for name, _ in fields):
        fields = [("Host", f"127.0.0.1:{gateway.port}"), *fields]
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def sent(
    gateway: Gateway,
    headers: Mapping[str, str] | list[tuple[str, str]],
    *,
    path: str = PATH,
    method: str = "POST",
    body: Any = None,
) -> tuple[int, str, bytes]:
    """Send one request on a connection of its own; gives the status, the head and the body."""
    content = body if isinstance(body, bytes) else json.dumps(body or request("tools/call", **CALL)).encode()
    fields = list(headers.items()) if isinstance(headers, Mapping) else headers
    fields = [*fields, ("Content-Type", "application/json"), ("Connection", "close")]
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        connection.sendall(written(gateway, fields, path=path, method=method, body=content))
        head, _, rest = _all(connection).partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), head.decode("latin-1").lower(), rest


def _all(connection: socket.socket) -> bytes:
    pieces = []
    while piece := connection.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}", "Accept": "application/json, text/event-stream", **HANDSHAKE}


# --- Host and Origin


@pytest.mark.parametrize("host", ["evil.example", f"{PUBLIC}.evil.example", f"{PUBLIC}@evil.example", "10.0.0.1"])
def test_a_foreign_host_is_421(pets: Gateway, backend: Backend, host: str) -> None:
    """A12: as the host itself, and as what the proxy was asked for."""
    assert sent(pets, {"Host": host, **bearer(ADMIN)})[0] == 421
    assert sent(pets, {"X-Forwarded-Host": host, **bearer(ADMIN)})[0] == 421
    assert sent(pets, {"Host": PUBLIC, "X-Forwarded-Host": f"{PUBLIC}, {host}", **bearer(ADMIN)})[0] == 421
    assert not backend.received


@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"https://{PUBLIC}.evil.example", "file://"])
def test_a_foreign_origin_is_403(pets: Gateway, backend: Backend, origin: str) -> None:
    """A12."""
    assert sent(pets, {"Host": PUBLIC, "Origin": origin, **bearer(ADMIN)})[0] == 403
    assert not backend.received


@pytest.mark.parametrize(
    "proxied",
    [
        {"Host": PUBLIC},
        {"Host": f"{PUBLIC}:443", "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"},
        {"Host": "127.0.0.1:9", "X-Forwarded-Host": PUBLIC, "X-Forwarded-Proto": "https"},
        {"Host": "internal.example", "X-Forwarded-Host": f"{PUBLIC}:443"},
        {"Host": PUBLIC, "Origin": f"https://{PUBLIC}"},
    ],
    ids=range(5),
)
def test_its_public_host_is_welcome_behind_a_proxy(pets: Gateway, backend: Backend, proxied: dict[str, str]) -> None:
    """A12: as a proxy passes it on that keeps the host, and as one that names it."""
    assert sent(pets, {**proxied, **bearer(ADMIN)})[0] == 200
    assert len(backend.received) == 1


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_a_page_whose_name_is_bound_to_this_address_reaches_nothing(
    pets: Gateway, backend: Backend, path: str, method: str
) -> None:
    """A13: the page's own name as host and origin, and its origin with our host; with a key that is good."""
    page = f"evil.example:{pets.port}"
    refused = [
        sent(pets, {"Host": page, "Origin": f"http://{page}", **bearer(ADMIN)}, path=path, method=method),
        sent(pets, {"Host": page, **bearer(ADMIN)}, path=path, method=method),
        sent(pets, {"Origin": f"http://{page}", **bearer(ADMIN)}, path=path, method=method),
    ]
    assert [status for status, _, _ in refused] == [421, 421, 403]
    assert not any("access-control-allow" in head for _, head, _ in refused)
    assert not backend.received


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("origin", ["http://evil.example", f"https://{PUBLIC}"])
def test_nothing_becomes_a_websocket(pets: Gateway, path: str, origin: str) -> None:
    """A13: browsers open them to any host; here nobody can, also from our own origin."""
    upgrade = [
        ("Host", PUBLIC),
        ("Origin", origin),
        ("Authorization", f"Bearer {ADMIN}"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ]
    with socket.create_connection(("127.0.0.1", pets.port), timeout=20) as connection:
        connection.sendall(written(pets, upgrade, path=path, method="GET"))
        head = connection.recv(65536).split(b"\r\n")[0]
    status = int(head.split(b" ")[1])
    assert status != 101
    if origin != f"https://{PUBLIC}":
        assert status == 403


# --- keys and sessions


def test_a_key_in_the_url_is_refused_and_not_logged(pets: Gateway) -> None:
    """A05: whether or not a good key is shown as it should be."""
    mine = key(pets)
    for name in ("api_key", "key", "access_token", "x"):
        for headers in ({}, bearer(mine)):
            status, _, body = sent(pets, {"Host": PUBLIC, **headers}, path=f"{PATH}?{name}={mine}")
            assert (status, json.loads(body)["code"]) == (400, "credential_in_url")
            assert mine.encode() not in body
    assert mine not in pets.errors.read_text()


@pytest.fixture
def careful(pets: Gateway) -> Iterator[Gateway]:
    """Serve pets whose deletion is confirmed, which opens sessions."""

    def confirm(policy: str) -> None:
        changed = pets.http.patch(f"{pets.api}/pets", json={"policies": {"confirm": policy}})
        assert changed.status_code == 200

    confirm("destructive")
    yield pets
    confirm("never")


def initialize(gateway: Gateway, who: str, *more: tuple[str, str]) -> tuple[int, str]:
    """Open a session; gives the status and the session's id."""
    client = {"name": "tests", "version": "1"}
    offer = {"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}}, "clientInfo": client}
    headers = [*bearer(who).items(), *more]
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        body = json.dumps(request("initialize", **offer)).encode()
        fields = [*headers, ("Content-Type", "application/json"), ("Connection", "close")]
        connection.sendall(written(gateway, fields, path=PATH, method="POST", body=body))
        head = _all(connection).partition(b"\r\n\r\n")[0].decode()
    found = [line.partition(": ")[2] for line in head.split("\r\n") if line.lower().startswith("mcp-session-id")]
    return int(head.split(" ")[1]), found[0] if found else ""


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_a_session_of_somebody_else_is_not_there(careful: Gateway, backend: Backend, method: str) -> None:
    """A14: with the guard and the middleware as they are deployed."""
    alice, bob = key(careful), key(careful)
    _, session = initialize(careful, alice)
    assert session
    for who in (bob, ADMIN):
        assert sent(careful, {**bearer(who), "Mcp-Session-Id": session}, method=method)[0] == 404
    assert not backend.received
    own = sent(careful, {**bearer(alice), "Mcp-Session-Id": session}, method=method)[0]
    assert own == (200 if method == "POST" else 405)


def opened(gateway: Gateway, who: str) -> tuple[socket.socket, str]:
    """Open a stream of HTTP+SSE; gives its connection and where its messages go."""
    connection = socket.create_connection(("127.0.0.1", gateway.port), timeout=20)
    connection.sendall(
        written(gateway, {**bearer(who), "Accept": "text/event-stream"}, path=f"{PATH}/sse", method="GET")
    )
    return connection, read_until(connection, b"messages?sessionId=", b"\n\n").rpartition("data: ")[2].split()[0]


def read_until(connection: socket.socket, *marks: bytes) -> str:
    """Read until all marks have come, each after the one before."""
    text = b""
    while True:
        at = 0
        for mark in marks:
            at = text.find(mark, at) + len(mark)
            if at < len(mark):
                break
        else:
            return text.decode()
        piece = connection.recv(65536)
        assert piece, text
        text += piece


def test_a_stream_of_somebody_else_is_not_there(pets: Gateway, backend: Backend) -> None:
    """A14."""
    alice, bob = key(pets), key(pets)
    stream, path = opened(pets, alice)
    with stream:
        for who in (bob, ADMIN):
            for method in ("POST", "DELETE", "GET"):
                assert sent(pets, bearer(who), path=path, method=method)[0] in {404, 405}
        assert not backend.received
        assert sent(pets, bearer(alice), path=path)[0] == 202
        read_until(stream, b'"isError":false')


@pytest.mark.parametrize("chosen", ["mine", "a" * 64, "p.AAAA", "0" * 3000])
def test_a_session_that_a_client_chose_is_not_adopted(careful: Gateway, chosen: str) -> None:
    """A15."""
    mine = key(careful)
    assert initialize(careful, mine, ("Mcp-Session-Id", chosen)) == (404, "")
    assert sent(careful, {**bearer(mine), "Mcp-Session-Id": chosen})[0] == 404
    status, path = 404, f"{PATH}/messages?sessionId={chosen}"
    assert sent(careful, bearer(mine), path=path)[0] == status


def test_ids_of_sessions_and_streams_are_in_no_log(careful: Gateway) -> None:
    """A15: the log has no part of them that says more than which of two it was."""
    mine = key(careful)
    _, session = initialize(careful, mine)
    stream, path = opened(careful, mine)
    with stream:
        assert sent(careful, bearer(mine), path=path)[0] == 202
        assert sent(careful, {**bearer(mine), "Mcp-Session-Id": session})[0] == 200
        assert sent(careful, {**bearer(ADMIN), "Mcp-Session-Id": session})[0] == 404
    logged = careful.errors.read_text()
    assert '"pets"' in logged
    for secret in (session.partition(".")[2], path.partition("sessionId=")[2].partition(".")[2]):
        assert len(secret) >= 32
        assert secret[:12] not in logged
        assert secret[-12:] not in logged


# --- messages


DOUBLED = [
    b'{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":{"name":"get_pet","arguments":{"id":7}}}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_pet","name":"get_pet","arguments":{"id":7}}}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_pet","arguments":{},"arguments":{"id":7}}}',
    b'{"jsonrpc":"2.0","id":1,"\\u006dethod":"tools/list","method":"tools/call","params":{"name":"get_pet"}}',
]


@pytest.mark.parametrize("body", DOUBLED, ids=range(len(DOUBLED)))
def test_a_message_that_says_something_twice_is_400(pets: Gateway, backend: Backend, body: bytes) -> None:
    """C14."""
    modern = modern_request("tools/call", **CALL)[1]
    for headers in (bearer(ADMIN), {**bearer(ADMIN), **modern}):
        assert sent(pets, headers, body=body)[0] == 400
    assert not backend.received


def test_what_may_be_called_is_what_the_body_says(pets: Gateway, backend: Backend) -> None:
    """C16: a key for one tool, and a header that names it while the body names the other."""
    reader = key(pets, tools=["get_pet"])
    body, named = modern_request("tools/call", name="delete_pet", arguments={"id": 7})
    for name in ("get_pet", "delete_pet"):
        headers = {**bearer(reader), **named, "Mcp-Name": name}
        status, _, answered = sent(pets, headers, body=body)
        assert (status, json.loads(answered)["error"]["code"]) == (400, -32020 if name == "get_pet" else -32602)
    twice = [
        *bearer(reader).items(),
        *((name, value) for name, value in named.items() if name != "MCP-Protocol-Version"),
    ]
    twice = [each for each in twice if each[0] not in {"MCP-Protocol-Version", "Accept"}]
    twice += [("Accept", "*/*"), ("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Name", "get_pet")]
    assert json.loads(sent(pets, twice, body=body)[2])["error"]["code"] == -32020
    handshake = {**bearer(reader), "Mcp-Name": "get_pet", "Mcp-Method": "tools/list"}
    answered = sent(pets, handshake, body=request("tools/call", name="delete_pet", arguments={"id": 7}))[2]
    assert json.loads(answered)["error"]["code"] == -32602
    assert not backend.received


def test_the_limit_of_a_caller_counts_what_the_body_calls(pets: Gateway, backend: Backend) -> None:
    """C16: headers that name something cheaper change nothing."""
    limited = key(pets, limits={"calls_per_minute": 2})
    headers = {**bearer(limited), "Mcp-Method": "ping", "Mcp-Name": "nothing"}
    assert [sent(pets, headers)[0] for _ in range(3)] == [200, 200, 429]
    assert len(backend.received) == 2


@pytest.mark.parametrize(
    "body", [b"[]", b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', b'{"jsonrpc":"2.0","id":null,"method":"ping"}']
)
def test_a_batch_and_an_id_of_null_are_400(pets: Gateway, body: bytes) -> None:
    """C17."""
    assert sent(pets, bearer(ADMIN), body=body)[0] == 400


def test_an_id_of_400_digits_is_echoed(pets: Gateway) -> None:
    """C17."""
    number = "7" * 400
    status, _, body = sent(pets, bearer(ADMIN), body=f'{{"jsonrpc":"2.0","id":{number},"method":"ping"}}'.encode())
    assert status == 400 or f'"id":{number}'.encode() in body


# --- clients that leave, and servers that do


@pytest.mark.parametrize("transport", ["2025-11-25", "2026-07-28", "sse"])
def test_a_client_that_closes_its_stream_frees_its_place(pets: Gateway, backend: Backend, transport: str) -> None:
    """P05: a key that may make one call at once makes the next one when the first is given up."""
    backend.table["GET", "/pets/7"] = backend.hang
    alone = key(pets, limits={"concurrent_calls": 1})
    body, named = modern_request("tools/call", **CALL)
    headers = {**bearer(alone), "Content-Type": "application/json"}
    if transport == "sse":
        connection, path = opened(pets, alone)
        assert sent(pets, bearer(alone), path=path)[0] == 202
    else:
        headers, body = (
            (headers, request("tools/call", **CALL)) if transport == "2025-11-25" else ({**headers, **named}, body)
        )
        connection = socket.create_connection(("127.0.0.1", pets.port))
        connection.sendall(written(pets, headers, path=PATH, method="POST", body=json.dumps(body).encode()))
    with connection:
        wait_until(lambda: len(backend.received) == 1, "the request")
        assert sent(pets, bearer(alone))[0] == 429
    wait_until(lambda: len(backend.hang_ups) == 1, "the end of the call")
    backend.table["GET", "/pets/7"] = answer()
    wait_until(lambda: sent(pets, bearer(alone))[0] == 200, "its place")


@pytest.mark.parametrize("end", ["delete", "disable"])
@pytest.mark.parametrize("transport", ["2025-11-25", "2026-07-28", "sse"])
def test_a_server_that_goes_away_in_a_call_lets_it_finish(
    gateway: Gateway, backend: Backend, transport: str, end: str
) -> None:
    """P06: the call is answered, and the next one is 404."""
    url = f"{gateway.api}/leaving"
    gateway.publish("leaving", described(backend.url, PATHS))

    def leave(_: Received, connection: socket.socket) -> None:
        ended = gateway.http.delete(url) if end == "delete" else gateway.http.patch(url, json={"enabled": False})
        assert ended.is_success, ended.text
        connection.sendall(answer(Connection="close"))

    backend.table["GET", "/pets/7"] = leave
    body, named = modern_request("tools/call", **CALL)
    path = "/mcp/default/leaving"
    if transport == "sse":
        stream = socket.create_connection(("127.0.0.1", gateway.port), timeout=20)
        stream.sendall(written(gateway, {**bearer(ADMIN), "Accept": "*/*"}, path=f"{path}/sse", method="GET"))
        messages = read_until(stream, b"sessionId=", b"\n\n").rpartition("data: ")[2].split()[0]
        with stream:
            assert sent(gateway, bearer(ADMIN), path=messages)[0] == 202
            read_until(stream, b'"isError":false', b"0\r\n\r\n")
        assert sent(gateway, bearer(ADMIN), path=messages)[0] == 404
    else:
        headers = bearer(ADMIN) if transport == "2025-11-25" else {**bearer(ADMIN), **named}
        message = request("tools/call", **CALL) if transport == "2025-11-25" else body
        status, _, answered = sent(gateway, headers, path=path, body=message)
        assert (status, json.loads(answered)["result"]["isError"]) == (200, False)
        assert sent(gateway, headers, path=path, body=message)[0] == 404
    if end == "disable":
        assert gateway.http.delete(url).is_success
