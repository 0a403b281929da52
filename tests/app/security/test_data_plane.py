"""The acceptance lines on messages and sessions, over the whole stack: proxies, guard, tokens, transports, calls.

Two users of one issuer, alice and bob, on Streamable HTTP of the handshake era, of 2026-07-28, and on HTTP+SSE.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.app.asgi import Answer, answer
from tests.app.backends import Backend, Received, backend, json_reply
from tests.app.gateway.endpoints import HANDSHAKE, MODERN, envelope
from tests.app.gateway.streams import Listener, listening
from tests.app.gateways import KEY, PUBLIC_URL, Gateway, gateway
from tests.app.security.issuer import Issuer, running_issuer

PATH = "/mcp/default/pets"
URL = f"{PUBLIC_URL}{PATH}"
NEWEST_HANDSHAKE = HANDSHAKE[-1]
CALL = {"name": "get_pet", "arguments": {"petId": 7}}


@dataclass
class Stack:
    """The gateway, the issuer it trusts, and the API behind it."""

    gateway: Gateway
    issuer: Issuer
    api: Backend

    def headers(self, user: str, *more: tuple[str, str], host: str = "127.0.0.1:8080") -> list[tuple[str, str]]:
        token = self.issuer.token(URL, sub=user)
        accept = "application/json, text/event-stream"
        return [
            ("Host", host),
            ("Authorization", f"Bearer {token}"),
            ("Content-Type", "application/json"),
            ("Accept", accept),
            *more,
        ]

    async def send(
        self,
        body: bytes,
        *more: tuple[str, str],
        user: str = "alice",
        path: str = PATH,
        method: str = "POST",
        host: str = "127.0.0.1:8080",
    ) -> Answer:
        """Make one request as a user."""
        application = self.gateway.application
        sent = self.headers(user, *more, host=host)
        return await answer(application, path=path, method=method, headers=sent, chunks=[body])

    @asynccontextmanager
    async def stream(self, user: str = "alice") -> AsyncIterator[tuple[Listener, str]]:
        """Open a stream of HTTP+SSE; gives where its messages go."""
        async with listening(self.gateway.application, f"{PATH}/sse", headers=self.headers(user)) as listener:
            yield listener, listener.events[0][1]


@pytest.fixture
async def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None) -> AsyncIterator[Stack]:
    async with (
        running_issuer() as issuer,
        backend(json_reply(b'{"id":7,"name":"Rex"}')) as api,
        gateway(tmp_path, monkeypatch, admin_key=KEY, egress_allow=("127.0.0.0/8",)) as running,
    ):
        await running.create(base_url=api.url)
        body = {"issuer": issuer.url}
        assert (await running.http.put("/api/v1/namespaces/default/issuer", json=body)).status_code == 200
        yield Stack(running, issuer, api)


def message(method: str, params: Any = None, request_id: Any = 1) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params or {}}).encode()


def modern(method: str, **params: Any) -> tuple[bytes, list[tuple[str, str]]]:
    named = [("Mcp-Name", params["name"])] if "name" in params else []
    sent = [("MCP-Protocol-Version", MODERN), ("Mcp-Method", method), *named]
    return message(method, envelope(**params)), sent


async def test_each_transport_and_version_calls_for_a_user(stack: Stack) -> None:
    """A07, P02."""
    for version in HANDSHAKE:
        given = await stack.send(message("tools/call", CALL), ("MCP-Protocol-Version", version))
        assert given.json()["result"]["isError"] is False
    body, sent = modern("tools/call", **CALL)
    assert (await stack.send(body, *sent)).json()["result"]["isError"] is False
    async with stack.stream() as (listener, path):
        assert (await stack.send(message("tools/call", CALL), path=path)).status == 202
        assert (await listener.until(1))[0]["result"]["isError"] is False
    assert len(stack.api.requests) == len(HANDSHAKE) + 2


# --- C14-C17: what a message says, it says once

DOUBLED = [
    b'{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":%s}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_pets","name":"get_pet","arguments":{"petId":7}}}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_pet","arguments":{},"arguments":{"petId":7}}}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_pet","arguments":{"petId":6,"petId":7}}}',
]
MISSPELT = [
    {"method": "ping", "Params": {}},
    {"method": "ping", "METHOD": "tools/call", "params": CALL},
    {"method": "ping", "\uff4dethod": "tools/call"},
    {"method": "tools/list", "param\u017f": CALL},
    {"method": "tools/call", "params": {"name": "list_pets", "Name": "get_pet"}},
    {"method": "tools/call", "params": {"name": "list_pets", "argument\u017f": {}}},
    {"method": "tools/call", "params": {"name": "list_pets", "ARGUMENTS": {"limit": 1}}},
    {"Method": "tools/call", "params": CALL},
    {"METHOD": "tools/call", "params": CALL},
    {"method": "tools/call", "param\u017f": CALL},
    {"method": "Tools/Call", "params": CALL},
    {"method": "tools/call", "params": {"Name": "get_pet", "arguments": {"petId": 7}}},
    {"method": "tools/call", "params": {"name": "get_pet", "Arguments": {"petId": 7}}},
]
BATCHES = [[], [{"jsonrpc": "2.0", "id": 1, "method": "ping"}], [{}, {}]]


@pytest.mark.parametrize("body", DOUBLED, ids=range(len(DOUBLED)))
async def test_a_message_that_says_something_twice_is_400(stack: Stack, body: bytes) -> None:
    """C14."""
    body = body.replace(b"%s", json.dumps(CALL).encode())
    for sent in ([("MCP-Protocol-Version", NEWEST_HANDSHAKE)], modern("tools/call", name="get_pet")[1]):
        assert (await stack.send(body, *sent)).status == 400
    async with stack.stream() as (_, path):
        assert (await stack.send(body, path=path)).status == 400
    assert not stack.api.requests


@pytest.mark.parametrize("members", MISSPELT, ids=range(len(MISSPELT)))
async def test_a_member_in_another_spelling_is_another_member(stack: Stack, members: dict[str, Any]) -> None:
    """C15."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, **members}).encode()
    for sent in ([("MCP-Protocol-Version", NEWEST_HANDSHAKE)], modern("tools/call", name="get_pet")[1]):
        given = await stack.send(body, *sent)
        if members.get("method") == "Tools/Call":
            # There is no such method, and nothing that is written like one.
            assert given.json()["error"]["code"] in {-32601, -32602, -32020}
        else:
            assert (given.status, given.json()["error"]["code"]) in {(400, -32600), (400, -32602)}
    async with stack.stream() as (listener, path):
        if (await stack.send(body, path=path)).status == 202:
            assert (await listener.until(1))[0]["error"]["code"] == -32601
    assert not stack.api.requests


async def test_what_is_called_is_what_the_body_says_and_headers_must_agree(stack: Stack) -> None:
    """C16."""
    body, _ = modern("tools/call", **CALL)
    for name in ("list_pets", "GET_PET", ""):
        sent = [("MCP-Protocol-Version", MODERN), ("Mcp-Method", "tools/call"), ("Mcp-Name", name)]
        given = await stack.send(body, *sent)
        assert (given.status, given.json()["error"]["code"]) == (400, -32020)
    _, sent = modern("tools/list")
    assert (await stack.send(body, *sent)).json()["error"]["code"] == -32020
    assert not stack.api.requests


@pytest.mark.parametrize("batch", BATCHES, ids=range(len(BATCHES)))
async def test_a_batch_is_400(stack: Stack, batch: list[Any]) -> None:
    """C17."""
    body = json.dumps(batch).encode()
    assert (await stack.send(body)).status == 400
    async with stack.stream() as (_, path):
        assert (await stack.send(body, path=path)).status == 400


@pytest.mark.parametrize("request_id", ["null", "[]", "{}", "true", "1.5"])
async def test_an_id_that_is_no_id_is_400(stack: Stack, request_id: str) -> None:
    """C17."""
    body = b'{"jsonrpc":"2.0","id":' + request_id.encode() + b',"method":"ping"}'
    assert (await stack.send(body)).status == 400
    async with stack.stream() as (_, path):
        assert (await stack.send(body, path=path)).status == 400


async def test_an_id_of_400_digits_is_echoed(stack: Stack) -> None:
    """C17."""
    number = "9" * 400
    body = b'{"jsonrpc":"2.0","id":' + number.encode() + b',"method":"ping"}'
    assert f'"id":{number}' in (await stack.send(body)).body.decode()


# --- A12


async def test_a_foreign_origin_or_host_is_refused_before_the_token_counts(stack: Stack) -> None:
    """A12."""
    for origin in ("https://evil.example", "null"):
        assert (await stack.send(message("ping"), ("Origin", origin))).status == 403
    assert (await stack.send(message("ping"), host="evil.example")).status == 421
    assert (await stack.send(message("ping"), ("Origin", PUBLIC_URL))).status == 200


# --- A14: sessions belong to who opened them


async def test_nobody_else_can_use_a_stream(stack: Stack) -> None:
    """A14: bob with alice's session id; the operator's key is somebody else, too."""
    async with stack.stream("alice") as (listener, path):
        assert (await stack.send(message("ping"), user="bob", path=path)).status == 404
        admin = [("Host", "127.0.0.1:8080"), ("X-API-Key", KEY), ("Content-Type", "application/json")]
        application = stack.gateway.application
        assert (await answer(application, path=path, headers=admin, chunks=[message("ping")])).status == 404
        assert (await stack.send(message("ping"), user="alice", path=path)).status == 202
        assert [each["id"] for each in await listener.until(1)] == [1]


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_nobody_else_can_use_a_session(stack: Stack, method: str) -> None:
    """A14."""
    changed = await stack.gateway.http.patch(
        "/api/v1/namespaces/default/servers/pets", json={"policies": {"confirm": "destructive"}}
    )
    assert changed.status_code == 200
    client = {"name": "tests", "version": "1"}
    offer = {"protocolVersion": NEWEST_HANDSHAKE, "capabilities": {"elicitation": {}}, "clientInfo": client}
    session = (await stack.send(message("initialize", offer))).header("mcp-session-id")
    assert session
    sent = [("MCP-Protocol-Version", NEWEST_HANDSHAKE), ("Mcp-Session-Id", session)]
    assert (await stack.send(message("ping"), *sent, user="bob", method=method)).status == 404
    mine = await stack.send(message("ping"), *sent, method=method)
    assert mine.status == (200 if method == "POST" else 405)


# --- P08


async def test_two_requests_in_flight_with_one_id_each_get_their_own_answer(stack: Stack) -> None:
    """P08."""

    async def respond(received: Received, writer: asyncio.StreamWriter) -> None:
        await stack.api.received(2)
        writer.write(json_reply(json.dumps({"id": int(received.target.rpartition("/")[2]), "name": "Rex"}).encode()))

    stack.api.respond = respond
    calls = [message("tools/call", {"name": "get_pet", "arguments": {"petId": number}}) for number in (1, 2)]
    answers = await asyncio.gather(*(stack.send(each) for each in calls))
    assert [json.loads(each.json()["result"]["content"][0]["text"])["id"] for each in answers] == [1, 2]
    stack.api.requests.clear()
    async with stack.stream() as (listener, path):
        statuses = [(await stack.send(each, path=path)).status for each in calls]
        assert statuses == [202, 400]
        assert (await stack.send(calls[1].replace(b'"id": 1', b'"id": 2'), path=path)).status == 202
        texts = {each["id"]: each["result"]["content"][0]["text"] for each in await listener.until(2)}
    assert {key: json.loads(text)["id"] for key, text in texts.items()} == {1: 1, 2: 2}
