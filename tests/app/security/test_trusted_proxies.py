"""What proxies in front say of a request (acceptance S18): believed where the operator lists them, and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.security.trusted_proxies import TrustedProxies, forwarded_origin
from app.settings import SettingsError, load
from tests.app.backends import backend, json_reply
from tests.app.gateways import KEY, PUBLIC_URL, SERVERS, gateway

PROXY = "10.9.8.7"
EVERYWHERE = "0.0.0.0"  # noqa: S104
FORWARDED = {
    "X-Forwarded-Host": "mcp.corp.example",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Uri": "https://evil.example/",
    "X-Original-Url": "/evil",
    "X-Rewrite-Url": "/evil",
    "Forwarded": "host=evil.example;proto=https",
}


@asynccontextmanager
async def reached_from(
    address: str, folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any
) -> AsyncIterator[httpx2.AsyncClient]:
    """Run a gateway behind a proxy, and give a client at `address`."""
    given = {"host": EVERYWHERE, "admin_key": KEY, "egress_allow": ("127.0.0.1",), **settings}
    async with (
        gateway(folder, monkeypatch, reached_at=f"http://{EVERYWHERE}:8080", **given) as running,
        backend(json_reply(b'{"id": 7, "name": "Rex"}')) as api,
        httpx2.AsyncClient(
            transport=httpx2.ASGITransport(running.application, client=(address, 40_000)),
            base_url=PUBLIC_URL,
            headers={"Authorization": f"Bearer {KEY}", **FORWARDED},
        ) as http,
    ):
        await running.create(base_url=api.url)
        await http.post(f"{SERVERS}/pets/tools/get_pet/call", json={"arguments": {"petId": 7}})
        yield http
        (request,) = api.requests
        assert request.target == "/pets/7"
        assert request.values("Host") == [f"127.0.0.1:{api.port}"]
        assert not {name.lower() for name, _ in request.headers} & {name.lower() for name in FORWARDED}


@pytest.mark.parametrize(
    ("address", "trusted", "expected"),
    [
        (PROXY, (), f"http://{EVERYWHERE}:8080"),
        (PROXY, ("10.9.8.0/30",), f"http://{EVERYWHERE}:8080"),
        ("203.0.113.1", ("10.0.0.0/8",), f"http://{EVERYWHERE}:8080"),
        (PROXY, ("10.0.0.0/8",), "https://mcp.corp.example"),
    ],
    ids=["none listed", "another", "not from it", "listed"],
)
async def test_links_lead_where_a_listed_proxy_was_asked_and_the_request_to_the_api_stays_as_it_is(
    clean_environment: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    trusted: tuple[str, ...],
    expected: str,
) -> None:
    """S18."""
    async with reached_from(address, tmp_path, monkeypatch, trusted_proxies=trusted) as http:
        server = (await http.get(f"{SERVERS}/pets")).json()
    assert server["endpoints"]["streamable_http"] == f"{expected}/mcp/default/pets"


async def test_a_public_url_that_is_set_stays_what_links_begin_with(
    clean_environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"trusted_proxies": (PROXY,), "public_url": "https://set.example/causeway"}
    async with reached_from(PROXY, tmp_path, monkeypatch, **settings) as http:
        server = (await http.get(f"{SERVERS}/pets")).json()
    assert "mcp.corp.example" not in str(server["endpoints"])


@pytest.mark.parametrize(
    ("fields", "client", "origin"),
    [
        ([("x-forwarded-for", "1.2.3.4, 203.0.113.9")], "203.0.113.9", ""),
        ([("x-forwarded-for", "1.2.3.4, 203.0.113.9, 10.1.1.1")], "203.0.113.9", ""),
        ([("x-forwarded-host", "evil.example, a.example")], PROXY, "http://a.example"),
        ([("x-forwarded-host", "evil.example"), ("x-forwarded-host", "a.example")], PROXY, "http://a.example"),
        ([("x-forwarded-host", "")], PROXY, ""),
        ([], PROXY, ""),
    ],
)
async def test_of_what_several_proxies_say_the_nearest_one_counts(
    fields: list[tuple[str, str]], client: str, origin: str
) -> None:
    """A17's address, too: what a client writes itself comes before what the proxies add."""
    seen: list[MutableMapping[str, Any]] = []

    async def inner(scope: MutableMapping[str, Any], *_: Any) -> None:
        seen.append(scope)

    headers = [(b"host", b"gateway"), *((name.encode(), value.encode()) for name, value in fields)]
    scope = {"type": "http", "scheme": "http", "client": (PROXY, 1), "headers": headers}
    await TrustedProxies(inner, ["10.0.0.0/8"])(scope, None, None)  # type: ignore[arg-type]
    (found,) = seen
    assert (found["client"][0], forwarded_origin(found)) == (client, origin)


def test_local_mode_has_no_proxies(clean_environment: None) -> None:
    with pytest.raises(SettingsError, match="CAUSEWAY_TRUSTED_PROXIES needs service mode"):
        load(trusted_proxies=("127.0.0.1",))
