"""How fast many open streams are told of another list of tools: `python benchmarks/streams.py`.

Opens streams, half `subscriptions/listen` and half HTTP+SSE, at servers of a gateway in service mode, changes a tool of
each, and takes the time until the last stream has been told. Exits with 1 where that is more than two seconds
(acceptance L04). `python benchmarks/streams.py --streams 500`
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
from calls import KEY, PATHS, address_of, describe, gateway
from load_clients import META

MOST_SECONDS = 2.0
OF_SERVER = 250
"""Streams of each server, which may have 256."""
AUTHORIZED = {"Authorization": f"Bearer {KEY}"}


async def listen(http: aiohttp.ClientSession, url: str, *, by_sse: bool, ready: asyncio.Semaphore) -> float:
    """Open a stream; gives when it was told."""
    if by_sse:
        request = http.get(f"{url}/sse", headers={**AUTHORIZED, "Accept": "text/event-stream"})
    else:
        method = "subscriptions/listen"
        params = {"notifications": {"toolsListChanged": True}, "_meta": META}
        headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2026-07-28"}
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        request = http.post(url, json=message, headers={**AUTHORIZED, **headers, "Mcp-Method": method})
    async with request as response:
        assert response.status == 200, f"{response.status} {await response.text()}"
        async for line in response.content:
            if line.startswith(b"data: /"):
                await shake_hands(http, url, line.decode().removeprefix("data: ").strip())
            elif b"acknowledged" in line or b'"result"' in line:
                ready.release()
            elif b"list_changed" in line:
                return time.perf_counter()
    raise SystemExit("A stream ended before it was told.")


async def shake_hands(http: aiohttp.ClientSession, url: str, endpoint: str) -> None:
    """Send what opens a session of HTTP+SSE."""
    client = {"name": "streams", "version": "1"}
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}
    message = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
    place = url[: url.index("/mcp/")] + endpoint
    async with http.post(place, json=message, headers=AUTHORIZED) as response:
        assert response.status == 202, response.status


async def measure(count: int, rounds: int) -> list[float]:
    """Give the seconds of each round."""
    servers = -(-count // OF_SERVER)
    with tempfile.TemporaryDirectory() as name:
        documents = [Path(name) / f"s{number}.json" for number in range(servers)]
        for each in documents:
            each.write_bytes(describe(PATHS))
        timeout = aiohttp.ClientTimeout(total=None)
        with gateway(Path(name), *documents) as process:
            base = address_of(process)
            connector = aiohttp.TCPConnector(limit=0)
            async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
                return [await told(http, base, count, number) for number in range(rounds)]


async def told(http: aiohttp.ClientSession, base: str, count: int, number: int) -> float:
    """Open the streams, change what they tell of, and give the seconds until all were told."""
    ready = asyncio.Semaphore(0)
    servers = -(-count // OF_SERVER)
    streams = [
        asyncio.create_task(
            listen(http, f"{base}/mcp/default/s{n % servers}", by_sse=n // servers % 2 == 0, ready=ready)
        )
        for n in range(count)
    ]
    for _ in streams:
        await ready.acquire()
    started = time.perf_counter()
    for server in range(servers):
        url = f"{base}/api/v1/namespaces/default/servers/s{server}/tools/getPet"
        async with http.patch(url, json={"description": f"Edition {number}"}, headers=AUTHORIZED) as response:
            assert response.status == 200, await response.text()
    return max(await asyncio.gather(*streams)) - started


def main() -> None:
    """Measure and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    taken = asyncio.run(measure(options.streams, options.rounds))
    print(f"{options.streams} streams, all told after {json.dumps([round(each, 3) for each in taken])} s")
    sys.exit(0 if statistics.median(taken) <= MOST_SECONDS else 1)


if __name__ == "__main__":
    main()
