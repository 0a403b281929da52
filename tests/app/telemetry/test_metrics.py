"""What is counted, and that counting it is bounded."""

from __future__ import annotations

import os
import re
from typing import Any

from app.telemetry.exposition import exposition
from app.telemetry.metrics import MAX_CODES, MAX_SERIES, Gauge, Metrics, Sample, of_this_process
from app.telemetry.sums import Sums
from tests.app.backends import backend, json_reply, then_close
from tests.app.gateways import Gateway
from tests.app.telemetry.test_logs import called
from tests.app.tenants import make_key

LINE = re.compile(r"([a-z_]+)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


def read(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Read the text format strictly: every line is a comment or a sample, and no sample comes twice."""
    found: dict[Any, float] = {}
    for line in text.splitlines():
        if line.startswith(("# HELP ", "# TYPE ")):
            continue
        sample = LINE.fullmatch(line)
        assert sample is not None, line
        key = (sample[1], frozenset(LABEL.findall(sample[2] or "")))
        assert key not in found, line
        found[key] = float(sample[3])
    return found


def value(found: dict[Any, float], name: str, **labels: str) -> float | None:
    return found.get((name, frozenset(labels.items())))


async def test_calls_are_counted_by_server_tool_and_code(served: Gateway) -> None:
    async with backend(json_reply(b"{}")) as api:
        await served.create(base_url=api.url, name="counted")
        before = read((await served.http.get("/metrics")).text)
        for arguments in ({"petId": 1}, {"petId": 2}, {}):
            await called(served, "get_pet", arguments, server="counted")
        answer = await served.http.get("/metrics")
    found = read(answer.text)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    of = {"namespace": "default", "server": "counted"}
    assert value(before, "causeway_calls_total", **of, tool="get_pet", code="ok") is None
    assert value(found, "causeway_calls_total", **of, tool="get_pet", code="ok") == 2
    assert value(found, "causeway_calls_total", **of, tool="get_pet", code="arg_required") == 1
    assert value(found, "causeway_call_seconds_count", **of, tool="get_pet") == 3
    assert value(found, "causeway_call_seconds_bucket", **of, tool="get_pet", le="+Inf") == 3
    assert value(found, "causeway_upstream_seconds_count", **of) == 2
    assert value(found, "causeway_server_revision", **of) == 1
    assert value(found, "causeway_breaker_state", **of, origin=api.url, state="closed") == 1
    assert value(found, "causeway_import_seconds_count", code="ok")
    assert value(found, "process_resident_memory_bytes")


async def test_an_open_breaker_is_in_the_metrics(served: Gateway) -> None:
    """F13: state in metrics."""
    async with backend(then_close(b"")) as api:
        await served.create(base_url=api.url, name="failing")
        for _ in range(10):
            await called(served, "add_pet", {"name": "x"}, server="failing")
        found = read((await served.http.get("/metrics")).text)
    of = {"namespace": "default", "server": "failing", "origin": api.url}
    assert value(found, "causeway_breaker_state", **of, state="open") == 1


async def test_names_that_are_made_up_do_not_grow_the_metrics(served: Gateway) -> None:
    """D11: tools, servers and paths that are not there."""
    await served.create(name="pets")
    sizes = []
    for turn in range(2):
        for number in range(40):
            await called(served, f"tool_{turn}_{number}", {})
            await called(served, "get_pet", {}, server=f"server-{turn}-{number}")
            await served.http.get(f"/path/{turn}/{number}")
        sizes.append(len(read((await served.http.get("/metrics")).text)))
    assert sizes[0] == sizes[1]


def test_ten_thousand_names_are_bounded_series() -> None:
    """D11, where even the names that exist are too many."""
    metrics = Metrics()
    for number in range(10_000):
        metrics.called("default", "s", f"tool{number}", code="ok", seconds=0.1)
        metrics.called("default", "s", "one", code=f"code{number}", seconds=0.1)
        metrics.sent(f"default/s{number}", 0.1)
    found = read(exposition(metrics.read()))
    calls = {name: count for name, count in found.items() if name[0] == "causeway_calls_total"}
    assert len(calls) <= MAX_SERIES + MAX_CODES + 2
    assert sum(calls.values()) == 20_000
    assert sum(count for name, count in found.items() if name[0] == "causeway_upstream_seconds_count") == 10_000


def test_a_label_is_written_so_that_it_ends_where_it_ends() -> None:
    metrics = Metrics()
    metrics.called("default", "s", 'a"} 1\nforged 2\\', code="ok", seconds=0.1)
    assert ("forged", frozenset()) not in read(exposition(metrics.read()))


async def test_metrics_are_for_who_operates_the_gateway(served: Gateway) -> None:
    """Z06, A19: they tell of every tenant."""
    key = await make_key(served, "admin", name="team", namespace="default")
    refused = await served.http.get("/metrics", headers={"Authorization": f"Bearer {key['key']}"})
    assert refused.status_code == 403
    assert (await served.http.get("/metrics", headers={"Authorization": ""})).status_code == 401


def test_what_was_read_does_not_change_while_counting_goes_on() -> None:
    metrics = Metrics()
    metrics.called("default", "s", "t", code="ok", seconds=0.1)
    reading = metrics.read()
    before = exposition(reading)
    metrics.called("default", "s", "t", code="ok", seconds=0.1)
    metrics.sent("default/s", 0.1)
    assert exposition(reading) == before


def process(*, calls: int, revision: int, active: int, lost: int) -> Metrics:
    """Make a process that has counted."""
    metrics = Metrics(
        [
            Gauge("revision", "x", lambda: [Sample({"server": "s"}, revision)], across="least"),
            Gauge("active", "x", lambda: [Sample({"server": "s"}, active)]),
            Gauge("lost_total", "x", lambda: [Sample({}, lost)], kind="counter"),
            Gauge("memory", "x", lambda: [Sample({}, 7)], across="each"),
        ]
    )
    for _ in range(calls):
        metrics.called("default", "s", "t", code="ok", seconds=0.1)
        metrics.sent("default/s", 0.1)
        metrics.imported("ok", 0.1)
    return metrics


def test_several_processes_have_one_sum_that_never_goes_down() -> None:
    """One that hangs, or is gone, keeps what it counted, and has nothing more to look up."""
    sums = Sums()
    for name, each in {
        "first": process(calls=2, revision=3, active=1, lost=4),
        "second": process(calls=5, revision=4, active=10, lost=1),
    }.items():
        sums.tell(name, of_this_process(each.read()))

    def summed(*answered: str) -> dict[str, float | None]:
        found = read(exposition(sums.reading(answered)))
        of = {"namespace": "default", "server": "s"}
        return {
            "calls": value(found, "causeway_calls_total", **of, tool="t", code="ok"),
            "latency": value(found, "causeway_call_seconds_bucket", **of, tool="t", le="0.1"),
            "upstream": value(found, "causeway_upstream_seconds_count", **of),
            "imports": value(found, "causeway_import_seconds_count", code="ok"),
            "lost": value(found, "lost_total"),
            "revision": value(found, "revision", server="s"),
            "active": value(found, "active", server="s"),
            "memory": value(found, "memory", process=str(os.getpid())),
            "workers": value(found, "causeway_workers"),
        }

    counted: dict[str, float | None] = {"calls": 7, "latency": 7, "upstream": 7, "imports": 7, "lost": 5}
    # Both are this process in truth, so that `memory` has its label once: they are told apart one at a time.
    hanging = {**counted, "revision": 4, "active": 10, "memory": 7, "workers": 1}
    assert summed("second") == hanging
    sums.ended("first")
    assert summed("second") == hanging
    sums.tell("third", process(calls=1, revision=2, active=2, lost=1).read())
    assert summed("second", "third") == {
        "calls": 8,
        "latency": 8,
        "upstream": 8,
        "imports": 8,
        "lost": 6,
        "revision": 2,
        "active": 12,
        "memory": 7,
        "workers": 2,
    }
    sums.ended("second")
    sums.ended("third")
    last = summed()
    assert (last["calls"], last["lost"], last["active"], last["workers"]) == (8, 6, None, 0)
