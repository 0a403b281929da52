"""Streams that stay open, with the official client: HTTP+SSE, and what it is told of while it listens."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.backends import Backend, answer, described, parameter
from tests.e2e.gateways import ERAS, Gateway, connected, connected_by_sse, started_gateway

PATHS: dict[str, Any] = {
    "/pets/{id}": {"get": {"operationId": "get_pet", "parameters": [parameter("id", "path", {"type": "integer"})]}}
}


@pytest.fixture
def pets(gateway: Gateway, backend: Backend) -> str:
    return gateway.publish("pets", described(backend.url, PATHS))


async def test_the_official_client_lists_and_calls_by_http_and_sse(pets: str, backend: Backend) -> None:
    async with connected_by_sse(pets) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["get_pet"]
        results = await asyncio.gather(*(client.call_tool("get_pet", {"id": each}) for each in range(20)))

    assert all(result.structured_content == {"ok": True} for result in results)
    assert sorted(each.path for each in backend.received) == sorted(f"/pets/{each}" for each in range(20))


async def test_clients_of_every_generation_and_transport_use_one_server_at_once(pets: str) -> None:
    async def use(connection: Any) -> Any:
        async with connection as client:
            return [(await client.call_tool("get_pet", {"id": each})).structured_content for each in range(5)]

    found = await asyncio.gather(*(use(connected(pets, era)) for era in ERAS), use(connected_by_sse(pets)))

    assert found == [[{"ok": True}] * 5] * 4


def test_the_control_plane_names_both_urls(gateway: Gateway, pets: str) -> None:
    endpoints = gateway.http.get(f"{gateway.api}/pets").json()["endpoints"]

    assert endpoints == {"streamable_http": pets, "sse": f"{pets}/sse"}


@pytest.mark.parametrize(
    ("header", "status"), [({"Origin": "https://evil.example"}, 403), ({"Host": "evil.example"}, 421)]
)
def test_a_web_page_cannot_open_a_stream(gateway: Gateway, pets: str, header: dict[str, str], status: int) -> None:
    assert gateway.http.get(f"{pets}/sse", headers=header).status_code == status


def test_a_call_is_cancelled_when_its_stream_closes(gateway: Gateway, pets: str, backend: Backend) -> None:
    backend.table["GET", "/pets/7"] = backend.hang
    with httpx2.stream("GET", f"{pets}/sse", trust_env=False) as stream:
        lines = stream.iter_lines()
        assert next(lines) == "event: endpoint"
        endpoint = gateway.url + next(lines).removeprefix("data: ")
        call = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": "get_pet", "arguments": {"id": 7}},
        }
        assert gateway.http.post(endpoint, json=call).status_code == 202
        deadline = time.monotonic() + 5
        while not backend.received:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    closed = time.monotonic()
    while not backend.hang_ups:
        assert time.monotonic() < closed + 2, "the API was not told within two seconds"
        time.sleep(0.01)


def test_an_open_stream_does_not_hold_up_the_end_of_the_gateway(tmp_path: Path, backend: Backend) -> None:
    backend.table["GET", "/pets/7"] = answer()
    with started_gateway(tmp_path) as gateway:
        url = gateway.publish("pets", described(backend.url, PATHS))
        with httpx2.stream("GET", f"{url}/sse", trust_env=False) as stream:
            lines = stream.iter_lines()
            assert next(lines) == "event: endpoint"
            gateway.process.send_signal(signal.SIGTERM)
            assert list(lines)[-1] == ""
        assert gateway.process.wait(5) == 0
        assert gateway.errors.read_text() == ""


async def test_a_client_that_listens_is_told_of_another_list_within_a_second(gateway: Gateway, pets: str) -> None:
    tool = f"{gateway.api}/pets/tools/get_pet"
    async with connected(pets, "2026-07-28") as client, client.listen(tools_list_changed=True) as told:
        assert told.honored.tools_list_changed is True
        assert gateway.http.patch(f"{gateway.api}/pets", json={"instructions": "Be kind."}).status_code == 200
        assert gateway.http.patch(tool, json={"description": "Give one pet."}).status_code == 200
        async with asyncio.timeout(1):
            event = await anext(aiter(told))
        assert type(event).__name__ == "ToolsListChanged"
        assert (await client.list_tools()).tools[0].description == "Give one pet."
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await anext(aiter(told))


async def test_a_client_of_http_and_sse_is_told_of_another_list(gateway: Gateway, pets: str) -> None:
    told = asyncio.Event()

    async def on_message(message: Any) -> None:
        if getattr(message, "method", "") == "notifications/tools/list_changed":
            told.set()

    async with connected_by_sse(pets, message_handler=on_message) as client:
        announced = client.server_capabilities.tools
        assert announced is not None
        assert announced.list_changed is True
        changed = gateway.http.patch(f"{gateway.api}/pets/tools/get_pet", json={"description": "Give a pet."})
        assert changed.status_code == 200
        async with asyncio.timeout(1):
            await told.wait()
