"""S13: the egress proxy that is set makes a tunnel for https (RFC 9110 section 9.3.6) and sees nothing of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from app.errors import EgressDeniedError, UpstreamError
from app.outbound import EgressPolicy, HttpUpstream
from tests.app.backends import backend, json_reply
from tests.app.certificates import Authority
from tests.app.outbound.plans import OK, plan

SECRET = "canary-api-key"
PASSWORD = "canary-password"


@dataclass
class Tunnels:
    """A proxy that connects every tunnel to one place; `seen` is all that a proxy can read."""

    port: int
    answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n"
    heads: list[bytes] = field(default_factory=list)
    seen: bytearray = field(default_factory=bytearray)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self.answer)
            if b" 200 " in self.answer:
                there, back = await asyncio.open_connection("127.0.0.1", self.port)
                await asyncio.gather(self._pumped(reader, back), self._pumped(there, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _pumped(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while piece := await source.read(65536):
                self.seen += piece
                sink.write(piece)
        finally:
            sink.close()


@asynccontextmanager
async def tunnels(port: int, **members: Any) -> AsyncIterator[Tunnels]:
    found = Tunnels(port, **members)
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.url = f"http://user:{PASSWORD}@127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield found
    finally:
        server.close()


@asynccontextmanager
async def sending(proxy: Tunnels) -> AsyncIterator[HttpUpstream]:
    upstream = HttpUpstream(EgressPolicy(proxy=proxy.url))
    try:
        yield upstream
    finally:
        await upstream.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


async def test_a_request_by_https_goes_through_a_tunnel_that_the_proxy_cannot_read(authority: Authority) -> None:
    request = plan("https://api.test:8443/pets?q=canary-query", "GET", ("X-Api-Key", SECRET))
    async with (
        backend(OK, tls=authority.server("api.test")) as api,
        tunnels(api.port) as proxy,
        sending(proxy) as upstream,
    ):
        for _ in range(2):
            answer = await upstream.send(request, deadline=10, authorities=authority.pem)
            assert answer.status == 200
    (head,) = proxy.heads
    assert head.startswith(b"CONNECT api.test:8443 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic " in head
    assert not any(each in head + proxy.seen for each in (SECRET.encode(), b"canary-query"))
    assert [each.target for each in api.requests] == ["/pets?q=canary-query"] * 2
    for arrived in api.requests:
        assert arrived.values("X-Api-Key") == [SECRET]
        assert arrived.values("Proxy-Authorization") == []


async def test_the_tunnel_s_end_has_to_have_the_api_s_certificate(authority: Authority) -> None:
    async with (
        backend(OK, tls=authority.server("other.test")) as api,
        tunnels(api.port) as proxy,
        sending(proxy) as upstream,
    ):
        with pytest.raises(UpstreamError, match="certificate"):
            await upstream.send(plan("https://api.test/x"), deadline=10, authorities=authority.pem)
    assert api.requests == []


async def test_a_proxy_that_makes_no_tunnel_is_told_without_its_password(authority: Authority) -> None:
    async with backend(json_reply(b"{}")) as api:
        refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
        async with tunnels(api.port, answer=refusal) as proxy, sending(proxy) as upstream:
            with pytest.raises(UpstreamError) as refused:
                await upstream.send(plan("https://api.test/x"), deadline=10, authorities=authority.pem)
    assert len(proxy.heads) == 1
    assert PASSWORD not in f"{refused.value!r}{refused.value}"
    assert api.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "metadata.google.internal", "api.test:22", "[::1]"])
async def test_no_tunnel_is_asked_for_to_a_place_that_is_denied(host: str) -> None:
    async with tunnels(1) as proxy, sending(proxy) as upstream:
        with pytest.raises(EgressDeniedError):
            await upstream.send(plan(f"https://{host}/x"), deadline=10)
    assert proxy.heads == []
