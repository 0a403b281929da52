from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.registry import Database
from tests.app.gateways import KEY, PUBLIC_URL, SERVERS, Gateway, gateway

OPEN = {"/healthz", "/readyz"}
SETUP = "/api/v1/setup"
METADATA = "/.well-known/oauth-protected-resource/mcp/{namespace}/{server}"


@pytest.fixture
async def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None) -> AsyncIterator[Gateway]:
    """Run a gateway in service mode; its client has the key."""
    async with gateway(tmp_path, monkeypatch, admin_key=KEY) as running:
        yield running


@pytest.fixture
async def anonymous(service: Gateway) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(service.application)
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as http:
        yield http


def routes_of(found: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """Give every method and path of the control plane; FastAPI keeps included routers whole."""
    for each in found:
        if hasattr(each, "original_router"):
            yield from routes_of(each.original_router.routes)
        else:
            yield from ((method, each.path) for method in each.methods)


async def test_without_a_key_every_route_but_health_and_the_set_up_is_401(
    service: Gateway, anonymous: httpx2.AsyncClient
) -> None:
    description = (await service.http.get("/api/openapi.json")).json()
    described = {(method.upper(), path) for path, item in description["paths"].items() for method in item}
    found = set(routes_of(service.application._api.routes))  # noqa: SLF001 - nobody else shows its routes
    assert described <= found
    assert {path for _, path in found - described} == OPEN | {"/api/openapi.json", "/metrics", METADATA}

    elsewhere = {("GET", "/mcp/default/pets"), ("POST", "/mcp/default/pets"), ("POST", "/mcp/x/y"), ("GET", "/nope")}
    for method, path in sorted(found | elsewhere | {("OPTIONS", SERVERS), ("GET", "/")}):
        answer = await anonymous.request(method, re.sub(r"\{[^}]*\}", "1", path), json={})
        expected = {**dict.fromkeys(OPEN, 200), METADATA: 404, SETUP: 422}.get(path, 401)
        assert answer.status_code == expected, (method, path)


@pytest.mark.parametrize("header", [("Authorization", f"Bearer {KEY}"), ("X-API-Key", KEY)])
async def test_with_the_key_everything_works(
    service: Gateway, anonymous: httpx2.AsyncClient, header: tuple[str, str]
) -> None:
    await service.create()
    anonymous.headers[header[0]] = header[1]
    assert (await anonymous.get(SERVERS)).status_code == 200
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    assert (await anonymous.post("/mcp/default/pets", json=ping)).json()["result"] == {}


async def test_who_guesses_the_operator_s_key_waits_and_nobody_else(service: Gateway) -> None:
    """A17: whatever a client says of its address, and whatever else is asked from there with an API key."""
    made = (await service.http.post("/api/v1/keys", json={"scopes": ["call"]})).json()

    async def asked(key: str, address: str = "203.0.113.1", said: str = "") -> httpx2.Response:
        headers = {"Authorization": f"Bearer {key}", **({"X-Forwarded-For": said} if said else {})}
        transport = httpx2.ASGITransport(service.application, client=(address, 40_000))
        async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL, headers=headers) as http:
            return await http.get(SERVERS)

    answers = [await asked(f"guess-{number}", said=f"198.51.100.{number}") for number in range(12)]
    assert [each.status_code for each in answers] == [401] * 10 + [429] * 2
    assert {each.content for each in answers[:10]} == {(await asked("", "203.0.113.3")).content}
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert (await asked(KEY)).status_code == 429
    assert (await asked(made["key"])).status_code == 200
    assert (await asked(KEY, "203.0.113.2")).status_code == 200


async def test_in_service_mode_loopback_and_private_addresses_are_not_called(service: Gateway) -> None:
    for host in ("127.0.0.1", "10.0.0.1", "[::1]", "localhost", "169.254.169.254"):
        answer = await service.http.post(SERVERS, json={"name": "x", "document_url": f"http://{host}:1/"})
        assert answer.json()["code"] == "egress_denied", host
    await service.create(base_url="http://127.0.0.1:2")
    called = await service.mcp("tools/call", {"name": "get_pet", "arguments": {"petId": 7}})
    assert called["_meta"]["causeway/code"] == "egress_denied"


async def test_what_the_operator_lists_is_called_in_service_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None
) -> None:
    async with gateway(tmp_path, monkeypatch, admin_key=KEY, egress_allow=("127.0.0.1/32",)) as running:
        await running.create(base_url="http://127.0.0.1:2")
        called = await running.mcp("tools/call", {"name": "get_pet", "arguments": {"petId": 7}})
        assert called["_meta"]["causeway/code"] == "upstream_unreachable"


async def test_service_mode_shows_neither_pages_for_developers_nor_what_failed(
    service: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Z06: debug and /docs off, also for who has the key."""
    for path in ("/docs", "/redoc", "/docs/oauth2-redirect", "/api/docs", "/api/redoc", "/openapi.json"):
        assert (await service.http.get(path)).status_code == 404, path

    def broken() -> None:
        raise RuntimeError("what only a log may tell")

    monkeypatch.setattr(service.application.database, "is_ready", broken)
    answer = await service.http.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "RuntimeError" not in answer.text
    assert "only a log" not in answer.text
    assert ".py" not in answer.text


async def test_service_mode_publishes_no_server_of_its_own(service: Gateway) -> None:
    assert (await service.http.get(SERVERS)).json()["items"] == []


async def test_health_and_readiness_are_told(served: Gateway) -> None:
    assert (await served.http.get("/healthz")).json() == {"status": "ok"}
    assert (await served.http.get("/readyz")).json() == {"status": "ready"}


async def test_a_gateway_whose_database_is_gone_is_alive_and_serves_but_is_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None
) -> None:
    async with gateway(tmp_path, monkeypatch) as running:
        await running.create()
        other = Database.open(f"sqlite:///{tmp_path / 'elsewhere.db'}")
        with monkeypatch.context() as patched:
            patched.setattr(running.application.database, "_engines", other._engines)  # noqa: SLF001 - one without tables
            answer = await running.http.get("/readyz")
            assert (answer.status_code, answer.json()["status"]) == (503, "not ready")
            assert (await running.http.get("/healthz")).status_code == 200
            assert "get_pet" in await running.listed()
            refused = await running.http.get(SERVERS)
            assert (refused.status_code, refused.json()["code"]) == (503, "registry_unavailable")
            assert "elsewhere" not in refused.text
        await other.close()
