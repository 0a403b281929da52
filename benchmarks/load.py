"""A gateway under load for a while: `python benchmarks/load.py --seconds 600 --clients 200 --namespaces 20`.

Starts Causeway in service mode as a process of its own, an API, and namespaces with a server and a key each. Clients of
every kind list, call and, beside it, ask the API directly; every call has to bring its own nonce back. Meanwhile
descriptions are imported. Prints what was measured and exits with 1 where a bound is broken (acceptance L01): no error;
p99 at most 50 ms over that of direct requests; memory that grows at most 1 MiB a minute after the warm-up; file
descriptors and tasks back where they were when all clients have left, and memory within a tenth of it (U5).
`--without-clock` leaves times and growth unjudged, for runs that are short or on busy machines.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from calls import KEY, address_of, free_port, gateway, memory, uvicorn, wait_for
from load_clients import DIRECT, KINDS, Tally, Tenant, use

from tests.databases import postgresql_database, postgresql_server

MOST_OVERHEAD = 0.05
MOST_GROWTH = 1.0
"""MiB a minute."""
MOST_LEFT = 1.1
SETTLING = 60.0
"""Seconds within which everything is as before: connections that nobody uses are kept for some 15."""
WARM_UP = 5.0
SAMPLE_SECONDS = 2.0


class Usage(NamedTuple):
    """What the gateway holds at a moment: MiB, and numbers."""

    at: float
    memory: float
    descriptors: int
    tasks: int
    streams: int
    kinds: dict[str, int]


@dataclass
class Run:
    """One gateway, its tenants, and what was seen of it."""

    base: str
    pid: int
    http: aiohttp.ClientSession
    tenants: list[Tenant] = field(default_factory=list)
    samples: list[Usage] = field(default_factory=list)

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the control plane as the operator."""
        headers = {"Authorization": f"Bearer {KEY}"}
        async with self.http.request(method, f"{self.base}{path}", json=body, headers=headers) as response:
            text = await response.text()
            if not response.ok:
                raise OSError(f"{method} {path}: {response.status} {text[:300]}")
        return json.loads(text) if text.startswith(("{", "[")) else text

    async def usage(self) -> Usage:
        """Measure now. The connection that asks is one of those counted, each time."""
        metrics = await self.control("GET", "/metrics")
        kinds = descriptors(self.pid)
        return Usage(
            time.monotonic(),
            memory(self.pid),
            kinds.total(),
            int(_metric(metrics, "causeway_tasks")),
            int(_metric(metrics, "causeway_open_streams")),
            dict(kinds),
        )


def descriptors(pid: int) -> Counter[str]:
    """Count the files and connections that a process has open, by kind: `socket`, `pipe`, or a file's name."""
    kinds: Counter[str] = Counter()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            kinds[each.readlink().name.partition(":")[0]] += 1
    return kinds


def _metric(text: str, name: str) -> float:
    return sum(float(each) for each in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))


async def set_up(run: Run, api: str, namespaces: int) -> None:
    """Make namespaces, each with a server whose API is at a path of its own, and a key."""
    for number in range(namespaces):
        name = f"tenant-{number}"
        await run.control("POST", "/api/v1/namespaces", {"name": name})
        key = await run.control("POST", "/api/v1/keys", {"scopes": ["call"], "namespace": name})
        tenant = Tenant(f"{run.base}/mcp/{name}/echo", f"{api}/{name}", key["key"])
        body = {"name": "echo", "document": tenant.description()}
        await run.control("POST", f"/api/v1/namespaces/{name}/servers", body)
        run.tenants.append(tenant)


async def fill_pools(run: Run) -> None:
    """Have every connection to the database that the gateway may have made: it keeps them."""
    for _ in range(5):
        reads = (run.control("GET", f"/api/v1/namespaces/tenant-{n % len(run.tenants)}/servers") for n in range(50))
        await asyncio.gather(*reads)


async def import_now_and_then(run: Run, tally: Tally, *, pause: float, until: float) -> None:
    """Give one tenant after the other a new description, with another list of tools."""
    number = 0
    while time.monotonic() + pause < until:
        await asyncio.sleep(pause)
        tenant = run.tenants[number % len(run.tenants)]
        tenant.revisions += 1
        async with tally.timed("import"):
            path = f"/api/v1/namespaces/tenant-{number % len(run.tenants)}/servers/echo/document"
            await run.control("PUT", path, {"document": tenant.description()})
        number += 1


async def load(run: Run, tally: Tally, *, clients: int, seconds: float, pause: float, imports: float) -> None:
    """Use the gateway for some seconds."""
    until = time.monotonic() + seconds
    async with asyncio.TaskGroup() as tasks:
        for number in range(clients):
            tenant = run.tenants[number % len(run.tenants)]
            # By tenants and not by clients, so that each tenant has clients of every kind.
            kind = KINDS[(number + number // len(run.tenants)) % len(KINDS)]
            tasks.create_task(use(tenant, kind, tally, pause=pause, until=until))
        tasks.create_task(import_now_and_then(run, tally, pause=imports, until=until))
        while time.monotonic() < until:
            run.samples.append(await run.usage())
            await asyncio.sleep(SAMPLE_SECONDS)


async def settled(run: Run, before: Usage | None = None) -> Usage:
    """Wait until what is held changes no more, or is what it was before; gives it after a minute in any case."""
    ends = time.monotonic() + SETTLING
    last: list[tuple[int, int]] = []
    while True:
        usage = await run.usage()
        held = usage.descriptors, usage.tasks
        is_back = before is not None and usage.descriptors <= before.descriptors and usage.tasks <= before.tasks
        last = [*last[-9:], held]
        is_still = before is None and len(last) == 10 and len(set(last)) == 1
        if is_back or is_still or time.monotonic() >= ends:
            return usage
        await asyncio.sleep(SAMPLE_SECONDS)


def growth(samples: list[Usage], warm_up: float) -> float:
    """Give the slope of the memory in MiB a minute, by least squares, after the warm-up."""
    kept = [each for each in samples if each.at - samples[0].at >= warm_up]
    if len(kept) < 2:
        return 0.0
    return 60 * statistics.linear_regression([each.at for each in kept], [each.memory for each in kept]).slope


def percentile(taken: list[float], share: float) -> float:
    """Give a percentile in seconds."""
    return sorted(taken)[min(len(taken) - 1, int(len(taken) * share))] if taken else 0.0


def report(tally: Tally, run: Run, before: Usage, after: Usage, *, slope: float) -> dict[str, Any]:
    """Print what was measured; gives the figures that are judged."""
    print("\n| | done | p50 ms | p99 ms |\n|---|--:|--:|--:|")
    for kind, taken in sorted(tally.taken.items()):
        print(f"| {kind} | {len(taken):,} | {percentile(taken, 0.5) * 1e3:.2f} | {percentile(taken, 0.99) * 1e3:.2f} |")
    calls = [each for kind, taken in tally.taken.items() if kind.startswith("tools/call") for each in taken]
    direct = tally.taken.get(DIRECT, [])
    overhead = {share: percentile(calls, share) - percentile(direct, share) for share in (0.5, 0.99)}
    print(f"\nOver direct requests: p50 {overhead[0.5] * 1e3:.2f} ms, p99 {overhead[0.99] * 1e3:.2f} ms.")
    print("\n| | before | most under load | after |\n|---|--:|--:|--:|")
    for name in ("memory", "descriptors", "tasks", "streams"):
        most = max(getattr(each, name) for each in run.samples)
        print(f"| {name} | {getattr(before, name):,.0f} | {most:,.0f} | {getattr(after, name):,.0f} |")
    print(f"\nDescriptors: {before.kinds} before, {after.kinds} after.")
    print(f"\nMemory: {slope:+.2f} MiB a minute after the warm-up.\n\nErrors: {sum(tally.errors.values())}")
    for error, count in tally.errors.most_common(20):
        print(f"  {count} x {error}")
    return {
        "calls": len(calls),
        "lists": len(tally.taken.get("tools/list", [])),
        "imports": len(tally.taken.get("import", [])),
        "kinds": sorted(tally.taken),
        "errors": sum(tally.errors.values()),
        "p99_overhead_seconds": overhead[0.99],
        "growth_mib_per_minute": slope,
        "before": before._asdict(),
        "after": after._asdict(),
    }


def broken(found: dict[str, Any], *, has_clock: bool) -> list[str]:
    """Name the bounds that were broken."""
    before, after = found["before"], found["after"]
    bounds = {
        "there were errors": found["errors"] > 0 or not found["calls"],
        "file descriptors are left open": after["descriptors"] > before["descriptors"],
        "tasks are left": after["tasks"] > before["tasks"],
        "streams are left": after["streams"] > 0,
        "memory is more than 10 % over what it was": after["memory"] > before["memory"] * MOST_LEFT,
        "p99 is more than 50 ms over direct requests": has_clock and found["p99_overhead_seconds"] > MOST_OVERHEAD,
        "memory grows by more than 1 MiB a minute": has_clock and found["growth_mib_per_minute"] > MOST_GROWTH,
    }
    return [name for name, is_broken in bounds.items() if is_broken]


@contextlib.asynccontextmanager
async def database(kind: str) -> AsyncIterator[dict[str, str]]:
    """Give the settings of a gateway for a database of a kind."""
    if kind == "sqlite":
        yield {}
        return
    with postgresql_server() as server:
        async with postgresql_database(server) as url:
            yield {"CAUSEWAY_DATABASE_URL": url}


@contextlib.contextmanager
def running_api() -> Iterator[str]:
    """Run the API; gives its URL."""
    port = free_port()
    with uvicorn("echo", port):
        wait_for(f"http://127.0.0.1:{port}/")
        yield f"http://127.0.0.1:{port}"


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run it all; gives what was found."""
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = await stack.enter_async_context(database(options.database))
        api = stack.enter_context(running_api())
        process = stack.enter_context(gateway(folder, **settings))
        connector = aiohttp.TCPConnector(force_close=True)
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        run = Run(address_of(process), process.pid, http)
        await set_up(run, api, options.namespaces)
        given = {"clients": options.clients, "pause": options.pause, "imports": options.imports}
        # Threads, database connections and caches are made at the first use: what is there then is the baseline.
        await fill_pools(run)
        await load(run, Tally(), seconds=WARM_UP, **given)
        before = await settled(run)
        run.samples.clear()
        tally = Tally()
        await load(run, tally, seconds=options.seconds, **given)
        after = await settled(run, before)
        return report(tally, run, before, after, slope=growth(run.samples, min(180.0, options.seconds * 0.3)))


def main() -> None:
    """Measure and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--namespaces", type=int, default=20)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between a client's requests, on average")
    parser.add_argument("--imports", type=float, default=5.0, help="seconds between imports")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--without-clock", action="store_true", help="judge neither times nor growth")
    parser.add_argument("--json", type=Path, help="write the figures to a file, too")
    options = parser.parse_args()
    found = asyncio.run(measure(options))
    if options.json:
        options.json.write_text(json.dumps(found))
    judged = broken(found, has_clock=not options.without_clock)
    print("\n" + ("\n".join(f"BROKEN: {each}" for each in judged) or "All bounds are kept."))
    sys.exit(1 if judged else 0)


if __name__ == "__main__":
    main()
