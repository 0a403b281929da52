"""F18: a SQLite file that cannot grow refuses what would make it grow, and stays whole."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.app.descriptions import PETS, description, operation
from tests.app.gateways import SERVERS, Gateway, gateway

LARGE = description({f"/pet{index}": {"get": operation(f"get_{index}", summary="x" * 900)} for index in range(100)})


@pytest.fixture
async def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path, monkeypatch) as running:
        yield running


async def ask(one: Gateway, statement: str) -> str:
    """Ask the only connection that writes."""
    async with one.application.database._engines.writer.connect() as connection:  # noqa: SLF001 - a limit of that connection
        return str((await connection.execute(text(statement))).scalar_one())


async def test_what_does_not_fit_on_the_disk_is_503_and_what_is_there_stays(local: Gateway) -> None:
    """F18: disk full, `integrity_check` is ok, and with room again the same import works."""
    await local.create()
    pages = int(await ask(local, "PRAGMA page_count"))
    await ask(local, f"PRAGMA max_page_count = {pages + 2}")
    for method, path, body in (
        ("PUT", f"{SERVERS}/pets/document", {"document": LARGE}),
        ("POST", SERVERS, {"name": "large", "document": LARGE}),
    ):
        refused = await local.http.request(method, path, json=body, headers={"Idempotency-Key": "full"})
        assert (refused.status_code, refused.json()["code"]) == (503, "registry_unavailable"), refused.text
        assert await ask(local, "PRAGMA integrity_check") == "ok"
    assert set(await local.listed()) == {"list_pets", "add_pet", "get_pet", "delete_pet"}
    kept = await local.http.get(f"{SERVERS}/pets/document")
    assert json.loads(kept.content) == PETS

    await ask(local, f"PRAGMA max_page_count = {pages + 100_000}")
    again = await local.http.put(f"{SERVERS}/pets/document", json={"document": LARGE})
    assert (again.status_code, again.json()["revision"]) == (200, 2), again.text
    assert len(await local.listed()) == 100
    assert await ask(local, "PRAGMA integrity_check") == "ok"
