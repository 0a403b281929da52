"""Metrics of several workers, at a port of their own."""

from __future__ import annotations

import base64
import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.app.telemetry.test_metrics import read, value
from tests.databases import postgresql_database, postgresql_server
from tests.e2e.backends import Backend, described
from tests.e2e.gateways import Gateway, start_gateway, started_gateway, wait_until
from tests.e2e.test_stopping import serving

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]
KEY = "an-admin-key-of-some-length"
WITH_KEY = {"Authorization": f"Bearer {KEY}"}
OF = {"namespace": "default", "server": "pets"}
SETTINGS = {
    "CAUSEWAY_ADMIN_KEY": KEY,
    "CAUSEWAY_SECRET_KEY": base64.b64encode(bytes(range(32))).decode(),
    "CAUSEWAY_EGRESS_ALLOW": "127.0.0.0/8",
    "CAUSEWAY_METRICS_PORT": "0",
}


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    with postgresql_server() as url:
        yield url


@contextmanager
def alone(worker: int, workers: set[int]) -> Iterator[None]:
    """Have one worker alone take what comes."""
    others = workers - {worker}
    for each in others:
        os.kill(each, signal.SIGSTOP)
    try:
        yield
    finally:
        for each in others:
            os.kill(each, signal.SIGCONT)


def call(gateway: Gateway, times: int) -> None:
    for _ in range(times):
        assert gateway.call("pets", "list_pets")["isError"] is False


def scraped(url: str) -> Series:
    answer = httpx2.get(url, trust_env=False, timeout=30, headers=WITH_KEY)
    assert answer.status_code == 200, answer.text
    return read(answer.text)


def counted(url: str) -> tuple[float | None, float | None, float | None]:
    found = scraped(url)
    return (
        value(found, "causeway_calls_total", **OF, tool="list_pets", code="ok"),
        value(found, "causeway_call_seconds_count", **OF, tool="list_pets"),
        value(found, "causeway_upstream_seconds_bucket", **OF, le="+Inf"),
    )


def processes(url: str) -> set[str]:
    """Give the processes that tell of their memory."""
    return {dict(labels)["process"] for name, labels in scraped(url) if name == "process_resident_memory_bytes"}


async def test_one_scrape_counts_all_workers_also_those_that_hang_or_were_killed(
    tmp_path: Path, backend: Backend, postgresql: str
) -> None:
    """Z06, U1: whichever worker is asked, the sum is of all, and never goes down."""
    async with postgresql_database(postgresql) as database:
        settings = {**SETTINGS, "CAUSEWAY_DATABASE_URL": database}
        with started_gateway(tmp_path, "--workers", "2", settings=settings, is_quiet=False) as gateway:
            # A connection for each request, so that any worker may take it.
            gateway.http.headers.update({**WITH_KEY, "Connection": "close"})
            gateway.publish("pets", described(backend.url, {"/pets": {"get": {"operationId": "list_pets"}}}))
            url = announced(gateway)
            wait_until(lambda: len(processes(url)) == 2, "both workers tell", seconds=30)
            wait_until(lambda: value(scraped(url), "causeway_workers") == 2, "both workers", seconds=30)
            first, second = workers = sorted(serving(gateway))
            wait_until(lambda: serves(gateway, set(workers)), "the server", seconds=30)
            with alone(first, set(workers)):
                call(gateway, 5)
                # The one that hangs is not waited for long.
                assert value(scraped(url), "causeway_workers") == 1
            with alone(second, set(workers)):
                call(gateway, 7)
            # A worker that the machine leaves waiting is asked again.
            wait_until(lambda: counted(url) == (12, 12, 12), "the sum", seconds=30)
            assert value(scraped(url), "causeway_server_revision", **OF) == 1
            wait_until(lambda: processes(url) == {str(each) for each in workers}, "both tell", seconds=30)

            os.kill(second, signal.SIGKILL)
            wait_until(lambda: len(serving(gateway) - set(workers)) == 1, "another worker", seconds=30)
            assert counted(url) == (12, 12, 12)
            wait_until(lambda: value(scraped(url), "causeway_workers") == 2, "both workers", seconds=30)
            assert counted(url) == (12, 12, 12)
            call(gateway, 3)
            wait_until(lambda: counted(url) == (15, 15, 15), "the sum", seconds=30)


def serves(gateway: Gateway, workers: set[int]) -> bool:
    """Tell whether each worker serves what was published."""
    found = []
    for each in workers:
        with alone(each, workers):
            found.append(gateway.http.post(gateway.mcp_url("pets"), json={}).status_code)
    return 404 not in found


def announced(gateway: Gateway) -> str:
    found = re.search(r"Metrics are at (\S+)", gateway.output.read_text())
    assert found is not None
    return found[1]


def test_metrics_have_a_port_of_their_own_where_they_are_given_one(tmp_path: Path) -> None:
    """Z06: nothing else is served there, on this machine alone and under the same key, and no metrics elsewhere."""
    with started_gateway(tmp_path, settings=SETTINGS) as gateway:
        url = announced(gateway)
        assert url.startswith("http://127.0.0.1:")
        assert value(scraped(url), "process_resident_memory_bytes")
        assert httpx2.get(url, trust_env=False).status_code == 401
        base = url.removesuffix("/metrics")
        for path in ("/", "/healthz", "/docs", "/api/openapi.json", "/api/v1/namespaces", "/mcp/default/pets"):
            assert httpx2.get(base + path, trust_env=False, headers=WITH_KEY).status_code == 404
        assert httpx2.get(f"{gateway.url}/metrics", trust_env=False, headers=WITH_KEY).status_code == 404


def test_metrics_of_local_mode_are_not_for_web_pages(tmp_path: Path) -> None:
    """A13 at the port of the metrics: a page that has its name lead here is refused."""
    with started_gateway(tmp_path, settings={"CAUSEWAY_METRICS_PORT": "0"}) as gateway:
        url = announced(gateway)
        assert httpx2.get(url, trust_env=False).status_code == 200
        for refused in ({"Host": "rebound.example"}, {"Origin": "https://rebound.example"}):
            assert httpx2.get(url, trust_env=False, headers=refused).status_code in {403, 421}


def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        gateway = start_gateway(tmp_path, settings={"CAUSEWAY_METRICS_PORT": str(port)})
        assert gateway.process.wait(30) == 3
    assert gateway.errors.read_text() == f"causeway: cannot listen on 127.0.0.1:{port}: Address already in use.\n"
    gateway.http.close()
