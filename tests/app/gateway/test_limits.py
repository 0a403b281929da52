"""D04, D05, D06: what one caller may ask for in a minute and at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from app.errors import TooManyRequestsError
from app.gateway.calls import ToolCalls
from app.gateway.catalog import SnapshotCatalog
from app.gateway.limits import Limits
from app.gateway.server import McpEndpoint
from app.security.callers import ADMIN, EVERY, LOCAL, SCOPES, Caller, CallerLimits
from app.settings import load
from tests.app.asgi import Answer, Exchange, answer
from tests.app.descriptions import snapshot
from tests.app.gateway.endpoints import MODERN, PATH, PET, FakeUpstream, envelope, headers, request
from tests.app.gateway.streams import listening

CALL = request("tools/call", {"name": "get_pet", "arguments": {"petId": 7}})
LISTEN = "subscriptions/listen"


def key(name: str = "1", **limits: int) -> Caller:
    return Caller(f"key:{name}", SCOPES["call"], EVERY, limits=CallerLimits(**limits))


def endpoint(
    defaults: CallerLimits, upstream: FakeUpstream | None = None, clock: Callable[[], float] = lambda: 0.0
) -> McpEndpoint:
    catalog = SnapshotCatalog()
    catalog.put(snapshot())
    return McpEndpoint(catalog, ToolCalls(upstream or FakeUpstream(PET), deadline=60, limits=Limits(defaults, clock)))


async def call(app: McpEndpoint, who: Caller) -> Answer:
    return await answer(app, path=PATH, headers=headers("2025-11-25"), chunks=[CALL], caller=who)


async def test_calls_beyond_a_minute_s_are_429_and_say_for_how_long() -> None:
    now = [0.0]
    app = endpoint(CallerLimits(calls_per_minute=100), clock=lambda: now[0])
    statuses = []
    for _ in range(300):
        statuses.append((await call(app, key())).status)
        now[0] += 0.1
    assert (statuses.count(200), statuses[:100].count(200)) == (100, 100)
    refused = await call(app, key())
    assert (refused.status, refused.json()["code"], refused.header("retry-after")) == (429, "too_many_requests", "30")
    assert (await call(app, key("2"))).status == 200
    now[0] = 60.0
    assert (await call(app, key())).status == 200
    assert (await call(app, key())).status == 429


async def test_other_requests_do_not_count() -> None:
    app = endpoint(CallerLimits(calls_per_minute=1))
    for _ in range(5):
        for body in (request("tools/list"), request("ping"), request("tools/call", {"name": "absent"})):
            given = await answer(app, path=PATH, headers=headers("2025-11-25"), chunks=[body], caller=key())
            assert given.status == 200
    assert (await call(app, key())).status == 200


async def test_calls_at_once_are_bounded_and_a_client_that_hangs_up_frees_its_place(clean_environment: None) -> None:
    """D05: the 51st; another key has its own 50."""
    upstream = FakeUpstream()
    most = load().key_concurrent_calls
    assert most == 50
    app = endpoint(CallerLimits(concurrent_calls=most), upstream)
    waiting = [Exchange(app, path=PATH, headers=headers("2025-11-25"), chunks=[CALL], caller=key()) for _ in range(50)]
    tasks = [asyncio.ensure_future(each.run()) for each in waiting]
    while len(upstream.plans) < 50:  # noqa: ASYNC110 - calls are written down by the API
        await asyncio.sleep(0.001)
    refused = await call(app, key())
    assert (refused.status, refused.header("retry-after")) == (429, "1")
    waiting[0].hang_up()
    await tasks[0]
    fourth = Exchange(app, path=PATH, headers=headers("2025-11-25"), chunks=[CALL], caller=key())
    tasks.append(asyncio.ensure_future(fourth.run()))
    while len(upstream.plans) < 51:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.001)
    for each in (*waiting[1:], fourth):
        each.hang_up()
    await asyncio.gather(*tasks)
    upstream.response = PET
    assert (await call(app, key())).status == 200


async def test_a_key_can_be_given_less_and_not_more() -> None:
    app = endpoint(CallerLimits(calls_per_minute=2))
    for who, permitted in ((key("less", calls_per_minute=1), 1), (key("more", calls_per_minute=9), 2)):
        assert [(await call(app, who)).status for _ in range(3)] == [200] * permitted + [429] * (3 - permitted)


@pytest.mark.parametrize("who", [LOCAL, ADMIN])
async def test_the_operator_has_no_limits(who: Caller) -> None:
    app = endpoint(CallerLimits(1, 1, 1))
    assert [(await call(app, who)).status for _ in range(3)] == [200] * 3


@pytest.mark.parametrize("path", [PATH, f"{PATH}/sse"])
async def test_streams_are_bounded_for_each_caller(path: str) -> None:
    """D06."""
    app = endpoint(CallerLimits(streams=2))
    body = request(LISTEN, envelope(notifications={"toolsListChanged": True}))
    sent = headers(MODERN, ("Mcp-Method", LISTEN))
    asked: dict[str, Any] = {"method": "GET"} if path.endswith("/sse") else {"method": "POST", "chunks": [body]}
    asked["headers"] = [("Accept", "text/event-stream")] if path.endswith("/sse") else sent

    async def opened(stream: Any) -> None:
        while stream.status is None:  # noqa: ASYNC110 - what comes is written down by the exchange
            await asyncio.sleep(0.001)

    async with listening(app, path, caller=key(), **asked) as one:
        await opened(one)
        async with listening(app, path, caller=key(), **asked) as two:
            await opened(two)
            refused = await answer(app, path=path, caller=key(), **asked)
            assert (refused.status, refused.json()["code"]) == (429, "too_many_requests")
            async with listening(app, path, caller=key("2"), **asked) as other:
                await opened(other)
                assert other.status == 200
        async with listening(app, path, caller=key(), **asked) as again:
            await opened(again)
            assert again.status == 200


async def test_what_is_remembered_of_callers_is_bounded() -> None:
    limits = Limits(CallerLimits(calls_per_minute=1))
    for number in range(10_050):
        await limits.count(key(str(number)))
    with pytest.raises(TooManyRequestsError):
        await limits.count(key("10049"))
    assert len(limits._recent) == 10_000  # noqa: SLF001 - memory is seen in no other way
