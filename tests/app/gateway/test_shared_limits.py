"""D04, F19: calls of a minute that several instances count together in Redis, and what they do without it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from redis.asyncio import Redis

from app.errors import TooManyRequestsError
from app.gateway.leases import Leases
from app.gateway.limits import Limits
from app.outbound.redis_counts import LEASE_SECONDS, RedisCounts
from app.security.callers import ADMIN, EVERY, SCOPES, Caller, CallerLimits
from app.settings import SettingsError, load
from tests.app.backends import backend, json_reply
from tests.app.gateway.streams import listening
from tests.app.gateway_pairs import pair
from tests.app.gateways import KEY, SERVERS, Gateway, gateway
from tests.app.tenants import caller, client, make_key
from tests.databases import postgresql_database, postgresql_server
from tests.redis_servers import line_to, redis_process, redis_server

PATIENT = 10.0
"""Seconds that a call waits for Redis, where the machine may be slow and the test is about something else."""
MOST = CallerLimits(calls_per_minute=100)
WHO = Caller("key:1", SCOPES["call"], EVERY)
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "get_pet", "arguments": {"petId": 7}}}

CLIENT = {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    with redis_server() as url:
        yield url


@pytest.fixture
async def stored(redis: str) -> AsyncIterator[Redis]:
    """Give a client of an empty Redis."""
    async with Redis.from_url(redis) as connected:
        for key in await connected.keys("causeway:*"):
            await connected.delete(key)
        yield connected


@asynccontextmanager
async def counts(url: str, *, patience: float = PATIENT) -> AsyncIterator[RedisCounts]:
    made = RedisCounts(url, timeout=patience)
    async with made.following():
        yield made


def limits(counted: RedisCounts, clock: Callable[[], float], *, most: CallerLimits = MOST) -> tuple[Limits, Leases]:
    """Give the limits of one instance."""
    leases = Leases(counted, seconds=LEASE_SECONDS, clock=clock)
    return Limits(most, clock, leases=leases), leases


async def accepted(at: Limits, times: int = 1, *, who: Caller = WHO) -> int:
    count = 0
    for _ in range(times):
        try:
            await at.count(who)
        except TooManyRequestsError:
            continue
        count += 1
    return count


async def a_minute_later(stored: Redis) -> None:
    """Have everything that is counted be as old as the window is long."""
    for key in await stored.keys("causeway:*"):
        for second, count in (await stored.hgetall(key)).items():
            await stored.hdel(key, second)
            await stored.hset(key, str(int(second) - 62), count)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not is_so():  # noqa: ASYNC110 - found out by asking again and again, as the code does
            await asyncio.sleep(0.01)


# --- D04


async def test_two_instances_grant_a_minute_s_calls_once_and_again_a_minute_later(stored: Redis, redis: str) -> None:
    """D04: exactly as many as are permitted, with or without a busy neighbour."""
    now = [0.0]
    async with counts(redis) as first, counts(redis) as second:
        one, _ = limits(first, lambda: now[0])
        two, _ = limits(second, lambda: now[0])
        found = await asyncio.gather(*(accepted(each, 50) for each in (one, two) * 10))
        assert sum(found) == 100
        with pytest.raises(TooManyRequestsError) as refused:
            await one.count(WHO)
        assert 1 <= refused.value.retry_after <= 62
        assert await accepted(two, who=Caller("key:2", SCOPES["call"], EVERY)) == 1

        now[0] += 63
        await a_minute_later(stored)
        found = await asyncio.gather(*(accepted(each, 50) for each in (one, two) * 10))
        assert sum(found) == 100


async def test_one_instance_has_all_calls_where_the_other_has_none_to_make(stored: Redis, redis: str) -> None:
    """D04: what an instance took and does not use comes back."""
    now = [0.0]
    async with counts(redis) as first, counts(redis) as second:
        one, _ = limits(first, lambda: now[0])
        idle, of_idle = limits(second, lambda: now[0])
        assert await accepted(idle) == 1
        assert await accepted(one, 1_000) == 95
        now[0] += LEASE_SECONDS
        await of_idle.give_back_unused()
        assert await accepted(one, 1_000) == 4
        assert await accepted(idle, 1_000) == 0


async def test_most_calls_ask_nobody(stored: Redis, redis: str) -> None:
    async with counts(redis) as counted:
        one, _ = limits(counted, lambda: 0.0, most=CallerLimits(calls_per_minute=600))
        before = (await stored.info("commandstats"))["cmdstat_evalsha"]["calls"] if await accepted(one) else 0
        assert await accepted(one, 299) == 299
        after = (await stored.info("commandstats"))["cmdstat_evalsha"]["calls"]
        assert after - before <= 15


async def test_calls_that_wait_are_granted_by_one_request_and_one_that_hangs_up_takes_none_with_it(
    stored: Redis, redis: str
) -> None:
    async with line_to(redis) as line, counts(line.url) as counted:
        one, _ = limits(counted, lambda: 0.0)
        line.stall()
        waiting = [asyncio.create_task(accepted(one)) for _ in range(5)]
        await asyncio.sleep(0.05)
        waiting[0].cancel()
        line.resume()
        assert await asyncio.gather(*waiting[1:]) == [1] * 4
        assert [sum(map(int, (await stored.hgetall(key)).values())) for key in await stored.keys("causeway:*")] == [5]


async def test_an_answer_that_takes_longer_than_calls_may_be_used_is_used() -> None:
    now = [0.0]

    class Slow:
        is_up = True

        async def take(self, *_: Any, **__: Any) -> tuple[int, int, int]:
            now[0] += 5 * LEASE_SECONDS
            return 1, int(now[0]), 0

    leases = Leases(Slow(), seconds=LEASE_SECONDS, clock=lambda: now[0])
    assert [await leases.take("key:1", 100) for _ in range(3)] == [0.0] * 3


async def test_redis_learns_nobody_s_name_and_forgets(stored: Redis, redis: str) -> None:
    """K01: whoever reads Redis finds neither keys nor people."""
    async with counts(redis) as counted:
        one, _ = limits(counted, lambda: 0.0)
        assert await accepted(one, who=Caller("https://issuer.example#ada@example.org", SCOPES["call"], EVERY)) == 1
    (key,) = await stored.keys("*")
    assert b"ada" not in key
    assert b"ada" not in (await stored.dump(key) or b"")
    assert 0 < await stored.ttl(key) <= 62


async def test_a_clock_of_redis_that_goes_back_locks_nobody_out(stored: Redis, redis: str) -> None:
    """F25."""
    async with counts(redis) as counted:
        one, _ = limits(counted, lambda: 0.0, most=CallerLimits(calls_per_minute=1))
        assert await accepted(one) == 1
        (key,) = await stored.keys("causeway:*")
        ((second, count),) = (await stored.hgetall(key)).items()
        await stored.delete(key)
        await stored.hset(key, str(int(second) + 3600), count)
        again, _ = limits(counted, lambda: 0.0, most=CallerLimits(calls_per_minute=1))
        assert await accepted(again) == 1


# --- F19


async def test_a_redis_that_stalls_is_waited_for_once_and_each_instance_counts_meanwhile(
    stored: Redis, redis: str
) -> None:
    """F19: the first calls wait less than a tenth of a second, those that follow not at all; then all is as before."""
    assert load().redis_timeout <= 0.1
    async with line_to(redis) as line, counts(line.url, patience=0.08) as counted:
        await until(lambda: counted.is_up)
        one, _ = limits(counted, lambda: 0.0)
        failures = counted.failures
        line.stall()
        assert await asyncio.gather(*(accepted(one) for _ in range(20))) == [1] * 20
        assert (counted.failures, counted.is_up) == (failures + 1, False)
        # The limit of this instance, which has counted all along.
        assert await accepted(one, 1_000) == 80
        line.resume()
        await until(lambda: counted.is_up)
        # What comes late is taken for no other answer.
        other = Caller("key:other", SCOPES["call"], EVERY, limits=CallerLimits(calls_per_minute=1))
        assert await accepted(one, 2, who=other) == 1


async def test_a_redis_that_restarts_is_found_again(tmp_path: Path) -> None:
    """F19: no script, no connection and no count outlives it, and nothing breaks."""
    with redis_process() as server:
        async with counts(server.url) as counted:
            one, leases = limits(counted, lambda: 0.0)
            assert await accepted(one) == 1
            server.stop()
            await leases.take("key:other", 100)
            assert not counted.is_up
            assert await accepted(one, 1_000) == 99
            server.start()
            await until(lambda: counted.is_up)
            assert await leases.take("key:other", 100) == 0


async def test_a_connection_that_redis_closed_costs_no_call(stored: Redis, redis: str) -> None:
    async with line_to(redis) as line, counts(line.url) as counted:
        one, _ = limits(counted, lambda: 0.0)
        line.cut()
        assert await accepted(one) == 1
        assert counted.is_up


# --- whole gateways


@asynccontextmanager
async def two_gateways(
    folder: Path, monkeypatch: pytest.MonkeyPatch, url: str, **settings: Any
) -> AsyncIterator[tuple[Gateway, Gateway]]:
    """Run two gateways on one database and one Redis, with an API behind them."""
    given = {"admin_key": KEY, "egress_allow": ("127.0.0.0/8",), "redis_url": url, **settings}
    async with (
        backend(json_reply(b'{"id": 7, "name": "Rex"}')) as api,
        gateway(folder, monkeypatch, **given) as one,
        gateway(folder, monkeypatch, **given) as two,
    ):
        await one.create(base_url=api.url)
        await two.application.live.refresh("default", "pets")
        yield one, two


async def call(http: httpx2.AsyncClient) -> httpx2.Response:
    headers = {"MCP-Protocol-Version": "2025-11-25", "Accept": "application/json, text/event-stream"}
    return await http.post("/mcp/default/pets", json=CALL, headers=headers)


async def test_a_thousand_calls_of_a_key_at_two_gateways_are_a_hundred(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None, stored: Redis, redis: str
) -> None:
    """D04."""
    async with two_gateways(tmp_path, monkeypatch, redis, redis_timeout=PATIENT) as (one, two):
        made = await make_key(one, "call", limits={"calls_per_minute": 100})
        await two.application.access.keys.refresh()
        async with client(one, made["key"]) as first, client(two, made["key"]) as second:
            answers = [answer for _ in range(125) for answer in await asyncio.gather(*map(call, (first, second) * 4))]
        assert [each.status_code for each in answers].count(200) in {99, 100}
        refused = [each for each in answers if each.status_code != 200]
        assert {each.status_code for each in refused} == {429}
        assert {each.json()["code"] for each in refused} == {"too_many_requests"}
        assert all(1 <= int(each.headers["retry-after"]) <= 62 for each in refused)
        for each in (one, two):
            assert (await each.http.get("/readyz")).json() == {"status": "ready", "redis": "ready"}


async def test_a_gateway_starts_and_serves_without_its_redis_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None, stored: Redis, redis: str
) -> None:
    """F19."""

    async def told(at: Gateway) -> tuple[str, str]:
        lines = (await at.http.get("/metrics")).text.splitlines()
        (up,) = (line for line in lines if line.startswith("causeway_redis_up "))
        ready = await at.http.get("/readyz")
        assert ready.status_code == 200
        return up.rpartition(" ")[2], ready.json()["redis"].partition(":")[0]

    async with line_to(redis) as line:
        line.stall()
        async with two_gateways(tmp_path, monkeypatch, line.url, redis_timeout=PATIENT) as (one, two):
            line_was_down = [await told(each) for each in (one, two)]
            assert line_was_down == [("0", "away")] * 2
            for each in (one, two):
                async with caller(each, "call", limits={"calls_per_minute": 3}) as http:
                    assert [(await call(http)).status_code for _ in range(4)] == [200] * 3 + [429]
            line.resume()
            for each in (one, two):
                counted = each.application.serving.counting.redis
                assert counted is not None
                await until(lambda counted=counted: counted.is_up)  # type: ignore[misc]
                assert await told(each) == ("1", "ready")


async def test_what_changes_reaches_the_other_instance_and_its_streams_while_redis_stalls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None, stored: Redis, redis: str
) -> None:
    """F19: that is the database's to tell, and calls go on."""
    with postgresql_server() as server:
        async with (
            postgresql_database(server) as url,
            line_to(redis) as line,
            backend(json_reply(b'{"id": 7, "name": "Rex"}')) as api,
            pair(tmp_path, monkeypatch, url, redis_url=line.url) as (one, two),
        ):
            line.stall()
            await one.create(base_url=api.url)
            made = await make_key(one, "call")
            await two.application.access.keys.refresh()
            await until(lambda: two.application.catalog.find("default", "pets") is not None)
            async with client(two, made["key"]) as http:
                assert [(await call(http)).status_code for _ in range(50)] == [200] * 50
            fields = [("Host", "127.0.0.1"), ("Authorization", f"Bearer {KEY}"), ("Accept", "text/event-stream")]
            async with listening(two.application, "/mcp/default/pets/sse", headers=fields) as stream:
                await until(lambda: bool(stream.events))
                posted = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": CLIENT}
                assert (await two.http.post(stream.events[0][1], json=posted)).status_code == 202
                await stream.until(1)
                changed = await one.http.patch(f"{SERVERS}/pets/tools/get_pet", json={"enabled": False})
                assert changed.status_code == 200
                await until(lambda: len(stream.messages) > 1)
                assert stream.messages[-1]["method"] == "notifications/tools/list_changed"


async def test_a_gateway_without_the_setting_says_nothing_of_redis(served: Gateway) -> None:
    assert (await served.http.get("/readyz")).json() == {"status": "ready"}
    assert "causeway_redis" not in (await served.http.get("/metrics")).text


async def test_the_operator_costs_redis_nothing(stored: Redis, redis: str) -> None:
    async with counts(redis) as counted:
        one, _ = limits(counted, lambda: 0.0)
        assert await accepted(one, 200, who=ADMIN) == 200
    assert await stored.keys("causeway:*") == []


@pytest.mark.parametrize("url", ["localhost:6379", "http://redis", "redis://", "unix:", "redis"])
def test_a_url_that_is_none_of_redis_is_refused_and_not_repeated(clean_environment: None, url: str) -> None:
    with pytest.raises(SettingsError, match="CAUSEWAY_REDIS_URL: must be a URL like redis://"):
        load(redis_url=url)
