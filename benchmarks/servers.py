"""What many servers cost: `python benchmarks/servers.py DOCUMENT`.

Stores servers with the first tools of a description in a registry (SQLite, or with `--database postgresql` the one that
comes with the tests), starts Causeway on it twice, the second time with what the first has kept on disk, then lists
every server and calls every tool once, with arguments that are refused or requests that egress denies. Exits with 1
where a start took more than 30 seconds or a server more than 1 MiB (acceptance L03). Takes some minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from calls import KEY, MODERN, address_of, cpu_seconds, gateway, memory

from app.registry import Database
from app.registry.records import NewRevision, NewTool
from converters import compile_description
from tests.databases import postgresql_database, postgresql_server

MOST_SECONDS = 30.0
MOST_KIBIBYTES = 1024.0


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


async def store(url: str, servers: int, stored: NewRevision) -> None:
    """Fill a registry."""
    database = Database.open(url)
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


@contextlib.asynccontextmanager
async def registry(kind: str) -> AsyncIterator[tuple[Path, str]]:
    """Make a folder for data, and a registry of a kind."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if kind == "sqlite":
            yield folder, f"sqlite:///{folder / 'causeway.db'}"
            return
        with postgresql_server() as server:
            async with postgresql_database(server) as url:
                yield folder, url


async def measure(options: argparse.Namespace) -> bool:
    """Measure, print, and tell whether the bounds are kept."""
    stored = await asyncio.to_thread(revision, options.document, options.tools)
    print(f"{options.tools} tools, {sum(len(json.dumps(each.definition)) for each in stored.tools):,} bytes")
    async with registry(options.database) as (folder, url):
        await store(url, 1, stored)
        with gateway(folder, CAUSEWAY_DATABASE_URL=url) as process:
            address_of(process)
            empty = memory(process.pid)
    is_kept = True
    async with registry(options.database) as (folder, url):
        await store(url, options.servers, stored)
        for start in ("first", "second"):
            started = time.monotonic()
            with gateway(folder, CAUSEWAY_DATABASE_URL=url) as process:
                base = address_of(process)
                taken = time.monotonic() - started
                is_kept = is_kept and taken <= MOST_SECONDS
                print(f"{start} start: {taken:.1f} s, {cpu_seconds(process.pid):.1f} s of CPU")
                each = (memory(process.pid) - empty) * 1024 / options.servers
                print(f"memory of a server: {each:,.0f} KiB", flush=True)
                if start == "second":
                    await use(base, options.servers, options.tools)
                    each = (memory(process.pid) - empty) * 1024 / options.servers
                    print(f"memory of a server, all listed and all tools called: {each:,.0f} KiB")
        return is_kept and each <= MOST_KIBIBYTES


def main() -> None:
    """Measure and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("document", type=Path)
    parser.add_argument("--servers", type=int, default=1_000)
    parser.add_argument("--tools", type=int, default=50)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    is_kept = asyncio.run(measure(parser.parse_args()))
    print("All bounds are kept." if is_kept else "BROKEN: 30 seconds, or 1 MiB a server.")
    sys.exit(0 if is_kept else 1)


if __name__ == "__main__":
    main()
