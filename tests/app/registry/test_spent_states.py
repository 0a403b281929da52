"""P07: what a client brings back counts once, for who got it, in its time, at whichever instance."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.registry import Database
from app.registry.engines import normalise, open_migration_engine
from app.registry.tables import now
from tests.app.asgi import answer
from tests.app.backends import backend, json_reply
from tests.app.descriptions import description, operation
from tests.app.gateway.endpoints import MODERN, PREFIX, envelope
from tests.app.gateway_pairs import pair
from tests.app.gateways import KEY, Gateway, gateway
from tests.databases import postgresql_database, sqlite_database

LATER, PAST = timedelta(seconds=600), timedelta(seconds=-1)
_ID = {"name": "petId", "in": "path", "required": True, "schema": {"type": "integer"}}
DOCUMENT = description({"/pets/{petId}": {"delete": operation("delete_pet", parameters=[_ID])}})
NOT_THE_STATE = -32602


async def spend(database: Database, state: str, lasts: timedelta = LATER) -> bool:
    async with database.transaction() as registry:
        return await registry.spent_states.spend(state, expires_at=now() + lasts)


async def rename(database: str, table: str, name: str) -> None:
    """Take a table away, or bring it back."""
    engine = open_migration_engine(normalise(database))
    async with engine.begin() as connection:
        await connection.execute(text(f"ALTER TABLE {table} RENAME TO {name}"))
    await engine.dispose()


async def test_a_state_counts_once_however_many_bring_it_at_once(database: Database) -> None:
    assert sorted(await asyncio.gather(*(spend(database, "one") for _ in range(8)))) == [False] * 7 + [True]
    assert await spend(database, "two")


async def test_what_is_too_old_to_count_is_removed(database: Database, database_url: str) -> None:
    for number in range(3):
        assert await spend(database, f"old {number}", PAST)
    assert await spend(database, "new")
    engine = open_migration_engine(normalise(database_url))
    async with engine.connect() as connection:
        kept = (await connection.execute(text("SELECT state FROM spent_states"))).scalars().all()
    await engine.dispose()
    assert list(kept) == ["new"]


class Client:
    """A client of 2026-07-28 whose user is asked, at one gateway."""

    def __init__(self, at: Gateway, key: str = KEY) -> None:
        self._application = at.application
        self._key = key

    async def delete(self, pet: int = 7, state: Any = None) -> dict[str, Any]:
        """Call the tool, with a state as one whose user has agreed; gives the result, or the error."""
        given = envelope(name="delete_pet", arguments={"petId": pet})
        given["_meta"][f"{PREFIX}clientCapabilities"] = {"elicitation": {}}
        if state is not None:
            given.update(requestState=state, inputResponses={"confirmation": {"action": "accept", "content": {}}})
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": given}).encode()
        sent = [
            ("Host", "127.0.0.1:8080"),
            ("X-API-Key", self._key),
            ("Content-Type", "application/json"),
            ("MCP-Protocol-Version", MODERN),
            ("Mcp-Method", "tools/call"),
            ("Mcp-Name", "delete_pet"),
        ]
        answered = (await answer(self._application, path="/mcp/default/pets", headers=sent, chunks=[body])).json()
        found: dict[str, Any] = answered.get("result") or answered["error"]
        return found

    async def state(self) -> str:
        """Begin a call; gives what is to be brought back."""
        asked = await self.delete()
        assert asked["resultType"] == "input_required"
        return str(asked["requestState"])


async def publish(at: Gateway, url: str) -> None:
    await at.create(DOCUMENT, base_url=url)
    careful = {"policies": {"confirm": "destructive"}}
    assert (await at.http.patch("/api/v1/namespaces/default/servers/pets", json=careful)).status_code == 200


async def key_of(at: Gateway, name: str) -> str:
    made = await at.http.post("/api/v1/keys", json={"name": name, "namespace": "default", "scopes": ["call"]})
    assert made.status_code == 201, made.text
    return str(made.json()["key"])


async def test_a_confirmation_counts_once_at_all_instances_and_for_who_got_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgresql: str, clean_environment: None
) -> None:
    """P07: tampered, replayed, by another user, for another call: at the instance that asked, and at the other."""
    async with (
        postgresql_database(postgresql) as database,
        backend(json_reply(b"{}")) as api,
        pair(tmp_path, monkeypatch, database) as (first, second),
    ):
        await publish(first, api.url)
        mine, hers = await key_of(first, "mine"), await key_of(first, "hers")
        await second.application.live.refresh("default", "pets")
        await asyncio.gather(*(each.application.access.keys.refresh() for each in (first, second)))
        one, two = Client(first, mine), Client(second, mine)
        state = await one.state()
        for at in (first, second):
            assert (await Client(at, hers).delete(state=state))["code"] == NOT_THE_STATE
            assert (await Client(at, mine).delete(8, state))["code"] == NOT_THE_STATE
            assert (await Client(at, mine).delete(state=f"{state[:-6]}AAAAAA"))["code"] == NOT_THE_STATE
        assert not api.requests
        taken = await asyncio.gather(*(each.delete(state=state) for each in (one, two, one, two)))
        assert sorted(each.get("code", 0) for each in taken) == [NOT_THE_STATE] * 3 + [0]
        assert len(api.requests) == 1
        for each in (two, one):
            assert (await each.delete(state=state))["code"] == NOT_THE_STATE
        assert len(api.requests) == 1


async def test_a_confirmation_is_over_after_its_time_at_the_other_instance_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgresql: str, clean_environment: None
) -> None:
    """P07: after its time."""
    async with (
        postgresql_database(postgresql) as database,
        backend(json_reply(b"{}")) as api,
        pair(tmp_path, monkeypatch, database) as (first, second),
    ):
        await publish(first, api.url)
        await second.application.live.refresh("default", "pets")
        with monkeypatch.context() as patched:
            patched.setattr("app.gateway.confirmations.STATE_SECONDS", 0.0)
            state = await Client(first).state()
        for at in (first, second):
            assert (await Client(at).delete(state=state))["code"] == NOT_THE_STATE
        assert not api.requests


async def test_a_confirmation_does_not_count_again_after_a_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None
) -> None:
    """P07: replayed at a gateway that has been started anew meanwhile."""
    settings: dict[str, Any] = {
        "admin_key": KEY,
        "egress_allow": ("127.0.0.0/8",),
        "secret_key": base64.b64encode(secrets.token_bytes(32)).decode(),
    }
    async with backend(json_reply(b"{}")) as api:
        async with gateway(tmp_path, monkeypatch, **settings) as before:
            await publish(before, api.url)
            state = await Client(before).state()
            assert (await Client(before).delete(state=state))["isError"] is False
        async with gateway(tmp_path, monkeypatch, **settings) as after:
            assert (await Client(after).delete(state=state))["code"] == NOT_THE_STATE
            assert (await Client(after).delete(state=await Client(after).state()))["isError"] is False
        assert len(api.requests) == 2


async def test_a_confirmation_that_cannot_be_checked_is_not_taken_and_can_be_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None
) -> None:
    """Nothing is called on the word of a state that may have counted already."""
    database = sqlite_database(tmp_path)
    async with (
        backend(json_reply(b"{}")) as api,
        gateway(tmp_path, monkeypatch, admin_key=KEY, egress_allow=("127.0.0.0/8",), database_url=database) as served,
    ):
        await publish(served, api.url)
        state = await Client(served).state()
        await rename(database, "spent_states", "away")
        refused = await Client(served).delete(state=state)
        assert (refused["isError"], refused["_meta"]["causeway/code"]) == (True, "not_confirmed")
        assert not api.requests
        await rename(database, "away", "spent_states")
        assert (await Client(served).delete(state=state))["isError"] is False
