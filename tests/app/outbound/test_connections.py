"""Requests as they are written, and connections that are not used again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.errors import UpstreamProtocolError
from app.outbound import HttpUpstream
from tests.app.backends import backend, redirect
from tests.app.outbound.plans import LOCAL, OK, plan, refused


@pytest.fixture
async def upstream() -> AsyncIterator[HttpUpstream]:
    made = HttpUpstream(LOCAL)
    yield made
    await made.close()


async def test_a_redirect_to_what_is_no_url_is_followed_encoded(upstream: HttpUpstream) -> None:
    async with backend(redirect("/caf\xe9?q=\xe9#part"), OK) as api:
        await upstream.send(plan(f"{api.url}/x"), deadline=5)
    target = api.requests[1].target
    assert target.isascii()
    assert target.startswith("/caf%")
    assert "?q=%" in target
    assert "#" not in target


@pytest.mark.parametrize("value", ["a\r\nX-Own: 1", "a\nb", "a\0b", "a\x7fb"])
async def test_a_field_that_is_not_one_line_is_never_sent(upstream: HttpUpstream, value: str) -> None:
    async with backend(OK) as api:
        with refused(UpstreamProtocolError):
            await upstream.send(plan(f"{api.url}/x", "GET", ("X-Given", value)), deadline=5)
        assert api.requests == []


async def test_a_planned_user_agent_takes_the_place_of_ours(upstream: HttpUpstream) -> None:
    async with backend(OK) as api:
        await upstream.send(plan(f"{api.url}/x", "GET", ("user-agent", "Given")), deadline=5)
    assert api.requests[0].values("User-Agent") == ["Given"]


async def test_interim_answers_are_passed_over(upstream: HttpUpstream) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    async with backend(hints + hints + OK) as api:
        response = await upstream.send(plan(f"{api.url}/x"), deadline=5)
    assert (response.status, response.body) == (200, b'{"ok":true}')


async def test_a_connection_with_an_unread_request_is_not_used_again(upstream: HttpUpstream) -> None:
    """The rest of the first request would stand before the second one."""
    heads: list[bytes] = []
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        # Nothing more is read, and the connection stays open.
        await ended.wait()
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
    body = bytes(32 * 1024 * 1024)
    try:
        for _ in range(2):
            response = await upstream.send(plan(url, "POST", ("Content-Type", "a/b"), body=body), deadline=20)
            assert response.status == 413
        assert [head.split(b"\r\n")[0] for head in heads] == [b"POST /x HTTP/1.1"] * 2
    finally:
        ended.set()
        server.close()
        await asyncio.sleep(0.01)
