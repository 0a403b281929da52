"""What a tool call costs, beside the floor and, if asked for, beside other gateways: `python benchmarks/calls.py`.

CPU per call of the serving process, in interleaved rounds. Machines are noisy: the ratio to the floor is what counts.
`--peers` installs FastMCP and mcp-contextforge-gateway into throwaway environments with `uv` and measures them as well.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import os
import re
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiohttp

HERE = Path(__file__).parent
KEY = secrets.token_hex(16)
API_PORT, FLOOR_PORT, FASTMCP_PORT, FORGE_PORT = 18090, 18091, 18092, 18093
API = f"http://127.0.0.1:{API_PORT}"
PET = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "status": {"type": "string", "enum": ["available", "sold"]},
        "photoUrls": {"type": "array", "items": {"type": "string"}},
    },
}
PATHS: dict[str, Any] = {
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
    "/large": {"get": {"operationId": "getLarge", "responses": {"200": {"description": "ok"}}}},
}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "get": ("getPet", {"petId": 5, "fields": ["name", "status"]}),
    "post": ("addPet", {"name": "doggie", "status": "available", "photoUrls": ["a", "b"]}),
    "large": ("getLarge", {}),
}
MODERN = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}


@dataclass(frozen=True)
class Target:
    """A process under measurement, its URL, how requests to it look, and how many calls a round has."""

    pid: int
    url: str
    form: str = "modern"
    share: int = 1
    headers: dict[str, str] = field(default_factory=dict)

    def request(self, case: str) -> tuple[str, bytes, dict[str, str]]:
        """Give URL, body and header fields of one request."""
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **self.headers}
        if self.form == "bare":
            return f"{self.url}/{case}", json.dumps(CASES.get(case, ("", {}))[1]).encode(), headers
        name, arguments = CASES.get(case, ("", {}))
        method = "tools/list" if case == "list" else "tools/call"
        params: dict[str, Any] = {} if case == "list" else {"name": name, "arguments": arguments}
        if self.form == "modern":
            params["_meta"] = MODERN
            headers |= {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method}
            headers |= {} if case == "list" else {"Mcp-Name": name}
        elif self.form == "stateless":
            headers["MCP-Protocol-Version"] = "2025-11-25"
        elif self.form == "forge" and name:
            # It serves tools under names of its own.
            params["name"] = name.lower()
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return self.url, json.dumps(message).encode(), headers


@dataclass
class Row:
    """What was measured of one target in one case: CPU seconds per call by round, and seconds of each call."""

    cpu: list[float] = field(default_factory=list)
    taken: list[float] = field(default_factory=list)


def cpu_seconds(pid: int) -> float:
    """Give the CPU time that a process has used, all its threads together."""
    fields = (path.read_text().split()[0] for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))
    return sum(map(int, fields)) / 1e9


def memory(pid: int) -> float:
    """Give the resident memory of a process in MiB."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


async def load(target: Target, case: str, *, calls: int, connections: int) -> list[float]:
    """Send calls over a number of connections; gives each call's seconds."""
    url, body, headers = target.request(case)
    taken: list[float] = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections)) as session:

        async def worker() -> None:
            for _ in range(max(1, calls // connections)):
                started = time.perf_counter()
                async with session.post(url, data=body, headers=headers) as response:
                    text = await response.read()
                taken.append(time.perf_counter() - started)
                if response.status != 200 or (b"doggie" not in text and b'"tools"' not in text):
                    raise SystemExit(f"{url} answered {response.status} {text[:300]!r}")

        await asyncio.gather(*(worker() for _ in range(connections)))
    return taken


async def measure(
    targets: dict[str, Target], case: str, *, calls: int, connections: int, rounds: int
) -> dict[str, Row]:
    """Measure a case in rounds, in each of which every target has its turn."""
    rows = {name: Row() for name in targets}
    for number in range(rounds + 1):
        for name, target in targets.items():
            before = cpu_seconds(target.pid)
            taken = await load(target, case, calls=calls // target.share, connections=connections)
            if number:  # The first round warms up.
                rows[name].cpu.append((cpu_seconds(target.pid) - before) / len(taken))
                rows[name].taken += taken
    return rows


def table(rows: dict[str, Row], title: str) -> None:
    """Print a case as Markdown; ratios are medians of those of each round."""
    print(f"\n{title}\n\n| | CPU µs per call | p50 ms | p99 ms | x floor |\n|---|--:|--:|--:|--:|")
    for name, row in rows.items():
        ordered = sorted(row.taken)
        ratio = statistics.median(own / base for own, base in zip(row.cpu, rows["floor"].cpu, strict=True))
        print(
            f"| {name} | {statistics.median(row.cpu) * 1e6:,.0f} | {ordered[len(ordered) // 2] * 1e3:.2f} "
            f"| {ordered[int(len(ordered) * 0.99)] * 1e3:.2f} | {ratio:.2f} |",
            flush=True,
        )


@contextlib.contextmanager
def running(command: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a process for a while."""
    process = subprocess.Popen(command, text=True, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def uvicorn(app: str, port: int, **environment: str) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
    """Serve an application of `apps.py` as Causeway is served."""
    command = [sys.executable, "-m", "uvicorn", f"apps:{app}", "--port", str(port), "--log-level", "error",
               "--no-access-log", "--lifespan", "off", "--loop", "uvloop", "--http", "httptools"]  # fmt: skip
    return running(command, cwd=HERE, env={**os.environ, **environment})


def gateway(folder: Path, *documents: Path, **given: str) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
    """Serve documents with Causeway in service mode, where every request needs a key; `given` settings are added."""
    command = [sys.executable, "-c", "from app.cli import main; main()", "serve", "--port", "0"]
    settings = {
        "CAUSEWAY_DATA_DIR": str(folder),
        "CAUSEWAY_ADMIN_KEY": KEY,
        "CAUSEWAY_SECRET_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "CAUSEWAY_EGRESS_ALLOW": "127.0.0.0/8",
        **given,
    }
    command += [f"{path.stem}={path}" for path in documents]
    return running(command, env={**os.environ, **settings}, stdout=subprocess.PIPE)


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def address_of(process: subprocess.Popen[str]) -> str:
    """Give where Causeway serves, from what it prints."""
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"serving at (http://\S+)", line):
            return found[1]
    raise SystemExit("Causeway did not start.")


def describe(paths: dict[str, Any]) -> bytes:
    """Write a description of the API."""
    info = {"title": "Bench", "version": "1"}
    return json.dumps({"openapi": "3.1.0", "info": info, "servers": [{"url": API}], "paths": paths}).encode()


def many(count: int) -> dict[str, Any]:
    """Give paths with `count` operations, the first of which are those that are called."""
    paths: dict[str, Any] = dict(PATHS)
    for number in range(count - len(PATHS)):
        operation = {**PATHS["/pets/{petId}"]["get"], "operationId": f"getPet{number}"}
        paths[f"/pets{number}/{{petId}}"] = {"get": operation}
    return paths


def environment(folder: Path, name: str, *packages: str) -> str:
    """Install packages into a throwaway environment; gives its Python."""
    python = folder / name / "bin" / "python"
    uv = shutil.which("uv") or "uv"
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(folder / name)], check=True)
    subprocess.run([uv, "pip", "install", "-q", "--python", str(python), *packages], check=True)
    return str(python)


def installed(python: str, package: str) -> str:
    """Give a package's version in an environment."""
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def wait_for(url: str, seconds: float = 240) -> None:
    """Wait until something answers at a URL."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        with contextlib.suppress(OSError):
            try:
                urllib.request.urlopen(url, timeout=2).close()
            except urllib.error.HTTPError:
                return
            return
        time.sleep(0.3)
    raise SystemExit(f"Nothing answers at {url}.")


@contextlib.contextmanager
def contextforge(folder: Path, python: str) -> Iterator[Target]:
    """Serve the same operations with mcp-contextforge-gateway, each registered as a REST tool."""
    forge = folder / "forge"
    forge.mkdir()
    settings = {
        "DATABASE_URL": "sqlite:///./bench.db", "AUTH_REQUIRED": "false", "MCPGATEWAY_UI_ENABLED": "false",
        "SSRF_ALLOW_LOCALHOST": "true", "SSRF_ALLOW_PRIVATE_NETWORKS": "true", "LOG_LEVEL": "ERROR",
        "JWT_SECRET_KEY": secrets.token_hex(32), "CACHE_TYPE": "memory", "PLUGINS_ENABLED": "false",
    }  # fmt: skip
    command = [python, "-m", "uvicorn", "mcpgateway.main:app", "--port", str(FORGE_PORT), "--log-level", "error",
               "--no-access-log", "--loop", "uvloop", "--http", "httptools"]  # fmt: skip
    everything = {**os.environ, **settings}
    with (
        (forge / "log").open("w") as log,
        running(command, cwd=forge, env=everything, stdout=log, stderr=log) as process,
    ):
        base = f"http://127.0.0.1:{FORGE_PORT}"
        wait_for(f"{base}/health")
        make = [python, "-m", "mcpgateway.utils.create_jwt_token", "--username", "admin@example.com", "--exp", "600",
                "--secret", settings["JWT_SECRET_KEY"], "--admin"]  # fmt: skip
        made = subprocess.run(make, env=everything, capture_output=True, text=True, check=True, cwd=forge)
        headers = {"Authorization": f"Bearer {made.stdout.split()[-1]}", "Content-Type": "application/json"}
        tools = [
            ("getPet", "GET", f"{API}/pets/5", {"petId": {"type": "integer"}, "fields": {"type": "array"}}),
            ("addPet", "POST", f"{API}/pets", PET["properties"]),
            ("getLarge", "GET", f"{API}/large", {}),
        ]
        for name, method, url, properties in tools:
            tool = {"name": name, "url": url, "integration_type": "REST", "request_type": method,
                    "input_schema": {"type": "object", "properties": properties}}  # fmt: skip
            asked = urllib.request.Request(f"{base}/tools", json.dumps({"tool": tool}).encode(), headers)
            urllib.request.urlopen(asked, timeout=30).close()
        yield Target(process.pid, f"{base}/rpc", "forge", 40, headers)


async def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=2_000, help="calls of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--peers", action="store_true", help="install and measure other gateways, too")
    parser.add_argument("--memory", type=int, default=0, metavar="CALLS", help="print the memory over so many calls")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bench, thousand, listed = folder / "bench.json", folder / "thousand.json", folder / "list"
        bench.write_bytes(describe(PATHS))
        thousand.write_bytes(describe(many(1_000)))
        stack.enter_context(uvicorn("api", API_PORT))
        floor = stack.enter_context(uvicorn("floor", FLOOR_PORT, BENCH_API=API, BENCH_LIST=str(listed)))
        process = stack.enter_context(gateway(folder, bench, thousand))
        base = address_of(process)
        key = {"Authorization": f"Bearer {KEY}"}
        targets = {
            "floor": Target(floor.pid, f"http://127.0.0.1:{FLOOR_PORT}", "bare"),
            "causeway": Target(process.pid, f"{base}/mcp/default/bench", headers=key),
        }
        of_many = Target(process.pid, f"{base}/mcp/default/thousand", headers=key)
        print(f"Python {sys.version.split()[0]}, aiohttp {version('aiohttp')}, uvicorn {version('uvicorn')}")
        peers = _peers(stack, folder, bench) if options.peers else {}
        for connections in options.connections:
            beside = peers if connections == 16 else {}
            for case in CASES:
                rows = await measure(
                    {**targets, **beside}, case, calls=options.calls, connections=connections, rounds=options.rounds
                )
                table(rows, f"tools/call, {case}, {connections} connections")
        rows = await measure(
            {**targets, "causeway, of 1,000 tools": of_many}, "get", calls=options.calls, connections=16, rounds=5
        )
        table(rows, "tools/call of a server with 3 and with 1,000 tools, 16 connections")
        url, body, headers = of_many.request("list")
        async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as response:
            listed.write_bytes(await response.read())
        rows = await measure(
            {"floor": targets["floor"], "causeway": of_many}, "list", calls=options.calls // 4, connections=16, rounds=5
        )
        table(rows, f"tools/list of 1,000 tools ({listed.stat().st_size:,} bytes), 16 connections")
        await _memory(targets["causeway"], options.memory)


def _peers(stack: contextlib.ExitStack, folder: Path, bench: Path) -> dict[str, Target]:
    python = environment(folder, "fastmcp-env", "fastmcp", "uvicorn", "uvloop", "httptools")
    process = stack.enter_context(running([python, str(HERE / "peer_server.py"), str(bench), str(FASTMCP_PORT)]))
    url = f"http://127.0.0.1:{FASTMCP_PORT}/mcp"
    wait_for(url)
    forge_python = environment(folder, "forge-env", "mcp-contextforge-gateway", "uvicorn", "uvloop", "httptools")
    forge = stack.enter_context(contextforge(folder, forge_python))
    print(
        f"FastMCP {installed(python, 'fastmcp')} with mcp {installed(python, 'mcp')}, mcp-contextforge-gateway "
        f"{installed(forge_python, 'mcp-contextforge-gateway')}"
    )
    return {
        "FastMCP, stateless JSON": Target(process.pid, url, "stateless", 10),
        "FastMCP, 2026-07-28": Target(process.pid, url, "modern", 10),
        "mcp-contextforge-gateway": forge,
    }


async def _memory(target: Target, calls: int) -> None:
    """Print the resident memory over many calls."""
    if not calls:
        return
    print("\n| calls | RSS MiB |\n|--:|--:|")
    for done in range(0, calls + 1, max(1, calls // 10)):
        print(f"| {done:,} | {memory(target.pid):.1f} |", flush=True)
        if done < calls:
            await load(target, "get", calls=calls // 10, connections=16)


if __name__ == "__main__":
    asyncio.run(main())
