"""Answers that come piece by piece reach the client as news of the work, and then as a result."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from converters.results import ApiResponse
from tests.app.asgi import Answer, Event, Exchange
from tests.app.gateway.endpoints import FakeUpstream, endpoint

LINES = (
    b'{"progress": 0, "total": 2}\n{"progress": 0, "total"',
    b': 2}\n{"level": "debug", "data": "small"}\n{"level": "error", "logger": "db", "data": {"a": 1}}\n',
    b'{"progress": 1.5, "total": 2, "message": "nearly"}\n{"done": true}\n',
)


def of_lines(chunks: tuple[bytes, ...]) -> FakeUpstream:
    """Make an API that answers with lines."""
    return FakeUpstream(ApiResponse(200, "application/x-ndjson", b"".join(chunks)), chunks=chunks)


def call(
    meta: dict[str, Any],
    upstream: FakeUpstream,
    *,
    version: str = "2025-11-25",
    accept: str = "application/json, text/event-stream",
) -> Exchange:
    """Make the call of a tool whose API is `upstream`."""
    params: dict[str, Any] = {"name": "get_pet", "arguments": {"petId": 7}, "_meta": meta}
    headers = [
        ("content-type", "application/json"), ("accept", accept), ("mcp-protocol-version", version),
        ("mcp-method", "tools/call"), ("mcp-name", "get_pet"),
    ]  # fmt: skip
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    return Exchange(endpoint(upstream), path="/mcp/default/pets", headers=headers, chunks=[body])


async def posted(
    meta: dict[str, Any], chunks: tuple[bytes, ...] = LINES, **request: Any
) -> tuple[str | None, list[dict[str, Any]]]:
    """Call a tool whose API answers with lines; gives the media type and the messages that came."""
    answer = await call(meta, of_lines(chunks), **request).run()
    assert answer is not None
    assert answer.status == 200
    kind = answer.header("content-type")
    return kind, [answer.json()] if kind != "text/event-stream" else messages_of(answer)


def messages_of(answer: Answer) -> list[dict[str, Any]]:
    events = answer.body.decode().removesuffix("\n\n").split("\n\n")
    assert all(event.startswith("event: message\ndata: ") for event in events)
    return [json.loads(event.partition("data: ")[2]) for event in events]


def told(messages: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    return [(each["method"], each["params"]) for each in messages if "method" in each]


PROGRESS = [
    ("notifications/progress", {"progressToken": "p", "progress": 0, "total": 2}),
    ("notifications/progress", {"progressToken": "p", "progress": 1.5, "total": 2, "message": "nearly"}),
]
DEBUG = ("notifications/message", {"level": "debug", "data": "small"})
ERROR = ("notifications/message", {"level": "error", "logger": "db", "data": {"a": 1}})


async def test_progress_and_log_messages_come_before_the_result() -> None:
    kind, messages = await posted({"progressToken": "p"})

    assert kind == "text/event-stream"
    assert told(messages) == [PROGRESS[0], DEBUG, ERROR, PROGRESS[1]]
    assert messages[-1]["id"] == 1
    assert messages[-1]["result"]["structuredContent"] == {"done": True}


async def test_a_client_that_takes_no_stream_gets_the_result_alone() -> None:
    kind, messages = await posted({"progressToken": "p"}, accept="application/json")

    assert kind == "application/json"
    assert messages[0]["result"]["structuredContent"] == {"done": True}


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ({}, []),
        ({"io.modelcontextprotocol/logLevel": "warning"}, [ERROR]),
        ({"io.modelcontextprotocol/logLevel": "debug", "progressToken": "p"}, [PROGRESS[0], DEBUG, ERROR, PROGRESS[1]]),
        ({"io.modelcontextprotocol/logLevel": "loud", "progressToken": "p"}, PROGRESS),
    ],
)
async def test_since_2026_07_28_a_request_asks_for_what_it_is_told(meta: dict[str, Any], expected: list[Any]) -> None:
    envelope = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    kind, messages = await posted({**envelope, **meta}, version="2026-07-28")

    assert told(messages) == expected
    assert kind == ("text/event-stream" if expected else "application/json")
    assert messages[-1]["result"]["structuredContent"] == {"done": True}


class SlowClient:
    """A client that takes nothing of its answer until it is told to."""

    def __init__(self, exchange: Exchange) -> None:
        self._taken = exchange.app
        self.reads = asyncio.Event()
        exchange.app = self.app

    async def app(self, scope: Event, receive: Any, send: Any) -> None:
        async def sent(event: Event) -> None:
            await self.reads.wait()
            await send(event)

        await self._taken(scope, receive, sent)


def progress(count: int) -> tuple[bytes, ...]:
    return (*(b'{"progress": %d}\n' % number for number in range(count)), b'{"done": true}\n')


async def test_the_api_is_read_while_the_client_does_not_read() -> None:
    """P: the time that a client takes is no time of the API, whose breaker it would open."""
    upstream = of_lines(progress(1_000))
    exchange = call({"progressToken": "p"}, upstream)
    client = SlowClient(exchange)
    running = asyncio.create_task(exchange.run())
    async with asyncio.timeout(60):
        await upstream.answered.wait()
        assert exchange.sent == []
        client.reads.set()
        answer = await running

    assert answer is not None
    *news, last = messages_of(answer)
    assert last["result"]["structuredContent"] == {"done": True}
    told_of = [each["params"]["progress"] for each in news]
    assert told_of == sorted(set(told_of))
    assert told_of[-1] == 999
    assert len(news) <= 70, "what waits for a client is bounded"


async def test_a_client_that_reads_is_told_everything_however_much_comes_at_once() -> None:
    _, messages = await posted({"progressToken": "p"}, chunks=(b"".join(progress(1_000)),))

    assert len(told(messages)) == 1_000


async def test_a_client_that_hangs_up_while_it_does_not_read_ends_its_call() -> None:
    upstream = of_lines(progress(10))
    upstream.waits = True
    exchange = call({"progressToken": "p"}, upstream)
    SlowClient(exchange)
    before = asyncio.all_tasks()
    running = asyncio.create_task(exchange.run())
    async with asyncio.timeout(60):
        await upstream.answered.wait()
        exchange.hang_up()
        assert await running is None

    assert asyncio.all_tasks() == before, "nothing is left that waits for the client"
