"""Acceptance K01, K02, K03, K05, K06 and K07: where secrets are not, and what happens to the key they lie under."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import secrets
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from app.registry import Database
from app.security.secret_keys import load_keys
from app.services.credentials import Credentials
from app.services.rotation import rotate
from app.settings import load
from tests.app.backends import backend, json_reply, reply, then_close
from tests.app.conftest import hide_settings
from tests.app.credentials.apis import CREDENTIALS, SUPPLIED, call, secured, supply, text
from tests.app.gateways import KEY, SERVERS, Gateway, gateway

PET = json_reply(b'{"id": 7, "name": "Rex"}')
CANARIES = {
    form
    for body in SUPPLIED.values()
    for value in (body.get("value"), body.get("password"), f"{body.get('username')}:{body.get('password')}")
    if value
    for form in (
        value,
        base64.b64encode(value.encode()).decode(),
        quote(value, safe=""),
        json.dumps(value)[1:-1],
    )
}


def new_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def swept(channel: str, content: str | bytes) -> None:
    """Check that no form of any secret is in what left by a channel."""
    data = content if isinstance(content, bytes) else content.encode()
    assert [form for form in CANARIES if form.encode() in data] == [], channel


def files(folder: Path) -> list[tuple[str, bytes]]:
    """Read everything below a folder."""
    return [(path.name, path.read_bytes()) for path in folder.rglob("*") if path.is_file()]


@contextlib.asynccontextmanager
async def keeping(folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> AsyncIterator[Gateway]:
    hide_settings(monkeypatch, folder)
    given = {"admin_key": KEY, "egress_allow": ("127.0.0.0/8",), **settings}
    async with gateway(folder, monkeypatch, **given) as running:
        yield running


@pytest.mark.parametrize("name", [name for name in SUPPLIED if name != "digest"])
async def test_an_api_that_echoes_the_request_does_not_get_the_secret_out(served: Gateway, name: str) -> None:
    """Acceptance K03: body, reason, header line and error, each form of the secret."""
    async with backend(PET) as api:
        await served.create(secured([{name: []}]), base_url=api.url)
        await supply(served, name)
        await call(served)
        echo = json.dumps({"line": api.requests[0].line, "headers": api.requests[0].headers})
        for status, kind in [
            ("200 OK", "application/json"),
            ("200 OK", "text/plain"),
            ("200 OK", "application/octet-stream"),
            ("500 Oops", "application/json"),
            ("400 Bad", "text/html"),
        ]:
            api.replies = (reply(status, echo.encode(), f"Content-Type: {kind}"),)
            result = await call(served)
            swept(f"{status} {kind}", json.dumps(result, ensure_ascii=False))
            for block in result["content"]:
                if block["type"] == "resource":
                    swept("blob", base64.b64decode(block["resource"]["blob"]))
        api.replies = (reply(f"500 {api.requests[0].line.replace('HTTP/1.1', '')}"),)
        swept("reason", json.dumps(await call(served)))


async def test_a_large_echo_is_masked_as_well(served: Gateway) -> None:
    body = json.dumps({"padding": "x" * 300_000, "key": SUPPLIED["header"]["value"]}).encode()
    async with backend(json_reply(body)) as api:
        await served.create(secured([{"header": []}]), base_url=api.url)
        await supply(served, "header")
        result = await call(served)
        assert result["structuredContent"]["key"] == "***"
        swept("large", json.dumps(result))


async def test_a_secret_in_the_news_of_the_work_is_masked_although_it_came_in_two_pieces(served: Gateway) -> None:
    line = json.dumps({"level": "error", "data": {"echo": SUPPLIED["header"]["value"]}}).encode() + b"\n"
    body = line + b'{"done": true}\n'

    async def in_pieces(writer: asyncio.StreamWriter) -> None:
        writer.write(reply("200 OK", body, "Content-Type: application/x-ndjson")[: -len(body) + 50])
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(body[50:])
        await asyncio.sleep(0.5)

    async with backend(in_pieces) as api:
        await served.create(secured([{"header": []}]), base_url=api.url)
        await supply(served, "header")
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "get_pet", "arguments": {}}}
        headers = {"MCP-Protocol-Version": "2025-11-25", "Accept": "application/json, text/event-stream"}
        answer = await served.http.post("/mcp/default/pets", json=message, headers=headers)
    assert "notifications/message" in answer.text
    assert '{"echo":"***"}' in answer.text
    swept("stream", answer.text)


async def test_no_secret_is_found_anywhere_after_good_and_bad_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Acceptance K01, K02 and K05."""
    caplog.set_level("DEBUG")
    names = ["header", "query", "cookie", "basic"]
    told: list[str] = []
    async with keeping(tmp_path, monkeypatch) as running, backend(PET) as api:
        await running.create(secured([{name: [] for name in names}]), base_url=api.url)
        told += [(await running.http.put(f"{CREDENTIALS}/{name}", json=body)).text for name, body in SUPPLIED.items()]
        for answer in (PET, reply("500 Oops", b"broken"), then_close(b"HTTP/1.1 2"), then_close(b"")):
            api.replies = (answer,)
            told += [json.dumps(await call(running)) for _ in range(5)]
        assert len(api.requests) >= 20
        await running.http.patch(f"{SERVERS}/pets", json={"base_url": "http://127.0.0.1:1"})
        await supply(running, *names)
        told += [json.dumps(await call(running)), json.dumps(await call(running, limit="x"))]
        for path in ("", "/credentials", "/tools", "/tools/get_pet", "/revisions", "/document"):
            told.append((await running.http.get(f"{SERVERS}/pets{path}")).text)
        told.append((await running.http.post(f"{SERVERS}/pets/tools/get_pet/preview", json={"arguments": {}})).text)
        told.append((await running.http.get("/api/openapi.json")).text)
        held = running.application.secrets.credentials.held("default", "pets")
        told.append(f"{held.by_scheme!r}{running.application.catalog.all()!r}")
        stored = files(tmp_path)
    assert any(name == "causeway.db-wal" for name, _ in stored)
    swept("answers", "\n".join(told))
    for name, content in [*stored, *files(tmp_path)]:
        swept(name, content)
    out, err = capfd.readouterr()
    swept("standard output", out)
    swept("standard error", err)
    swept("logs", caplog.text)
    with contextlib.closing(sqlite3.connect(tmp_path / "causeway.db")) as connection:
        dump = "\n".join(connection.iterdump())
        kept = connection.execute("SELECT key_id, length(content) FROM credentials").fetchall()
    swept("dump", dump)
    assert len(kept) == len(SUPPLIED)
    keys = running.application.secrets.credentials._keys  # noqa: SLF001 - the ids of its keys
    assert all(keys.is_current(key_id) for key_id, _ in kept)


_OF_PETS = "WHERE server_id = (SELECT id FROM servers WHERE name = 'pets') AND scheme = 'header'"
_CONTENT = "content = (SELECT c.content FROM credentials c JOIN servers s ON s.id = c.server_id WHERE "
CHANGES = [
    _CONTENT + "s.name = 'dogs' AND c.scheme = 'header')",
    _CONTENT + "s.name = 'pets' AND c.scheme = 'bearer')",
    "content = zeroblob(40)",
    "content = x''",
    "key_id = 'unknown'",
    "details = replace(details, '127.0.0.1', '127.0.0.2')",
]


async def test_ciphertexts_that_were_moved_or_changed_are_refused_and_nothing_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = secured([{"header": []}], default=[{"bearer": []}])
    document["paths"]["/token"] = {"get": {"operationId": "by_token", "responses": {"200": {"description": ""}}}}
    async with keeping(tmp_path, monkeypatch) as running, backend(PET) as api:
        for name in ("pets", "dogs"):
            await running.create(document, name=name, base_url=api.url)
            for scheme in ("header", "bearer"):
                body = {"value": f"{name}-{scheme}-key"}
                await running.http.put(f"{SERVERS}/{name}/credentials/{scheme}", json=body)
        database = tmp_path / "causeway.db"

        async def tampered(*statements: str) -> dict[str, Any]:
            saved = sqlite3.connect(database)
            rows = saved.execute("SELECT content, details, key_id, server_id, scheme FROM credentials").fetchall()
            for statement in statements:
                saved.execute(statement)
            saved.commit()
            await running.application.live.refresh("default", "pets")
            try:
                return await running.mcp("tools/call", {"name": "get_pet", "arguments": {}})
            finally:
                update = "UPDATE credentials SET content=?, details=?, key_id=? WHERE server_id=? AND scheme=?"
                saved.executemany(update, rows)
                saved.commit()
                saved.close()

        for change in CHANGES:
            result = await tampered(f"UPDATE credentials SET {change} {_OF_PETS}")  # noqa: S608 - the test's own
            assert result["_meta"]["causeway/code"] == "credential_missing", change
            assert "cannot be read; supply it again" in text(result), change
            assert api.connections == 0
            (shown,) = [
                each for each in (await running.http.get(CREDENTIALS)).json()["items"] if each["scheme"] == "header"
            ]
            assert shown["is_readable"] is True, "restored"
        await running.application.live.refresh("default", "pets")
        assert (await call(running))["isError"] is False
        assert (await call(running, "by_token"))["isError"] is False
        assert api.requests[0].values("X-Api-Key") == ["pets-header-key"]
        assert api.requests[1].values("Authorization") == ["Bearer pets-bearer-key"]


async def test_the_key_is_replaced_under_traffic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Acceptance K06, on one database: add the key, encrypt anew, take the old key away; no call fails."""
    old, new = new_key(), new_key()
    failures: list[str] = []

    async def traffic(running: Gateway, stop: asyncio.Event) -> int:
        count = 0
        while not stop.is_set():
            result = await call(running)
            failures.extend([text(result)] if result["isError"] else [])
            count += 1
            await asyncio.sleep(0)
        return count

    async with backend(PET) as api:
        async with keeping(tmp_path, monkeypatch, secret_key=old) as running:
            await running.create(secured([{"header": []}]), base_url=api.url)
            await supply(running, *SUPPLIED)
        async with keeping(tmp_path, monkeypatch, secret_key=new, secret_keys_old=old) as running:
            stop = asyncio.Event()
            calling = asyncio.create_task(traffic(running, stop))
            await api.received(3)
            settings = load(secret_key=new, secret_keys_old=old, data_dir=tmp_path)
            database = Database.open(settings.registry_url)
            rotating = asyncio.create_task(rotate(database, load_keys(settings)))
            # What is supplied meanwhile is not lost.
            await running.http.put(f"{CREDENTIALS}/header", json={"value": "changed-meanwhile"})
            done = await rotating
            again = await rotate(database, load_keys(settings))
            await database.close()
            seen = len(api.requests)
            await api.received(seen + 3)
            stop.set()
            assert await calling > 5
            assert done.resealed >= len(SUPPLIED) - 1
            assert (done.unreadable, again.resealed, again.unreadable) == (0, 0, 0)
            assert api.requests[-1].values("X-Api-Key") == ["changed-meanwhile"]
        async with keeping(tmp_path, monkeypatch, secret_key=new) as running:
            assert (await running.http.get("/readyz")).status_code == 200
            assert (await call(running))["isError"] is False
            assert all(each["is_readable"] for each in (await running.http.get(CREDENTIALS)).json()["items"])
        assert failures == []
        assert api.requests[-1].values("X-Api-Key") == ["changed-meanwhile"]


async def test_with_a_wrong_key_the_gateway_is_not_ready_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Acceptance K07."""
    right, wrong = new_key(), new_key()
    async with keeping(tmp_path, monkeypatch, secret_key=right) as running:
        await running.create(secured([{"header": []}]), base_url="http://127.0.0.1:1")
        await supply(running, "header")
    async with keeping(tmp_path, monkeypatch, secret_key=wrong) as running:
        answer = await running.http.get("/readyz")
        assert (answer.status_code, "CAUSEWAY_SECRET_KEY" in answer.text) == (503, True)
        assert "cannot be read; supply it again" in text(await call(running))
        (shown,) = (await running.http.get(CREDENTIALS)).json()["items"]
        assert shown["is_readable"] is False
        done = await rotate(running.application.database, running.application.secrets.credentials._keys)  # noqa: SLF001 - its keys
        assert (done.resealed, done.unreadable) == (0, 1)
    async with keeping(tmp_path, monkeypatch, secret_key=right) as running:
        assert (await running.http.get("/readyz")).status_code == 200
        (shown,) = (await running.http.get(CREDENTIALS)).json()["items"]
        assert shown["is_readable"] is True


async def test_credentials_survive_a_restart_in_local_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None
) -> None:
    async with backend(PET) as api:
        async with gateway(tmp_path, monkeypatch) as running:
            await running.create(secured([{"header": []}]), base_url=api.url)
            await supply(running, "header")
        async with gateway(tmp_path, monkeypatch) as running:
            assert (await call(running))["isError"] is False
            await running.http.delete(f"{CREDENTIALS}/header")
            await running.http.delete(f"{SERVERS}/pets")
            assert isinstance(running.application.secrets.credentials, Credentials)
            assert running.application.secrets.credentials.held("default", "pets").by_scheme == {}
        assert len(api.requests) == 1


@pytest.mark.parametrize("mode", [{}, {"admin_key": KEY, "egress_allow": ("127.0.0.1",)}], ids=["local", "service"])
async def test_without_a_credential_nothing_is_sent_unless_the_server_s_policy_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None, mode: dict[str, Any]
) -> None:
    refusing = reply("401 Unauthorized", b'{"detail":"Who are you?"}', "Content-Type: application/json")
    async with backend(refusing) as api, gateway(tmp_path, monkeypatch, **mode) as running:
        await running.create(secured([{"header": []}]), base_url=api.url)
        refused = await call(running)
        assert refused["_meta"]["causeway/code"] == "credential_missing"
        assert "'header'" in text(refused)
        assert f"PUT {CREDENTIALS}/header" in text(refused)
        assert api.connections == 0

        await running.http.patch(f"{SERVERS}/pets", json={"policies": {"require_credentials": False}})
        tried = await call(running)
        assert len(api.requests) == 1
        assert "carried no credential" in tried["content"][-1]["text"]
        # With one of them supplied, what the others lack is a mistake and not a mock server.
        await running.create(secured([{"header": [], "basic": []}]), name="half", base_url=api.url)
        await running.http.patch(f"{SERVERS}/half", json={"policies": {"require_credentials": False}})
        await running.http.put(f"{SERVERS}/half/credentials/basic", json=SUPPLIED["basic"])
        half = await running.mcp("tools/call", {"name": "get_pet", "arguments": {}}, server="half")
        assert half["_meta"]["causeway/code"] == "credential_missing"
        assert len(api.requests) == 1


async def test_optional_security_needs_no_credential(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None
) -> None:
    async with backend(PET) as api, gateway(tmp_path, monkeypatch) as running:
        await running.create(secured([{"header": []}, {}]), base_url=api.url)
        assert (await call(running))["isError"] is False
    assert api.requests[0].values("X-Api-Key") == []
