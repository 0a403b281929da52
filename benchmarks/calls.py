"""What a tool call costs: CPU per call of the gateway beside the floor, in one run: `python benchmarks/calls.py`.

The floor does only the unavoidable: a bare ASGI endpoint that reads a body and asks the same API with the same HTTP
client. Machines are noisy: the ratio is what counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiohttp

ROUNDS = 5
ANSWER = b'{"id":5,"name":"doggie","photoUrls":["a"],"status":"available"}'
DESCRIPTION = {
    "openapi": "3.1.0",
    "info": {"title": "Bench", "version": "1"},
    "paths": {
        "/pets/{petId}": {
            "get": {
                "operationId": "getPet",
                "parameters": [
                    {"name": "petId", "in": "path", "required": True, "schema": {"type": "integer"}},
                    {"name": "fields", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
                ],
                "responses": {"200": {"description": "ok"}},
            }
        }
    },
}
CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {
        "name": "getPet",
        "arguments": {"petId": 5, "fields": ["name", "status"]},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    },
}
HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": "2026-07-28",
    "Mcp-Method": "tools/call",
    "Mcp-Name": "getPet",
}


async def answer(send: Any, body: bytes) -> None:
    """Answer 200 with a JSON body."""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def api(_scope: Any, _receive: Any, send: Any) -> None:
    """Be the API behind the tool."""
    await answer(send, ANSWER)


class Floor:
    """The unavoidable: one request in, one request out."""

    session: aiohttp.ClientSession | None = None

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        """Ask the API and pass its answer on."""
        if self.session is None:
            self.session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        await receive()
        async with self.session.get(os.environ["BENCH_API"]) as response:
            await answer(send, await response.read())


floor = Floor()


def cpu_seconds(pid: int) -> float:
    """Give the CPU time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def load(url: str, *, calls: int, connections: int) -> list[float]:
    """Send calls over a number of connections; gives each call's seconds."""
    body, taken = json.dumps(CALL).encode(), []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections)) as session:

        async def worker() -> None:
            for _ in range(calls // connections):
                started = time.perf_counter()
                async with session.post(url, data=body, headers=HEADERS) as response:
                    text = await response.read()
                    assert response.status == 200 and b"doggie" in text, text
                taken.append(time.perf_counter() - started)

        await asyncio.gather(*(worker() for _ in range(connections)))
    return taken


def start_uvicorn(target: str, port: int, **environment: str) -> subprocess.Popen[bytes]:
    """Start an ASGI application of this file, as Causeway is started."""
    command = [sys.executable, "-m", "uvicorn", f"calls:{target}", "--port", str(port), "--log-level", "error",
               "--no-access-log", "--lifespan", "off", "--loop", "uvloop", "--http", "httptools"]  # fmt: skip
    return subprocess.Popen(command, cwd=Path(__file__).parent, env={**os.environ, **environment})


def start_gateway(folder: str, api_url: str) -> tuple[subprocess.Popen[str], str]:
    """Start Causeway with the description; gives the process and the server's URL."""
    document = Path(folder) / "bench.json"
    document.write_text(json.dumps({**DESCRIPTION, "servers": [{"url": api_url}]}))
    command = [sys.executable, "-c", "from app.cli import main; main()", "serve", "--port", "0", f"bench={document}"]
    process = subprocess.Popen(
        command, env={**os.environ, "CAUSEWAY_DATA_DIR": folder}, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"http://\S+/mcp/default/bench", line):
            return process, found.group()
    raise SystemExit("The gateway did not start.")


async def main() -> None:
    """Interleave rounds of gateway and floor, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2_000)
    parser.add_argument("--connections", type=int, default=16)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        api_process = start_uvicorn("api", 18090)
        floor_process = start_uvicorn("floor", 18091, BENCH_API="http://127.0.0.1:18090/pets/5?fields=name")
        gateway, gateway_url = start_gateway(folder, "http://127.0.0.1:18090")
        targets = {"floor": (floor_process.pid, "http://127.0.0.1:18091/"), "causeway": (gateway.pid, gateway_url)}
        try:
            rows = await _measure(targets, options.calls, options.connections)
        finally:
            for process in (gateway, floor_process, api_process):
                process.terminate()
                process.wait()
    print(f"python {sys.version.split()[0]}, aiohttp {version('aiohttp')}, uvicorn {version('uvicorn')}, "
          f"{options.connections} connections")  # fmt: skip
    print(f"{'':10} {'CPU µs/call':>12} {'p50 ms':>8} {'p99 ms':>8} {'x floor':>8}")
    base = statistics.median(rows["floor"][0])
    for name, (cpu, taken) in rows.items():
        ordered, cost = sorted(taken), statistics.median(cpu)
        print(f"{name:10} {cost:12.0f} {ordered[len(ordered) // 2] * 1e3:8.2f} "
              f"{ordered[int(len(ordered) * 0.99)] * 1e3:8.2f} {cost / base:8.2f}")  # fmt: skip


async def _measure(targets: dict[str, tuple[int, str]], calls: int, connections: int) -> dict[str, Any]:
    rows: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in targets}
    await asyncio.sleep(2)
    for _, url in targets.values():
        await load(url, calls=200, connections=connections)
    for _ in range(ROUNDS):
        for name, (pid, url) in targets.items():
            before = cpu_seconds(pid)
            taken = await load(url, calls=calls, connections=connections)
            rows[name][0].append((cpu_seconds(pid) - before) / len(taken) * 1e6)
            rows[name][1].extend(taken)
    return rows


if __name__ == "__main__":
    asyncio.run(main())
