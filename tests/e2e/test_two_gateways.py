"""Two gateways on one database behind one address: a message reaches its stream whichever of them takes it."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.databases import postgresql_database, postgresql_server
from tests.e2e.backends import Backend, described, parameter
from tests.e2e.gateways import Gateway, request, started_gateway

CALLS = 100
PATHS = {
    "/pets/{id}": {"get": {"operationId": "get_pet", "parameters": [parameter("id", "path", {"type": "integer"})]}}
}


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    with postgresql_server() as url:
        yield url


@pytest.fixture
async def two(postgresql: str, backend: Backend, tmp_path: Path) -> AsyncIterator[tuple[Gateway, Gateway]]:
    """Run two gateways that serve the same description."""
    async with postgresql_database(postgresql) as database:
        settings = {
            "CAUSEWAY_DATABASE_URL": database,
            "CAUSEWAY_SECRET_KEY": base64.b64encode(bytes(range(32))).decode(),
        }
        folders = [tmp_path / name for name in ("one", "two")]
        for folder in folders:
            folder.mkdir()
        with started_gateway(folders[0], settings=settings) as one:
            one.publish("pets", described(backend.url, PATHS))
            with started_gateway(folders[1], settings=settings) as second:
                yield one, second


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


async def test_a_gateway_that_dies_takes_only_its_own_streams(two: tuple[Gateway, Gateway]) -> None:
    dying, staying = two
    async with (
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
