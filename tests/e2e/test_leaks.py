"""What clients leave behind when they go, however they go: nothing."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import httpx2
import pytest

from tests.app.backends import Backend, backend, then_wait
from tests.e2e.backends import described, parameter
from tests.e2e.gateways import Gateway, modern_request, request, started_gateway

CONNECTIONS = int(os.environ.get("CAUSEWAY_TEST_CONNECTIONS", "10000"))
AT_ONCE, WAVES = 100, 10
STREAMS = 500
SECONDS = 60
"""How long anything may take on a busy machine; what does not come at all fails then."""
PATHS: dict[str, Any] = {
    "/pets/{id}": {"get": {"operationId": "get_pet", "parameters": [parameter("id", "path", {"type": "integer"})]}}
}
CALL: dict[str, Any] = {"name": "get_pet", "arguments": {"id": 7}}


class Held(NamedTuple):
    """What a gateway holds: open files and connections, tasks, open streams, requests to APIs."""

    descriptors: int
    tasks: int
    streams: int
    active: int


@dataclass
class Watched:
    """A gateway, its API, and what it held before."""

    gateway: Gateway
    api: Backend
    before: Held

    async def until(self, is_right: Callable[[Held], bool]) -> Held:
        """Wait until what the gateway holds is as said, and give it, also where it does not come to be so."""
        ends = asyncio.get_running_loop().time() + SECONDS
        now = await held(self.gateway)
        while not is_right(now) and asyncio.get_running_loop().time() < ends:
            await asyncio.sleep(0.1)
            now = await held(self.gateway)
        return now

    async def left(self) -> dict[str, int]:
        """Give what is held beyond what was held before, when there is nothing of it any more, or never will be."""
        now = await self.until(lambda now: not _beyond(now, self.before))
        return _beyond(now, self.before)


def _beyond(now: Held, before: Held) -> dict[str, int]:
    return {name: own - then for name, own, then in zip(Held._fields, now, before, strict=True) if own > then}


async def held(gateway: Gateway) -> Held:
    # A connection of its own each time, which is counted each time.
    async with httpx2.AsyncClient(trust_env=False, timeout=SECONDS) as http:
        text = (await http.get(f"{gateway.url}/metrics")).text
    names = ("process_open_fds", "causeway_tasks", "causeway_open_streams", "causeway_upstream_active")
    return Held(*(_sum(text, name) for name in names))


def _sum(text: str, name: str) -> int:
    return sum(int(float(each)) for each in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))


@pytest.fixture(scope="module")
def module_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    # A call that is not cancelled would otherwise be ended, after half a minute, by its deadline.
    settings = {"CAUSEWAY_CALL_TIMEOUT": "300"}
    with started_gateway(tmp_path_factory.mktemp("gateway"), settings=settings) as started:
        yield started


@pytest.fixture
async def watched(module_gateway: Gateway) -> AsyncIterator[Watched]:
    """Give a gateway on which everything was used once, with an API that never answers."""
    async with backend() as api:
        for name in ("pets", "cats"):
            await asyncio.to_thread(module_gateway.publish, name, described(api.url, PATHS))
        await asyncio.to_thread(module_gateway.call, "pets", "get_pet", {"id": 7})
        await _fill_pool(module_gateway)
        await api.stop()
        module_gateway.http.close()
        module_gateway.http = httpx2.Client(trust_env=False, timeout=SECONDS)
        api.requests.clear()
        api.replies = (then_wait(b""),)
        yield Watched(module_gateway, api, await _still(module_gateway))


async def _fill_pool(gateway: Gateway) -> None:
    """Have the gateway make all the connections to its database that it ever makes: it keeps them."""
    async with httpx2.AsyncClient(trust_env=False, timeout=SECONDS) as http:
        await asyncio.gather(*(http.get(gateway.api) for _ in range(40)))


async def _still(gateway: Gateway) -> Held:
    """Give what is held when it changes no more: connections that nobody uses are kept for a while."""
    seen: list[Held] = []
    while len(seen) < 10 or len(set(seen[-10:])) > 1:
        seen.append(await held(gateway))
        await asyncio.sleep(0.1)
    return seen[-1]


def _http(gateway: Gateway, message: dict[str, Any], headers: dict[str, str]) -> bytes:
    body = json.dumps(message).encode()
    fields = {
        "Host": f"127.0.0.1:{gateway.port}",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Accept": "application/json, text/event-stream",
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST /mcp/default/pets HTTP/1.1\r\n{head}\r\n".encode() + body


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection as a process that is killed closes it: what is on its way is lost."""
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def test_ten_thousand_connections_that_come_and_go_leave_nothing_open(watched: Watched) -> None:
    """L06: half of them in the middle of a request: of its head, of its body, or before its answer."""
    whole = _http(watched.gateway, request("tools/list"), {"MCP-Protocol-Version": "2025-11-25"})
    parts = (b"", whole[:40], b"", whole[:-10], b"", whole)
    numbers = iter(range(CONNECTIONS))

    async def come_and_go() -> None:
        for number in numbers:
            _, writer = await asyncio.open_connection("127.0.0.1", watched.gateway.port)
            writer.write(parts[number % len(parts)])
            await writer.drain()
            _reset(writer)

    await asyncio.gather(*(come_and_go() for _ in range(50)))
    assert await watched.left() == {}
    assert watched.gateway.is_alive()


class Calls:
    """Calls under way, and how their clients give up."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._gateway = watched.gateway
        self._writers: list[asyncio.StreamWriter] = []

    async def begin(self, message: dict[str, Any], headers: dict[str, str]) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", self._gateway.port)
        writer.write(_http(self._gateway, message, headers))
        await writer.drain()
        self._writers.append(writer)

    async def hang_up(self) -> None:
        """Close half of the connections, and reset the others."""
        for number, writer in enumerate(self._writers):
            if number % 2:
                _reset(writer)
            else:
                writer.close()
        self._writers.clear()


async def test_calls_whose_clients_hang_up_are_cancelled_up_to_the_api(watched: Watched) -> None:
    """L07, P05: 1,000 calls of both eras; each is ended at the API, and its slot is free for the next."""
    calls = Calls(watched)
    modern, legacy = modern_request("tools/call", **CALL), request("tools/call", **CALL)
    for wave in range(1, WAVES + 1):
        async with asyncio.timeout(SECONDS):
            for _ in range(AT_ONCE // 2):
                await calls.begin(*modern)
                await calls.begin(legacy, {"MCP-Protocol-Version": "2025-11-25"})
            await watched.api.received(wave * AT_ONCE)
            await calls.hang_up()
            await watched.api.emptied()
    assert len(watched.api.requests) == WAVES * AT_ONCE
    assert await watched.left() == {}


@asynccontextmanager
async def sse_stream(http: httpx2.AsyncClient, url: str) -> AsyncIterator[tuple[str, AsyncIterator[str]]]:
    """Open a stream of HTTP+SSE; gives where to post, and the data of its events."""
    async with http.stream("GET", f"{url}/sse", timeout=httpx2.Timeout(SECONDS, read=None)) as response:
        assert response.status_code == 200
        data = (line.removeprefix("data: ") async for line in response.aiter_lines() if line.startswith("data: "))
        yield httpx2.URL(url).join(await anext(data)).__str__(), data


async def test_requests_that_are_cancelled_over_http_and_sse_are_cancelled_up_to_the_api(watched: Watched) -> None:
    """L07: by `notifications/cancelled`, and by closing the stream that the answers were to come on."""
    url, each = watched.gateway.mcp_url("pets"), AT_ONCE // 4
    async with httpx2.AsyncClient(trust_env=False, timeout=SECONDS) as http:
        for wave, is_closed in enumerate((False, True), 1):
            async with AsyncExitStack() as stack, asyncio.timeout(SECONDS):
                streams = [await stack.enter_async_context(sse_stream(http, url)) for _ in range(4)]
                for endpoint, _ in streams:
                    for number in range(each):
                        await http.post(endpoint, json=request("tools/call", request_id=number, **CALL))
                await watched.api.received(wave * AT_ONCE)
                for endpoint, _ in () if is_closed else streams:
                    for number in range(each):
                        params = {"requestId": number}
                        notice = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
                        assert (await http.post(endpoint, json=notice)).status_code == 202
                if not is_closed:
                    await watched.api.emptied()
                    assert (await watched.until(lambda now: now.active == 0)).streams == 4
            async with asyncio.timeout(SECONDS):
                await watched.api.emptied()
    assert len(watched.api.requests) == 2 * AT_ONCE
    assert await watched.left() == {}


async def test_a_client_that_closes_the_stream_of_its_answer_ends_the_request_to_the_api(watched: Watched) -> None:
    """P05: after news of the work has come; the API sees the end of the connection, and the slot is free."""
    line = b'{"progress": 1}\n'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
    watched.api.replies = (then_wait(head + f"{len(line):x}\r\n".encode() + line + b"\r\n"),)
    message, headers = modern_request("tools/call", **CALL)
    message["params"]["_meta"]["progressToken"] = "p"
    async with (
        asyncio.timeout(SECONDS),
        httpx2.AsyncClient(trust_env=False, timeout=SECONDS) as http,
        http.stream("POST", watched.gateway.mcp_url("pets"), json=message, headers=headers) as response,
    ):
        lines = response.aiter_lines()
        while not (told := await anext(lines)).startswith("data: "):
            pass
        assert json.loads(told.removeprefix("data: "))["params"]["progress"] == 1
        assert (await held(watched.gateway)).active == 1
    async with asyncio.timeout(SECONDS):
        await watched.api.emptied()
    assert await watched.left() == {}


async def test_five_hundred_streams_are_all_told_and_leave_nothing_when_they_close(watched: Watched) -> None:
    """L04, L06: `subscriptions/listen` and HTTP+SSE of two servers, each of which changes once."""
    listen = modern_request("subscriptions/listen", notifications={"toolsListChanged": True})
    changed = asyncio.Semaphore(0)
    ready = asyncio.Semaphore(0)

    async def listens(http: httpx2.AsyncClient, url: str) -> None:
        timeout = httpx2.Timeout(SECONDS, read=None)
        async with http.stream("POST", url, json=listen[0], headers=listen[1], timeout=timeout) as response:
            assert response.status_code == 200
            await tell(line.removeprefix("data: ") async for line in response.aiter_lines() if "data: " in line)

    async def speaks_sse(http: httpx2.AsyncClient, url: str) -> None:
        client = {"name": "tests", "version": "1"}
        offer = {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": client}
        async with sse_stream(http, url) as (endpoint, data):
            assert (await http.post(endpoint, json=request("initialize", **offer))).status_code == 202
            await tell(data)

    async def tell(data: AsyncIterator[str]) -> None:
        await anext(data)
        ready.release()
        assert json.loads(await anext(data))["method"] == "notifications/tools/list_changed"
        changed.release()
        await asyncio.Event().wait()

    limits = httpx2.Limits(max_connections=None)
    async with (
        asyncio.timeout(2 * SECONDS),
        httpx2.AsyncClient(trust_env=False, limits=limits, timeout=SECONDS) as http,
    ):
        urls = [watched.gateway.mcp_url(name) for name in ("pets", "cats")]
        kinds = (listens, speaks_sse)
        streams = [asyncio.create_task(kinds[n % 2](http, urls[n // 2 % 2])) for n in range(STREAMS)]
        try:
            await _all(ready, streams)
            assert (await held(watched.gateway)).streams == STREAMS
            for name in ("pets", "cats"):
                tool = f"{watched.gateway.api}/{name}/tools/get_pet"
                assert (await http.patch(tool, json={"description": "Give another pet."})).status_code == 200
            await _all(changed, streams)
        finally:
            for each in streams:
                each.cancel()
            await asyncio.gather(*streams, return_exceptions=True)
    assert await watched.left() == {}


async def _all(semaphore: asyncio.Semaphore, streams: list[asyncio.Task[None]]) -> None:
    """Wait until every stream has come so far; one that fails is raised."""

    async def counted() -> None:
        for _ in streams:
            await semaphore.acquire()

    counting = asyncio.create_task(counted())
    await asyncio.wait([counting, *streams], return_when=asyncio.FIRST_COMPLETED)
    for each in streams:
        if each.done():
            each.result()
    await counting
