"""Acceptance K06 on two instances: the key is added, all is sealed anew, the old key goes, and no call fails."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.registry import Database
from app.security.secret_keys import load_keys
from app.services.rotation import Rotation, rotate
from app.settings import load
from tests.app.backends import backend, json_reply
from tests.app.conftest import hide_settings
from tests.app.credentials.apis import CREDENTIALS, SUPPLIED, call, secured, supply, text
from tests.app.credentials.user_server import user_scene
from tests.app.gateways import KEY, SERVERS, Gateway, gateway
from tests.databases import postgresql_database, postgresql_server

PET = json_reply(b'{"id": 7, "name": "Rex"}')


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    with postgresql_server() as url:
        yield url


def new_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


@dataclass
class Fleet:
    """Instances on one database, and clients that are sent to those that are up, as a load balancer does."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    settings: dict[str, Any]
    up: dict[str, Gateway] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    calls: dict[str, int] = field(default_factory=dict)
    _stacks: dict[str, AsyncExitStack] = field(default_factory=dict)
    _busy: dict[str, int] = field(default_factory=dict)

    async def start(self, name: str, **keys: Any) -> Gateway:
        stack = self._stacks[name] = AsyncExitStack()
        running = await stack.enter_async_context(
            gateway(self.folder / name, self.monkeypatch, **self.settings, **keys)
        )
        assert (await running.http.get("/readyz")).status_code == 200
        self.up[name] = running
        return running

    async def stop(self, name: str) -> None:
        """Send nobody to an instance any more, and stop it when its last call is over."""
        del self.up[name]
        while self._busy.get(name):  # noqa: ASYNC110 - calls that end are counted
            await asyncio.sleep(0.001)
        await self._stacks.pop(name).aclose()

    async def roll(self, **keys: str) -> None:
        """Start one after the other again, with other keys."""
        for name in sorted(self.up):
            await self.stop(name)
            await self.start(name, **keys)
            await self.called(name)

    async def called(self, *names: str) -> None:
        """Wait until each of these served some calls."""
        before = dict(self.calls)
        while any(self.calls.get(each, 0) < before.get(each, 0) + 5 for each in names):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.001)

    async def traffic(self, stop: asyncio.Event, tool: str) -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            name = sorted(self.up)[turn % len(self.up)]
            self._busy[name] = self._busy.get(name, 0) + 1
            try:
                result = await call(self.up[name], tool)
            finally:
                self._busy[name] -= 1
            self.calls[name] = self.calls.get(name, 0) + 1
            self.failures.extend([f"{name}: {text(result)}"] if result["isError"] else [])
            await asyncio.sleep(0.002)

    @asynccontextmanager
    async def under_traffic(self, *tools: str) -> AsyncIterator[None]:
        stop = asyncio.Event()
        calling = [asyncio.create_task(self.traffic(stop, each)) for each in tools]
        try:
            async with asyncio.timeout(240):
                yield
        finally:
            stop.set()
            await asyncio.gather(*calling)


async def resealed(folder: Path, url: str, **keys: str) -> Rotation:
    """Do what `causeway secrets rotate` does, beside the instances."""
    settings = load(data_dir=folder, database_url=url, admin_key=KEY, **keys)
    database = Database.open(settings.registry_url)
    try:
        return await rotate(database, load_keys(settings))
    finally:
        await database.close()


async def test_the_key_of_two_instances_is_replaced_under_traffic(
    postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """K06: an owner's credentials, a header field, and a user's connection."""
    hide_settings(monkeypatch, tmp_path)
    old, new = new_key(), new_key()
    async with postgresql_database(postgresql) as url, backend(PET) as api:
        given = {"admin_key": KEY, "egress_allow": ("127.0.0.0/8",), "database_url": url}
        fleet = Fleet(tmp_path, monkeypatch, given)
        one = await fleet.start("one", secret_key=old)
        await one.create(secured([{"header": [], "query": []}]), base_url=api.url)
        await supply(one, "header", "query")
        assert (await one.http.put(f"{SERVERS}/pets/headers/X-Every", json={"value": "first"})).status_code == 200
        await fleet.start("two", secret_key=old)
        async with fleet.under_traffic("get_pet", "get_pet"):
            await fleet.called("one", "two")
            # Every instance is to read what another one writes, and so all know the new key before one writes with it.
            await fleet.roll(secret_key=old, secret_keys_old=new)
            await fleet.roll(secret_key=new, secret_keys_old=old)
            rotating = asyncio.create_task(resealed(tmp_path, url, secret_key=new, secret_keys_old=old))
            put = await fleet.up["two"].http.put(f"{CREDENTIALS}/header", json={"value": "changed-meanwhile"})
            assert put.status_code == 200
            done = await rotating
            assert (done.unreadable, done.resealed in {2, 3}) == (0, True)
            assert await resealed(tmp_path, url, secret_key=new, secret_keys_old=old) == Rotation(0, 0)
            await fleet.called("one", "two")
            await fleet.roll(secret_key=new)
            await fleet.called("one", "two")
        for name in sorted(fleet.up):
            shown = (await fleet.up[name].http.get(CREDENTIALS)).json()["items"]
            assert all(each["is_readable"] for each in shown)
            await fleet.stop(name)
    assert fleet.failures == []
    assert len(api.requests) == sum(fleet.calls.values())
    assert api.requests[-1].values("X-Api-Key") == ["changed-meanwhile"]
    assert {each.values("X-Every")[0] for each in api.requests} == {"first"}
    assert {each.values("X-Api-Key")[0] for each in api.requests} == {SUPPLIED["header"]["value"], "changed-meanwhile"}


async def test_a_user_stays_connected_while_the_key_of_two_instances_is_replaced(
    postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """K06, for users' connections."""
    hide_settings(monkeypatch, tmp_path)
    old, new = new_key(), new_key()
    async with postgresql_database(postgresql) as url:
        given = {"admin_key": KEY, "egress_allow": ("127.0.0.0/8",), "database_url": url}
        fleet = Fleet(tmp_path, monkeypatch, given)
        one = await fleet.start("one", secret_key=old, secret_keys_old=new)
        async with user_scene(one) as scene:
            await scene.start()
            await scene.connect()
            await fleet.start("two", secret_key=old, secret_keys_old=new)
            async with fleet.under_traffic("get_pet"):
                await fleet.called("one", "two")
                await fleet.roll(secret_key=new, secret_keys_old=old)
                # The client of the owner, and the tokens of the user.
                assert await resealed(tmp_path, url, secret_key=new, secret_keys_old=old) == Rotation(2, 0)
                await fleet.roll(secret_key=new)
            for name in sorted(fleet.up):
                await fleet.stop(name)
            assert fleet.failures == []
            arrived = {each.values("Authorization")[0] for each in scene.api.requests}
            assert arrived == {f"Bearer {scene.state.issued[0]}"}
            assert len(scene.state.forms) == 1
