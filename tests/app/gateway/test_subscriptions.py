"""`subscriptions/listen`: a POST whose stream tells of another list of tools."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import mcp_types.methods
import pytest

from app.gateway.calls import ToolCalls
from app.gateway.catalog import SnapshotCatalog
from app.gateway.open_streams import StreamBounds
from app.gateway.server import McpEndpoint
from tests.app.asgi import Answer
from tests.app.descriptions import snapshot
from tests.app.gateway.endpoints import MODERN, PATH, PREFIX, FakeUpstream, ask, envelope, headers, post, request
from tests.app.gateway.streams import Listener, listening

LISTEN = "subscriptions/listen"
WANTED = {"toolsListChanged": True, "promptsListChanged": True, "resourceSubscriptions": ["test://x"]}


def served(*, max_streams: int = 10) -> tuple[SnapshotCatalog, McpEndpoint]:
    catalog = SnapshotCatalog()
    catalog.put(snapshot())
    return catalog, McpEndpoint(
        catalog, ToolCalls(FakeUpstream(), deadline=1), streams=StreamBounds(of_server=max_streams)
    )


@asynccontextmanager
async def subscribed(app: McpEndpoint, wanted: Any, *, request_id: Any = "s1") -> AsyncIterator[Listener]:
    body = request(LISTEN, envelope(notifications=wanted), request_id=request_id)
    sent = headers(MODERN, ("Mcp-Method", LISTEN))
    async with listening(app, PATH, method="POST", headers=sent, chunks=[body]) as stream:
        yield stream


async def test_the_first_message_acknowledges_what_is_told_and_each_carries_the_id_of_the_request() -> None:
    catalog, app = served()
    async with subscribed(app, WANTED) as stream:
        meta = {f"{PREFIX}subscriptionId": "s1"}
        assert dict(stream.exchange.sent[0]["headers"])[b"content-type"] == b"text/event-stream"
        assert (await stream.until(1))[0] == {
            "jsonrpc": "2.0",
            "method": "notifications/subscriptions/acknowledged",
            "params": {"notifications": {"toolsListChanged": True}, "_meta": meta},
        }
        catalog.put(snapshot(definitions=[]))
        changed = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed", "params": {"_meta": meta}}
        assert (await stream.until(2))[1] == changed


async def test_what_was_not_asked_for_and_what_nobody_sees_is_not_told() -> None:
    catalog, app = served()
    async with subscribed(app, {"promptsListChanged": True}) as one, subscribed(app, WANTED) as two:
        catalog.put(snapshot(instructions="Other words, the same tools.", revision=2))
        catalog.put(snapshot(name="cats"))
        catalog.put(snapshot(definitions=[]))
        assert len(await two.until(2)) == 2
        assert [each["params"]["notifications"] for each in one.messages] == [{}]


@pytest.mark.parametrize("ending", ["dropped", "stopped"])
async def test_the_result_ends_the_stream_where_the_server_ends_it(ending: str) -> None:
    catalog, app = served()
    async with subscribed(app, WANTED, request_id=7) as stream:
        catalog.drop("default", "pets") if ending == "dropped" else app.end_streams()
        await stream.ended()
        last = stream.messages[-1]
    assert (last["id"], last["result"]["_meta"][f"{PREFIX}subscriptionId"]) == (7, 7)
    mcp_types.methods.validate_server_result(LISTEN, MODERN, last["result"])


async def test_a_client_that_closes_the_stream_is_forgotten() -> None:
    catalog, app = served(max_streams=1)
    for _ in range(3):
        async with subscribed(app, WANTED) as stream:
            assert stream.status == 200
    catalog.put(snapshot(definitions=[]))
    assert len(stream.messages) == 1


async def test_streams_of_a_server_are_bounded() -> None:
    _, app = served(max_streams=1)
    async with subscribed(app, WANTED), subscribed(app, WANTED) as refused:
        assert refused.status == 503


async def test_a_client_that_takes_no_stream_gets_406() -> None:
    sent = [("Content-Type", "application/json"), ("Accept", "application/json"), ("MCP-Protocol-Version", MODERN)]
    body = request(LISTEN, envelope(notifications=WANTED))
    given = await post(served()[1], body, [*sent, ("Mcp-Method", LISTEN)])
    assert given.status == 406


@pytest.mark.parametrize("params", [{}, {"notifications": None}, {"notifications": ["toolsListChanged"]}])
async def test_a_request_that_does_not_say_what_it_wants_is_refused(params: dict[str, Any]) -> None:
    given = await ask(served()[1], LISTEN, params, version=MODERN)
    assert (given.status, given.json()["error"]["code"]) == (400, -32602)


async def test_the_handshake_era_does_not_know_the_method() -> None:
    given = await ask(served()[1], LISTEN, {"notifications": WANTED})
    assert given.json()["error"]["code"] == -32601


async def test_only_changes_that_can_be_told_are_announced() -> None:
    def announced(given: Answer) -> Any:
        capabilities = given.json()["result"]["capabilities"]
        return capabilities["tools"], capabilities["resources"]

    app = served()[1]
    untold = {"listChanged": False, "subscribe": False}
    offer = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}
    assert announced(await ask(app, "server/discover", {}, version=MODERN)) == ({"listChanged": True}, untold)
    assert announced(await ask(app, "initialize", offer)) == ({"listChanged": False}, untold)


async def test_a_hundred_streams_are_all_told_of_a_change_and_are_forgotten_when_they_close() -> None:
    """Acceptance L04 and L06, scaled: nobody is left out, and what was open leaves nothing behind."""
    catalog, app = served(max_streams=100)
    async with AsyncExitStack() as open_streams:
        streams = [
            await open_streams.enter_async_context(subscribed(app, WANTED, request_id=f"s{each}"))
            for each in range(100)
        ]
        assert app.open_streams == {"default/pets": 100}
        catalog.put(snapshot(definitions=[]))
        told = await asyncio.gather(*(each.until(2) for each in streams))
        assert {each[1]["method"] for each in told} == {"notifications/tools/list_changed"}
        assert len({each[1]["params"]["_meta"][f"{PREFIX}subscriptionId"] for each in told}) == 100
    assert app.open_streams == {}
    async with subscribed(app, WANTED) as stream:
        catalog.put(snapshot())
        assert len(await stream.until(2)) == 2
