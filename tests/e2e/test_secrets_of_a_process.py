"""The secret sweeper around a gateway as it is run: a process, its files, and a PostgreSQL database (K01, K05, K15)."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest

from tests.app.backends import Received, json_reply, reply
from tests.app.credentials.sweeping import found_in
from tests.app.credentials.token_server import CLIENT, CLIENT_SECRET, serving
from tests.app.credentials.user_server import UserAuthorization
from tests.app.descriptions import description, operation
from tests.databases import postgresql_database, postgresql_server
from tests.e2e.gateways import Gateway, run_causeway, started_gateway

SERVER = "/api/v1/namespaces/default/servers/pets"
SECRETS = {
    "key": "canary-key-in-the-header/+=",
    "basic": "canary:basic pässword/+",
    "every request": "canary-of-every-request/+=",
    "account": CLIENT_SECRET,
}
TOOLS = ["key", "basic", "account"]

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are seen in /proc")


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    with postgresql_server() as url:
        yield url


def document(provider: str) -> dict[str, Any]:
    code = {"authorizationUrl": f"{provider}/authorize", "tokenUrl": f"{provider}/token", "scopes": {}}
    schemes = {
        "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
        "basic": {"type": "http", "scheme": "basic"},
        "account": {"type": "oauth2", "flows": {"authorizationCode": code}},
    }
    paths = {f"/{each}": {"get": operation(each, security=[{each: []}])} for each in TOOLS}
    return {**description(paths), "components": {"securitySchemes": schemes}}


async def echo(request: Received) -> bytes:
    """Give back all of a request; every other answer is an error."""
    told = json.dumps({"line": request.line, "headers": request.headers}).encode()
    return json_reply(told) if len(told) % 2 else reply("500 Oops", told, "Content-Type: application/json")


async def dumped(url: str) -> bytes:
    """Give every value of every row as it lies there; what is binary, raw."""
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = [row for table in tables for row in await connection.fetch(f'SELECT * FROM "{table[0]}"')]  # noqa: S608
    finally:
        await connection.close()
    values = [value for row in rows for value in row.values()]
    return b"\n".join(each if isinstance(each, bytes) else str(each).encode() for each in values)


def processes(gateway: Gateway) -> dict[str, bytes]:
    """Give command line and environment of the process and of those that it started."""
    first = gateway.process.pid
    children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
    return {
        f"{name} of {each}": Path(f"/proc/{each}/{name}").read_bytes()
        for each in (str(first), *children)
        for name in ("cmdline", "environ")
    }


async def call(http: httpx2.AsyncClient, tool: str) -> str:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": {}}}
    answer = await http.post("/mcp/default/pets", json=message, headers={"MCP-Protocol-Version": "2025-11-25"})
    assert answer.status_code == 200, answer.text
    return answer.text


async def connect(http: httpx2.AsyncClient) -> None:
    """Connect an account as a browser does."""
    link = json.loads(await call(http, "account"))["result"]["_meta"]["causeway/url"]
    origin = link.partition("/connect/")[0]
    async with httpx2.AsyncClient(trust_env=False, timeout=60) as browser:
        sent = await browser.post(link, headers={"Origin": origin, "Sec-Fetch-Site": "same-origin"})
        assert sent.status_code == 303, sent.text
        back = await browser.get(sent.headers["location"])
        done = await browser.get(back.headers["location"])
        assert done.status_code == 200, done.text


async def supply(http: httpx2.AsyncClient) -> None:
    bodies = {
        "credentials/key": {"value": SECRETS["key"]},
        "credentials/basic": {"username": "bob", "password": SECRETS["basic"]},
        "credentials/account": CLIENT,
        "headers/X-Every": {"value": SECRETS["every request"]},
    }
    for place, body in bodies.items():
        answer = await http.put(f"{SERVER}/{place}", json=body)
        assert answer.status_code == 200, answer.text


async def test_neither_process_nor_file_nor_database_holds_a_secret(
    postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """K01, K05, K15: with the gateway's own keys in files, which its documentation says, they are nowhere else."""
    admin_key, secret_key = secrets.token_urlsafe(32), base64.b64encode(secrets.token_bytes(32)).decode()
    key_file, folder = tmp_path / "key", tmp_path / "gateway"
    key_file.write_text(secret_key)
    folder.mkdir()
    provider = UserAuthorization()
    async with postgresql_database(postgresql) as url, serving(echo) as api, serving(provider.answer) as peer:
        (folder / "causeway.toml").write_text(
            f'admin_key = "{admin_key}"\nsecret_key_file = "{key_file}"\ndatabase_url = "{url}"\n'
            f'egress_allow = "127.0.0.1"\n'
        )
        fields = {"Authorization": f"Bearer {admin_key}"}
        told: list[str] = []
        with started_gateway(folder) as gateway:
            # Where this provider's client is registered to come back to.
            monkeypatch.setattr("tests.app.credentials.user_server.REDIRECT_URI", f"{gateway.url}/connect/callback")
            async with httpx2.AsyncClient(base_url=gateway.url, headers=fields, trust_env=False, timeout=60) as http:
                body = {"name": "pets", "document": document(peer.url), "base_url": api.url}
                made = await http.post("/api/v1/namespaces/default/servers", json=body)
                assert made.status_code == 201, made.text
                await supply(http)
                await connect(http)
                told += [await call(http, tool) for _ in range(5) for tool in TOOLS]
                told += [
                    (await http.get(f"{SERVER}/{each}")).text for each in ("credentials", "headers", "connections")
                ]
            channels = {**processes(gateway), "database": await dumped(url)}
            rotated = run_causeway("secrets", "rotate", folder=folder)
            assert rotated.returncode == 0, rotated.stderr
            channels["command"] = (rotated.stdout + rotated.stderr).encode()
        channels |= {str(each): each.read_bytes() for each in folder.rglob("*") if each.is_file()}
    del channels[str(folder / "causeway.toml")]
    channels["answers"] = "\n".join(told).encode()
    own = {"admin key": admin_key, "secret key": secret_key}
    tokens = dict(enumerate([*provider.issued, *provider.refreshable, provider.forms[0]["code_verifier"]]))
    assert found_in(channels, {**SECRETS, **own, **{f"token {n}": each for n, each in tokens.items()}}) == []
    # What is swept for was under way.
    arrived = str([each.headers for each in api.requests])
    assert all(each in arrived for each in (SECRETS["key"], SECRETS["every request"], provider.issued[0]))
    assert b"X-Every" in channels["database"]
    assert b"serve" in channels[f"cmdline of {gateway.process.pid}"]
    assert len(tokens) == 3
