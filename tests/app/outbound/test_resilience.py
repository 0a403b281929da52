"""Backends that fail in every way the acceptance catalogue's group F lists, on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from aiohttp.connector import AddrInfoType

from app.errors import (
    RedirectDeniedError,
    ResponseTooLargeError,
    UpstreamBusyError,
    UpstreamProtocolError,
    UpstreamResetError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
    UpstreamUnreachableError,
)
from app.outbound import EgressPolicy, HttpUpstream
from app.outbound.breaker import BreakerRules
from app.outbound.exchanges import _socket_factory
from app.outbound.retries import RetryRules
from app.outbound.slots import SlotRules
from app.outbound.upstream import UpstreamRules
from tests.app.backends import (
    Backend,
    Reply,
    after,
    backend,
    bomb,
    endless,
    redirect,
    reply,
    then_close,
    then_reset,
    then_wait,
    trickling,
)
from tests.app.outbound.plans import LOCAL, OK, plan, refused

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
# Retries without their pauses, and a breaker that stays out of the way.
QUICK = UpstreamRules(
    breaker=BreakerRules(min_calls=10**6, max_consecutive=10**6), retries=RetryRules(pause=0.01, jitter=lambda: 1.0)
)

Opened = Callable[..., HttpUpstream]


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def opened() -> AsyncIterator[Opened]:
    """Make upstreams that are closed after the test."""
    made: list[HttpUpstream] = []

    def make(rules: UpstreamRules = QUICK, *, max_response: int = 10 * 1024 * 1024) -> HttpUpstream:
        made.append(HttpUpstream(LOCAL, rules=rules, max_response=max_response))
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def has_left(api: Backend) -> None:
    """Wait until the backend sees that the connection is closed."""
    async with asyncio.timeout(2):
        await api.left.wait()


# --- time


async def test_an_answer_after_the_deadline_is_a_timeout_at_the_deadline(opened: Opened) -> None:
    """F01: 30 s of latency and a deadline, here of half a second."""
    async with backend(after(30, OK)) as api:
        start = time.monotonic()
        with refused(UpstreamTimeoutError) as caught:
            await opened().send(plan(f"{api.url}/x?key=secret"), deadline=0.5)
        assert 0.5 <= time.monotonic() - start < 1
        await has_left(api)
    assert caught.value.message == "The API did not answer within 0.5 seconds."
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        trickling(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"x", seconds=0.2),
        trickling(CHUNKED, b"1\r\nx\r\n", seconds=0.2),
        trickling(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x", seconds=0.2),
        trickling(b"", b"HTTP/1.1 100 Continue\r\n\r\n", seconds=0.2),
    ],
    ids=["body", "chunks", "header", "informational"],
)
async def test_one_byte_at_a_time_does_not_outlast_the_deadline(opened: Opened, answer: Reply) -> None:
    """F06: one byte per 200 ms for ever, in the body or before it."""
    async with backend(answer) as api:
        start = time.monotonic()
        with refused(UpstreamTimeoutError):
            await opened().send(plan(f"{api.url}/x"), deadline=0.7)
        assert 0.7 <= time.monotonic() - start < 1.2
        await has_left(api)


async def test_a_server_sent_event_stream_without_end_is_left_at_the_deadline(opened: Opened) -> None:
    """F08: endless SSE."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    async with backend(trickling(head, b"data: {}\n\n", seconds=0.02)) as api:
        with refused(UpstreamTimeoutError):
            await opened().send(plan(f"{api.url}/x"), deadline=0.5)
        await has_left(api)


async def test_retries_end_before_the_deadline(opened: Opened) -> None:
    """F04: all tries together take no longer than the deadline."""
    rules = replace(QUICK, retries=RetryRules(pause=5, jitter=lambda: 1.0))
    async with backend(reply("503 Service Unavailable", b"later")) as api:
        start = time.monotonic()
        response = await opened(rules).send(plan(f"{api.url}/x"), deadline=2)
        assert time.monotonic() - start < 0.5
    assert (response.status, response.body, len(api.requests)) == (503, b"later", 1)


@pytest.mark.parametrize("is_waiting_to_repeat", [False, True])
async def test_a_cancelled_call_leaves_the_api_and_its_slot(opened: Opened, is_waiting_to_repeat: bool) -> None:
    rules = replace(QUICK, slots=SlotRules(size=1), retries=RetryRules(pause=9, jitter=lambda: 1.0))
    upstream = opened(rules)
    async with backend(reply("503 No") if is_waiting_to_repeat else then_wait(b"")) as api:
        sending = asyncio.ensure_future(upstream.send(plan(f"{api.url}/x"), deadline=30))
        await api.arrived.wait()
        await asyncio.sleep(0.05)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        if not is_waiting_to_repeat:
            await has_left(api)
        api.replies = (OK,)
        assert (await upstream.send(plan(f"{api.url}/x"), deadline=5)).status == 200
    assert [each.active for each in upstream.health()] == [0]


async def test_a_large_request_that_nobody_reads_is_dropped_at_the_deadline(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection with unsent bytes is not kept for the day that somebody reads them."""
    made: list[socket.socket] = []

    def recording(policy: EgressPolicy) -> Callable[[AddrInfoType], socket.socket]:
        make = _socket_factory(policy)

        def remember(address: AddrInfoType) -> socket.socket:
            made.append(make(address))
            return made[-1]

        return remember

    monkeypatch.setattr("app.outbound.exchanges._socket_factory", recording)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        with refused(UpstreamTimeoutError):
            place = f"http://127.0.0.1:{deaf.getsockname()[1]}/x"
            await opened().send(plan(place, "POST", body=bytes(16 * 1024 * 1024)), deadline=0.3)
        await asyncio.sleep(0.05)
        assert [each.fileno() for each in made] == [-1]


async def test_an_answer_before_the_request_is_whole_is_the_answer(opened: Opened) -> None:
    ended = asyncio.Event()

    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply("413 Content Too Large", b"no"))
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        ended.set()

    server = await asyncio.start_server(early, "127.0.0.1", 0, limit=64 * 1024)
    place = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
    response = await opened().send(plan(place, "POST", body=bytes(16 * 1024 * 1024)), deadline=5)
    assert (response.status, response.body) == (413, b"no")
    async with asyncio.timeout(2):
        await ended.wait()
    server.close()


# --- resets and retries


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (None, UpstreamResetError),
        (then_reset(b""), UpstreamResetError),
        (then_reset(b"HTTP/1.1 200 OK\r\nContent-Le"), UpstreamResetError),
        (then_reset(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), UpstreamResetError),
        (then_close(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), UpstreamResetError),
        (then_close(CHUNKED + b"5\r\nab"), UpstreamResetError),
    ],
    ids=["connect", "request", "headers", "body", "short body", "short chunk"],
)
async def test_a_reset_is_tried_three_times_for_a_read_and_once_for_a_change(
    opened: Opened, answer: Reply | None, kind: type[UpstreamResetError]
) -> None:
    """F03: RST at connect, headers and body; a short body. GET at most three requests, POST exactly one."""
    for method, tries in (("GET", 3), ("HEAD", 3), ("QUERY", 3), ("POST", 1), ("PUT", 1), ("PATCH", 1), ("DELETE", 1)):
        if method == "HEAD" and answer is not None:
            continue
        async with backend(answer or OK) as api:
            api.is_resetting = answer is None
            with refused(kind):
                await opened().send(plan(f"{api.url}/x?key=secret", method), deadline=5)
            assert api.connections == tries, method
            assert len(api.requests) == (0 if answer is None else tries)


async def test_a_port_that_nobody_listens_on_is_tried_again(opened: Opened) -> None:
    async with backend(OK) as api:
        pass
    with refused(UpstreamUnreachableError) as caught:
        await opened().send(plan(f"{api.url}/x"), deadline=5)
    assert caught.value.is_transient


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
async def test_a_connection_that_was_closed_meanwhile_does_not_repeat_a_change(opened: Opened, method: str) -> None:
    """F03: the client repeats PUT and DELETE by itself where a connection that it used before breaks; ours does not."""
    async with backend(OK, then_close(b""), OK) as api:
        upstream = opened()
        await upstream.send(plan(f"{api.url}/first"), deadline=5)
        sending = upstream.send(plan(f"{api.url}/second", method), deadline=5)
        if method == "GET":
            assert (await sending).status == 200
        else:
            with refused(UpstreamResetError):
                await sending
    assert [request.target for request in api.requests] == ["/first", *["/second"] * (2 if method == "GET" else 1)]


async def test_a_request_that_the_description_marks_is_sent_again(opened: Opened) -> None:
    async with backend(then_close(b""), reply("503 No"), OK) as api:
        marked = plan(f"{api.url}/x", "POST", ("Content-Type", "text/plain"), body=b"abc")
        assert (await opened().send(marked, deadline=5, is_repeatable=True)).status == 200
    assert [request.body for request in api.requests] == [b"abc"] * 3


@pytest.mark.parametrize("status", ["502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"])
async def test_an_error_of_the_moment_is_asked_for_again_and_then_told(opened: Opened, status: str) -> None:
    """F04: 502, 503 and 504 are retried, for reads alone, and are the answer in the end."""
    async with backend(reply(status, b"1"), OK) as api:
        assert (await opened().send(plan(f"{api.url}/x"), deadline=5)).status == 200
        assert len(api.requests) == 2
    async with backend(reply(status, b"1")) as api:
        for method, tries in (("GET", 3), ("POST", 1)):
            api.requests.clear()
            response = await opened().send(plan(f"{api.url}/x", method), deadline=5)
            assert (response.status, response.body, len(api.requests)) == (int(status[:3]), b"1", tries)


async def test_an_error_of_the_request_is_the_answer(opened: Opened) -> None:
    """F04: a 500 says that this request failed; it is told and not repeated."""
    async with backend(reply("500 Internal Server Error", b"oops")) as api:
        assert (await opened().send(plan(f"{api.url}/x"), deadline=5)).body == b"oops"
    assert len(api.requests) == 1


async def test_too_many_requests_waits_once_as_long_as_it_is_told(opened: Opened) -> None:
    """F05: 429 with Retry-After."""
    async with backend(reply("429 Too Many Requests", b"", "Retry-After: 1")) as api:
        assert (await opened().send(plan(f"{api.url}/x"), deadline=5)).status == 429
    first, second = api.requests
    assert 1.0 <= second.at - first.at < 2.0


@pytest.mark.parametrize("told", ["11", "86400"])
async def test_a_long_retry_after_is_not_waited_for(opened: Opened, told: str) -> None:
    """F05: returned at once, because nobody waits that long."""
    async with backend(reply("429 Too Many Requests", b"", f"Retry-After: {told}")) as api:
        assert (await opened().send(plan(f"{api.url}/x"), deadline=60)).status == 429
    assert len(api.requests) == 1


async def test_fifty_who_are_told_to_wait_do_not_come_back_together(opened: Opened) -> None:
    """F05: of 50 calls ten wait, and spread when the time is over."""
    rules = replace(QUICK, retries=RetryRules())
    async with backend(reply("429 Too Many Requests", b"", "Retry-After: 1")) as api:
        upstream = opened(rules)
        calls = [upstream.send(plan(f"{api.url}/x"), deadline=10) for _ in range(50)]
        assert {response.status for response in await asyncio.gather(*calls)} == {429}
    again = sorted(request.at for request in api.requests)[50:]
    assert len(again) == 10
    assert again[-1] - again[0] > 0.05


async def test_redirects_and_retries_together_are_bounded(opened: Opened) -> None:
    """F03, F04: the retries of a call are for all of it and not for each redirect."""
    async with backend(redirect("/b"), reply("503 No"), redirect("/c"), reply("503 No"), reply("503 No"), OK) as api:
        assert (await opened().send(plan(f"{api.url}/a"), deadline=5)).status == 503
    assert [request.target for request in api.requests] == ["/a", "/b", "/b", "/c", "/c"]


# --- sizes and encodings


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", bomb(300)),
        ("deflate", bomb(60, "deflate")),
        ("deflate", bomb(60, "raw")),
        ("gzip, gzip", gzip.compress(bomb(60))),
    ],
    ids=["gzip", "deflate", "raw deflate", "double"],
)
async def test_a_bomb_is_left_long_before_it_is_unpacked(opened: Opened, encoding: str, body: bytes) -> None:
    """F07: 300 KB that unpack to 300 MB; memory grows by less than 50 MB."""
    tracemalloc.start()
    async with backend(reply("200 OK", body, f"Content-Encoding: {encoding}")) as api:
        with refused(ResponseTooLargeError):
            await opened().send(plan(f"{api.url}/x"), deadline=10)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50 * 1024 * 1024
    assert len(api.requests) == 1


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, br"])
async def test_an_encoding_that_was_not_asked_for_is_never_unpacked(opened: Opened, encoding: str) -> None:
    """F07: br and zstd are not asked for, whatever is installed, and not read."""
    async with backend(reply("200 OK", b"x" * 1000, f"Content-Encoding: {encoding}")) as api:
        with refused(UpstreamProtocolError) as caught:
            await opened().send(plan(f"{api.url}/x"), deadline=5)
    assert "it was asked for gzip or deflate" in caught.value.message
    assert api.requests[0].values("Accept-Encoding") == ["gzip, deflate"]


async def test_an_empty_body_may_say_any_encoding(opened: Opened) -> None:
    async with backend(reply("200 OK", b"", "Content-Encoding: br")) as api:
        assert (await opened().send(plan(f"{api.url}/x"), deadline=5)).body == b""


@pytest.mark.parametrize(
    "head", [CHUNKED, b"HTTP/1.1 200 OK\r\nContent-Length: 5368709120\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]
)
async def test_five_gigabytes_are_left_at_the_limit(opened: Opened, head: bytes) -> None:
    """F08: a body without end, in chunks, with a length, or until the connection closes."""
    content = b"10000\r\n" + b"x" * 0x10000 + b"\r\n" if head == CHUNKED else b"x" * 0x10000
    async with backend(endless(head, content)) as api:
        with refused(ResponseTooLargeError) as caught:
            await opened(max_response=1024 * 1024).send(plan(f"{api.url}/x"), deadline=10)
        await has_left(api)
    assert caught.value.message == "The answer of the API is larger than 1,048,576 bytes."


# --- what is hardly HTTP


def headed(*headers: str) -> bytes:
    """Write a response with these headers."""
    return reply("200 OK", b"", *headers)


@pytest.mark.parametrize(
    "answer",
    [
        headed(*(f"X-{number}: 1" for number in range(1000))),
        headed("X-Big: " + "a" * 1024 * 1024),
        headed(*(f"X-{number}: {'a' * 10_000}" for number in range(8))),
    ],
    ids=["thousand", "megabyte", "many large ones"],
)
async def test_headers_beyond_the_limits_are_told(opened: Opened, answer: bytes) -> None:
    """F10: 1,000 headers; a header of 1 MB; more than 64 KiB in all."""
    async with backend(answer) as api:
        with refused(UpstreamProtocolError):
            await opened().send(plan(f"{api.url}/x"), deadline=5)
        await has_left(api)
    assert len(api.requests) == 1


async def test_headers_within_the_limits_are_read(opened: Opened) -> None:
    """F10: one header of nearly 64 KiB, and a hundred small ones."""
    answers = headed("X-Big: " + "a" * 65_000), headed(*(f"X-{number}: 1" for number in range(100)))
    async with backend(*answers) as api:
        for _ in answers:
            assert (await opened().send(plan(f"{api.url}/x"), deadline=5)).status == 200


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x02hi",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 twohundred OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"200 OK\r\n\r\n",
        b"HTP/1.1 200 OK\r\n\r\n",
    ],
    ids=["websocket", "101", "word", "short", "no version", "protocol"],
)
async def test_a_status_line_that_is_no_answer_is_told(opened: Opened, answer: bytes) -> None:
    """F11: 101 and malformed status lines."""
    async with backend(then_wait(answer)) as api:
        with refused(UpstreamProtocolError):
            await opened().send(plan(f"{api.url}/x"), deadline=5)
        await has_left(api)
    assert len(api.requests) == 1


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "304 Not Modified", "307 Temporary Redirect"])
async def test_a_redirect_without_a_place_is_the_answer(opened: Opened, status: str) -> None:
    """F11: 304, and 3xx without Location, are answers, which the tool's result shows as errors."""
    async with backend(reply(status)) as api:
        assert (await opened().send(plan(f"{api.url}/x"), deadline=5)).status == int(status[:3])


async def test_a_redirect_to_nonsense_is_denied(opened: Opened) -> None:
    """F11: a Location that is not a URL."""
    async with backend(redirect("http://[::1/")) as api:
        with refused(RedirectDeniedError):
            await opened().send(plan(f"{api.url}/x"), deadline=5)


# --- bulkhead


async def test_a_hundred_hung_calls_of_one_server_do_not_touch_another(opened: Opened) -> None:
    """F02: 100 calls hang at X; those of Y are answered as fast as ever, and X's own further ones get a clear error."""
    rules = replace(QUICK, slots=SlotRules(max_waiting=5, max_wait=0.1))
    upstream = opened(rules)
    async with backend(then_wait(b"")) as hung, backend(OK) as healthy:
        calls = [
            asyncio.ensure_future(upstream.send(plan(f"{hung.url}/x"), deadline=30, server="default/x"))
            for _ in range(100)
        ]
        async with asyncio.timeout(5):
            await hung.received(100)
        times = []
        for _ in range(100):
            start = time.perf_counter()
            await upstream.send(plan(f"{healthy.url}/x"), deadline=5, server="default/y")
            times.append(time.perf_counter() - start)
        assert sorted(times)[98] < 0.05
        with refused(UpstreamBusyError) as caught:
            await upstream.send(plan(f"{hung.url}/x"), deadline=30, server="default/x")
        assert "100 calls to it are under way" in caught.value.message
        # Another server that calls the same API has slots of its own.
        hung.replies = (OK,)
        assert (await upstream.send(plan(f"{hung.url}/x"), deadline=5, server="default/z")).status == 200
        assert {each.server: each.active for each in upstream.health()} == {
            "default/x": 100,
            "default/y": 0,
            "default/z": 0,
        }
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    assert {each.active for each in upstream.health()} == {0}


async def test_a_call_that_must_wait_gets_its_turn(opened: Opened) -> None:
    rules = replace(QUICK, slots=SlotRules(size=2))
    async with backend(after(0.02, OK)) as api:
        upstream = opened(rules)
        calls = [upstream.send(plan(f"{api.url}/x"), deadline=5) for _ in range(10)]
        assert [response.status for response in await asyncio.gather(*calls)] == [200] * 10
    assert api.connections <= 2


# --- the breaker


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def guarded(opened: Opened, clock: Clock) -> HttpUpstream:
    """Make an upstream with the breaker of every day, at a time that the test sets."""
    return opened(UpstreamRules(retries=RetryRules(pause=0.001), clock=clock))


async def test_ten_failures_open_the_breaker_and_a_probe_closes_it(guarded: HttpUpstream, clock: Clock) -> None:
    """F13: opens; fails within 10 ms with how long to wait; one probe; closes."""
    async with backend(reply("500 Oops")) as api:
        for _ in range(10):
            assert (await guarded.send(plan(f"{api.url}/x", "POST"), deadline=5)).status == 500
        assert [each.state for each in guarded.health()] == ["open"]
        start = time.perf_counter()
        with refused(UpstreamUnavailableError) as caught:
            await guarded.send(plan(f"{api.url}/x"), deadline=5)
        assert time.perf_counter() - start < 0.01
        assert (caught.value.retry_after, len(api.requests)) == (30, 10)

        clock.now += 30
        arrived = api.arrived = asyncio.Event()
        api.replies = (after(0.05, OK),)
        probe = asyncio.ensure_future(guarded.send(plan(f"{api.url}/x"), deadline=5))
        await arrived.wait()
        for _ in range(5):
            with refused(UpstreamUnavailableError):
                await guarded.send(plan(f"{api.url}/x"), deadline=5)
        assert (await probe).status == 200
        assert (len(api.requests), guarded.health()[0].state) == (11, "closed")
        assert (await guarded.send(plan(f"{api.url}/x"), deadline=5)).status == 200


async def test_a_probe_is_one_request(guarded: HttpUpstream, clock: Clock) -> None:
    """F13: a probe is not retried."""
    async with backend(reply("503 No")) as api:
        for _ in range(10):
            await guarded.send(plan(f"{api.url}/x", "POST"), deadline=5)
        clock.now += 30
        assert (await guarded.send(plan(f"{api.url}/x"), deadline=5)).status == 503
        assert (len(api.requests), guarded.health()[0].state) == (11, "open")


@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request", "401 Unauthorized", "404 Not Found", "422 No"])
async def test_what_the_caller_did_wrong_does_not_open_the_breaker(guarded: HttpUpstream, status: str) -> None:
    """F13: 404s do not trip."""
    async with backend(reply(status)) as api:
        for _ in range(30):
            await guarded.send(plan(f"{api.url}/x"), deadline=5)
    assert (len(api.requests), guarded.health()[0].state) == (30, "closed")


@pytest.mark.parametrize(
    "answer",
    [
        reply("408 Request Timeout"),
        reply("429 Too Many Requests"),
        then_close(b""),
        then_close(b"rubbish\r\n\r\n"),
        then_wait(b""),
    ],
    ids=["408", "429", "reset", "protocol", "timeout"],
)
async def test_every_kind_of_outage_opens_the_breaker(guarded: HttpUpstream, answer: bytes | Reply) -> None:
    """F13: 408 and 429 count, and so does no answer."""
    async with backend(answer) as api:
        for _ in range(10):
            with contextlib.suppress(UpstreamTimeoutError, UpstreamResetError, UpstreamProtocolError):
                await guarded.send(plan(f"{api.url}/x", "POST"), deadline=0.05 if "wait" in str(answer) else 5)
    assert guarded.health()[0].state == "open"


async def test_answers_beyond_our_limits_are_answers(opened: Opened, clock: Clock) -> None:
    """F13: an API that answers too much, or elsewhere, is well."""
    upstream = opened(UpstreamRules(clock=clock), max_response=5)
    async with backend(OK) as api:
        for _ in range(12):
            with refused(ResponseTooLargeError):
                await upstream.send(plan(f"{api.url}/x"), deadline=5)
        api.replies = (redirect("http://elsewhere.test/"),)
        for _ in range(12):
            with refused(RedirectDeniedError):
                await upstream.send(plan(f"{api.url}/x"), deadline=5)
    assert upstream.health()[0].state == "closed"


async def test_calls_that_end_by_cancellation_say_nothing(guarded: HttpUpstream, clock: Clock) -> None:
    """F13: neither closed breakers nor probes are moved by callers who leave."""
    async with backend(reply("500 Oops")) as api:
        for _ in range(10):
            await guarded.send(plan(f"{api.url}/x"), deadline=5)
        clock.now += 30
        api.replies, api.arrived = (then_wait(b""),), asyncio.Event()
        probe = asyncio.ensure_future(guarded.send(plan(f"{api.url}/x"), deadline=5))
        await api.arrived.wait()
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        api.replies = (OK,)
        assert (await guarded.send(plan(f"{api.url}/x"), deadline=5)).status == 200


async def test_each_server_and_origin_has_a_breaker_of_its_own(guarded: HttpUpstream) -> None:
    """F13: per origin, and per server that calls it."""
    async with backend(reply("500 Oops")) as broken, backend(OK) as well:
        for _ in range(10):
            await guarded.send(plan(f"{broken.url}/x"), deadline=5, server="default/a")
        assert (await guarded.send(plan(f"{well.url}/x"), deadline=5, server="default/a")).status == 200
        assert (await guarded.send(plan(f"{broken.url}/x?y=1"), deadline=5, server="default/b")).status == 500
        with refused(UpstreamUnavailableError):
            await guarded.send(plan(f"{broken.url}/y"), deadline=5, server="default/a")
    assert {(each.server, each.origin, each.state) for each in guarded.health()} == {
        ("default/a", broken.url, "open"),
        ("default/a", well.url, "closed"),
        ("default/b", broken.url, "closed"),
    }


async def test_upstreams_that_nobody_calls_are_forgotten_but_not_what_is_wrong(
    guarded: HttpUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.outbound.upstream._MAX_LANES", 4)
    async with backend(reply("500 Oops")) as broken, backend(OK) as well:
        for _ in range(10):
            await guarded.send(plan(f"{broken.url}/x"), deadline=5, server="broken")
        for number in range(6):
            await guarded.send(plan(f"{well.url}/x"), deadline=5, server=f"well-{number}")
    assert {each.server: each.state for each in guarded.health()} == {
        "broken": "open",
        "well-3": "closed",
        "well-4": "closed",
        "well-5": "closed",
    }


async def test_a_thousand_calls_that_are_cancelled_leave_nothing_behind(opened: Opened) -> None:
    """Every request is dropped at the API, and every slot is free again."""
    upstream = opened()
    async with backend(then_wait(b"")) as api:
        for _ in range(10):
            calls = [asyncio.ensure_future(upstream.send(plan(f"{api.url}/x"), deadline=30)) for _ in range(100)]
            async with asyncio.timeout(5):
                await api.received(len(api.requests) + 100)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        async with asyncio.timeout(2):
            await api.emptied()
        assert [each.active for each in upstream.health()] == [0]


async def test_a_retry_that_waits_while_the_breaker_opens_is_not_sent(opened: Opened, clock: Clock) -> None:
    """F13: while it is open nothing but the probe is sent."""
    upstream = opened(UpstreamRules(retries=RetryRules(pause=0.3, jitter=lambda: 1.0), clock=clock))
    async with backend(reply("503 No")) as api:
        waiting = asyncio.ensure_future(upstream.send(plan(f"{api.url}/slow"), deadline=5))
        await api.arrived.wait()
        for _ in range(10):
            await upstream.send(plan(f"{api.url}/x", "POST"), deadline=5)
        assert upstream.health()[0].state == "open"
        assert (await waiting).status == 503
    assert len(api.requests) == 11
