"""The secret sweeper: after 200 good, failing and hostile calls no channel holds any form of a secret.

Acceptance K01, K02, K03, K05 and K15. One credential of every kind has a canary, a user has connected an account, and
the API gives back what it got.
"""

from __future__ import annotations

import asyncio
import base64
import html
import itertools
import json
import logging
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from tests.app.backends import Backend, Received, backend, json_reply, redirect, reply
from tests.app.credentials.apis import CREDENTIALS, SCHEMES
from tests.app.credentials.sweeping import found_in
from tests.app.credentials.token_server import CLIENT_SECRET, serving
from tests.app.credentials.user_server import Scene, UserAuthorization
from tests.app.descriptions import description, operation
from tests.app.gateways import KEY, PUBLIC_URL, SERVERS, Gateway, gateway
from tests.app.telemetry.collector import Collector, collecting, trace_to

CALLS = 200
SECRETS = {
    "header": 'canary-header/+=&"\\ü',
    "query": "canary query&key=ü/+",
    "cookie": "canary-cookie-/+=%",
    "basic": "canary:basic pässword/+",
    "bearer": "canary.bearer-token/+~",
    "digest": 'canary digest "pässword"',
    "token": "canary-token <value>&",
    "oidc": "canary.oidc/+token",
    "client": CLIENT_SECRET,
    "account": CLIENT_SECRET,
    "env": "canary-from-the-environment/+",
}
COLLECTOR_KEY = "canary-of-the-collector"
HEADER = "canary-of-every-request/+="
MODES = ["echo", "html", "error", "unauthorized", "redirect", "reset", "hang", "broken", "text", "large"]
HOSTILE: list[dict[str, Any]] = [
    {"mode": "echo", "note": "canary\r\nX: y"},
    {"mode": 5},
    {"nothing": "of this"},
    {"mode": "error", "note": "x" * 2000},
    {"mode": "../../etc/passwd"},
]


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Take the traces: a channel like any other."""
    with collecting() as running:
        yield running


def api_of(running: Backend) -> None:
    """Have a backend give back all of a request, in the way that the request asks for."""

    async def respond(request: Received, writer: asyncio.StreamWriter) -> None:
        mode = parse_qs(urlsplit(request.target).query).get("mode", ["echo"])[0]
        told = "\n".join([request.line, *(f"{name}: {value}" for name, value in request.headers)]).encode("latin-1")
        fields = json.dumps({"target": request.target, "headers": request.headers}).encode()
        if request.target.startswith("/digest") and not request.values("Authorization"):
            challenge = 'WWW-Authenticate: Digest realm="x", qop="auth", nonce="abc", algorithm=SHA-256'
            writer.write(reply("401 Unauthorized", b"", challenge))
            return
        if mode == "reset":
            writer.transport.abort()
        elif mode == "hang":
            await asyncio.Event().wait()
        elif mode == "redirect":
            writer.write(redirect(f"http://127.0.0.2:1{request.target}"))
        else:
            writer.write(
                {
                    "html": reply(
                        "200 OK", b"<pre>" + html.escape(told.decode("latin-1")).encode(), "Content-Type: text/html"
                    ),
                    "error": reply("500 Oops", fields, "Content-Type: application/json"),
                    "unauthorized": reply("401 Unauthorized", told, "Content-Type: text/plain"),
                    "broken": reply("200 OK", fields[:-2], "Content-Type: application/json"),
                    "text": reply("200 OK", base64.b64encode(told), "Content-Type: text/plain"),
                    "large": reply(
                        "200 OK", json.dumps([json.loads(fields)] * 500).encode(), "Content-Type: application/json"
                    ),
                }.get(mode, json_reply(fields))
            )

    running.respond = respond


def document(provider: str) -> dict[str, Any]:
    endpoints = {"tokenUrl": f"{provider}/token", "scopes": {}}
    schemes = {**SCHEMES, "client": {"type": "oauth2", "flows": {"clientCredentials": endpoints}}}
    code = {**endpoints, "authorizationUrl": f"{provider}/authorize"}
    schemes["account"] = {"type": "oauth2", "flows": {"authorizationCode": code}}
    schemes["env"] = {"type": "apiKey", "in": "header", "name": "X-Env-Key"}
    parameters = [{"name": each, "in": "query", "schema": {"type": "string"}} for each in ("mode", "note")]
    paths = {f"/{each}": {"get": operation(each, parameters=parameters, security=[{each: []}])} for each in SECRETS}
    return {**description(paths), "components": {"securitySchemes": schemes}}


def supplied(name: str) -> dict[str, Any]:
    if name == "env":
        return {"source": "env", "name": "PETS_KEY"}
    if name in {"basic", "digest"}:
        return {"username": "bob", "password": SECRETS[name]}
    if name in {"client", "account"}:
        return {"client_id": "client 1", "client_secret": SECRETS[name]}
    return {"value": SECRETS[name]}


async def read_everything(running: Gateway) -> bytes:
    """Read what the control plane shows: every route for one server and all of its tools."""
    described = (await running.http.get("/api/openapi.json")).json()
    filled = {"{namespace}": "default", "{server}": "pets", "{revision}": "1", "{scheme}": "header"}
    found = [json.dumps(described)]
    urls = ["/healthz", "/readyz", "/metrics", "/console", "/nope"]
    for path, item in described["paths"].items():
        if "get" in item:
            url = path
            for name, value in filled.items():
                url = url.replace(name, value)
            urls += [url.replace("{tool}", tool) for tool in SECRETS] if "{tool}" in url else [url]
    for tool, mode in itertools.product(SECRETS, ("echo", "error")):
        place = f"{SERVERS}/pets/tools/{tool}/preview"
        found.append((await running.http.post(place, json={"arguments": {"mode": mode}})).text)
    found += [(await running.http.get(url)).text for url in urls]
    return "\n".join(found).encode()


def stored_in(folder: Path) -> dict[str, bytes]:
    """Give every file as it lies there, and the database as it reads."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with sqlite3.connect(folder / "data" / "causeway.db") as connection:
        files["dump"] = "\n".join(connection.iterdump()).encode("utf-8", "replace")
    connection.close()
    return files


async def test_no_channel_holds_a_secret_in_any_form(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    clean_environment: None,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    collector: Collector,
) -> None:
    caplog.set_level(logging.DEBUG)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("PETS_KEY", SECRETS["env"])
    settings: dict[str, Any] = {
        "admin_key": KEY,
        "egress_allow": ("127.0.0.1",),
        "credential_env": ("PETS_KEY",),
        "call_timeout": 2.0,
        "trace_upstream": True,
    }
    tokens = UserAuthorization()
    async with backend() as api, serving(tokens.answer) as peer:
        api_of(api)
        trace_to(collector, monkeypatch)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"x-collector-key={COLLECTOR_KEY}")
        async with (
            gateway(tmp_path / "data", monkeypatch, **settings) as running,
            httpx2.AsyncClient(transport=httpx2.ASGITransport(running.application), base_url=PUBLIC_URL) as browser,
        ):
            await running.create(document(peer.url), base_url=api.url)
            shown = []
            for name in SECRETS:
                answer = await running.http.put(f"{CREDENTIALS}/{name}", json=supplied(name))
                assert answer.status_code == 200, answer.text
                shown.append(answer.text)
            answer = await running.http.put(f"{SERVERS}/pets/headers/X-Every", json={"value": HEADER})
            assert answer.status_code == 200, answer.text
            shown.append(answer.text)
            shown += await connected(Scene(running, tokens, peer, peer, browser))
            shown += await results(running)
            shown.append((await read_everything(running)).decode())
            files = stored_in(tmp_path)
        arrived = str([(each.line, each.headers) for each in api.requests])
    captured = capfd.readouterr()
    channels = {
        "results and reads": "\n".join(shown).encode(),
        "log": "\n".join([caplog.text, *(str(each.__dict__) for each in caplog.records)]).encode(),
        "stdout and stderr": (captured.out + captured.err).encode(),
        "traces": b"".join(collector.bodies),
        **files,
        **{f"after the end: {name}": content for name, content in stored_in(tmp_path).items()},
    }
    secrets = {
        **SECRETS,
        "every request": HEADER,
        "admin key": KEY,
        "collector's key": COLLECTOR_KEY,
        **{f"access token {n}": each for n, each in enumerate(tokens.issued)},
    }
    user_s = {*tokens.refreshable, *(each["code_verifier"] for each in tokens.forms if "code_verifier" in each)}
    assert len(user_s) == 2
    assert found_in(channels, {**secrets, **{f"of the user: {each}": each for each in user_s}}) == []
    # What is swept for was under way, and is found where it is.
    assert len([each for each in collector.spans() if each.kind == "CLIENT"]) > CALLS / 2
    assert {each["x-collector-key"] for each in collector.headers} == {COLLECTOR_KEY}
    assert all(each in arrived for each in tokens.issued)
    assert len(tokens.issued) >= 2
    assert len(api.requests) > CALLS / 2
    assert {name for _, name, _ in found_in({"": arrived.encode("latin-1", "replace")}, secrets)} >= {
        "bearer",
        "oidc",
        "env",
        "every request",
    }


async def connected(scene: Scene) -> list[str]:
    """Connect an account and give what the user and their browser see of the gateway."""
    refused = await scene.gateway.mcp("tools/call", {"name": "account", "arguments": {"mode": "echo"}})
    back = await scene.agree(refused["_meta"]["causeway/url"])
    page = await scene.browser.get(back.headers["location"])
    assert page.status_code == 200, page.text
    return [json.dumps(refused), page.text]


async def results(running: Gateway) -> list[str]:
    """Make the calls, ten at once, and give what their callers see."""
    arguments = [*({"mode": mode} for mode in MODES if mode != "hang"), *HOSTILE, {"mode": "echo"}]
    # Mixed, because an API of which most calls fail is left alone.
    mixed = [
        (tool, arguments[(first + turn) % len(arguments)])
        for turn in range(CALLS // len(SECRETS))
        for first, tool in enumerate(SECRETS)
    ]
    # Those that hang take as long as a call may.
    mixed += [(tool, {"mode": "hang"}) for tool in SECRETS]
    assert len(mixed) >= CALLS
    shown: list[str] = []
    for start in range(0, len(mixed), 10):
        calls = (
            running.mcp("tools/call", {"name": tool, "arguments": each}) for tool, each in mixed[start : start + 10]
        )
        shown += [json.dumps(each) + json.dumps(each, ensure_ascii=False) for each in await asyncio.gather(*calls)]
    return shown
