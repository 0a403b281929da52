"""Gateways come and go under load: what they have begun they finish, and nobody's call fails."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.databases import postgresql_database, postgresql_server
from tests.e2e.backends import Backend, Received, answer, described
from tests.e2e.gateways import (
    ANNOUNCEMENT,
    CAUSEWAY,
    START_SECONDS,
    Gateway,
    environment,
    modern_request,
    request,
    start_gateway,
    started_gateway,
    wait_until,
)

SLOW_CALLS = 50
CALLS_A_SECOND = 50
STREAMS = 20
PATHS = {"/pets": {"get": {"operationId": "list_pets"}}}
SECRET_KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    with postgresql_server() as url:
        yield url


@pytest.fixture
async def settings(postgresql: str) -> AsyncIterator[dict[str, str]]:
    async with postgresql_database(postgresql) as database:
        yield {"CAUSEWAY_DATABASE_URL": database, "CAUSEWAY_SECRET_KEY": SECRET_KEY}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def slow(seconds: float) -> object:
    def respond(_: Received, connection: socket.socket) -> None:
        time.sleep(seconds)
        connection.sendall(answer(Connection="close"))

    return respond


def test_a_gateway_that_is_told_to_stop_finishes_its_calls(tmp_path: Path, backend: Backend) -> None:
    """L05: 50 calls of five seconds succeed, new ones are refused, exit code 0 within 30 seconds."""
    backend.table[("GET", "/pets")] = slow(5)  # type: ignore[assignment]
    gateway = start_gateway(tmp_path, settings={"CAUSEWAY_WORKERS": "1"})
    wait_until(lambda: b"serving at" in gateway.output.read_bytes(), "the announcement", seconds=START_SECONDS)
    gateway.url = gateway.output.read_text().partition("\n")[0].rpartition(" ")[2]
    gateway.publish("pets", described(backend.url, PATHS))
    with ThreadPoolExecutor(SLOW_CALLS) as pool:
        calls = [pool.submit(gateway.call, "pets", "list_pets") for _ in range(SLOW_CALLS)]
        wait_until(lambda: len(backend.received) == SLOW_CALLS, "all calls at the API", seconds=30)
        stopped = time.monotonic()
        gateway.process.send_signal(signal.SIGTERM)
        wait_until(lambda: is_refused(gateway.url), "new connections are refused")
        assert [each.result()["isError"] for each in calls] == [False] * SLOW_CALLS
    assert gateway.stop() == 0
    assert time.monotonic() - stopped < 30
    assert gateway.errors.read_text() == ""


def test_a_client_that_connected_before_the_stop_and_asks_after_it_is_answered(
    tmp_path: Path, backend: Backend
) -> None:
    """L05, F22: it cannot know that its request would not be taken."""
    backend.table[("GET", "/pets")] = slow(0)  # type: ignore[assignment]
    gateway = start_gateway(tmp_path)
    wait_until(lambda: b"serving at" in gateway.output.read_bytes(), "the announcement", seconds=START_SECONDS)
    gateway.url = gateway.output.read_text().partition("\n")[0].rpartition(" ")[2]
    gateway.publish("pets", described(backend.url, PATHS))
    body = json.dumps(request("tools/call", name="list_pets")).encode()
    fields = (f"Host: 127.0.0.1:{gateway.port}", "Content-Type: application/json", f"Content-Length: {len(body)}")
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as connection:
        gateway.process.send_signal(signal.SIGTERM)
        wait_until(lambda: is_refused(gateway.url), "new connections are refused", seconds=60)
        time.sleep(0.5)
        connection.sendall("\r\n".join(["POST /mcp/default/pets HTTP/1.1", *fields, "", ""]).encode() + body)
        assert connection.recv(1024).startswith(b"HTTP/1.1 200 ")
    assert gateway.stop() == 0


def is_refused(url: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=5):
            return False
    except ConnectionRefusedError:
        return True


class Balancer:
    """Clients of two gateways that take turns, and go to the other one where a connection is refused."""

    def __init__(self, urls: list[str]) -> None:
        self._urls = urls
        self._turn = 0
        self.results: list[object] = []
        self.ends = {"listen": 0, "sse": 0}
        self.open = 0
        # A connection for each request, as behind a balancer that keeps none.
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        self._http = httpx2.AsyncClient(trust_env=False, timeout=60, limits=limits)

    async def close(self) -> None:
        await self._http.aclose()

    def _in_turn(self) -> list[str]:
        self._turn += 1
        return [self._urls[self._turn % 2], self._urls[(self._turn + 1) % 2]]

    async def call(self) -> None:
        for url in self._in_turn():
            message, headers = request("tools/call", name="list_pets"), {"MCP-Protocol-Version": "2025-11-25"}
            try:
                given = await self._http.post(f"{url}/mcp/default/pets", json=message, headers=headers)
            except httpx2.ConnectError:
                continue
            self.results.append(given.json()["result"]["isError"])
            return
        self.results.append("refused by both")

    async def listen(self) -> None:
        """Keep a stream of `subscriptions/listen` open, opening another one whenever it was ended."""
        message, headers = modern_request("subscriptions/listen", notifications={"toolsListChanged": True})
        while True:
            lines = await self._lines("POST", "/mcp/default/pets", json=message, headers=headers)
            assert any("subscriptionId" in line and '"result"' in line for line in lines), "a clean end"
            self.ends["listen"] += 1

    async def listen_by_sse(self) -> None:
        """Keep a stream of HTTP+SSE open likewise; it is ended by the end of its answer, which is no error."""
        while True:
            lines = await self._lines("GET", "/mcp/default/pets/sse")
            assert lines[0] == "event: endpoint"
            self.ends["sse"] += 1

    async def _lines(self, method: str, path: str, **options: Any) -> list[str]:
        """Give all of a stream once it has ended."""
        for url in itertools.cycle(self._in_turn()):
            try:
                async with self._http.stream(method, url + path, **options) as stream:
                    assert stream.status_code == 200
                    self.open += 1
                    try:
                        return [line async for line in stream.aiter_lines()]
                    finally:
                        self.open -= 1
            except httpx2.ConnectError:
                await asyncio.sleep(0.01)
        raise AssertionError


@asynccontextmanager
async def load(balancer: Balancer) -> AsyncIterator[None]:
    async def call_on_and_on() -> None:
        async with asyncio.TaskGroup() as calls:
            while True:
                calls.create_task(balancer.call())
                await asyncio.sleep(1 / CALLS_A_SECOND)

    calling = asyncio.create_task(call_on_and_on())
    listening = (balancer.listen, balancer.listen_by_sse)
    streams = [asyncio.create_task(listening[number % 2]()) for number in range(STREAMS)]
    try:
        yield
    finally:
        broken = [each.exception() for each in (calling, *streams) if each.done()]
        for each in (calling, *streams):
            each.cancel()
        await asyncio.gather(calling, *streams, return_exceptions=True)
        await balancer.close()
        assert broken == []


async def test_two_gateways_are_restarted_one_after_the_other_and_no_call_fails(
    tmp_path: Path, backend: Backend, settings: dict[str, str]
) -> None:
    """F22: under 50 calls a second and with 20 streams of both kinds, which end cleanly and are opened again."""
    ports = [free_port(), free_port()]

    def start(number: int) -> Gateway:
        given = {**settings, "CAUSEWAY_PORT": str(ports[number])}
        gateway = start_gateway(tmp_path / str(number), "--port", str(ports[number]), settings=given)
        wait_until(lambda: b"serving at" in gateway.output.read_bytes(), "the announcement", seconds=START_SECONDS)
        gateway.url = f"http://127.0.0.1:{ports[number]}"
        return gateway

    gateways = [await asyncio.to_thread(start, number) for number in (0, 1)]
    try:
        await asyncio.to_thread(gateways[0].publish, "pets", described(backend.url, PATHS))
        await asyncio.to_thread(wait_until, lambda: gateways[1].http.get(f"{gateways[1].api}/pets").is_success, "both")
        balancer = Balancer([each.url for each in gateways])
        async with load(balancer):
            await all_open(balancer)
            for number in (0, 1):
                assert await asyncio.to_thread(gateways[number].stop) == 0
                # At the other one, before the one that has none comes back.
                await all_open(balancer)
                gateways[number] = await asyncio.to_thread(start, number)
                await asyncio.sleep(0.5)
    finally:
        for each in gateways:
            await asyncio.to_thread(each.stop)
    assert sum(balancer.ends.values()) >= STREAMS
    assert min(balancer.ends.values()) > 0
    assert len(balancer.results) > 50
    assert [each for each in balancer.results if each is not False] == []


async def all_open(balancer: Balancer) -> None:
    async with asyncio.timeout(30):
        while balancer.open < STREAMS:  # noqa: ASYNC110 - streams are counted as they come and go
            await asyncio.sleep(0.01)


async def test_several_workers_serve_one_address_and_one_that_dies_is_replaced(
    tmp_path: Path, backend: Backend, settings: dict[str, str]
) -> None:
    with started_gateway(tmp_path, "--workers", "2", settings=settings, is_quiet=False) as gateway:
        gateway.publish("pets", described(backend.url, PATHS))
        workers = await asyncio.to_thread(_two_workers, gateway)
        os.kill(workers.pop(), signal.SIGKILL)
        await asyncio.to_thread(wait_until, lambda: len(serving(gateway) - workers) == 1, "another worker", seconds=30)
        gateway.http.close()
        for _ in range(20):
            with httpx2.Client(trust_env=False, timeout=30) as fresh:
                gateway.http = fresh
                assert gateway.call("pets", "list_pets")["isError"] is False
        gateway.http = httpx2.Client(trust_env=False)
    assert "is replaced" in gateway.errors.read_text()


def _two_workers(gateway: Gateway) -> set[int]:
    wait_until(lambda: len(serving(gateway)) == 2, "two workers", seconds=30)
    return serving(gateway)


def serving(gateway: Gateway) -> set[int]:
    """Give the processes of a gateway that serve: those that have opened its database."""
    children = Path(f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children").read_text().split()
    return {int(each) for each in children if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()}


def test_several_workers_without_postgresql_are_refused(tmp_path: Path) -> None:
    gateway = start_gateway(tmp_path, "--workers", "2")
    assert gateway.process.wait(30) == 2
    assert gateway.errors.read_text().startswith("causeway: CAUSEWAY_WORKERS is 2, which needs PostgreSQL")


def test_a_signal_at_the_moment_of_the_announcement_is_not_lost(tmp_path: Path) -> None:
    """Between the line that says where it is and the first request it serves, a gateway stops as at any other time."""
    command = [*CAUSEWAY, "serve", "--port", "0"]
    service = {"CAUSEWAY_ADMIN_KEY": "k" * 32, "CAUSEWAY_SECRET_KEY": SECRET_KEY}
    with subprocess.Popen(command, cwd=tmp_path, env=environment(tmp_path, service), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().decode().startswith(ANNOUNCEMENT)
        process.terminate()
        try:
            assert process.wait(60) == 0
        finally:
            process.kill()
