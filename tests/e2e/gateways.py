"""The product as a user starts it: a process of its own, a clean environment, its URL read from what it prints."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from mcp.client.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

CAUSEWAY = (sys.executable, str(Path(sys.executable).with_name("causeway")))
START_SECONDS = 120
STOP_SECONDS = 35
ANNOUNCEMENT = "Causeway is serving at "
ERAS = ("legacy", "2026-07-28", "auto")
"""How the official client opens: the handshake, the current revision, or whichever the server speaks."""


def wait_until(condition: Callable[[], bool], what: str, *, seconds: float = 10) -> None:
    """Poll for a condition instead of sleeping for a guess."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


def environment(folder: Path, settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give an environment in which only what the test says is set."""
    return {
        "PATH": os.defpath,
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "CAUSEWAY_DATA_DIR": str(folder / "data"),
        **(settings or {}),
    }


def run_causeway(*arguments: str, folder: Path, seconds: float = 30) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(
        [*CAUSEWAY, *arguments],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


@dataclass
class Gateway:
    """A running gateway."""

    process: subprocess.Popen[bytes]
    folder: Path
    output: Path
    errors: Path
    url: str = ""
    http: httpx2.Client = field(default_factory=lambda: httpx2.Client(trust_env=False, timeout=60))

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def api(self) -> str:
        return f"{self.url}/api/v1/namespaces/default/servers"

    def mcp_url(self, server: str) -> str:
        return f"{self.url}/mcp/default/{server}"

    def upload(self, document: bytes, *, file_name: str = "openapi.json", **fields: str) -> httpx2.Response:
        """Send a document as a file in a form."""
        return self.http.post(self.api, files={"document": (file_name, document)}, data=fields)

    def replace(self, name: str, document: bytes) -> httpx2.Response:
        return self.http.put(f"{self.api}/{name}/document", files={"document": ("openapi.json", document)})

    def create(self, **body: Any) -> httpx2.Response:
        """Send a document in JSON."""
        return self.http.post(self.api, json=body)

    def publish(self, name: str, description: Mapping[str, Any]) -> str:
        """Serve a description under a name that may be in use already, and give its MCP URL."""
        answer = self.create(name=name, document=description)
        if answer.status_code == 409:
            answer = self.replace(name, json.dumps(description).encode())
        assert answer.is_success, answer.text
        return self.mcp_url(name)

    def servers(self) -> list[tuple[str, int]]:
        """Give every server's name and revision."""
        answer = self.http.get(self.api, params={"limit": 200})
        assert answer.status_code == 200, answer.text
        return [(each["name"], each["revision"]) for each in answer.json()["items"]]

    def tool_names(self, server: str) -> list[str]:
        """Give what the control plane lists as enabled."""
        answer = self.http.get(f"{self.api}/{server}/tools")
        assert answer.status_code == 200, answer.text
        return [each["name"] for each in answer.json()["items"] if each["enabled"]]

    def call(self, server: str, tool: str, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Call a tool as a client of the handshake era, without asking for its list first."""
        message = request("tools/call", name=tool, arguments=arguments or {})
        headers = {"MCP-Protocol-Version": "2025-11-25"}
        answer = self.http.post(self.mcp_url(server), json=message, headers=headers)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()["result"]
        return result

    def is_alive(self) -> bool:
        """Tell whether the process runs and answers."""
        return self.process.poll() is None and self.http.get(f"{self.url}/healthz").status_code == 200

    def kill(self) -> None:
        """Take the process away without a warning."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def stop(self) -> int:
        """Ask the process to end, and give its exit code."""
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)


@contextmanager
def started_gateway(
    folder: Path, *arguments: str, settings: Mapping[str, str] | None = None, is_quiet: bool = True
) -> Iterator[Gateway]:
    """Run `causeway serve` on a free port; at the end it has to stop without an error, having reported none."""
    gateway = start_gateway(folder, *arguments, settings=settings)
    try:
        wait_until(lambda: _announced(gateway), "the announcement", seconds=START_SECONDS)
        yield gateway
    finally:
        was_running = gateway.process.poll() is None
        code = gateway.stop()
    if was_running:
        assert code == 0
        if is_quiet:
            # What is denied is told to the operator, and tests try it on purpose.
            reported = gateway.errors.read_text().splitlines()
            assert [line for line in reported if "egress denied" not in line] == []


def start_gateway(
    folder: Path, *arguments: str, settings: Mapping[str, str] | None = None, under: Sequence[str] = ()
) -> Gateway:
    """Start `causeway serve` on a free port without waiting for it; `under` is a command that runs it."""
    folder.mkdir(parents=True, exist_ok=True)
    # Files of its own for each start: what a killed gateway left behind may still write to the old ones.
    start = len(list(folder.glob("stdout-*"))) + 1
    output, errors = folder / f"stdout-{start}", folder / f"stderr-{start}"
    with output.open("wb") as out, errors.open("wb") as err:
        process = subprocess.Popen(
            [*under, *CAUSEWAY, "serve", "--port", "0", *arguments],
            cwd=folder,
            env=environment(folder, settings),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
    return Gateway(process, folder, output, errors)


def _announced(gateway: Gateway) -> bool:
    assert gateway.process.poll() is None, gateway.errors.read_text()
    first, newline, _ = gateway.output.read_text().partition("\n")
    if not newline:
        return False
    assert first.startswith(ANNOUNCEMENT), first
    gateway.url = first.removeprefix(ANNOUNCEMENT)
    return True


# --- MCP


def request(method: str, *, request_id: Any = 1, **params: Any) -> dict[str, Any]:
    """Build a request of the handshake era."""
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


def modern_request(method: str, *, version: str = "2026-07-28", **params: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Build a request of the current revision, and the headers that go with it."""
    prefix = "io.modelcontextprotocol"
    meta = {
        f"{prefix}/protocolVersion": version,
        f"{prefix}/clientCapabilities": {},
        f"{prefix}/clientInfo": {"name": "causeway-tests", "version": "1"},
    }
    headers = {"MCP-Protocol-Version": version, "Mcp-Method": method, "Accept": "application/json, text/event-stream"}
    if "name" in params:
        headers["Mcp-Name"] = params["name"]
    return request(method, **params, _meta=meta), headers


@asynccontextmanager
async def connected(url: str, mode: str) -> AsyncIterator[Client]:
    """Connect the official Python client."""
    async with (
        httpx2.AsyncClient(trust_env=False, timeout=60) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client


@asynccontextmanager
async def connected_by_sse(url: str, **options: Any) -> AsyncIterator[Client]:
    """Connect the official Python client by HTTP+SSE, the transport of 2024-11-05."""

    def client(headers: Any = None, timeout: Any = None, auth: Any = None) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(headers=headers, timeout=timeout, auth=auth, trust_env=False)

    async with Client(sse_client(f"{url}/sse", httpx_client_factory=client), mode="legacy", **options) as connection:
        yield connection
