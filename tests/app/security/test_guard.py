from __future__ import annotations

import gc
import json
from collections.abc import Sequence
from typing import Any

import pytest
from fastapi import FastAPI, Request

from app.security.authentication import AdminKey, Authentication
from app.security.callers import LOCAL as LOCAL_CALLER
from app.security.guard import MAX_BODY, Guard, GuardRules, rules_for
from tests.app.asgi import Answer, Asgi, Exchange, answer

KEY = "an-admin-key-of-some-length"
LOCAL = rules_for("127.0.0.1", "http://127.0.0.1:8080", has_keys=False), Authentication([], otherwise=LOCAL_CALLER)
SERVICE = rules_for("0.0.0.0", "https://gateway.example", has_keys=True), Authentication([AdminKey(KEY)])  # noqa: S104
Setup = tuple[GuardRules, Authentication]
HOST = ("Host", "127.0.0.1:8080")


class Inner:
    """An application that reads its body and answers 200."""

    def __init__(self) -> None:
        self.calls = 0
        self.size = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG002 - ASGI's signature
        self.calls += 1
        more = True
        while more:
            event = await receive()
            self.size += len(event["body"])
            more = event["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"in"})


async def ask(
    setup: Setup,
    *headers: tuple[str, str],
    path: str = "/api/v1/namespaces",
    inner: Asgi | None = None,
    **more: Any,
) -> Answer:
    return await answer(Guard(inner or Inner(), *setup), path=path, headers=headers, **more)


async def status(setup: Setup, *headers: tuple[str, str], **more: Any) -> int:
    return (await ask(setup, *headers, **more)).status


# --- Host


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8080", "127.0.0.1:9999", "localhost", "LOCALHOST:1", "LocalHost", "[::1]", "[::1]:8080"],
)
async def test_loopback_names_are_known_on_every_port(host: str) -> None:
    assert await status(LOCAL, ("Host", host)) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil-localhost",
        "127.0.0.2",
        "0.0.0.0",  # noqa: S104
        "[::]",
        "::1",
        "[::1",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "127.1",
        "",
        " ",
        ":8080",
        "localhost@evil.example",
        "gateway.example",
    ],
)
async def test_any_other_host_is_misdirected(host: str) -> None:
    given = await ask(LOCAL, ("Host", host))
    assert (given.status, given.json()["code"]) == (421, "misdirected_request")


async def test_a_request_names_exactly_one_host() -> None:
    assert await status(LOCAL) == 421
    assert await status(LOCAL, HOST, ("Host", "evil.example")) == 421
    assert await status(LOCAL, HOST, HOST) == 421


async def test_a_gateway_is_known_by_its_public_url_and_by_what_it_listens_on() -> None:
    rules = rules_for("192.168.1.5", "https://Gateway.Example/causeway", has_keys=False)
    assert set(rules.hosts or ()) == {"gateway.example", "192.168.1.5", "127.0.0.1", "localhost", "::1"}
    rules = rules_for("[::1]", "http://[::1]:8080", has_keys=False)
    assert set(rules.hosts or ()) == {"127.0.0.1", "localhost", "::1"}


@pytest.mark.parametrize("listening", ["0.0.0.0", "::", "[::]"])  # noqa: S104
async def test_a_gateway_that_listens_everywhere_and_was_told_no_name_takes_any_with_a_key(listening: str) -> None:
    address = f"[{listening}]" if listening == "::" else listening
    assert rules_for(listening, f"http://{address}:8080", has_keys=True).hosts is None
    named = rules_for(listening, "https://gateway.example", has_keys=True)
    assert named.hosts == frozenset({"127.0.0.1", "localhost", "::1", "gateway.example"})


@pytest.mark.parametrize("name", ["X-Forwarded-Host", "Forwarded", "X-Original-Host", "X-Host"])
async def test_no_other_header_names_the_host(name: str) -> None:
    assert await status(LOCAL, HOST, (name, "evil.example")) == 200
    assert await status(LOCAL, ("Host", "evil.example"), (name, "127.0.0.1")) == 421


# --- Origin


@pytest.mark.parametrize(
    "origin",
    ["http://127.0.0.1:8080", "http://localhost", "https://localhost:5173", "http://[::1]:8080", "HTTP://LOCALHOST"],
)
async def test_an_origin_on_this_machine_is_let_through(origin: str) -> None:
    assert await status(LOCAL, HOST, ("Origin", origin)) == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "https://evil.example:8080",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "null",
        "",
        "file://",
        "file://localhost",
        "chrome-extension://abc",
        "localhost",
        "//localhost",
        "http://",
        "http://[::1",
        "http://169.254.169.254",
    ],
)
async def test_any_other_origin_is_refused(origin: str) -> None:
    given = await ask(LOCAL, HOST, ("Origin", origin))
    assert (given.status, given.json()["code"]) == (403, "origin_denied")


async def test_of_two_origins_both_count() -> None:
    assert await status(LOCAL, HOST, ("Origin", "http://localhost"), ("Origin", "http://evil.example")) == 403


@pytest.mark.parametrize(
    "path", ["/", "/mcp/default/pets", "/api/v1/namespaces", "/healthz", "/api/openapi.json", "/x"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
async def test_a_web_page_elsewhere_reaches_no_path(path: str, method: str) -> None:
    inner = Inner()
    for headers in (("Host", "evil.example"),), (HOST, ("Origin", "http://evil.example")):
        assert await status(LOCAL, *headers, path=path, method=method, inner=inner) in {403, 421}
    assert inner.calls == 0


async def test_behind_its_public_name_a_gateway_is_reached_from_its_own_pages() -> None:
    headers = (("Host", "gateway.example"), ("Authorization", f"Bearer {KEY}"))
    assert await status(SERVICE, *headers, ("Origin", "https://gateway.example")) == 200
    assert await status(SERVICE, *headers, ("Origin", "https://evil.example")) == 403


# --- keys


@pytest.mark.parametrize(
    "header",
    [
        ("Authorization", f"Bearer {KEY}"),
        ("authorization", f"bearer {KEY}"),
        ("Authorization", f"BEARER   {KEY} "),
        ("X-API-Key", KEY),
        ("x-api-key", f" {KEY} "),
    ],
)
async def test_the_key_opens(header: tuple[str, str]) -> None:
    assert await status(SERVICE, HOST, header) == 200


WRONG: list[Sequence[tuple[str, str]]] = [
    [],
    [("Authorization", "")],
    [("Authorization", "Bearer")],
    [("Authorization", "Bearer ")],
    [("Authorization", "Bearer wrong")],
    [("Authorization", f"Bearer {KEY}x")],
    [("Authorization", f"Bearer {KEY[:-1]}")],
    [("Authorization", f"Bearer {KEY.upper()}")],
    [("Authorization", f"Bearer {KEY} {KEY}")],
    [("Authorization", f"Basic {KEY}")],
    [("Authorization", f"Digest {KEY}")],
    [("Authorization", "Bearer \xe9\xff")],
    [("X-API-Key", "")],
    [("X-API-Key", "wrong")],
    [("X-API-Key", "\xe9")],
    [("X-Forwarded-User", "admin")],
    [("Cookie", f"key={KEY}")],
    [("Proxy-Authorization", f"Bearer {KEY}")],
]


@pytest.mark.parametrize("headers", WRONG, ids=range(len(WRONG)))
async def test_without_exactly_the_one_key_everybody_gets_the_same_answer(headers: Sequence[tuple[str, str]]) -> None:
    inner = Inner()
    given = await ask(SERVICE, HOST, *headers, inner=inner)
    assert given == await ask(SERVICE, HOST)
    assert (given.status, given.json()["code"], inner.calls) == (401, "unauthorized", 0)
    assert (given.header("www-authenticate") or "").startswith("Bearer")
    assert KEY not in given.body.decode()


async def test_a_key_of_any_characters_is_compared_by_its_bytes() -> None:
    setup = LOCAL[0], Authentication([AdminKey("schlüssel-mit-umlaut")])
    sent = "schlüssel-mit-umlaut".encode().decode("latin-1")
    assert await status(setup, HOST, ("X-API-Key", sent)) == 200
    assert await status(setup, HOST, ("X-API-Key", "schlüssel-mit-umlaut")) == 401


@pytest.mark.parametrize(
    "headers",
    [
        [("Authorization", f"Bearer {KEY}"), ("X-API-Key", KEY)],
        [("Authorization", f"Bearer {KEY}"), ("Authorization", f"Bearer {KEY}")],
        [("Authorization", "Bearer wrong"), ("X-API-Key", KEY)],
        [("X-API-Key", KEY), ("X-API-Key", KEY)],
    ],
    ids=range(4),
)
async def test_two_credentials_leave_open_which_one_counts(headers: Sequence[tuple[str, str]]) -> None:
    """A18."""
    for setup in (SERVICE, LOCAL):
        given = await ask(setup, HOST, *headers)
        assert (given.status, given.json()["code"]) == (400, "credentials_ambiguous")


@pytest.mark.parametrize(
    "header",
    [
        ("X_API_Key", KEY),
        ("X_Forwarded_User", "admin"),
        ("X-Forwarded_For", "127.0.0.1"),
        ("Content_Length", "3"),
        ("Connection", "Authorization"),
        ("Connection", "close, x-api-key"),
        ("Connection", "keep-alive,X-Forwarded-For"),
        ("Connection", "Host"),
    ],
    ids=str,
)
async def test_header_fields_that_programs_on_the_way_read_differently_are_refused(header: tuple[str, str]) -> None:
    """A18."""
    given = await ask(SERVICE, HOST, ("Authorization", f"Bearer {KEY}"), header)
    assert (given.status, given.json()["code"]) == (400, "headers_invalid")


@pytest.mark.parametrize(
    "header", [("Connection", "keep-alive, Upgrade"), ("session_id", "7"), ("X-Forwarded-For", "1")]
)
async def test_ordinary_header_fields_are_let_through(header: tuple[str, str]) -> None:
    assert await status(SERVICE, HOST, ("Authorization", f"Bearer {KEY}"), header) == 200


@pytest.mark.parametrize("query", ["api_key={}", "key={}&access_token=x", "x=1&API_KEY=", "%61ccess_token={}"])
async def test_a_credential_in_the_url_is_refused_whatever_else_is_shown(query: str) -> None:
    """A05."""
    path = "/api/v1/namespaces?" + query.format(KEY)
    for headers in ([], [("Authorization", f"Bearer {KEY}")]):
        given = await ask(SERVICE, HOST, *headers, path=path)
        assert (given.status, given.json()["code"]) == (400, "credential_in_url")
        assert KEY not in given.body.decode()
    assert await status(SERVICE, HOST, ("X-API-Key", KEY), path="/api/v1/namespaces?cursor=key&limit=1") == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_health_needs_no_key(path: str) -> None:
    assert await status(SERVICE, HOST, path=path, method="GET") == 200


@pytest.mark.parametrize(
    "path", ["/healthz/", "/healthz/x", "/HEALTHZ", "//healthz", "/healthz/../api", "/api/healthz", "/metrics", "/", ""]
)
async def test_only_health_itself_needs_no_key(path: str) -> None:
    assert await status(SERVICE, HOST, path=path, method="GET") == 401


async def test_in_local_mode_nobody_is_asked_for_a_key() -> None:
    assert await status(LOCAL, HOST) == 200
    for header in ("Authorization", "Bearer whatever"), ("X-API-Key", "x"):
        assert await status(LOCAL, HOST, header) == 200


# --- bodies


@pytest.mark.parametrize("length", [str(MAX_BODY + 1), "9" * 12, "9" * 40, "-1", "1e9", "x", "", "0x10", "1,1"])
async def test_a_declared_length_that_is_too_large_or_none_is_refused_unread(length: str) -> None:
    inner = Inner()
    exchange = Exchange(Guard(inner, *LOCAL), headers=[HOST, ("Content-Length", length)], chunks=[b"x"])
    given = await exchange.run()
    assert given is not None
    assert (given.status, given.json()["code"], exchange.read, inner.calls) == (413, "body_too_large", 0, 0)


@pytest.mark.parametrize("declared", [None, "10"])
async def test_a_body_that_grows_too_large_is_refused_whatever_was_declared(declared: str | None) -> None:
    more = [("Content-Length", declared)] if declared else []
    exchange = Exchange(Guard(Inner(), *LOCAL), headers=[HOST, *more], chunks=[bytes(1024 * 1024)] * 40)
    given = await exchange.run()
    assert given is not None
    assert (given.status, given.json()["code"]) == (413, "body_too_large")
    assert exchange.read == MAX_BODY // (1024 * 1024) + 1


async def test_a_body_of_exactly_the_limit_is_let_through() -> None:
    inner = Inner()
    chunks = [bytes(1024 * 1024)] * (MAX_BODY // (1024 * 1024))
    assert await status(LOCAL, HOST, ("Content-Length", str(MAX_BODY)), chunks=chunks, inner=inner) == 200
    assert inner.size == MAX_BODY


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # Starlette forgets to close the file it was writing
@pytest.mark.parametrize("kind", ["body", "json", "form"])
async def test_a_web_framework_that_reads_a_body_too_large_does_not_get_to_answer(kind: str) -> None:
    api = FastAPI()

    @api.post("/body")
    async def body(request: Request) -> int:
        return len(await request.body())

    @api.post("/json")
    async def parsed(content: dict[str, Any]) -> int:
        return len(content)

    @api.post("/form")
    async def form(request: Request) -> int:
        return len(await request.form())

    types = {"json": "application/json", "form": "multipart/form-data; boundary=b", "body": "text/plain"}
    opening = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n' if kind == "form" else b""
    given = await ask(
        LOCAL,
        HOST,
        ("Content-Type", types[kind]),
        path=f"/{kind}",
        inner=api,
        chunks=[opening, *[bytes(1024 * 1024)] * 30],
    )
    gc.collect()
    assert (given.status, given.json()["code"]) == (413, "body_too_large")


# --- other


@pytest.mark.parametrize("kind", ["websocket", "webtransport"])
async def test_only_http_is_served(kind: str) -> None:
    inner = Inner()
    exchange = Exchange(Guard(inner, *LOCAL), path="/", headers=[HOST], kind=kind)
    if kind == "websocket":
        with pytest.raises(AssertionError, match="0 answers"):
            await exchange.run()
        assert exchange.sent == [{"type": "websocket.close", "code": 1008}]
    else:
        given = await exchange.run()
        assert given is not None
        assert given.status == 403
    assert inner.calls == 0


async def test_a_refusal_is_a_problem_with_a_length() -> None:
    given = await ask(LOCAL, ("Host", "evil.example"))
    assert given.header("content-type") == "application/problem+json"
    assert given.header("content-length") == str(len(given.body))
    problem = json.loads(given.body)
    assert problem.keys() == {"type", "title", "status", "detail", "code"}
    assert (problem["status"], problem["type"]) == (421, "urn:causeway:problem:misdirected_request")
    assert "evil" not in given.body.decode()
