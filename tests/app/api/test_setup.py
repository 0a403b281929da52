"""A20, A17: the first key of a gateway that was started in service mode without an operator's key."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.security.keys import is_key, is_setup_token, new_setup_token
from tests.app.api.test_servers import problem
from tests.app.gateways import KEY, PUBLIC_URL, SECRET_KEY, SERVERS, Gateway, gateway
from tests.app.tenants import KEYS, NAMESPACES, client
from tests.databases import postgresql_database, postgresql_server, sqlite_database

SETUP = "/api/v1/setup"
EVERYWHERE = "0.0.0.0"  # noqa: S104


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    with postgresql_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    if request.param == "sqlite":
        yield sqlite_database(tmp_path)
        return
    async with postgresql_database(request.getfixturevalue("postgresql")) as url:
        yield url


@asynccontextmanager
async def instances(
    count: int, folder: Path, monkeypatch: pytest.MonkeyPatch, url: str, **settings: Any
) -> AsyncIterator[list[Gateway]]:
    """Run gateways in service mode on one database, without an operator's key."""
    given = {"host": EVERYWHERE, "secret_key": SECRET_KEY, "database_url": url, **settings}
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(gateway(folder / str(number), monkeypatch, **given))
            for number in range(count)
        ]


async def shown(at: Gateway) -> str | None:
    """Give the token that an instance shows when it starts, "" where it says that one was shown before."""
    offer = await at.application.access.setup.offer()
    return None if offer is None else offer.token


async def redeem(at: Gateway, token: str, address: str = "203.0.113.1", **fields: str) -> httpx2.Response:
    transport = httpx2.ASGITransport(at.application, client=(address, 40_000))
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL, headers=fields) as http:
        return await http.post(SETUP, json={"token": token})


async def test_the_token_is_shown_once_and_makes_one_key_at_any_instance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None, database_url: str
) -> None:
    """A20: no default password, one token, one key; and it is in nothing that is stored."""
    async with instances(2, tmp_path, monkeypatch, database_url) as (one, two):
        assert (await one.http.get(SERVERS)).status_code == 401
        token = await shown(one)
        assert token is not None
        assert is_setup_token(token.encode())
        assert [await shown(each) for each in (two, one)] == ["", ""]
        async with client(one, token) as http:
            assert (await http.get(SERVERS)).status_code == 401
        made = await redeem(two, token)
        assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
        key = made.json()
        assert is_key(key["key"].encode())
        assert (key["scopes"], key["namespace"], key["created_by"]) == (["admin"], "*", "setup")
        for each in (one, two):
            await each.application.access.keys.refresh()
            async with client(each, key["key"]) as http:
                assert (await http.get(KEYS)).status_code == 200
            assert problem(await redeem(each, token)) == (403, "setup_token_invalid")
            assert await shown(each) is None
        async with client(one, key["key"]) as http:
            assert (await http.post(NAMESPACES, json={"name": "team-a"})).status_code == 201
            (entry,) = (await http.get("/api/v1/audit", params={"action": "set_up"})).json()["items"]
            assert (entry["subject"], entry["target"]) == ("setup", key["id"])
    stored = b"".join(each.read_bytes() for each in sorted(tmp_path.glob("causeway.db*")))  # noqa: ASYNC240 - nothing else runs
    assert token.encode() not in stored


async def test_of_set_ups_at_once_one_makes_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None, database_url: str
) -> None:
    """A20: two racing set-ups, at two instances, one wins; and of two that start at once one shows a token."""
    async with instances(2, tmp_path, monkeypatch, database_url) as pair:
        tokens = await asyncio.gather(*(shown(each) for each in pair * 3))
        (token,) = (each for each in tokens if each)
        answers = await asyncio.gather(*(redeem(each, token) for each in pair * 4))
        assert sorted(each.status_code for each in answers) == [201] + [403] * 7
        (made,) = (each for each in answers if each.status_code == 201)
        async with client(pair[0], made.json()["key"]) as http:
            await pair[0].application.access.keys.refresh()
            assert len((await http.get(KEYS)).json()["items"]) == 1


async def test_the_token_outlives_a_restart_before_it_is_used_and_not_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None, database_url: str
) -> None:
    """A20."""
    async with instances(1, tmp_path, monkeypatch, database_url) as (running,):
        token = await shown(running)
        assert token
    async with instances(1, tmp_path, monkeypatch, database_url) as (running,):
        assert await shown(running) == ""
        made = (await redeem(running, token)).json()
    async with instances(1, tmp_path, monkeypatch, database_url) as (running,):
        assert await shown(running) is None
        assert (await redeem(running, token)).status_code == 403
        # A key that was revoked is a key: only the operator makes another way in.
        async with client(running, made["key"]) as http:
            assert (await http.delete(f"{KEYS}/{made['id']}")).status_code == 204
        assert await shown(running) is None
        assert (await redeem(running, token)).status_code == 403


async def test_a_key_that_is_made_in_another_way_ends_the_set_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None, database_url: str
) -> None:
    """A20."""
    async with instances(1, tmp_path, monkeypatch, database_url) as (running,):
        token = await shown(running)
        assert token
    async with instances(1, tmp_path, monkeypatch, database_url, admin_key=KEY) as (running,):
        assert await shown(running) is None
        assert (await redeem(running, token)).status_code == 403
        assert (await running.http.post(KEYS, json={"scopes": ["call"]})).status_code == 201
    async with instances(1, tmp_path, monkeypatch, database_url) as (running,):
        assert await shown(running) is None
        assert (await redeem(running, token)).status_code == 403


@pytest.mark.parametrize("settings", [{}, {"admin_key": KEY}], ids=["local", "operator's key"])
async def test_a_gateway_that_has_another_way_in_has_no_set_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None, settings: dict[str, Any]
) -> None:
    async with gateway(tmp_path, monkeypatch, **settings) as running:
        assert await shown(running) is None
        assert problem(await redeem(running, new_setup_token().text)) == (403, "setup_token_invalid")


# --- guessing


async def test_who_guesses_tokens_waits_whatever_they_say_of_their_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None, caplog: pytest.LogCaptureFixture
) -> None:
    """A17: ten guesses a minute for each address, and a field that anybody can write does not make another one."""
    caplog.set_level(logging.DEBUG)
    async with instances(1, tmp_path, monkeypatch, sqlite_database(tmp_path)) as (running,):
        token = await shown(running)
        assert token
        answers = [
            await redeem(running, new_setup_token().text, **{"X-Forwarded-For": f"198.51.100.{number}"})
            for number in range(12)
        ]
        assert [each.status_code for each in answers] == [403] * 10 + [429] * 2
        assert {each.content for each in answers[:10]} == {answers[0].content}
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        # The right one is not told from the wrong ones, and whoever is elsewhere need not wait.
        assert (await redeem(running, token)).status_code == 429
        assert (await redeem(running, token, "203.0.113.2")).status_code == 201
    assert token not in caplog.text


async def test_behind_a_listed_proxy_it_is_the_client_who_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None
) -> None:
    """A17: and what a client itself writes before the proxy does is not believed."""
    proxy, url = "10.9.8.7", sqlite_database(tmp_path)
    async with instances(1, tmp_path, monkeypatch, url, trusted_proxies=(proxy,)) as (running,):
        token = await shown(running)
        assert token
        for number in range(11):
            told = {"X-Forwarded-For": f"198.51.100.{number}, 203.0.113.7"}
            given = await redeem(running, new_setup_token().text, proxy, **told)
            assert given.status_code == (403 if number < 10 else 429)
        assert (await redeem(running, token, proxy, **{"X-Forwarded-For": "203.0.113.8"})).status_code == 201


@pytest.mark.parametrize("body", [{}, {"token": 7}, {"token": ""}, {"token": "x" * 300}, {"token": "é\ud800"}, []])
async def test_what_is_no_token_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None, body: Any
) -> None:
    async with instances(1, tmp_path, monkeypatch, sqlite_database(tmp_path)) as (running,):
        content = json.dumps(body).encode()
        given = await running.http.post(SETUP, content=content, headers={"Content-Type": "application/json"})
        assert given.status_code in {403, 422}, given.text
        assert await shown(running)
