"""The official TypeScript clients, and all official clients at one URL at once."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.backends import Backend, described, parameter
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
