"""Instances of one database share access tokens: one of them asks, all of them use what it got."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from app.errors import UpstreamError
from app.registry import Database
from app.security.sealing import SecretKeys
from app.services import shared_tokens
from app.services.shared_tokens import SharedTokens
from converters.credentials import ClientCredentials, Secret
from converters.token_requests import AccessToken, Endpoints, TokenRequest
from tests.app.conftest import hide_settings
from tests.app.credentials.apis import call
from tests.app.credentials.test_client_credentials import Scene, scene_of
from tests.app.gateway_pairs import pair
from tests.app.gateways import Gateway
from tests.app.registry.examples import publish
from tests.databases import postgresql_database

KEYS = SecretKeys(hashlib.sha256(b"one").digest())
CLIENT = ClientCredentials(
    client_id="one",
    client_secret=Secret("a-client-secret"),
    token_endpoint_auth_method="client_secret_basic",
    scopes=None,
)
REQUEST = TokenRequest("oauth", Endpoints(token="https://tokens.example/token"), client=CLIENT, scopes=("read",))


class Endpoint:
    """Gives numbered tokens after a while."""

    def __init__(self, *, lifetime: float | None = 3600, is_failing: bool = False) -> None:
        self.asked = 0
        self._lifetime = lifetime
        self._is_failing = is_failing

    async def ask(self) -> AccessToken:
        self.asked += 1
        await asyncio.sleep(0.05)
        if self._is_failing:
            raise UpstreamError("The token endpoint is away.")
        return AccessToken(Secret(f"token-{self.asked}-of-some-length"), self._lifetime)


async def obtained(
    by: SharedTokens, endpoint: Endpoint, *useless: AccessToken, request: TokenRequest = REQUEST
) -> AccessToken:
    return await by.obtained("default/pets", request, useless=[each.value for each in useless], ask=endpoint.ask)


@pytest.fixture
async def sharing(database: Database) -> tuple[SharedTokens, SharedTokens]:
    await publish(database, "pets")
    return SharedTokens(database, KEYS), SharedTokens(database, KEYS)


async def test_what_one_got_the_others_use(sharing: tuple[SharedTokens, SharedTokens]) -> None:
    endpoint = Endpoint()
    got = await asyncio.gather(*(obtained(sharing[number % 2], endpoint) for number in range(6)))
    assert endpoint.asked == 1
    assert {each.value for each in got} == {Secret("token-1-of-some-length")}
    assert all(each.lifetime is not None and 3000 < each.lifetime <= 3600 for each in got)


async def test_a_token_that_was_refused_is_replaced_once(sharing: tuple[SharedTokens, SharedTokens]) -> None:
    """K13: however many instances met the refusal."""
    endpoint = Endpoint()
    first = await obtained(sharing[0], endpoint)
    others = await asyncio.gather(*(obtained(each, endpoint, first) for each in sharing))
    assert endpoint.asked == 2
    assert {each.value for each in others} == {Secret("token-2-of-some-length")}


async def test_another_request_has_another_token(sharing: tuple[SharedTokens, SharedTokens]) -> None:
    endpoint = Endpoint()
    other = TokenRequest("oauth", Endpoints(token=REQUEST.url), client=CLIENT, scopes=("write",))
    assert (await obtained(sharing[0], endpoint)).value != (await obtained(sharing[1], endpoint, request=other)).value


async def test_a_token_at_its_end_is_not_handed_on(sharing: tuple[SharedTokens, SharedTokens]) -> None:
    endpoint = Endpoint(lifetime=1)
    await obtained(sharing[0], endpoint)
    await obtained(sharing[1], endpoint)
    assert endpoint.asked == 2


async def test_a_failure_is_not_shared_and_nobody_waits_for_it(sharing: tuple[SharedTokens, SharedTokens]) -> None:
    failing, endpoint = Endpoint(is_failing=True), Endpoint()
    with pytest.raises(UpstreamError):
        await obtained(sharing[0], failing)
    await obtained(sharing[1], endpoint)
    assert (failing.asked, endpoint.asked) == (1, 1)


async def test_nobody_waits_for_ever_for_an_instance_that_died_while_it_asked(
    sharing: tuple[SharedTokens, SharedTokens], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_tokens, "_LEASE_SECONDS", 0.3)
    never = asyncio.Event()

    async def hang() -> AccessToken:
        await never.wait()
        raise AssertionError

    dying = asyncio.create_task(sharing[0].obtained("default/pets", REQUEST, useless=(), ask=hang))
    await asyncio.sleep(0.05)
    endpoint = Endpoint()
    async with asyncio.timeout(10):
        await obtained(sharing[1], endpoint)
    assert endpoint.asked == 1
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    await obtained(sharing[1], endpoint)
    assert endpoint.asked == 1, "who was given up on takes nothing away"


async def test_a_token_under_a_key_that_is_not_here_is_asked_for_anew(database: Database) -> None:
    await publish(database, "pets")
    endpoint = Endpoint()
    await obtained(SharedTokens(database, KEYS), endpoint)
    await obtained(SharedTokens(database, SecretKeys(hashlib.sha256(b"two").digest())), endpoint)
    assert endpoint.asked == 2


async def test_without_the_database_each_asks_for_itself(free_tcp_port: int) -> None:
    away = Database.open(f"postgresql://postgres@127.0.0.1:{free_tcp_port}/postgres")
    endpoint = Endpoint()
    await obtained(SharedTokens(away, KEYS), endpoint)
    assert endpoint.asked == 1
    await away.close()


@pytest.fixture
async def two(
    postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Gateway, Gateway, str]]:
    hide_settings(monkeypatch, tmp_path)
    async with postgresql_database(postgresql) as url, pair(tmp_path, monkeypatch, url) as (one, other):
        yield one, other, url


async def test_fifty_calls_over_two_instances_make_one_token_request(two: tuple[Gateway, Gateway, str]) -> None:
    """K13: with no token yet, and when the API refuses the one there is."""
    one, other, url = two
    async with scene_of(one) as scene:
        await scene.start()
        await _until_served(other)
        await _fifty(scene, one, other)
        assert len(scene.authorization.requests) == 1
        scene.state.live.clear()
        await _fifty(scene, one, other)
        assert len(scene.authorization.requests) == 2
        connection = await asyncpg.connect(url)
        stored = await connection.fetchval("SELECT content FROM shared_tokens")
        await connection.close()
        token = scene.state.issued[-1].encode()
        assert token not in stored
        assert base64.b64encode(token) not in stored


async def _fifty(scene: Scene, one: Gateway, other: Gateway) -> None:
    scene.state.seconds = 0.3
    results = await asyncio.gather(*(call((one, other)[number % 2]) for number in range(50)))
    assert [each for each in results if each["isError"]] == []


async def _until_served(other: Gateway) -> None:
    async with asyncio.timeout(20):
        while not other.application.secrets.credentials.held("default", "pets").by_scheme:  # noqa: ASYNC110 - another gateway's doing
            await asyncio.sleep(0.01)
