"""The work of a call, counted and not timed, so that the hot path stays what it is (issue "The hot path")."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from types import FrameType
from typing import Any

import pytest

from app.gateway.calls import ToolCalls
from app.gateway.catalog import SnapshotCatalog
from app.gateway.server import McpEndpoint
from app.gateway.snapshots import ServerSnapshot
from app.outbound import HttpUpstream
from app.security.authentication import AdminKey, Authentication
from app.security.guard import Guard, rules_for
from converters import compile_description, json_values
from tests.app.backends import backend, json_reply
from tests.app.outbound.plans import LOCAL

KEY = "k" * 32
MODERN = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
PET = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "tags": {"type": "array"}}}
OPERATIONS: dict[str, Any] = {
    "/pets/{petId}": {
        "get": {
            "operationId": "getPet",
            "parameters": [
                {"name": "petId", "in": "path", "required": True, "schema": {"type": "integer"}},
                {"name": "fields", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
            ],
            "responses": {"200": {"description": "ok"}},
        }
    },
    "/pets": {
        "post": {
            "operationId": "addPet",
            "requestBody": {"required": True, "content": {"application/json": {"schema": PET}}},
            "responses": {"200": {"description": "ok"}},
        }
    },
}
CALLS: dict[str, dict[str, Any]] = {
    "getPet": {"petId": 5, "fields": ["name", "status"]},
    "addPet": {"name": "doggie", "tags": ["a", "b"]},
}
ANSWER = b'{"id":5,"name":"doggie"}'
MOST_CALLS = 475


async def performed(app: Any, name: str) -> bytes:
    """Send one tools/call as an ASGI server would, from a client that does not hang up; gives the answer's body."""
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    body = json.dumps({**message, "params": {"name": name, "arguments": CALLS[name], "_meta": MODERN}}).encode()
    fields = {
        "host": "127.0.0.1",
        "authorization": f"Bearer {KEY}",
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": name,
    }
    waiting = [{"type": "http.request", "body": body}]
    sent: list[Any] = []

    async def receive() -> Any:
        return waiting.pop() if waiting else await asyncio.Event().wait()

    async def send(event: Any) -> None:
        sent.append(event)

    headers = [(name.encode(), value.encode()) for name, value in fields.items()]
    scope = {"type": "http", "method": "POST", "path": "/mcp/default/pets", "query_string": b"", "headers": headers}
    await app(scope, receive, send)
    assert sent[0]["status"] == 200
    answer: bytes = sent[1]["body"]
    assert b"doggie" in answer
    return answer


@pytest.fixture
async def gateway() -> AsyncIterator[Any]:
    """Serve the data plane in service mode, with an API on loopback behind it; every tool was called once."""
    async with backend(json_reply(ANSWER)) as api:
        description = {"openapi": "3.1.0", "info": {"title": "P", "version": "1"}, "paths": OPERATIONS}
        compiled = compile_description(json.dumps({**description, "servers": [{"url": api.url}]}).encode())
        definitions = [tool.to_json() for tool in compiled.tools]
        catalog, upstream = SnapshotCatalog(), HttpUpstream(LOCAL)
        catalog.put(ServerSnapshot(namespace="default", name="pets", title="Pets", revision=1, definitions=definitions))
        endpoint = McpEndpoint(catalog, ToolCalls(upstream, deadline=60))
        rules = rules_for("127.0.0.1", "http://127.0.0.1:8080", has_keys=True)
        app = Guard(endpoint, rules, Authentication([AdminKey(KEY)]))
        for name in CALLS:
            await performed(app, name)
        yield app
        await upstream.close()


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_costs_no_more_function_calls_than_it_did(gateway: Any, name: str) -> None:
    """Bounds with a tenth to spare; whoever exceeds them finds out first what of the new work each call needs."""
    count = 0

    def profile(frame: FrameType, event: str, _: Any) -> None:
        nonlocal count
        is_own = "/app/" in frame.f_code.co_filename or "/converters/" in frame.f_code.co_filename
        count += event in {"call", "c_call"} and is_own and "/tests/" not in frame.f_code.co_filename

    sys.setprofile(profile)
    try:
        await performed(gateway, name)
    finally:
        sys.setprofile(None)
    assert count <= MOST_CALLS, count


async def test_a_call_starts_no_task(gateway: Any) -> None:
    started: list[Any] = []
    loop = asyncio.get_running_loop()

    def make(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(coroutine, loop=loop, **options)
        if "/tests/" not in coroutine.cr_code.co_filename:
            started.append(coroutine)
        return task

    before = loop.get_task_factory()
    loop.set_task_factory(make)
    try:
        for name in CALLS:
            await performed(gateway, name)
    finally:
        loop.set_task_factory(before)
    assert started == []


async def test_an_answer_is_validated_once_and_never_read(gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scanned: list[str] = []
    read: list[str] = []
    is_plain, decode = json_values.is_plain, json.JSONDecoder.decode

    def scan(text: str) -> bool:
        scanned.append(text)
        return is_plain(text)

    def decoded(decoder: json.JSONDecoder, text: str, *rest: Any) -> Any:
        read.append(text)
        return decode(decoder, text, *rest)

    monkeypatch.setattr(json_values, "is_plain", scan)
    monkeypatch.setattr(json.JSONDecoder, "decode", decoded)
    await performed(gateway, "getPet")

    assert scanned == [ANSWER.decode()]
    # The request, whose keys are looked at one by one.
    assert ["tools/call" in text for text in read] == [True]
