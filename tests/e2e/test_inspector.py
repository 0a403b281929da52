"""The MCP Inspector, the client that people debug servers with, in each protocol era."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.backends import Backend, described, parameter
from tests.e2e.gateways import Gateway
from tests.node_tools import LOCKED, NodeTools, installed

PROGRAM = "@modelcontextprotocol/inspector/clients/launcher/build/index.js"
ERAS = ("legacy", "auto", "modern", "sse")
"""How it connects: each protocol era over Streamable HTTP, and the handshake over HTTP+SSE."""


@pytest.fixture(scope="module")
def node_tools(request: pytest.FixtureRequest) -> NodeTools:
    assert request.config.cache is not None
    return installed(request.config.cache)


@pytest.fixture
def pets(gateway: Gateway, backend: Backend) -> str:
    """Serve two tools, one that reads and one that writes; gives the MCP URL."""
    name = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
    paths = {
        "/pets/{id}": {
            "get": {"operationId": "get_pet", "parameters": [parameter("id", "path", {"type": "integer"})]},
        },
        "/pets": {
            "post": {
                "operationId": "add_pet",
                "parameters": [parameter("dry-run", "query", {"type": "boolean"})],
                "requestBody": {"content": {"application/json": {"schema": name}}},
            }
        },
    }
    return gateway.publish("pets", described(backend.url, paths))


@pytest.fixture
def run(node_tools: NodeTools, pets: str, tmp_path: Path) -> Any:
    """Give a function that runs the Inspector against the server."""

    def run(era: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command: list[str | Path] = [
            node_tools.node,
            node_tools.modules / PROGRAM,
            "--cli",
            *((f"{pets}/sse", "--transport", "sse") if era == "sse" else (pets, "--transport", "http")),
            "--protocol-era",
            "legacy" if era == "sse" else era,
        ]
        return subprocess.run(
            [*command, *arguments, "--format", "json"],
            cwd=tmp_path,
            env={"HOME": str(tmp_path), "PATH": os.defpath},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.mark.parametrize("era", ERAS)
def test_the_inspector_lists_tools_and_finds_no_portability_problem(run: Any, era: str) -> None:
    done = run(era, "--method", "tools/list", "--strict")

    assert done.returncode == 0, done.stderr
    tools = json.loads(done.stdout)["result"]["tools"]
    assert [tool["name"] for tool in tools] == ["get_pet", "add_pet"]
    assert set(tools[1]["inputSchema"]["properties"]) == {"dry-run", "name"}


@pytest.mark.parametrize("era", ERAS)
def test_the_inspector_calls_a_tool_and_shows_what_the_api_answered(run: Any, era: str, backend: Backend) -> None:
    arguments = json.dumps({"name": "Félix", "dry-run": True})

    done = run(era, "--method", "tools/call", "--tool-name", "add_pet", "--tool-args-json", arguments)

    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)["result"]
    assert result["structuredContent"] == {"ok": True}
    received = backend.only()
    assert received.line == b"POST /pets?dry-run=true HTTP/1.1"
    assert json.loads(received.body) == {"name": "Félix"}


@pytest.mark.parametrize("era", ERAS)
def test_the_inspector_shows_which_argument_is_wrong(run: Any, era: str, backend: Backend) -> None:
    done = run(era, "--method", "tools/call", "--tool-name", "get_pet", "--tool-args-json", '{"id":"seven"}')

    result = json.loads(done.stdout)["result"]
    assert result["isError"] is True
    assert "/id" in result["content"][0]["text"]
    assert backend.received == []


def test_the_lock_names_no_registry() -> None:
    packages = json.loads((LOCKED / "package-lock.json").read_text())["packages"]

    assert all(package["integrity"].startswith("sha512-") for name, package in packages.items() if name)
    assert not any("resolved" in package for package in packages.values())
