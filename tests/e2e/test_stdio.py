"""`causeway stdio` with the official stdio client: a server for clients that know no HTTP."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import ElicitResult

from tests.e2e.backends import Backend, Received, answer, described, parameter
from tests.e2e.conformance_api import play
from tests.e2e.gateways import CAUSEWAY, ERAS, Gateway, environment, request, started_gateway

KEY = "a-key-of-the-test-that-is-long"


@pytest.fixture
def pets(gateway: Gateway, backend: Backend) -> str:
    identifier = parameter("id", "path", {"type": "integer"})
    paths = {"/pets/{id}": {"get": {"operationId": "get_pet", "parameters": [identifier]}}}
    return gateway.publish("pets", described(backend.url, paths))


@asynccontextmanager
async def bridged(
    url: str, folder: Path, mode: str, *, elicitation_callback: Any = None, **settings: str
) -> AsyncIterator[Client]:
    command, *arguments = (*CAUSEWAY, "stdio", url)
    started = StdioServerParameters(command=command, args=arguments, env=environment(folder, settings), cwd=folder)
    async with Client(stdio_client(started), mode=mode, elicitation_callback=elicitation_callback) as client:
        yield client


def exchanged(url: str, folder: Path, *lines: bytes) -> list[dict[str, Any]]:
    """Write lines to a bridge, and give the messages it wrote until it ended."""
    done = subprocess.run(
        [*CAUSEWAY, "stdio", url],
        input=b"".join(line + b"\n" for line in lines),
        env=environment(folder),
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("era", ERAS)
async def test_the_official_client_lists_and_calls(era: str, pets: str, backend: Backend, tmp_path: Path) -> None:
    async with bridged(pets, tmp_path, era) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["get_pet"]
        results = await asyncio.gather(*(client.call_tool("get_pet", {"id": each}) for each in range(10)))

    assert all(result.structured_content == {"ok": True} for result in results)
    assert len(backend.received) == 10


async def test_news_of_the_work_reaches_the_client(gateway: Gateway, backend: Backend, tmp_path: Path) -> None:
    told: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        told.append(progress)

    async with bridged(play(backend, gateway), tmp_path, "legacy") as client:
        result = await client.call_tool("test_tool_with_progress", {}, progress_callback=on_progress)

    assert told == [0, 50, 100]
    assert result.content[0].model_dump()["text"] == '{"done":true}'


async def test_a_client_that_listens_is_told_of_changes(gateway: Gateway, pets: str, tmp_path: Path) -> None:
    async with (
        bridged(pets, tmp_path, "2026-07-28") as client,
        client.listen(tools_list_changed=True) as told,
    ):
        changed = {"description": "Give one pet."}
        assert gateway.http.patch(f"{gateway.api}/pets/tools/get_pet", json=changed).status_code == 200
        async with asyncio.timeout(5):
            assert type(await anext(aiter(told))).__name__ == "ToolsListChanged"


async def test_a_call_that_is_given_up_is_cancelled_at_the_api(pets: str, backend: Backend, tmp_path: Path) -> None:
    backend.table["GET", "/pets/7"] = backend.hang
    async with bridged(pets, tmp_path, "legacy") as client:
        call = asyncio.ensure_future(client.call_tool("get_pet", {"id": 7}))
        async with asyncio.timeout(5):
            while not backend.received:  # noqa: ASYNC110 - the API is another thread
                await asyncio.sleep(0.01)
        call.cancel()
        async with asyncio.timeout(2):
            while not backend.hang_ups:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)


async def test_a_user_is_asked_by_a_client_that_knows_no_http(
    gateway: Gateway, pets: str, backend: Backend, tmp_path: Path
) -> None:
    """The session that a client of the handshake era is asked on is kept by the bridge."""
    asked: list[str] = []

    async def agree(_: Any, params: Any) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action="accept", content={})

    gateway.publish("pets", described(backend.url, {"/pets": {"delete": {"operationId": "delete_pets"}}}))
    policy = {"policies": {"confirm": "destructive"}}
    assert gateway.http.patch(f"{gateway.api}/pets", json=policy).status_code == 200
    async with bridged(pets, tmp_path, "legacy", elicitation_callback=agree) as client:
        assert not (await client.call_tool("delete_pets", {})).is_error
    assert gateway.http.patch(f"{gateway.api}/pets", json={"policies": {"confirm": "never"}}).status_code == 200

    assert "delete_pets" in asked[0]
    assert backend.only().line == b"DELETE /pets HTTP/1.1"


def test_a_session_that_is_over_is_opened_again(backend: Backend, tmp_path: Path) -> None:
    """A client of stdio has no session, and so could not open it."""
    opened = itertools.count(1)

    def serve(received: Received, connection: socket.socket) -> None:
        message = json.loads(received.body)
        session, fields = received.header("Mcp-Session-Id"), {"Connection": "close"}
        if message["method"] == "initialize":
            fields["Mcp-Session-Id"] = f"session-{next(opened)}"
            result = {"protocolVersion": "2025-11-25"}
        elif session != "session-2":
            connection.sendall(answer(b"{}", status="404 Not Found", **fields))
            return
        else:
            result = {"protocolVersion": str(received.header("MCP-Protocol-Version"))}
        body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()
        connection.sendall(answer(body, **fields))

    backend.table["POST", "/mcp"] = serve
    lines = (json.dumps(request(method, request_id=n)).encode() for n, method in enumerate(("initialize", "ping")))
    results = [each["result"] for each in exchanged(f"{backend.url}/mcp", tmp_path, *lines)]

    assert results == [{"protocolVersion": "2025-11-25"}] * 2
    assert len(backend.received) == 4


async def test_the_key_comes_from_the_environment(tmp_path: Path, backend: Backend) -> None:
    settings = {"CAUSEWAY_ADMIN_KEY": KEY, "CAUSEWAY_SECRET_KEY": base64.b64encode(bytes(range(32))).decode()}
    with started_gateway(tmp_path, settings=settings) as gateway:
        gateway.http.headers["Authorization"] = f"Bearer {KEY}"
        url = gateway.publish("pets", described(backend.url, {"/pets": {"get": {"operationId": "list_pets"}}}))
        async with bridged(url, tmp_path, "legacy", CAUSEWAY_KEY=KEY) as client:
            assert len((await client.list_tools()).tools) == 1
        (refused,) = exchanged(url, tmp_path, json.dumps(request("ping")).encode())
    assert "401" in refused["error"]["message"]


def test_requests_that_came_before_the_end_of_the_input_are_answered(pets: str, tmp_path: Path) -> None:
    lines = [json.dumps(request("ping", request_id=each)).encode() for each in range(3)]

    assert sorted(each["id"] for each in exchanged(pets, tmp_path, *lines, b"")) == [0, 1, 2]


def test_text_that_is_no_message_is_answered_with_an_error(pets: str, tmp_path: Path) -> None:
    (answered,) = exchanged(pets, tmp_path, b"{nonsense")

    assert (answered["id"], answered["error"]["code"]) == (None, -32700)


def test_a_gateway_that_is_not_there_is_told_as_an_error(tmp_path: Path) -> None:
    (answered,) = exchanged("http://127.0.0.1:9/mcp/default/pets", tmp_path, json.dumps(request("ping")).encode())

    assert "cannot be reached" in answered["error"]["message"]


def test_a_server_that_is_not_there_is_told_as_an_error(gateway: Gateway, tmp_path: Path) -> None:
    (answered,) = exchanged(gateway.mcp_url("nobody"), tmp_path, json.dumps(request("ping")).encode())

    assert "404" in answered["error"]["message"]


def test_what_is_no_url_ends_with_2(tmp_path: Path) -> None:
    command = [*CAUSEWAY, "stdio", "pets"]
    done = subprocess.run(command, env=environment(tmp_path), capture_output=True, timeout=30, check=False)

    assert (done.returncode, done.stdout) == (2, b"")
