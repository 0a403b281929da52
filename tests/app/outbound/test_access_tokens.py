"""Tokens in memory, on a clock of the test's, against a token endpoint on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.errors import TokenFailedError, UpstreamError
from app.gateway.authorizing import WithoutTokens
from app.outbound import AccessTokens, EgressPolicy, TokenEndpoint
from app.security.callers import LOCAL
from app.services import stored_credentials
from converters.credentials import MASK, ClientCredentials, Secret
from converters.token_requests import Endpoints, TokenRequest
from tests.app.backends import Backend, Reply, after, backend, json_reply, reply, then_close
from tests.app.certificates import Authority

CLIENT = ClientCredentials("c", Secret("the-client-secret"), "client_secret_post")
DOWN = reply("503 Service Unavailable")


def issued(token: str, lifetime: float = 100.0) -> bytes:
    return json_reply(json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": lifetime}).encode())


class Clock:
    """Seconds that pass when the test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Scene:
    """Tokens, their clock and the endpoint they come from."""

    def __init__(self, server: Backend) -> None:
        self.server = server
        self.clock = Clock()
        endpoint = TokenEndpoint(EgressPolicy(allow_private=True), timeout=0.5)
        self.tokens = AccessTokens(endpoint, clock=self.clock)
        self.request = TokenRequest("oauth", Endpoints(token=server.url), CLIENT)

    async def token(self, refused: str | None = None, *, server: str = "default/pets") -> str:
        given = None if refused is None else Secret(refused)
        return (await self.tokens.token(server, self.request, refused=given)).reveal()

    async def error(self) -> UpstreamError:
        with pytest.raises(UpstreamError) as raised:
            await self.token()
        return raised.value


@asynccontextmanager
async def scene(*replies: bytes | Reply) -> AsyncIterator[Scene]:
    async with backend(*replies) as server:
        made = Scene(server)
        try:
            yield made
        finally:
            await made.tokens.close()


async def test_a_token_is_kept_until_a_tenth_of_its_life_is_left() -> None:
    async with scene(issued("token-1"), issued("token-2")) as at:
        assert await at.token() == "token-1"
        at.clock.now += 89
        assert await at.token() == "token-1"
        at.clock.now += 2
        assert await at.token() == "token-2"


async def test_a_token_that_cannot_be_renewed_is_used_until_it_expires() -> None:
    async with scene(issued("token-1"), DOWN) as at:
        await at.token()
        at.clock.now += 95
        assert await at.token() == "token-1"
        assert await at.token() == "token-1"
        assert len(at.server.requests) == 2
        at.clock.now += 5
        assert "answered 503." in (await at.error()).message


async def test_pauses_after_failures_grow_to_five_seconds_and_end_with_a_success() -> None:
    async with scene(*[DOWN] * 6, issued("token-1", 1), DOWN) as at:
        for pause in (0.5, 1, 2, 4, 5, 5):
            assert isinstance(await at.error(), TokenFailedError)
            at.clock.now += pause - 0.1
            count = len(at.server.requests)
            assert (await at.error()).retry_after == 1
            assert len(at.server.requests) == count
            at.clock.now += 0.1
        assert await at.token() == "token-1"
        at.clock.now += 1
        await at.error()
        at.clock.now += 0.5
        await at.error()
        assert len(at.server.requests) == 9


async def test_a_refused_token_is_replaced_once_in_ten_seconds() -> None:
    async with scene(issued("token-1"), issued("token-2"), issued("token-3")) as at:
        assert await at.token() == "token-1"
        assert await at.token("token-1") == "token-2"
        assert await at.token("token-1") == "token-2", "another call has replaced it already"
        assert await at.token("token-2") == "token-2"
        at.clock.now += 10
        assert await at.token("token-2") == "token-3"


async def test_servers_do_not_share_tokens_and_a_credential_that_is_gone_takes_its_own_along() -> None:
    async with scene(issued("token-1"), issued("token-2"), issued("token-3")) as at:
        assert await at.token() == "token-1"
        assert await at.token(server="default/dogs") == "token-2"
        assert at.tokens.mask("default/pets").text("token-1 token-2") == f"{MASK} token-2"
        at.tokens.retain("default/pets", [CLIENT])
        assert await at.token() == "token-1"
        at.tokens.retain("default/pets", [])
        assert at.tokens.mask("default/pets").text("token-1") == MASK, "calls with it may be under way"
        assert await at.token() == "token-3"


async def test_a_token_that_is_forgotten_is_masked_for_as_long_as_a_call_may_take() -> None:
    async with scene(issued("token-1")) as at:
        await at.token()
        at.tokens.retain("default/pets", [])
        at.clock.now += 299
        at.tokens.retain("default/dogs", [])
        assert at.tokens.mask("default/pets").text("token-1") == MASK
        at.clock.now += 2
        at.tokens.retain("default/dogs", [])
        assert at.tokens.mask("default/pets").text("token-1") == "token-1"


async def test_where_there_are_many_tokens_those_that_expired_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.outbound.access_tokens._MAX_ENTRIES", 2)
    async with scene(issued("token-1", 10), issued("token-2"), issued("token-3"), issued("token-4")) as at:
        for server in ("default/a", "default/b"):
            await at.token(server=server)
        at.clock.now += 20
        assert await at.token(server="default/c") == "token-3"
        assert await at.token(server="default/b") == "token-2", "it has not expired"
        assert await at.token(server="default/a") == "token-4"
        assert at.tokens.mask("default/a").text("token-1 token-4") == f"{MASK} {MASK}"


async def test_a_token_that_was_just_replaced_is_masked_as_well() -> None:
    async with scene(issued("token-1"), issued("token-2")) as at:
        await at.token()
        await at.token("token-1")
        assert at.tokens.mask("default/pets").body(b"token-1 token-2") == f"{MASK} {MASK}".encode()


async def test_a_call_that_is_given_up_does_not_end_the_request_that_others_wait_for() -> None:
    async with scene(after(0.2, issued("token-1"))) as at:
        first, second = asyncio.create_task(at.token()), asyncio.create_task(at.token())
        await at.server.received(1)
        first.cancel()
        assert await second == "token-1"
        assert len(at.server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (after(5, DOWN), "did not answer within 0.5 seconds."),
        (then_close(b""), "could not be asked: It closed the connection before answering."),
        (then_close(b"no http\r\n\r\n"), "could not be asked: "),
        (json_reply(b"x" * 300_000), "could not be asked: The answer of it is larger than 262,144 bytes."),
    ],
)
async def test_what_goes_wrong_at_the_endpoint_is_told_without_the_secret(answer: bytes | Reply, sentence: str) -> None:
    async with scene(answer) as at:
        error = await at.error()
        assert f"the token endpoint {at.server.url} {sentence}" in error.message
        assert error.is_transient
        assert "the-client-secret" not in error.message


async def test_closing_ends_what_is_under_way() -> None:
    async with scene(after(5, DOWN)) as at:
        waiting = asyncio.create_task(at.token())
        await at.server.received(1)
        await at.tokens.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_the_endpoint_may_have_a_certificate_of_the_server_s_own_authorities(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with backend(issued("token-1"), tls=authority.server()) as server:
        at = Scene(server)
        assert "certificate is not valid" in (await at.error()).message
        at.clock.now += 1
        got = await at.tokens.token("default/pets", at.request, authorities=authority.pem)
        assert got.reveal() == "token-1"
        await at.tokens.close()


def test_client_credentials_that_were_stored_without_origins_for_tokens_go_nowhere() -> None:
    assert stored_credentials.held({"origins": ["https://a.example"]}, CLIENT).token_origins == frozenset()


async def test_a_gateway_without_a_source_of_tokens_refuses() -> None:
    request = TokenRequest("oauth", Endpoints(token="https://auth.example/"), CLIENT)
    source = WithoutTokens()
    assert source.mask("default/pets", LOCAL).text("x") == "x"
    with pytest.raises(TokenFailedError, match="gets no tokens"):
        await source.token("default/pets", request, caller=LOCAL, authorities="")
