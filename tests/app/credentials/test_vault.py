"""Secrets in HashiCorp Vault, against a look-alike that speaks its HTTP API (KV version 1 and 2)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.errors import UpstreamError
from app.outbound import EgressPolicy
from app.outbound.vault import Vault
from tests.app.backends import Received, backend, json_reply, reply
from tests.app.credentials.apis import CREDENTIALS, call, secured, text
from tests.app.credentials.token_server import Peer, serving
from tests.app.gateways import KEY, Gateway, gateway

TOKEN = "hvs.canary-vault-token"
PET = json_reply(b'{"id": 7, "name": "Rex"}')
REFERENCE = {"source": "vault", "path": "secret/data/apis/pets", "field": "key"}


@dataclass
class VaultServer:
    """What a Vault holds by the paths of its API; `status` is what it answers instead."""

    secrets: dict[str, dict[str, Any]] = field(default_factory=dict)
    token: str = TOKEN
    status: str = ""
    seconds: float = 0.0

    async def answer(self, request: Received) -> bytes:
        await asyncio.sleep(self.seconds)
        if self.status:
            return reply(self.status, b'{"errors": ["Vault is sealed"]}')
        if request.values("X-Vault-Token") != [self.token] or request.values("X-Vault-Request") != ["true"]:
            return reply("403 Forbidden", b'{"errors": ["permission denied"]}')
        found = self.secrets.get(request.target.removeprefix("/v1/"))
        if found is None:
            return reply("404 Not Found", b'{"errors": []}')
        data = {"data": found, "metadata": {"version": 3}} if "/data/" in request.target else found
        return json_reply(json.dumps({"request_id": "x", "lease_duration": 0, "data": data}).encode())


@dataclass
class Kept:
    """A gateway and the Vault behind it."""

    gateway: Gateway
    vault: VaultServer
    peer: Peer


@asynccontextmanager
async def kept_in_vault(folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> AsyncIterator[Kept]:
    """Run a gateway in service mode; the Vault's address is on no egress list."""
    vault = VaultServer({"secret/data/apis/pets": {"key": "canary-from-vault"}, "kv/pets": {"key": "canary-version-1"}})
    async with serving(vault.answer) as peer:
        given = {
            "admin_key": KEY,
            "vault_address": peer.url,
            "vault_token": TOKEN,
            "vault_paths": ("secret/data/apis", "kv/"),
            "egress_allow": (),
            **settings,
        }
        async with gateway(folder, monkeypatch, **given) as running:
            yield Kept(running, vault, peer)


def stored(folder: Path) -> bytes:
    """Give everything that lies in a folder."""
    return b"".join(each.read_bytes() for each in folder.rglob("*") if each.is_file())


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a condition holds, at most for a minute."""
    for _ in range(1200):
        if await condition():
            return
        await asyncio.sleep(0.05)
    pytest.fail("it did not come true")


@pytest.fixture(autouse=True)
def _clean(clean_environment: None) -> None:
    return


@pytest.mark.parametrize(
    ("path", "value"), [("secret/data/apis/pets", "canary-from-vault"), ("kv/pets", "canary-version-1")]
)
async def test_a_credential_is_a_reference_and_the_request_carries_what_vault_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, value: str
) -> None:
    async with backend(PET) as api:
        place = f"127.0.0.1:{api.port}"
        async with kept_in_vault(tmp_path, monkeypatch, egress_allow=(place,)) as kept:
            await kept.gateway.create(secured([{"header": []}]), base_url=api.url)
            put = await kept.gateway.http.put(f"{CREDENTIALS}/header", json={**REFERENCE, "path": path})
            assert put.json()["source"] == {**REFERENCE, "path": path, "name": None}
            assert value not in put.text
            assert (await call(kept.gateway))["isError"] is False
    assert api.requests[0].values("X-Api-Key") == [value]
    assert value.encode() not in stored(tmp_path)


async def test_what_changes_in_vault_is_used_before_long_and_an_outage_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with backend(PET) as api:
        settings = {"egress_allow": ("127.0.0.0/8",), "vault_ttl": 1}
        async with kept_in_vault(tmp_path, monkeypatch, **settings) as kept:
            await kept.gateway.create(secured([{"header": []}]), base_url=api.url)
            await kept.gateway.http.put(f"{CREDENTIALS}/header", json=REFERENCE)
            kept.vault.secrets["secret/data/apis/pets"] = {"key": "canary-rotated"}

            async def is_rotated() -> bool:
                await call(kept.gateway)
                return api.requests[-1].values("X-Api-Key") == ["canary-rotated"]

            async def is_asked_again() -> bool:
                return len(kept.peer.requests) > asked

            async def is_refused() -> bool:
                return (await call(kept.gateway))["isError"] is True

            await until(is_rotated)
            kept.vault.status = "503 Service Unavailable"
            asked = len(kept.peer.requests)
            await until(is_asked_again)
            await kept.gateway.application.secrets.credentials.refresh()
            assert (await call(kept.gateway))["isError"] is False
            kept.vault.status, kept.vault.token = "", "another"
            await until(is_refused)
            assert "cannot be read; supply it again" in text(await call(kept.gateway))


@pytest.mark.parametrize(
    "source",
    [
        {**REFERENCE, "path": "secret/data/other"},
        {**REFERENCE, "path": "secret/data/apis-of-others"},
        {**REFERENCE, "path": "secret/data/apis/../other"},
        {**REFERENCE, "path": "secret/data/apis/%2e%2e/other"},
        {**REFERENCE, "path": "secret/data/apis/pets?version=1"},
        {**REFERENCE, "path": "secret/data/apis/pets#x"},
        {**REFERENCE, "path": "/secret/data/apis/pets"},
        {**REFERENCE, "path": ""},
        {"source": "vault", "path": "secret/data/apis/pets"},
        {**REFERENCE, "name": "PETS_KEY"},
    ],
)
async def test_a_path_that_is_not_listed_is_not_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: dict[str, str]
) -> None:
    async with kept_in_vault(tmp_path, monkeypatch) as kept:
        await kept.gateway.create(secured([{"header": []}]), base_url="https://api.example")
        answer = await kept.gateway.http.put(f"{CREDENTIALS}/header", json=source)
    assert (answer.status_code, answer.json()["code"]) == (422, "secret_source_invalid")
    assert kept.peer.requests == []


@pytest.mark.parametrize("fault", ["field", "path", "not a text", "token", "sealed", "no data"])
async def test_what_vault_does_not_give_is_told_without_its_address_or_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    async with kept_in_vault(tmp_path, monkeypatch) as kept:
        source = dict(REFERENCE)
        if fault == "field":
            source["field"] = "absent"
        elif fault == "path":
            source["path"] += "/absent"
        elif fault == "not a text":
            kept.vault.secrets["secret/data/apis/pets"] = {"key": 5}
        elif fault == "token":
            kept.vault.token = "another"
        else:
            kept.vault.status = "503 Sealed" if fault == "sealed" else "200 OK"
        await kept.gateway.create(secured([{"header": []}]), base_url="https://api.example")
        answer = await kept.gateway.http.put(f"{CREDENTIALS}/header", json=source)
        assert len(kept.peer.requests) == 1
        assert (answer.status_code, answer.json()["code"]) == (422, "secret_source_invalid")
        assert not any(hint in answer.text for hint in ("127.0.0.1", TOKEN, "canary"))
        # It is not remembered: what is put right is found at once.
        kept.vault.secrets["secret/data/apis/pets"] = {"key": "canary", "absent": "canary"}
        kept.vault.secrets["secret/data/apis/pets/absent"] = {"key": "canary"}
        kept.vault.token, kept.vault.status = TOKEN, ""
        assert (await kept.gateway.http.put(f"{CREDENTIALS}/header", json=source)).status_code == 200


async def test_the_address_of_the_vault_opens_nothing_for_tools(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with kept_in_vault(tmp_path, monkeypatch) as kept:
        await kept.gateway.create(base_url=kept.peer.url)
        result = await call(kept.gateway, "get_pet", petId=7)
    assert result["_meta"]["causeway/code"] == "egress_denied"
    assert kept.peer.requests == []


async def test_the_token_is_read_from_its_file_for_each_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    token.write_text("old\n")
    settings = {"vault_token": None, "vault_token_file": token}
    async with kept_in_vault(tmp_path / "data", monkeypatch, **settings) as kept:
        await kept.gateway.create(secured([{"header": []}]), base_url="https://api.example")
        assert (await kept.gateway.http.put(f"{CREDENTIALS}/header", json=REFERENCE)).status_code == 422
        token.write_text(f"{TOKEN}\n")
        assert (await kept.gateway.http.put(f"{CREDENTIALS}/header", json=REFERENCE)).status_code == 200


async def test_several_at_once_ask_once_until_the_time_is_over() -> None:
    now = 0.0
    server = VaultServer({"kv/pets": {"key": "one"}})
    async with serving(server.answer) as peer:
        vault = Vault(EgressPolicy(), peer.url, lambda: TOKEN, ttl=300, clock=lambda: now)
        try:
            server.seconds = 0.05
            answers = await asyncio.gather(*(vault.read("kv/pets") for _ in range(20)))
            assert (answers, len(peer.requests)) == ([{"key": "one"}] * 20, 1)
            now = 299.0
            await vault.read("kv/pets")
            assert len(peer.requests) == 1
            now = 300.0
            server.secrets["kv/pets"] = {"key": "two"}
            assert await vault.read("kv/pets") == {"key": "two"}
            assert len(peer.requests) == 2
        finally:
            await vault.close()


async def test_a_vault_that_is_away_is_left_alone_for_a_moment() -> None:
    now = 0.0
    async with backend(reply("200 OK")) as gone:
        pass
    vault = Vault(EgressPolicy(), gone.url, lambda: TOKEN, ttl=300, clock=lambda: now)
    try:
        told = []
        for moment in (0.0, 1.0, 6.0):
            now = moment
            with pytest.raises(UpstreamError) as caught:
                await vault.read("kv/pets")
            told.append(caught.value.message)
        assert told == ["Vault could not be asked.", "Vault did not answer a moment ago.", "Vault could not be asked."]
    finally:
        await vault.close()
