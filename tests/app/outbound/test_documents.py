from __future__ import annotations

import asyncio
import gzip
import socket
from typing import Any

import pytest

from app.destinations import Destination
from app.errors import (
    EgressDeniedError,
    RedirectDeniedError,
    ResponseTooLargeError,
    UpstreamError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)
from app.outbound import DocumentFetcher, EgressPolicy
from tests.app.backends import backend, redirect, reply, then_close, then_reset, then_wait

LOCAL = DocumentFetcher(EgressPolicy(allow_private=True))
SERVICE = DocumentFetcher(EgressPolicy())
DOCUMENT = b'{"openapi":"3.1.0"}'


async def refused(fetcher: DocumentFetcher, url: str) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await fetcher.fetch(url)
    assert "secret" not in caught.value.message
    return caught.value


async def test_a_document_is_fetched_as_bytes_with_its_url() -> None:
    async with backend(reply("200 OK", DOCUMENT)) as api:
        assert await LOCAL.fetch(f"{api.url}/a?b=%2F") == (DOCUMENT, f"{api.url}/a?b=%2F")
    assert api.requests[0].line == "GET /a?b=%2F HTTP/1.1"
    assert "json" in api.requests[0].values("Accept")[0]
    assert "yaml" in api.requests[0].values("Accept")[0]


async def test_what_the_bytes_are_is_not_judged_here() -> None:
    page = b"<!doctype html><title>Sign in</title>"
    async with backend(reply("200 OK", page, "Content-Type: text/html")) as api:
        assert (await LOCAL.fetch(api.url))[0] == page


async def test_an_encoding_is_undone() -> None:
    async with backend(reply("200 OK", gzip.compress(DOCUMENT), "Content-Encoding: gzip")) as api:
        assert (await LOCAL.fetch(api.url))[0] == DOCUMENT


async def test_a_name_is_tried_at_each_of_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(host: Any, port: Any, *_: Any, **__: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in ("127.0.0.3", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    async with backend(reply("200 OK", DOCUMENT)) as api:
        assert (await LOCAL.fetch(f"http://both.test:{api.port}/"))[0] == DOCUMENT


async def test_a_redirect_is_followed_and_the_last_url_told() -> None:
    async with backend(reply("200 OK", DOCUMENT)) as other, backend(redirect("/b"), redirect(f"{other.url}/c")) as api:
        assert await LOCAL.fetch(f"{api.url}/a") == (DOCUMENT, f"{other.url}/c")
    assert [request.target for request in api.requests] == ["/a", "/b"]


async def test_three_redirects_are_followed_and_four_are_not() -> None:
    async with backend(redirect("/1"), redirect("/2"), redirect("/3"), reply("200 OK", DOCUMENT)) as api:
        assert (await LOCAL.fetch(api.url))[1] == f"{api.url}/3"
    async with backend(redirect("/again")) as api:
        assert type(await refused(LOCAL, api.url)) is RedirectDeniedError
    assert len(api.requests) == 4


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ("file:///etc/passwd", EgressDeniedError),
        ("ftp://127.0.0.1/a", EgressDeniedError),
        ("http://user:secret@127.0.0.1/a", EgressDeniedError),
        ("http://169.254.169.254/latest", EgressDeniedError),
        ("http://[::1", UpstreamError),
        ("http://127.0.0.1:99999/", EgressDeniedError),
        ("", RedirectDeniedError),
    ],
)
async def test_a_redirect_is_checked_as_the_url_was(location: str, kind: type[UpstreamError]) -> None:
    async with backend(redirect(location)) as api:
        assert isinstance(await refused(LOCAL, api.url), kind)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "openapi.json",
        "//host/a",
        "file:///etc/passwd",
        "ftp://host/a",
        "gopher://host/a",
        "data:application/json,{}",
        "unix:/run/docker.sock",
        "ldap://host",
        "http:///a",
        "http://user@127.0.0.1/",
        "http://user:secret@host/",
        "http://good\\@127.0.0.1/",
        "http://127.0.0.1\t/",
        "http://a b/",
        "http://host:port/",
        "http://host:99999/",
        "http://[::1/",
    ],
)
async def test_only_plain_http_urls_are_fetched(url: str) -> None:
    error = await refused(LOCAL, url)
    assert (type(error), "http or https" in error.message) == (EgressDeniedError, True)


@pytest.mark.parametrize(
    "url", ["http://a..b/", f"http://{'a' * 64}.test/", "http://\x00/", "http://host\x7f/", "http://xn--/"]
)
async def test_a_host_that_cannot_be_a_name_is_an_error_like_any_other(url: str) -> None:
    await refused(LOCAL, url)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0177.0.0.1", "0x7f.1", "127.1", "0.0.0.0", "[::1]", "[::ffff:7f00:1]"],  # noqa: S104
)
async def test_no_way_to_write_loopback_gets_past_the_policy(host: str) -> None:
    async with backend(reply("200 OK", DOCUMENT)) as canary:
        error = await refused(SERVICE, f"http://{host}:{canary.port}/")
    assert canary.connections == 0
    assert isinstance(error, (EgressDeniedError, UpstreamUnreachableError))
    assert "127" not in error.message


async def test_a_redirect_to_a_denied_address_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    fetcher = DocumentFetcher(EgressPolicy(allow=(Destination.read("127.0.0.2/32"),)))
    async with backend(reply("200 OK", DOCUMENT)) as canary, backend(redirect(canary.url), host="127.0.0.2") as api:
        assert type(await refused(fetcher, api.url)) is EgressDeniedError
    assert (len(api.requests), canary.connections) == (1, 0)


async def test_of_a_name_s_addresses_only_a_permitted_one_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(host: Any, port: Any, *_: Any, **__: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in ("127.0.0.1", "127.0.0.2")]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    fetcher = DocumentFetcher(EgressPolicy(allow=(Destination.read("127.0.0.2/32"),)))
    async with backend(reply("200 OK", DOCUMENT), host="127.0.0.2") as api:
        canary = await asyncio.start_server(lambda *_: pytest.fail("connected"), "127.0.0.1", api.port)
        assert (await fetcher.fetch(f"http://both.test:{api.port}/"))[0] == DOCUMENT
        canary.close()


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    async with backend(reply("200 OK", b"proxy")) as proxy, backend(reply("200 OK", DOCUMENT)) as api:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert (await LOCAL.fetch(api.url))[0] == DOCUMENT
    assert proxy.connections == 0


async def test_a_document_of_the_limit_is_fetched_and_one_byte_more_is_not() -> None:
    fetcher = DocumentFetcher(EgressPolicy(allow_private=True), max_size=100_000)
    async with backend(reply("200 OK", b"x" * 100_000), reply("200 OK", b"x" * 100_001)) as api:
        assert len((await fetcher.fetch(api.url))[0]) == 100_000
        assert type(await refused(fetcher, api.url)) is ResponseTooLargeError


async def test_a_bomb_stops_at_the_decoded_limit_and_the_connection_is_closed() -> None:
    bomb = gzip.compress(bytes(60 * 1024 * 1024))
    async with backend(reply("200 OK", bomb, "Content-Encoding: gzip")) as api:
        assert type(await refused(LOCAL, api.url)) is ResponseTooLargeError
        async with asyncio.timeout(2):
            await api.left.wait()


@pytest.mark.parametrize("status", ["201 Created", "204 No Content", "401 Unauthorized", "404 Not Found", "500 Oops"])
async def test_any_status_but_200_is_told(status: str) -> None:
    async with backend(reply(status, b"" if status.startswith("204") else DOCUMENT)) as api:
        error = await refused(LOCAL, f"{api.url}/a?key=secret")
    assert type(error) is UpstreamUnreachableError
    assert status[:3] in error.message


@pytest.mark.parametrize(
    "answer",
    [
        then_close(b""),
        then_reset(b""),
        then_close(b"SSH-2.0\r\n\r\n"),
        then_close(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
        then_reset(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
        reply("200 OK", b"not compressed", "Content-Encoding: gzip"),
    ],
    ids=["closed", "reset", "no http", "short", "reset body", "encoding"],
)
async def test_an_answer_that_breaks_is_an_error_of_ours(answer: Any) -> None:
    async with backend(answer) as api:
        assert type(await refused(LOCAL, f"{api.url}/a?key=secret")) is UpstreamUnreachableError


async def test_a_server_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.outbound.documents._TIMEOUT", 0.3)
    for content in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"):
        async with backend(then_wait(content)) as api:
            assert type(await refused(LOCAL, api.url)) is UpstreamTimeoutError


async def test_a_server_that_is_not_there_is_told() -> None:
    async with backend() as gone:
        pass
    assert type(await refused(LOCAL, f"{gone.url}/a?key=secret")) is UpstreamUnreachableError
