"""Answers that come piece by piece reach the client as news of the work, and then as a result."""

from __future__ import annotations

import json
from typing import Any

import pytest

from converters.results import ApiResponse
from tests.app.asgi import Exchange
from tests.app.gateway.endpoints import FakeUpstream, endpoint

LINES = (
    b'{"progress": 0, "total": 2}\n{"progress": 0, "total"',
    b': 2}\n{"level": "debug", "data": "small"}\n{"level": "error", "logger": "db", "data": {"a": 1}}\n',
    b'{"progress": 1.5, "total": 2, "message": "nearly"}\n{"done": true}\n',
)


async def posted(
    meta: dict[str, Any], *, version: str = "2025-11-25", accept: str = "application/json, text/event-stream"
) -> tuple[str | None, list[dict[str, Any]]]:
    """Call a tool whose API answers with lines; gives the media type and the messages that came."""
    upstream = FakeUpstream(ApiResponse(200, "application/x-ndjson", b"".join(LINES)), chunks=LINES)
    params: dict[str, Any] = {"name": "get_pet", "arguments": {"petId": 7}, "_meta": meta}
    headers = [
        ("content-type", "application/json"), ("accept", accept), ("mcp-protocol-version", version),
        ("mcp-method", "tools/call"), ("mcp-name", "get_pet"),
    ]  # fmt: skip
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    answer = await Exchange(endpoint(upstream), path="/mcp/default/pets", headers=headers, chunks=[body]).run()
    assert answer is not None
    assert answer.status == 200
    kind = answer.header("content-type")
    if kind != "text/event-stream":
        return kind, [answer.json()]
    events = answer.body.decode().removesuffix("\n\n").split("\n\n")
    assert all(event.startswith("event: message\ndata: ") for event in events)
    return kind, [json.loads(event.partition("data: ")[2]) for event in events]


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
