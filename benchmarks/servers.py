"""What many servers cost: `python benchmarks/servers.py DOCUMENT`.

Stores servers with the first tools of a description in a SQLite registry, starts Causeway on it, then lists every
server and calls every tool once, with arguments that are refused or requests that egress denies. Takes some minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
from calls import KEY, MODERN, address_of, cpu_seconds, gateway, memory

from app.registry import Database
from app.registry.records import NewRevision, NewTool
from app.settings import Settings
from converters import compile_description


def revision(document: Path, count: int) -> NewRevision:
    """Make a revision of the first tools of a description, again under other names where it has fewer."""
    found = [tool.to_json() for tool in compile_description(document.read_bytes()).tools]
    tools = [{**found[index % len(found)], "name": f"tool_{index}"} for index in range(count)]
    return NewRevision(
        digest="0",
        compiler_version="0",
        document=b"{}",
        media_type="application/json",
        document_url=None,
        description={"title": "Bench", "version": "1", "openapi": "3.1.0"},
        counts={"operations": count, "tools": count, "skipped": 0},
        tools=[NewTool(name=each["name"], operation_key=f"GET /{each['name']}", definition=each) for each in tools],
        diagnostics=[],
    )


async def store(folder: Path, servers: int, stored: NewRevision) -> None:
    """Fill a registry."""
    database = Database.open(Settings(data_dir=folder).registry_url)
    await database.migrate()
    async with database.transaction() as registry:
        await registry.namespaces.ensure("default")
    for number in range(servers):
        async with database.transaction() as registry:
            await registry.servers.create("default", f"s{number}", title="Bench", revision=stored)
    await database.close()


def message(method: str, **params: Any) -> tuple[bytes, dict[str, str]]:
    """Give body and header fields of a request."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": MODERN}}
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", "Mcp-Method": method}
    headers |= {"Accept": "application/json", "MCP-Protocol-Version": "2026-07-28"}
    return json.dumps(body).encode(), headers | ({"Mcp-Name": params["name"]} if params else {})


async def use(base: str, servers: int, tools: int) -> None:
    """List every server and call every tool of it."""
    listed = message("tools/list")
    called = [message("tools/call", name=f"tool_{index}", arguments={}) for index in range(tools)]
    numbers = iter(range(servers))

    async def worker(session: aiohttp.ClientSession) -> None:
        for number in numbers:
            for body, headers in (listed, *called):
                async with session.post(f"{base}/mcp/default/s{number}", data=body, headers=headers) as response:
                    text = await response.read()
                    if response.status != 200:
                        raise SystemExit(f"{response.status} {text[:300]!r}")

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(worker(session) for _ in range(8)))


async def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("document", type=Path)
    parser.add_argument("--servers", type=int, default=1_000)
    parser.add_argument("--tools", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stored = await asyncio.to_thread(revision, options.document, options.tools)
        print(f"{options.tools} tools, {sum(len(json.dumps(each.definition)) for each in stored.tools):,} bytes")
        await store(folder, 1, stored)
        with gateway(folder) as process:
            address_of(process)
            empty = memory(process.pid)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        await store(folder, options.servers, stored)
        started = time.monotonic()
        with gateway(folder) as process:
            base = address_of(process)
            print(f"start: {time.monotonic() - started:.1f} s, {cpu_seconds(process.pid):.1f} s of CPU")
            each = (memory(process.pid) - empty) * 1024 / options.servers
            print(f"memory of a server: {each:,.0f} KiB", flush=True)
            await use(base, options.servers, options.tools)
            each = (memory(process.pid) - empty) * 1024 / options.servers
            print(f"memory of a server, all listed and all tools called: {each:,.0f} KiB")


if __name__ == "__main__":
    asyncio.run(main())
