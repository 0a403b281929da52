"""A20: the first key, from what `causeway serve` shows."""

from __future__ import annotations

import re
from pathlib import Path

from tests.app.gateways import SECRET_KEY
from tests.e2e.gateways import START_SECONDS, Gateway, started_gateway, wait_until

SETTINGS = {"CAUSEWAY_SECRET_KEY": SECRET_KEY, "CAUSEWAY_HOST": "0.0.0.0"}  # noqa: S104
TOKEN = re.compile(r"cws_\w+")


def said(gateway: Gateway, text: str) -> str:
    """Wait for what the gateway shows after its announcement."""
    wait_until(lambda: text in gateway.output.read_text(), text, seconds=START_SECONDS)
    return gateway.output.read_text()


def test_the_first_start_shows_a_token_once_that_makes_the_first_key_after_a_restart(tmp_path: Path) -> None:
    with started_gateway(tmp_path, settings=SETTINGS) as gateway:
        output = said(gateway, "-d '")
        (token,) = TOKEN.findall(output)
        assert f"curl {gateway.url}/api/v1/setup" in output
    with started_gateway(tmp_path, settings=SETTINGS) as gateway:
        assert not TOKEN.search(said(gateway, "was shown on"))
        made = gateway.http.post(f"{gateway.url}/api/v1/setup", json={"token": token})
        assert made.status_code == 201, made.text
        header = {"Authorization": f"Bearer {made.json()['key']}"}
        assert gateway.http.get(gateway.api, headers=header).status_code == 200
    with started_gateway(tmp_path, settings=SETTINGS) as gateway:
        assert gateway.http.get(gateway.api, headers=header).status_code == 200
        assert gateway.http.post(f"{gateway.url}/api/v1/setup", json={"token": token}).status_code == 403
        assert "no key yet" not in gateway.output.read_text()
    files = [each.read_text(errors="replace") for each in tmp_path.glob("std*")]
    assert sum(text.count(token) for text in files) == 1
