"""PostgreSQL goes away and comes back; calls never notice, and the control plane says so."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.registry import notifications
from app.services import audit
from tests.app.backends import Backend, Received, backend, json_reply
from tests.app.conftest import hide_settings
from tests.app.descriptions import description, operation
from tests.app.gateways import KEY, SERVERS, Gateway, gateway
from tests.app.tenants import client, make_key
from tests.databases import PostgreSql, postgresql_process

# A minute of it with CAUSEWAY_INSTANCES=whole.
AWAY_SECONDS = 60 if os.environ.get("CAUSEWAY_INSTANCES") == "whole" else 3
CALLS_A_SECOND = 50
PET = json_reply(b'{"id":1,"name":"Rex"}')
GET_PET = {"name": "get_pet", "arguments": {}}
SCHEMES = {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}}


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSql]:
    """Run a server of this module's own, because it is stopped."""
    with postgresql_process(synchronous_commit="on") as process:
        yield process


@pytest.fixture
async def postgresql_url(server: PostgreSql) -> str:
    """Empty the database."""
    connection = await asyncpg.connect(server.url)
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.close()
    return server.url


@pytest.fixture
def settings(postgresql_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    hide_settings(monkeypatch, tmp_path)
    return {"admin_key": KEY, "egress_allow": ("127.0.0.0/8",), "database_url": postgresql_url}


def pets(url: str) -> dict[str, Any]:
    return {
        **description({"/pet": {"get": operation("get_pet")}}, server=url),
        "components": SCHEMES,
        "security": [{"key": []}],
    }


async def publish(one: Gateway, api: Backend) -> None:
    await one.create(pets(api.url))
    put = await one.http.put(f"{SERVERS}/pets/credentials/key", json={"value": "a-secret-of-some-length"})
    assert put.status_code == 200, put.text


async def is_answered(one: Gateway) -> bool:
    result = await one.mcp("tools/call", {"name": "get_pet", "arguments": {}})
    return result["isError"] is False


async def ready(one: Gateway) -> bool:
    return (await one.http.get("/readyz")).status_code == 200


async def until_ready(one: Gateway) -> float:
    started = time.monotonic()
    async with asyncio.timeout(30):
        while not await ready(one):  # noqa: ASYNC110 - asked as an operator asks
            await asyncio.sleep(0.05)
    return time.monotonic() - started


@asynccontextmanager
async def called(one: Gateway) -> AsyncIterator[list[Any]]:
    """Call the tool 50 times a second; gives the result of each call."""
    outcomes: list[Any] = []

    async def call_on_and_on() -> None:
        async with asyncio.TaskGroup() as calls:
            while True:
                calls.create_task(note())
                await asyncio.sleep(1 / CALLS_A_SECOND)

    async def note() -> None:
        outcomes.append(await one.mcp("tools/call", {"name": "get_pet", "arguments": {}}))

    calling = asyncio.create_task(call_on_and_on())
    try:
        yield outcomes
    finally:
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)


async def test_a_gateway_started_while_the_database_is_away_serves_what_was_served_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: PostgreSql, settings: dict[str, Any]
) -> None:
    """F14: alive, not ready, serving; ready within 10 s after the database returns, with what changed meanwhile."""
    async with backend(PET) as api:
        async with gateway(tmp_path / "one", monkeypatch, **settings) as before:
            await publish(before, api)
            await before.create(description({"/cat": {"get": operation("get_cat")}}), name="cats")
        server.stop()
        try:
            async with gateway(tmp_path / "one", monkeypatch, **settings) as one:
                assert (await one.http.get("/healthz")).status_code == 200
                assert not await ready(one)
                assert await is_answered(one)
                assert await one.listed(server="cats") == ["get_cat"]
                assert api.requests[-1].values("X-Key") == ["a-secret-of-some-length"]
                server.start()
                assert await until_ready(one) < 10
                renamed = await one.http.patch(f"{SERVERS}/pets/tools/get_pet", json={"name": "pet"})
                assert renamed.status_code == 200, renamed.text
                assert await one.listed() == ["pet"]
        finally:
            server.stop()
            server.start()


async def test_nothing_secret_is_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    async with backend(PET) as api, gateway(tmp_path / "one", monkeypatch, **settings) as one:
        await publish(one, api)
        files = [each.read_bytes() for each in (tmp_path / "one").rglob("*") if each.is_file()]
    assert any(b"get_pet" in each for each in files)
    assert not any(b"a-secret-of-some-length" in each for each in files)


async def test_what_was_deleted_while_a_gateway_was_down_is_not_served_by_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: PostgreSql, settings: dict[str, Any]
) -> None:
    async with backend(PET) as api:
        async with gateway(tmp_path / "one", monkeypatch, **settings) as one:
            await publish(one, api)
        async with gateway(tmp_path / "two", monkeypatch, **settings) as two:
            assert (await two.http.delete(f"{SERVERS}/pets")).status_code == 204
        async with gateway(tmp_path / "one", monkeypatch, **settings) as one:
            assert one.application.catalog.find("default", "pets") is None
        server.stop()
        try:
            async with gateway(tmp_path / "one", monkeypatch, **settings) as one:
                assert one.application.catalog.find("default", "pets") is None
        finally:
            server.start()


async def test_who_has_a_key_calls_through_an_instance_that_starts_without_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: PostgreSql, settings: dict[str, Any]
) -> None:
    """F15: keys and issuers are kept on disk like servers, and one that was revoked is not among them."""
    message = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    issuer = "https://issuer.example"
    async with backend(PET) as api:
        async with gateway(tmp_path / "one", monkeypatch, **settings) as one:
            await publish(one, api)
            key, revoked = [await make_key(one, "call", name=name) for name in ("kept", "revoked")]
            assert (await one.http.delete(f"/api/v1/keys/{revoked['id']}")).status_code == 204
            trusted = await one.http.put("/api/v1/namespaces/default/issuer", json={"issuer": issuer})
            assert trusted.status_code == 200, trusted.text
        files = list((tmp_path / "one" / "access").iterdir())
        assert len(files) == 2
        assert not any(key["key"].encode() in each.read_bytes() for each in files)
        server.stop()
        try:
            async with gateway(tmp_path / "one", monkeypatch, **settings) as one:
                async with client(one, key["key"]) as http:
                    assert (await http.post("/mcp/default/pets", json=message)).json()["result"] == {}
                async with client(one, revoked["key"]) as http:
                    assert (await http.post("/mcp/default/pets", json=message)).status_code == 401
                metadata = await one.http.get("/.well-known/oauth-protected-resource/mcp/default/pets")
                assert metadata.json()["authorization_servers"] == [issuer]
        finally:
            server.start()


async def test_calls_go_on_while_the_database_is_killed_and_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: PostgreSql, settings: dict[str, Any]
) -> None:
    """F15, F17: no call fails, the control plane answers 503 within 2 s, all is well within 10 s of its return."""
    monkeypatch.setattr(notifications, "_RECONNECT_SECONDS", 0.1)
    async with backend(PET) as api, gateway(tmp_path / "one", monkeypatch, **settings) as one:
        await publish(one, api)
        async with called(one) as outcomes:
            try:
                server.kill()
                ends = time.monotonic() + AWAY_SECONDS
                while time.monotonic() < ends:
                    started = time.monotonic()
                    refused = await one.http.patch(f"{SERVERS}/pets", json={"enabled": True})
                    assert (refused.status_code, refused.json()["code"]) == (503, "registry_unavailable")
                    assert time.monotonic() - started < 2
                    await asyncio.sleep(0.2)
                assert not await ready(one)
            finally:
                await asyncio.to_thread(server.start)
            assert await until_ready(one) < 10
            assert (await one.http.get(f"{SERVERS}/pets")).json()["revision"] == 1, "what was committed is there"
            changed = await one.http.put(f"{SERVERS}/pets/document", json={"document": pets(f"{api.url}/v2")})
            assert changed.json()["revision"] == 2
        assert len(outcomes) > AWAY_SECONDS * CALLS_A_SECOND / 10
        assert [each for each in outcomes if each["isError"]] == []


async def test_where_the_audit_is_required_no_call_is_made_while_it_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: PostgreSql, settings: dict[str, Any]
) -> None:
    """F15: fail-closed as configured; what was called before is in the audit when the database is back."""
    monkeypatch.setattr(audit, "_WRITE_SECONDS", 0.1)
    async with (
        backend(PET) as api,
        gateway(tmp_path / "one", monkeypatch, audit_required=True, **settings) as one,
    ):
        await publish(one, api)
        assert await is_answered(one)
        server.stop()
        try:
            async with asyncio.timeout(30):
                while (refused := await one.mcp("tools/call", GET_PET))["isError"] is False:  # noqa: ASYNC110 - as clients do
                    await asyncio.sleep(0.05)
            sent = len(api.requests)
            assert refused["_meta"]["causeway/code"] == "audit_unavailable"
            assert not await is_answered(one)
            assert len(api.requests) == sent
        finally:
            server.start()
        async with asyncio.timeout(30):
            while not await is_answered(one):  # noqa: ASYNC110 - as clients do
                await asyncio.sleep(0.05)
        listed = await one.http.get("/api/v1/audit", params={"action": "tools/call", "code": "ok", "limit": 200})
        assert len(listed.json()["items"]) == len(api.requests) == sent + 1


async def test_a_call_that_waits_for_its_api_holds_no_connection_to_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    """F16: 100 slow calls, a pool of five: none of its connections is held, and the control plane answers."""
    monkeypatch.setattr("app.registry.postgresql._POOL_SIZE", 5)
    answered = asyncio.Event()

    async def respond(received: Received, writer: asyncio.StreamWriter) -> None:
        await answered.wait()
        writer.write(PET)

    async with backend() as api, gateway(tmp_path / "one", monkeypatch, **settings) as one:
        await publish(one, api)
        api.respond = respond
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(is_answered(one)) for _ in range(100)]
            await api.received(100)
            connection = await asyncpg.connect(settings["database_url"])
            of_ours = "FROM pg_stat_activity WHERE application_name = 'causeway'"
            # None is held by a call; what looks for news now and then is done in a moment.
            async with asyncio.timeout(60):
                while await connection.fetchval(f"SELECT count(*) {of_ours} AND state <> 'idle'"):  # noqa: ASYNC110 - asked of another program
                    await asyncio.sleep(0.05)
            # A further one listens.
            assert await connection.fetchval(f"SELECT count(*) {of_ours}") <= 5 + 1
            await connection.close()
            reads = await asyncio.gather(*(one.http.get(f"{SERVERS}/pets") for _ in range(20)))
            assert {each.status_code for each in reads} == {200}
            assert (await one.http.patch(f"{SERVERS}/pets", json={"instructions": "Be kind."})).status_code == 200
            assert not any(each.done() for each in calls)
            answered.set()
        assert all(each.result() for each in calls)
