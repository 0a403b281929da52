"""F25: the clock on the wall is set by an hour, forward and back, under a gateway that runs."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.app.descriptions import PETS
from tests.app.gateways import KEY, SECRET_KEY
from tests.e2e import gateways
from tests.e2e.backends import answer, running_backend
from tests.e2e.gateways import Gateway, request, started_gateway

HOUR = 3600
# A program whose wall clock is off by the seconds in a file. What it measures time with is as ever.
SHIFTED = """
import datetime, sys, time
from pathlib import Path

offset, real = Path({offset!r}), time.time
time.time = lambda: real() + float(offset.read_text())

import app.main, app.services.keys
from app.cli import main

class Shifted(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.datetime.fromtimestamp(time.time(), tz)

for name, module in list(sys.modules.items()):
    if name.startswith("app.") and getattr(module, "datetime", None) is datetime.datetime:
        module.datetime = Shifted
main()
"""


class Clock:
    """The wall clock of a gateway."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(0)

    def set(self, seconds: float) -> None:
        made = self._file.with_suffix(".new")
        made.write_text(str(seconds))
        made.replace(self._file)


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    script = tmp_path / "shifted.py"
    script.write_text(SHIFTED.format(offset=str(tmp_path / "offset")))
    monkeypatch.setattr(gateways, "CAUSEWAY", (sys.executable, str(script)))
    return Clock(tmp_path / "offset")


def made_key(gateway: Gateway, **members: Any) -> dict[str, str]:
    """Make a key, and give the header that shows it."""
    made = gateway.http.post(f"{gateway.url}/api/v1/keys", json={"scopes": ["call"], **members}, headers=OPERATOR)
    assert made.status_code == 201, made.text
    return {"Authorization": f"Bearer {made.json()['key']}"}


OPERATOR = {"Authorization": f"Bearer {KEY}"}


def called(gateway: Gateway, server: str, headers: dict[str, str], tool: str = "get_pet") -> httpx2.Response:
    message = request("tools/call", name=tool, arguments={"petId": 7})
    sent = {"MCP-Protocol-Version": "2025-11-25", **headers}
    return gateway.http.post(gateway.mcp_url(server), json=message, headers=sent)


def code_of(given: httpx2.Response) -> str:
    """Give the code of a tool's error."""
    assert given.status_code == 200, given.text
    code: str = given.json()["result"].get("_meta", {}).get("causeway/code", "ok")
    return code


def opened(gateway: Gateway, server: str, headers: dict[str, str]) -> None:
    """Call an API that fails until its breaker is open."""
    codes = [code_of(called(gateway, server, headers, "delete_pet")) for _ in range(11)]
    assert codes[-1] == "upstream_unavailable"


def test_limits_breakers_streams_and_keys_stay_as_they_are_when_the_clock_is_set(tmp_path: Path, clock: Clock) -> None:
    """F25: what is measured goes on, what expires does by the clock, and nothing breaks."""
    settings = {"CAUSEWAY_ADMIN_KEY": KEY, "CAUSEWAY_SECRET_KEY": SECRET_KEY, "CAUSEWAY_EGRESS_ALLOW": "127.0.0.0/8"}
    with running_backend() as api, started_gateway(tmp_path, settings=settings, is_quiet=False) as gateway:
        api.table["GET", "/well/pets/7"] = answer(b'{"id": 7, "name": "Rex"}')
        api.table["DELETE", "/ill/pets/7"] = answer(b"{}", status="503 Service Unavailable")
        for name in ("well", "ill"):
            body = {"name": name, "document": PETS, "base_url": f"{api.url}/{name}"}
            assert gateway.http.post(gateway.api, json=body, headers=OPERATOR).status_code == 201
        limited, lasting = made_key(gateway, limits={"calls_per_minute": 3}), made_key(gateway)
        in_half_an_hour = (datetime.now(UTC) + timedelta(minutes=30)).isoformat()
        expiring = made_key(gateway, expires_at=in_half_an_hour)
        assert [called(gateway, "well", limited).status_code for _ in range(4)] == [200] * 3 + [429]

        sse = {**lasting, "Accept": "text/event-stream"}
        with gateway.http.stream("GET", f"{gateway.mcp_url('well')}/sse", headers=sse) as stream:
            lines = (line for line in stream.iter_lines() if line)
            assert next(lines) == "event: endpoint"
            client = {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
            messages = gateway.url + next(lines).removeprefix("data: ")
            assert gateway.http.post(messages, json=request("initialize", **client), headers=lasting).is_success
            assert [next(lines), "serverInfo" in next(lines)] == ["event: message", True]
            for turn, seconds in enumerate((HOUR, -HOUR, 0)):
                # An open breaker stays so for half a minute, which a slow machine may have taken since.
                opened(gateway, "ill", lasting)
                sent = len(api.received)
                clock.set(seconds)
                assert code_of(called(gateway, "ill", lasting, "delete_pet")) == "upstream_unavailable"
                refused = called(gateway, "well", limited)
                assert refused.status_code == 429
                assert 1 <= int(refused.headers["retry-after"]) <= 60
                assert len(api.received) == sent
                assert code_of(called(gateway, "well", lasting)) == "ok"
                assert called(gateway, "nowhere", expiring).status_code == (401 if seconds == HOUR else 404)
                path = f"{gateway.api}/well/tools/get_pet"
                changed = gateway.http.patch(path, json={"description": f"turn {turn}"}, headers=OPERATOR)
                assert changed.status_code == 200, changed.text
                assert next(lines) == "event: message"
                assert "list_changed" in next(lines)
                for probe in ("healthz", "readyz"):
                    assert gateway.http.get(f"{gateway.url}/{probe}").status_code == 200
        assert "Traceback" not in gateway.errors.read_text()
