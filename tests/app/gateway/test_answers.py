"""What APIs answer, from their bytes on a socket to the result of a call."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.gateway.calls import ToolCalls
from app.outbound import EgressPolicy, HttpUpstream
from app.security.callers import LOCAL
from converters.results import ToolResult
from tests.app.backends import backend, json_reply, reply
from tests.app.descriptions import description, operation, snapshot

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
# An operation without a schema for its answer: what comes back is shaped by what it is.
ANY = description({"/x": {"get": operation("get_x", responses={"200": {"description": "Anything."}})}})


@pytest.fixture
async def calls() -> AsyncIterator[ToolCalls]:
    upstream = HttpUpstream(EgressPolicy(allow_private=True))
    yield ToolCalls(upstream, deadline=30)
    await upstream.close()


async def answered(calls: ToolCalls, answer: bytes) -> ToolResult:
    async with backend(answer) as api:
        return await calls.call(snapshot(ANY, base_url=api.url), "get_x", {}, caller=LOCAL)


@pytest.mark.parametrize(
    ("answer", "block", "structured"),
    [
        (json_reply(b'{"a":'), {"type": "text", "text": '{"a":'}, None),
        (reply("200 OK", b'{"a":1}', "Content-Type: text/html"), {"type": "text", "text": '{"a":1}'}, '{"a":1}'),
        (reply("200 OK"), {"type": "text", "text": "200 OK: the API answered without a body."}, None),
        (
            b"HTTP/1.1 204 No Content\r\n\r\n",
            {"type": "text", "text": "204 No Content: the API answered without a body."},
            None,
        ),
        (json_reply(b'\xef\xbb\xbf{"a":1}'), {"type": "text", "text": '{"a":1}'}, '{"a":1}'),
        (
            reply("200 OK", "ä".encode(), "Content-Type: text/plain; charset=bogus"),
            {"type": "text", "text": "ä"},
            None,
        ),
    ],
    ids=["broken JSON", "JSON as HTML", "empty 200", "204", "byte order mark", "bogus charset"],
)
async def test_odd_answers_become_sensible_blocks(
    calls: ToolCalls, answer: bytes, block: dict[str, Any], structured: str | None
) -> None:
    """F09: broken JSON, JSON as text/html, empty 200, 204, BOM, bogus charset."""
    result = await answered(calls, answer)
    assert (result.is_error, list(result.content), result.structured) == (False, [block], structured)


async def test_an_image_is_an_image(calls: ToolCalls) -> None:
    """F09: PNG."""
    result = await answered(calls, reply("200 OK", PNG, "Content-Type: image/png"))
    assert (result.content[0]["type"], result.content[0]["mimeType"]) == ("image", "image/png")


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_an_error_of_the_api_is_an_error_with_its_status(calls: ToolCalls, status: int) -> None:
    """F04: 500, 502, 503 and 504 are mapped to an error in the API's own words."""
    result = await answered(calls, reply(f"{status} Oops", b'{"detail":"Away"}', "Content-Type: application/json"))
    assert result.is_error
    assert result.content[0]["text"].startswith(f"{status} Oops: Away")


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "304 Not Modified"])
async def test_a_redirect_that_leads_nowhere_is_an_error(calls: ToolCalls, status: str) -> None:
    """F11: 304, and 3xx without Location."""
    result = await answered(calls, reply(status))
    assert result.is_error
    assert result.content[0]["text"].startswith(status)


async def test_large_answers_hold_nobody_up(calls: ToolCalls) -> None:
    """F27: many large answers at once; no turn of the event loop works for more than 250 ms."""
    items = [{"id": number, "name": "x" * 40, "weight": 1.25} for number in range(50_000)]
    body = json.dumps({"items": items}).encode()
    assert len(body) > 3 * 1024 * 1024
    async with backend(json_reply(body)) as api:
        served = snapshot(ANY, base_url=api.url)
        asking = asyncio.gather(*(calls.call(served, "get_x", {}, caller=LOCAL) for _ in range(8)))
        longest = 0.0
        while not asking.done():
            # The processor time of the loop's thread, which a busy machine does not make longer.
            start = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - start)
        results = await asking
    assert {result.meta["causeway/resource"]["size"] for result in results} == {len(body)}
    assert longest < 0.25
