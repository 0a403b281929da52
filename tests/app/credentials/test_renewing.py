"""Users' tokens are renewed by one request, before they expire or when the API refuses them; else users are asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.services.rotation import rotate
from tests.app.backends import redirect
from tests.app.conftest import hide_settings
from tests.app.credentials.apis import call, text
from tests.app.credentials.user_server import Scene, query_of, user_scene
from tests.app.gateways import KEY, SERVERS, Gateway, gateway
from tests.databases import postgresql_database, postgresql_server


@pytest.fixture
async def scene(served: Gateway) -> AsyncIterator[Scene]:
    async with user_scene(served) as made:
        yield made


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    with postgresql_server() as url:
        yield url


class Clock:
    """The time of day, and as many seconds more as the test says."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead

    def run(self, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have the connections of a gateway take their time from here."""
        application = gateway.application
        tokens = application.secrets.user_tokens
        for each in (tokens, tokens._renewal, tokens._links):  # noqa: SLF001 - their clocks
            monkeypatch.setattr(each, "_clock", self)


@pytest.fixture
def clock(served: Gateway, monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    made.run(served, monkeypatch)
    return made


def refreshes(scene: Scene) -> int:
    return sum(each["grant_type"] == "refresh_token" for each in scene.state.forms)


async def test_a_token_is_renewed_before_it_expires_and_the_rotated_refresh_token_is_kept(scene: Scene) -> None:
    await scene.start()
    # At this lifetime a token is due at once, and good for the call.
    scene.state.lifetime = 0.0
    await scene.connect()
    for count in range(1, 4):
        assert (await call(scene.gateway))["isError"] is False
        assert refreshes(scene) == count
    forms = [each["refresh_token"] for each in scene.state.forms if "refresh_token" in each]
    assert forms == ["canary-refresh-1", "canary-refresh-2", "canary-refresh-3"]
    scene.state.lifetime = 3600
    await call(scene.gateway)
    await call(scene.gateway)
    assert refreshes(scene) == 4
    assert scene.api.requests[-1].values("Authorization") == [f"Bearer {scene.state.issued[4]}"]


async def test_a_refresh_token_that_is_not_replaced_stays(scene: Scene) -> None:
    """RFC 6749 section 6."""
    scene.state.rotates, scene.state.lifetime = False, 0.0
    await scene.start()
    await scene.connect()
    for _ in range(3):
        assert (await call(scene.gateway))["isError"] is False
    assert {each.get("refresh_token") for each in scene.state.forms[1:]} == {"canary-refresh-1"}


async def test_the_refresh_url_of_the_flow_is_asked_where_there_is_one(scene: Scene) -> None:
    await scene.start(scene.schemes(refreshUrl=f"{scene.authorization.url}/renew"))
    scene.state.lifetime = 0.0
    await scene.connect()
    await call(scene.gateway)
    assert [each.target for each in scene.authorization.requests][-2:] == ["/token", "/renew"]


async def test_a_token_that_the_api_refuses_is_renewed_once_and_the_call_repeated(scene: Scene, clock: Clock) -> None:
    await scene.start()
    await scene.connect()
    await call(scene.gateway)
    clock.ahead += 60
    scene.state.live.clear()
    assert (await call(scene.gateway))["isError"] is False
    assert (refreshes(scene), len(scene.api.requests)) == (1, 3)
    # An API that refuses every token does not make us ask again and again.
    scene.state.live.clear()
    assert text(await call(scene.gateway)).startswith("401")
    assert refreshes(scene) == 1


async def test_fifty_calls_at_once_renew_a_token_once(scene: Scene, clock: Clock) -> None:
    """Acceptance K13, in one instance."""
    await scene.start()
    await scene.connect()
    clock.ahead += 4000
    scene.state.seconds = 0.1
    results = await asyncio.gather(*(call(scene.gateway) for _ in range(50)))
    assert [each["isError"] for each in results] == [False] * 50
    assert refreshes(scene) == 1


@contextlib.asynccontextmanager
async def two(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Gateway, Gateway]]:
    hide_settings(monkeypatch, folder)
    settings: dict[str, Any] = {"admin_key": KEY, "egress_allow": ("127.0.0.0/8",), "database_url": url}
    async with (
        gateway(folder, monkeypatch, **settings) as first,
        gateway(folder, monkeypatch, **settings) as second,
    ):
        yield first, second


async def test_fifty_calls_of_two_instances_renew_a_token_once(
    postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Acceptance K13: one refresh, its rotated refresh token kept; where it fails, one that says to connect again."""
    async with (
        postgresql_database(postgresql) as url,
        two(url, tmp_path, monkeypatch) as (first, second),
        user_scene(first) as scene,
    ):
        clock = Clock()
        for each in (first, second):
            clock.run(each, monkeypatch)
        scene.state.lifetime, scene.state.seconds = 0.0, 0.1
        await scene.start()
        await second.application.live.refresh("default", "pets")
        await scene.connect()
        assert (await call(second))["isError"] is False
        scene.state.lifetime = 3600
        before = refreshes(scene)
        results = await asyncio.gather(*(call(each) for each in [first, second] * 25))
        assert [text(each) for each in results if each["isError"]] == []
        assert refreshes(scene) == before + 1
        assert scene.state.refreshable == {f"canary-refresh-{len(scene.state.issued)}"}

        # The user takes the agreement back.
        clock.ahead += 4000
        scene.state.refreshable.clear()
        results = await asyncio.gather(*(call(each) for each in [first, second] * 25))
        assert {each["_meta"]["causeway/code"] for each in results} == {"reconnect_required"}
        assert refreshes(scene) == before + 2
        # Once connected anew, both serve again.
        back = await scene.agree(results[0]["_meta"]["causeway/url"])
        assert (await scene.browser.get(back.headers["location"])).status_code == 200
        assert (await call(second))["isError"] is False


async def test_a_refresh_that_is_refused_is_asked_once_and_the_user_told(scene: Scene, clock: Clock) -> None:
    await scene.start()
    await scene.connect()
    scene.state.refreshable.clear()
    clock.ahead += 4000
    results = [await call(scene.gateway) for _ in range(3)]
    assert [each["_meta"]["causeway/code"] for each in results] == ["reconnect_required"] * 3
    assert refreshes(scene) == 1
    (shown,) = (await scene.gateway.http.get(f"{SERVERS}/pets/connections")).json()["items"]
    assert shown["needs_reconnect"] is True
    back = await scene.agree(results[0]["_meta"]["causeway/url"])
    await scene.browser.get(back.headers["location"])
    assert (await call(scene.gateway))["isError"] is False


async def test_without_a_refresh_token_the_user_connects_again_once_it_expires(scene: Scene, clock: Clock) -> None:
    scene.state.gives_refresh_tokens = False
    await scene.start()
    await scene.connect()
    clock.ahead += 3590
    assert (await call(scene.gateway))["isError"] is False, "due, and good until it expires"
    clock.ahead += 20
    assert (await call(scene.gateway))["_meta"]["causeway/code"] == "reconnect_required"
    assert refreshes(scene) == 0


async def test_a_token_endpoint_that_fails_ends_nothing(scene: Scene, clock: Clock) -> None:
    await scene.start()
    await scene.connect()
    clock.ahead += 3590
    scene.state.status = "503 Service Unavailable"
    assert (await call(scene.gateway))["isError"] is False, "a token that cannot be renewed is used up"
    clock.ahead += 20
    failed = await call(scene.gateway)
    assert failed["_meta"]["causeway/code"] == "credential_token_failed"
    assert "answered 503" in text(failed)
    assert "canary-refresh" not in json.dumps(failed)
    scene.state.status = ""
    clock.ahead += 2
    assert (await call(scene.gateway))["isError"] is False


async def test_a_redirect_of_the_token_endpoint_is_not_followed(scene: Scene, clock: Clock) -> None:
    """Acceptance K08, for refresh tokens."""
    await scene.start()
    await scene.connect()
    answer = scene.authorization.answer

    async def redirecting(_: object) -> bytes:
        return redirect(f"{scene.api.url}/token", "307 Temporary Redirect")

    scene.authorization.answer = redirecting
    clock.ahead += 4000
    assert "answered 307." in text(await call(scene.gateway))
    assert scene.api.requests == []
    scene.authorization.answer = answer


# --- how they are kept


def everything(folder: Path) -> bytes:
    return b"".join(each.read_bytes() for each in folder.rglob("*") if each.is_file())


MOVES = [
    "content = (SELECT content FROM connections WHERE subject = 'key:1')",
    "content = zeroblob(60)",
    "details = replace(details, '127.0.0.1', '127.0.0.2')",
    "scheme = 'other'",
]


async def test_tokens_are_sealed_for_their_user_and_open_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Acceptance K05 and the second line of K11: a row moved to another user is refused, and nothing is sent."""
    hide_settings(monkeypatch, tmp_path)
    async with (
        gateway(tmp_path, monkeypatch, admin_key=KEY, egress_allow=("127.0.0.0/8",)) as running,
        user_scene(running) as scene,
    ):
        await scene.start()
        await scene.connect()
        database = tmp_path / "causeway.db"

        def execute(statement: str) -> None:
            with contextlib.closing(sqlite3.connect(database)) as connection:
                connection.execute(statement)
                connection.commit()

        execute(
            "INSERT INTO connections SELECT server_id, scheme, 'key:1', details, key_id, content, is_broken, claim, "
            "claimed_until, created_at, updated_at FROM connections"
        )
        saved = "CREATE TABLE saved AS SELECT * FROM connections WHERE subject = 'admin'"
        execute(saved)
        execute("UPDATE connections SET content = zeroblob(60) WHERE subject = 'key:1'")
        tokens = running.application.secrets.user_tokens
        for move in MOVES:
            execute(f"UPDATE connections SET {move} WHERE subject = 'admin'")  # noqa: S608 - the test's own
            tokens._held.clear()  # noqa: SLF001 - as after a restart
            assert (await call(running))["_meta"]["causeway/code"] == "authorization_required", move
            execute("DELETE FROM connections WHERE subject = 'admin'")
            execute("INSERT INTO connections SELECT * FROM saved")
        assert scene.api.requests == []
        # The one that was copied whole to another user does not open there either.
        execute("UPDATE connections SET content = (SELECT content FROM saved) WHERE subject = 'key:1'")
        execute("DELETE FROM connections WHERE subject = 'admin'")
        execute("UPDATE connections SET subject = 'admin'")
        tokens._held.clear()  # noqa: SLF001 - as after a restart
        assert (await call(running))["isError"] is False, "in its own place again"
        content = everything(tmp_path)
        assert [each for each in (b"canary.token", b"canary-refresh", b"canary-code") if each in content] == []


async def test_the_user_s_token_is_masked_in_what_the_api_gives_back(scene: Scene) -> None:
    """Acceptance K03."""
    await scene.start()
    await scene.connect()
    assert '"echo": "Bearer ***"' in text(await call(scene.gateway))


async def test_tokens_are_sealed_anew_when_the_key_is_replaced(scene: Scene) -> None:
    """Acceptance K06, for connections."""
    await scene.start()
    await scene.connect()
    application = scene.gateway.application
    keys = application.secrets.credentials._keys  # noqa: SLF001 - its keys
    new = type(keys)(b"n" * 32, (), namespaces=keys._namespaces)  # noqa: SLF001 - those it has
    new._keys = {**keys._keys, **new._keys}  # noqa: SLF001 - the old one is still read
    done = await rotate(application.database, new)
    assert (done.resealed, done.unreadable) == (2, 0)
    assert (await rotate(application.database, new)).resealed == 0
    assert (await rotate(application.database, keys)).unreadable == 2
    back = await rotate(application.database, _reading(keys, new))
    assert back.resealed == 2
    application.secrets.user_tokens._held.clear()  # noqa: SLF001 - as after a restart
    assert (await call(scene.gateway))["isError"] is False


def _reading(keys: Any, other: Any) -> Any:
    found = type(keys)(b"x" * 32, (), namespaces=keys._namespaces)  # noqa: SLF001 - those it has
    found._current, found._keys = keys._current, {**other._keys, **keys._keys}  # noqa: SLF001 - both
    return found


async def test_the_browser_s_codes_are_used_with_their_verifier(scene: Scene) -> None:
    """RFC 7636 section 4.5: what the authorization server was sent is the hash of what the token endpoint is."""
    await scene.start()
    await scene.connect()
    (form,) = scene.state.forms
    assert len(form["code_verifier"]) == 43
    assert form["code_verifier"] not in json.dumps(scene.state.asked)
    assert query_of(f"x?redirect={form['redirect_uri']}")["redirect"].endswith("/connect/callback")
