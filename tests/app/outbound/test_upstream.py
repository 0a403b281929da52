from __future__ import annotations

import asyncio
import gzip
import socket
import time
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.destinations import Destination
from app.errors import (
    EgressDeniedError,
    RedirectDeniedError,
    ResponseTooLargeError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamResetError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)
from app.outbound import EgressPolicy, HttpUpstream
from tests.app.backends import (
    backend,
    dripping,
    endless,
    redirect,
    reply,
    then_close,
    then_reset,
    then_wait,
)
from tests.app.outbound.names import resolving
from tests.app.outbound.plans import LOCAL, OK, plan, refused


@pytest.fixture
async def upstream() -> AsyncIterator[HttpUpstream]:
    opened = HttpUpstream(LOCAL)
    yield opened
    await opened.close()


@pytest.fixture
async def guarded() -> AsyncIterator[HttpUpstream]:
    """Give an upstream as it is in service mode."""
    opened = HttpUpstream(EgressPolicy())
    yield opened
    await opened.close()


# --- what is sent


async def test_a_plan_is_sent_as_it_was_planned(upstream: HttpUpstream) -> None:
    target = "/v1/a%2Fb/..%2Fc/%252e/%C3%A9;x=1/(y)?q=a%20b+c&q=%26%3D&empty=&flag&e=é~%7E".replace("é", "%e9")
    async with backend(OK) as api:
        response = await upstream.send(plan(api.url + target), deadline=5)
    assert api.requests[0].line == f"GET {target} HTTP/1.1"
    assert (response.status, response.content_type, response.body) == (200, "application/json", b'{"ok":true}')


@pytest.mark.parametrize("target", ["/", "", "/a//b", "/a/./b", "/%", "/%zz", "/a?", "/[x]", "/a|b", "/a?x={y}"])
async def test_no_target_is_normalised(upstream: HttpUpstream, target: str) -> None:
    async with backend(OK) as api:
        await upstream.send(plan(api.url + target), deadline=5)
    assert api.requests[0].target in {target or "/", target.rstrip("?")}


async def test_headers_are_the_planned_ones_and_what_http_needs(upstream: HttpUpstream) -> None:
    given = (("Accept", "application/json, */*;q=0.1"), ("X-Trace", "a b"), ("Cookie", "a=1; b=2"))
    async with backend(OK) as api:
        await upstream.send(plan(f"{api.url}/x", "GET", *given), deadline=5)
    (request,) = api.requests
    added = {"Host", "User-Agent", "Accept-Encoding"}
    assert {name for name, _ in request.headers} == {name for name, _ in given} | added
    assert len(request.headers) == len(given) + len(added)
    for name, value in given:
        assert request.values(name) == [value]
    assert request.values("Host") == [f"127.0.0.1:{api.port}"]
    assert request.values("User-Agent") == ["Causeway"]


async def test_a_body_is_sent_byte_for_byte_with_one_length(upstream: HttpUpstream) -> None:
    body = '{"name":"Ré","weight":0.10000000000000000000001}'.encode()
    async with backend(OK) as api:
        await upstream.send(plan(f"{api.url}/x", "POST", ("Content-Type", "application/json"), body=body), deadline=5)
    (request,) = api.requests
    assert (request.body, request.values("Content-Length")) == (body, [str(len(body))])
    assert request.values("Content-Type") == ["application/json"]
    assert request.values("Transfer-Encoding") == []


async def test_a_request_without_a_body_has_no_media_type(upstream: HttpUpstream) -> None:
    async with backend(OK) as api:
        for method in ("GET", "POST", "PUT", "DELETE"):
            await upstream.send(plan(f"{api.url}/x", method), deadline=5)
    assert [request.line.split()[0] for request in api.requests] == ["GET", "POST", "PUT", "DELETE"]
    assert all(request.values("Content-Type") == [] for request in api.requests)
    assert all(request.values("Content-Length") in ([], ["0"]) for request in api.requests)


async def test_a_large_body_is_sent_whole(upstream: HttpUpstream) -> None:
    body = bytes(range(256)) * 4096 * 3
    async with backend(OK) as api:
        await upstream.send(plan(f"{api.url}/x", "PUT", ("Content-Type", "a/b"), body=body), deadline=10)
    assert api.requests[0].body == body
    assert api.requests[0].values("Content-Length") == [str(len(body))]


async def test_a_header_name_may_stand_twice(upstream: HttpUpstream) -> None:
    async with backend(OK) as api:
        await upstream.send(plan(f"{api.url}/x", "GET", ("X-Tag", "a"), ("X-Tag", "b"), ("X-Tag", "a")), deadline=5)
    assert api.requests[0].values("X-Tag") == ["a", "b", "a"]


async def test_a_planned_user_agent_takes_the_place_of_ours(upstream: HttpUpstream) -> None:
    async with backend(OK) as api:
        await upstream.send(plan(f"{api.url}/x", "GET", ("user-agent", "theirs")), deadline=5)
    assert api.requests[0].values("User-Agent") == ["theirs"]


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\x00b"])
async def test_a_header_that_would_become_two_is_never_sent(upstream: HttpUpstream, value: str) -> None:
    async with backend(OK) as api:
        with refused(UpstreamProtocolError):
            await upstream.send(plan(f"{api.url}/x", "GET", ("X-Text", value)), deadline=5)
    assert api.requests == []


async def test_connections_are_used_again(upstream: HttpUpstream) -> None:
    async with backend(OK) as api:
        for _ in range(5):
            await upstream.send(plan(f"{api.url}/x"), deadline=5)
    assert (len(api.requests), api.connections) == (5, 1)


async def test_cookies_are_never_stored(upstream: HttpUpstream) -> None:
    async with backend(reply("200 OK", b"", "Set-Cookie: session=secret; Path=/", "Set-Cookie: b=2")) as api:
        await upstream.send(plan(f"{api.url}/x"), deadline=5)
        await upstream.send(plan(f"{api.url}/x"), deadline=5)
    assert [request.values("Cookie") for request in api.requests] == [[], []]


async def test_proxies_and_passwords_of_the_environment_are_ignored(
    upstream: HttpUpstream, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login secret password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    async with backend(OK) as proxy, backend(OK) as api:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        await upstream.send(plan(f"{api.url}/x"), deadline=5)
    assert (len(api.requests), proxy.connections) == (1, 0)
    assert api.requests[0].values("Authorization") == []


# --- what comes back


@pytest.mark.parametrize(
    "status", ["200 OK", "201 Created", "400 Bad Request", "404 Not Found", "418 I'm a teapot", "503 No", "299 "]
)
async def test_every_status_is_a_response(upstream: HttpUpstream, status: str) -> None:
    async with backend(reply(status, b"text", "Content-Type: text/plain; charset=latin-1")) as api:
        response = await upstream.send(plan(f"{api.url}/x"), deadline=5)
    code, _, reason = status.partition(" ")
    assert (response.status, response.reason, response.body) == (int(code), reason, b"text")
    assert response.content_type == "text/plain; charset=latin-1"


async def test_a_response_may_lack_everything(upstream: HttpUpstream) -> None:
    async with backend(then_close(b"HTTP/1.1 200\r\n\r\n")) as api:
        response = await upstream.send(plan(f"{api.url}/x"), deadline=5)
    assert (response.status, response.reason, response.content_type, response.body) == (200, "", "", b"")


async def test_chunks_and_encodings_are_undone(upstream: HttpUpstream) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: 1\r\n\r\n"
    async with backend(
        chunked,
        reply("200 OK", gzip.compress(b"zipped"), "Content-Encoding: gzip"),
        reply("200 OK", zlib.compress(b"deflated"), "Content-Encoding: deflate"),
    ) as api:
        bodies = [(await upstream.send(plan(f"{api.url}/x"), deadline=5)).body for _ in range(3)]
    assert bodies == [b"abcde", b"zipped", b"deflated"]


async def test_a_head_request_has_no_body(upstream: HttpUpstream) -> None:
    async with backend(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n") as api:
        assert (await upstream.send(plan(f"{api.url}/x", "HEAD"), deadline=5)).body == b""


# --- redirects


async def test_a_redirect_within_the_origin_is_followed_with_the_same_headers(upstream: HttpUpstream) -> None:
    async with backend(redirect("/b?x=%2F"), redirect("c", "307 Temporary Redirect"), OK) as api:
        response = await upstream.send(plan(f"{api.url}/a", "GET", ("X-Trace", "1")), deadline=5)
    assert [request.target for request in api.requests] == ["/a", "/b?x=%2F", "/c"]
    assert all(request.values("X-Trace") == ["1"] for request in api.requests)
    assert response.status == 200


@pytest.mark.parametrize(
    "location",
    [
        "http://localhost:{port}/b",
        "https://127.0.0.1:{port}/b",
        "http://127.0.0.1:1/b",
        "//evil.example/b",
        "ftp://127.0.0.1:{port}/b",
        "http://127.0.0.1:{port}@evil.example/",
        "file:///etc/passwd",
    ],
)
async def test_a_redirect_to_another_origin_is_not_followed(upstream: HttpUpstream, location: str) -> None:
    async with backend(OK) as api:
        api.replies = (redirect(location.format(port=api.port)), OK)
        with refused(RedirectDeniedError):
            await upstream.send(plan(f"{api.url}/a", "GET", ("X-Api-Key", "secret")), deadline=5)
    assert len(api.requests) == 1


async def test_three_redirects_are_followed_and_four_are_not(upstream: HttpUpstream) -> None:
    async with backend(redirect("/1"), redirect("/2"), redirect("/3"), OK) as api:
        assert (await upstream.send(plan(f"{api.url}/0"), deadline=5)).status == 200
    async with backend(redirect("/again")) as api:
        with refused(RedirectDeniedError):
            await upstream.send(plan(f"{api.url}/0"), deadline=5)
    assert len(api.requests) == 4


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_what_changes_something_is_not_sent_again(upstream: HttpUpstream, method: str) -> None:
    async with backend(redirect("/b", "307 Temporary Redirect"), OK) as api:
        response = await upstream.send(plan(f"{api.url}/a", method, ("X-A", "1"), body=b"x"), deadline=5)
    assert (response.status, response.location, len(api.requests)) == (307, "/b", 1)


@pytest.mark.parametrize("answer", [reply("302 Found"), reply("304 Not Modified"), reply("300 Multiple Choices")])
async def test_a_redirect_to_nowhere_is_a_response(upstream: HttpUpstream, answer: bytes) -> None:
    async with backend(answer) as api:
        assert (await upstream.send(plan(f"{api.url}/a"), deadline=5)).status >= 300


@pytest.mark.parametrize("location", ["http://127.0.0.1:99999/", "http://[::1/", "http://127.0.0.1:x/"])
async def test_a_redirect_to_nonsense_is_an_error(upstream: HttpUpstream, location: str) -> None:
    async with backend(redirect(location), OK) as api:
        with pytest.raises(UpstreamError):
            await upstream.send(plan(f"{api.url}/a"), deadline=5)
    assert len(api.requests) == 1


# --- faults


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
    ids=["nothing", "head", "body", "chunk"],
)
@pytest.mark.parametrize("ending", [then_close, then_reset])
async def test_a_connection_that_breaks_is_a_reset_and_a_post_is_sent_once(
    upstream: HttpUpstream, ending: Any, content: bytes
) -> None:
    async with backend(ending(content)) as api:
        for method, most in (("POST", 1), ("GET", 3)):
            api.requests.clear()
            with refused(UpstreamResetError):
                await upstream.send(plan(f"{api.url}/x?key=secret", method), deadline=5)
            assert 1 <= len(api.requests) <= most


async def test_an_api_that_never_answers_is_given_up_at_the_deadline(upstream: HttpUpstream) -> None:
    for content in (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"):
        async with backend(then_wait(content)) as api:
            start = time.monotonic()
            with refused(UpstreamTimeoutError):
                await upstream.send(plan(f"{api.url}/x?key=secret"), deadline=0.3)
            assert 0.25 < time.monotonic() - start < 1.5
            async with asyncio.timeout(2):
                await api.left.wait()


async def test_an_api_that_drips_for_ever_is_given_up_at_the_deadline(upstream: HttpUpstream) -> None:
    async with backend(dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", seconds=0.05)) as api:
        with refused(UpstreamTimeoutError):
            await upstream.send(plan(f"{api.url}/x"), deadline=0.4)


async def test_redirects_share_one_deadline(upstream: HttpUpstream) -> None:
    async def slow(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        writer.write(redirect("/again"))

    async with backend(slow) as api:
        start = time.monotonic()
        with refused(UpstreamTimeoutError):
            await upstream.send(plan(f"{api.url}/x"), deadline=0.5)
        assert time.monotonic() - start < 1.5


async def test_a_cancelled_call_closes_its_connection(upstream: HttpUpstream) -> None:
    async with backend(then_wait(b"")) as api:
        sending = asyncio.ensure_future(upstream.send(plan(f"{api.url}/x"), deadline=30))
        await api.arrived.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        async with asyncio.timeout(2):
            await api.left.wait()


async def test_an_api_that_is_not_there_is_unreachable(upstream: HttpUpstream) -> None:
    async with backend(OK) as gone:
        pass
    with refused(UpstreamUnreachableError):
        await upstream.send(plan(f"{gone.url}/x?key=secret"), deadline=5)


async def test_a_name_that_nobody_knows_is_unreachable(upstream: HttpUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, nobody=[])
    with refused(UpstreamUnreachableError):
        await upstream.send(plan("http://nobody.test/x?key=secret"), deadline=5)


async def test_a_server_without_tls_is_no_secure_one(upstream: HttpUpstream) -> None:
    greeted: list[bytes] = []

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greeted.append(await reader.read(3))
        writer.write(OK)
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    with refused(UpstreamUnreachableError):
        port = server.sockets[0].getsockname()[1]
        await upstream.send(plan(f"https://127.0.0.1:{port}/x?key=secret"), deadline=5)
    server.close()
    # A TLS greeting, and no request in the clear.
    assert [each[:1] for each in greeted] == [b"\x16"]


@pytest.mark.parametrize(
    "content",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/9.9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Big: " + b"a" * 1024 * 1024 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x00" * 100 + b"\r\n\r\n",
    ],
    ids=["ssh", "version", "status", "length", "lengths", "colon", "megabyte", "chunk size", "zeros"],
)
async def test_what_is_not_http_is_an_error_of_the_exchange(upstream: HttpUpstream, content: bytes) -> None:
    async with backend(then_close(content)) as api:
        with pytest.raises((UpstreamProtocolError, UpstreamResetError)):
            await upstream.send(plan(f"{api.url}/x?key=secret", "POST"), deadline=5)
    assert len(api.requests) == 1


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
async def test_a_broken_encoding_is_an_error_of_the_exchange(upstream: HttpUpstream, encoding: str) -> None:
    async with backend(reply("200 OK", b"this is not compressed", f"Content-Encoding: {encoding}")) as api:
        with pytest.raises((UpstreamProtocolError, UpstreamResetError)):
            await upstream.send(plan(f"{api.url}/x"), deadline=5)


# --- sizes


async def test_a_response_of_the_limit_is_read_and_one_byte_more_is_not() -> None:
    upstream = HttpUpstream(LOCAL, max_response=100_000)
    async with backend(reply("200 OK", b"x" * 100_000), reply("200 OK", b"x" * 100_001)) as api:
        assert len((await upstream.send(plan(f"{api.url}/x"), deadline=5)).body) == 100_000
        with refused(ResponseTooLargeError):
            await upstream.send(plan(f"{api.url}/x"), deadline=5)
    await upstream.close()


async def test_an_endless_response_is_cut_off_and_its_connection_closed() -> None:
    upstream = HttpUpstream(LOCAL, max_response=1024 * 1024)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with backend(endless(head, b"10000\r\n" + b"x" * 0x10000 + b"\r\n")) as api:
        with refused(ResponseTooLargeError):
            await upstream.send(plan(f"{api.url}/x"), deadline=10)
        async with asyncio.timeout(2):
            await api.left.wait()
    await upstream.close()


# --- egress


LITERALS = [
    "127.0.0.1",
    "2130706433",
    "0177.0.0.1",
    "0x7f.1",
    "0x7f000001",
    "127.1",
    "127.0.0.1.",
    "localhost",
    "0.0.0.0",  # noqa: S104
]


@pytest.mark.parametrize("host", LITERALS)
async def test_no_way_to_write_loopback_gets_past_the_policy(guarded: HttpUpstream, host: str) -> None:
    async with backend(OK) as canary:
        with pytest.raises((EgressDeniedError, UpstreamUnreachableError)):
            await guarded.send(plan(f"http://{host}:{canary.port}/x"), deadline=5)
    assert canary.connections == 0


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "10.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:a9fe:a9fe]"]
)
async def test_a_denied_address_is_told_as_such(guarded: HttpUpstream, host: str) -> None:
    with refused(EgressDeniedError):
        await guarded.send(plan(f"http://{host}:8080/x"), deadline=5)


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "100.100.100.200", "168.63.129.16", "[fd00:ec2::254]", "[64:ff9b::a9fe:a9fe]"]
)
async def test_metadata_addresses_are_denied_in_local_mode_too(upstream: HttpUpstream, host: str) -> None:
    with refused(EgressDeniedError):
        await upstream.send(plan(f"http://{host}/latest/meta-data"), deadline=5)


async def test_a_name_with_a_denied_address_is_never_connected_to(
    guarded: HttpUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = resolving(monkeypatch, inside=["127.0.0.1"], metadata=["169.254.169.254", "127.0.0.1"])
    async with backend(OK) as canary:
        for name in ("inside", "metadata"):
            with refused(EgressDeniedError):
                await guarded.send(plan(f"http://{name}.test:{canary.port}/x"), deadline=5)
    assert (asked, canary.connections) == (["inside.test", "metadata.test"], 0)


async def test_of_a_name_s_addresses_only_the_permitted_one_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, both=["127.0.0.1", "127.0.0.2"])
    upstream = HttpUpstream(EgressPolicy(allow=(Destination.read("127.0.0.2/32"),)))
    async with backend(OK, host="127.0.0.2") as api:
        canary = await asyncio.start_server(lambda *_: pytest.fail("connected"), "127.0.0.1", api.port)
        assert (await upstream.send(plan(f"http://both.test:{api.port}/x"), deadline=5)).status == 200
        canary.close()
    assert api.connections == 1
    await upstream.close()


async def test_a_name_that_moves_inside_is_not_followed_there(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = ["127.0.0.2"]
    resolving(monkeypatch, moving=answers)
    upstream = HttpUpstream(EgressPolicy(allow=(Destination.read("127.0.0.2/32"),)))
    async with backend(then_close(OK), host="127.0.0.2") as api, backend(OK) as canary:
        await upstream.send(plan(f"http://moving.test:{api.port}/x"), deadline=5)
        answers[:] = ["127.0.0.1"]
        with refused(EgressDeniedError):
            await upstream.send(plan(f"http://moving.test:{canary.port}/x"), deadline=5)
    assert canary.connections == 0
    await upstream.close()


async def test_a_closed_port_inside_looks_like_an_open_one(guarded: HttpUpstream) -> None:
    messages = set()
    async with backend(OK) as canary:
        for port in (canary.port, 1):
            with pytest.raises(EgressDeniedError) as caught:
                await guarded.send(plan(f"http://127.0.0.1:{port}/x"), deadline=5)
            messages.add(caught.value.message)
    assert len(messages) == 1


async def test_closing_twice_is_fine_and_a_closed_upstream_opens_again(upstream: HttpUpstream) -> None:
    async with backend(OK) as api:
        await upstream.send(plan(f"{api.url}/x"), deadline=5)
        await upstream.close()
        await upstream.close()
        assert (await upstream.send(plan(f"{api.url}/x"), deadline=5)).status == 200


async def test_a_host_that_does_not_take_connections_is_told_before_the_deadline() -> None:
    upstream = HttpUpstream(LOCAL, connect_timeout=0.3)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        # The queue of the listener is full with these, so that nobody answers a further one.
        waiting = [socket.socket() for _ in range(8)]
        for each in waiting:
            each.settimeout(0)
            each.connect_ex(full.getsockname())
        try:
            start = time.monotonic()
            with pytest.raises(UpstreamTimeoutError, match="connected to in time"):
                await upstream.send(plan(f"http://127.0.0.1:{full.getsockname()[1]}/x"), deadline=20)
            assert time.monotonic() - start < 5
        finally:
            for each in waiting:
                each.close()
            await upstream.close()
