"""The official TypeScript clients, and all official clients at one URL at once."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.backends import Backend, Received, described, parameter
from tests.e2e.gateways import ERAS, Gateway, connected, connected_by_sse
from tests.node_tools import LOCKED, NodeTools, installed

GENERATIONS = ("sdk", "sdk-sse", "client", "client-2026-07-28")
INSPECTOR = "@modelcontextprotocol/inspector/clients/launcher/build/index.js"
CALLS = 5
_ID = parameter("id", "path", {"type": "integer"})
PATHS = {
    "/pets/{id}": {
        "get": {"operationId": "get_pet", "parameters": [_ID]},
        "delete": {"operationId": "delete_pet", "parameters": [_ID]},
    }
}


@pytest.fixture(scope="module")
def node_tools(request: pytest.FixtureRequest) -> NodeTools:
    assert request.config.cache is not None
    return installed(request.config.cache)


@pytest.fixture
def pets(gateway: Gateway, backend: Backend) -> str:
    url = gateway.publish("pets", described(backend.url, PATHS))
    confirm(gateway, "never")
    return url


def confirm(gateway: Gateway, policy: str) -> None:
    assert gateway.http.patch(f"{gateway.api}/pets", json={"policies": {"confirm": policy}}).status_code == 200


async def run(tools: NodeTools, folder: Path, *arguments: str | Path) -> str:
    """Run a program for Node; gives what it wrote."""
    process = await asyncio.create_subprocess_exec(
        tools.node,
        *arguments,
        env={"PATH": os.defpath, "HOME": str(folder), "NODE_PATH": str(tools.modules)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        written, errors = await process.communicate()
    assert process.returncode == 0, errors.decode() + written.decode()
    return written.decode()


async def typescript(
    tools: NodeTools, folder: Path, generation: str, url: str, tool: str = "get_pet", count: int = CALLS
) -> Any:
    return json.loads(await run(tools, folder, LOCKED / "client.js", generation, url, tool, '{"id": 7}', str(count)))


@pytest.mark.parametrize("generation", GENERATIONS)
async def test_a_typescript_client_lists_and_calls(
    node_tools: NodeTools, pets: str, tmp_path: Path, backend: Backend, generation: str
) -> None:
    """P02."""
    done = await typescript(node_tools, tmp_path, generation, pets)
    assert done["tools"] == ["get_pet", "delete_pet"]
    assert done["answers"] == ['{"ok":true}'] * CALLS
    assert done["version"] in {"sdk": {"2025-11-25"}, "sdk-sse": {"", "2025-11-25"}}.get(generation, {"2026-07-28"})
    assert len(backend.received) == CALLS


@pytest.mark.parametrize("generation", GENERATIONS)
async def test_a_typescript_client_asks_its_user_to_confirm(
    gateway: Gateway, node_tools: NodeTools, pets: str, tmp_path: Path, backend: Backend, generation: str
) -> None:
    """The same policy reaches the user in each generation's own way."""
    confirm(gateway, "destructive")
    done = await typescript(node_tools, tmp_path, generation, pets, "delete_pet", 2)
    assert (done["answers"], done["asked"]) == (['{"ok":true}'] * 2, 2)
    assert len(backend.received) == 2


def stay_busy(backend: Backend) -> None:
    """Have the API tell that it has begun, and nothing else until it is left."""

    def work(received: Received, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        connection.sendall(b'event: progress\ndata: {"progress":1,"total":9}\n\n')
        backend.hang(received, connection)

    backend.table["GET", "/pets/7"] = work


async def left(backend: Backend) -> None:
    """Wait until the API was left: within seconds, where the call had a minute."""
    async with asyncio.timeout(20):
        while not backend.hang_ups:  # noqa: ASYNC110 - the API is another thread
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("generation", GENERATIONS)
async def test_a_typescript_client_sees_progress_and_gives_up(
    node_tools: NodeTools, pets: str, tmp_path: Path, backend: Backend, generation: str
) -> None:
    """P05: what a client gives up before it closes ends at the API."""
    stay_busy(backend)
    process = asyncio.create_task(
        run(node_tools, tmp_path, LOCKED / "client.js", generation, pets, "get_pet", '{"id": 7}', "until-progress")
    )
    await left(backend)
    done = json.loads(await process)
    assert (done["answers"], done["progress"]) == (["given up"], [1])


@pytest.mark.parametrize("mode", [*ERAS, "sse"])
async def test_a_python_client_sees_progress_and_gives_up(pets: str, backend: Backend, mode: str) -> None:
    """P05: the handshake era's Streamable HTTP alone gives up by a notification, which names no client.

    There the call ends with the client's connection.
    """
    stay_busy(backend)
    told = asyncio.Event()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        told.set()

    async with connected_by_sse(pets) if mode == "sse" else connected(pets, mode) as client:
        call = asyncio.create_task(client.call_tool("get_pet", {"id": 7}, progress_callback=on_progress))
        async with asyncio.timeout(20):
            await told.wait()
        assert not backend.hang_ups
        call.cancel()
        if mode != "legacy":
            await left(backend)
        assert (await client.list_tools()).tools
    await left(backend)


async def test_all_official_clients_at_one_url_at_once(
    node_tools: NodeTools, pets: str, tmp_path: Path, backend: Backend
) -> None:
    """P02: both TypeScript clients, both generations of the Python one, SSE, and Inspector."""

    async def python(mode: str) -> None:
        connection = connected_by_sse(pets) if mode == "sse" else connected(pets, mode)
        async with connection as client:
            for _ in range(CALLS):
                assert not (await client.call_tool("get_pet", {"id": 7})).is_error

    async def inspector(era: str) -> None:
        place = (f"{pets}/sse", "--transport", "sse") if era == "sse" else (pets, "--transport", "http")
        era = "legacy" if era == "sse" else era
        asked = ("--protocol-era", era, "--method", "tools/call", "--tool-name", "get_pet", "--tool-arg", "id=7")
        written = await run(node_tools, tmp_path, node_tools.modules / INSPECTOR, "--cli", *place, *asked)
        assert "ok" in written

    async def node(generation: str) -> None:
        assert (await typescript(node_tools, tmp_path, generation, pets))["answers"] == ['{"ok":true}'] * CALLS

    async with asyncio.TaskGroup() as tasks:
        for mode in (*ERAS, "sse"):
            tasks.create_task(python(mode))
        for generation in GENERATIONS:
            tasks.create_task(node(generation))
        for era in ("modern", "sse"):
            tasks.create_task(inspector(era))
    assert len(backend.received) == CALLS * (len(ERAS) + 1 + len(GENERATIONS)) + 2
