"""Two gateways on one database behind one address: a message reaches its stream whichever of them takes it."""

from __future__ import annotations

import base64
import itertools
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from tests.databases import postgresql_database, postgresql_server
from tests.e2e.backends import Backend, described, parameter
from tests.e2e.gateways import Gateway, modern_request, request, started_gateway

CALLS = int(os.environ.get("CAUSEWAY_TEST_BALANCED_CALLS", "100"))
"""Calls of each client; acceptance takes 1,000."""
PATHS = {
    "/pets/{id}": {"get": {"operationId": "get_pet", "parameters": [parameter("id", "path", {"type": "integer"})]}}
}


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    with postgresql_server() as url:
        yield url


@asynccontextmanager
async def running(postgresql: str, backend: Backend, folder: Path) -> AsyncIterator[tuple[Gateway, Gateway]]:
    """Run two gateways that serve the same description."""
    async with postgresql_database(postgresql) as database:
        settings = {
            "CAUSEWAY_DATABASE_URL": database,
            "CAUSEWAY_SECRET_KEY": base64.b64encode(bytes(range(32))).decode(),
        }
        folders = [folder / name for name in ("one", "two")]
        for each in folders:
            each.mkdir()
        with started_gateway(folders[0], settings=settings) as one:
            one.publish("pets", described(backend.url, PATHS))
            with started_gateway(folders[1], settings=settings) as second:
                yield one, second


@pytest.fixture(scope="module")
async def two(
    postgresql: str, module_backend: Backend, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Gateway, Gateway]]:
    """Run two gateways for all tests that leave both alive."""
    async with running(postgresql, module_backend, tmp_path_factory.mktemp("two")) as gateways:
        yield gateways


@pytest.fixture
async def mortal(postgresql: str, module_backend: Backend, tmp_path: Path) -> AsyncIterator[tuple[Gateway, Gateway]]:
    """Run two gateways for one test."""
    async with running(postgresql, module_backend, tmp_path) as gateways:
        yield gateways


class Stream:
    """A stream of HTTP+SSE, read line by line."""

    def __init__(self, response: httpx2.Response) -> None:
        self._lines = response.aiter_lines()

    async def data(self) -> str:
        """Give the data of the next event."""
        async for line in self._lines:
            if line.startswith("data: "):
                return line.removeprefix("data: ")
        raise EOFError


class RoundRobin(httpx2.AsyncBaseTransport):
    """A load balancer: each request goes to the next gateway, and to another where that one takes no connection."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._turns = itertools.cycle([httpx2.URL(each) for each in urls])
        self._most = len(urls)
        self._transport = httpx2.AsyncHTTPTransport()
        self.taken: Counter[int | None] = Counter()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        for tried in range(self._most):
            target = next(self._turns)
            request.url = request.url.copy_with(port=target.port)
            try:
                response = await self._transport.handle_async_request(request)
            except httpx2.ConnectError:
                if tried + 1 == self._most:
                    raise
            else:
                self.taken[target.port] += 1
                return response
        raise AssertionError

    async def aclose(self) -> None:
        await self._transport.aclose()


@asynccontextmanager
async def balanced(balancer: RoundRobin, url: str, mode: str) -> AsyncIterator[Client]:
    """Connect the official client by a load balancer."""

    def http(headers: Any = None, timeout: Any = None, auth: Any = None) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=balancer, headers=headers, timeout=timeout, auth=auth)

    if mode == "sse":
        async with Client(sse_client(f"{url}/sse", httpx_client_factory=http), mode="legacy") as client:
            yield client
        return
    async with http(timeout=60) as used, Client(streamable_http_client(url, http_client=used), mode=mode) as client:
        yield client


@pytest.mark.parametrize("mode", ["2026-07-28", "legacy", "sse"])
async def test_an_official_client_at_a_load_balancer_has_no_failed_call(
    two: tuple[Gateway, Gateway], backend: Backend, mode: str
) -> None:
    """P02: each request goes to another gateway than the one before."""
    balancer = RoundRobin([each.url for each in two])
    async with balanced(balancer, two[0].mcp_url("pets"), mode) as client:
        for number in range(CALLS):
            result = await client.call_tool("get_pet", {"id": number})
            assert not result.is_error, (number, result)
    assert len(backend.received) == CALLS
    assert min(balancer.taken.values()) > CALLS // 3
    assert len(balancer.taken) == 2


async def test_both_gateways_give_the_same_list_byte_for_byte(two: tuple[Gateway, Gateway]) -> None:
    """P03: also where the description was compiled by one of them alone."""
    modern, named = modern_request("tools/list")
    for message, sent in ((request("tools/list"), {"MCP-Protocol-Version": "2025-06-18"}), (modern, named)):
        lists = [each.http.post(each.mcp_url("pets"), json=message, headers=sent).content for each in (*two, *two)]
        assert b'"get_pet"' in lists[0]
        assert len(set(lists)) == 1


async def test_calls_that_take_turns_between_two_gateways_are_all_answered(
    two: tuple[Gateway, Gateway], backend: Backend
) -> None:
    turns = itertools.cycle(each.url for each in two)
    async with (
        httpx2.AsyncClient(trust_env=False, timeout=20) as http,
        http.stream("GET", f"{next(turns)}/mcp/default/pets/sse") as response,
    ):
        stream = Stream(response)
        endpoint = await stream.data()
        answers: dict[int, Any] = {}
        for number in range(CALLS):
            call = request("tools/call", request_id=number, name="get_pet", arguments={"id": number})
            assert (await http.post(next(turns) + endpoint, json=call)).status_code == 202
            answer = json.loads(await stream.data())
            answers[answer["id"]] = answer["result"]["content"][0]["text"]

    assert answers == dict.fromkeys(range(CALLS), '{"ok":true}')
    assert len(backend.received) == CALLS


async def test_a_message_larger_than_a_notification_reaches_its_stream(two: tuple[Gateway, Gateway]) -> None:
    one, other = two
    async with (
        httpx2.AsyncClient(trust_env=False, timeout=20) as http,
        http.stream("GET", f"{one.url}/mcp/default/pets/sse") as response,
    ):
        stream = Stream(response)
        endpoint = await stream.data()
        large = request("tools/call", name="get_pet", arguments={"id": "x" * 200_000})
        assert (await http.post(other.url + endpoint, json=large)).status_code == 202
        assert json.loads(await stream.data())["result"]["isError"] is True


async def test_a_gateway_that_dies_takes_only_its_own_streams(mortal: tuple[Gateway, Gateway]) -> None:
    """Clients without a stream at it go on at the other, and whoever lost one opens another."""
    dying, staying = mortal
    url, urls = dying.mcp_url("pets"), [each.url for each in mortal]
    async with (
        balanced(RoundRobin(urls), url, "2026-07-28") as modern,
        balanced(RoundRobin(urls), url, "legacy") as legacy,
        httpx2.AsyncClient(trust_env=False, timeout=20) as http,
        http.stream("GET", f"{dying.url}/mcp/default/pets/sse") as broken,
        http.stream("GET", f"{staying.url}/mcp/default/pets/sse") as whole,
    ):
        lost, kept = Stream(broken), Stream(whole)
        lost_endpoint, kept_endpoint = await lost.data(), await kept.data()
        dying.kill()
        with pytest.raises((EOFError, httpx2.HTTPError)):
            await lost.data()
        assert (await http.post(staying.url + lost_endpoint, json=request("ping"))).status_code == 404
        assert (await http.post(staying.url + kept_endpoint, json=request("ping"))).status_code == 202
        assert json.loads(await kept.data())["result"] == {}
        async with balanced(RoundRobin(urls), url, "sse") as again:
            for number in range(10):
                for client in (modern, legacy, again):
                    assert not (await client.call_tool("get_pet", {"id": number})).is_error
