"""What is loaded at a start and after changes: many servers by few queries, and none of them at another's mercy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from app.services.tools import Tools
from tests.app.conftest import hide_settings
from tests.app.descriptions import description, operation
from tests.app.gateways import Gateway, gateway

SERVERS = 45


@pytest.fixture(autouse=True)
def _no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hide_settings(monkeypatch, tmp_path)


async def create_all(one: Gateway) -> None:
    for number in range(SERVERS):
        paths = {f"/{number}": {"get": operation(f"tool_{number}")}}
        await one.create(description(paths), name=f"s{number}")
    renamed = await one.http.patch("/api/v1/namespaces/default/servers/s7/tools/tool_7", json={"name": "seventh"})
    assert renamed.status_code == 200, renamed.text
    disabled = await one.http.patch("/api/v1/namespaces/default/servers/s8", json={"enabled": False})
    assert disabled.status_code == 200, disabled.text


def served(one: Gateway) -> dict[str, list[str]]:
    return {name: list(each.tools) for (_, name), each in one.application.catalog.all().items() if name != "causeway"}


async def test_a_start_loads_many_servers_by_few_queries_each_with_what_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L03."""
    async with gateway(tmp_path / "data", monkeypatch) as one:
        await create_all(one)
    asked: list[str] = []

    def note(*call: Any) -> None:
        asked.append(call[2])

    event.listen(Engine, "before_cursor_execute", note)
    try:
        async with gateway(tmp_path / "data", monkeypatch) as again:
            found = served(again)
            snapshot = again.application.catalog.find("default", "s7")
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    expected = {f"s{number}": [f"tool_{number}"] for number in range(SERVERS) if number != 8} | {"s7": ["seventh"]}
    assert found == expected
    assert snapshot is not None
    assert snapshot.tool("tool_7") is snapshot.tools["seventh"]
    assert sum("FROM tools" in each for each in asked) < SERVERS // 5


async def test_a_server_that_cannot_be_loaded_keeps_no_other_from_being_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with gateway(tmp_path / "data", monkeypatch) as one:
        await create_all(one)
    load = Tools.load

    async def breaking(self: Tools, servers: Any) -> Any:
        if any(each.name == "s3" for each in servers):
            raise ValueError("a defect")
        return await load(self, servers)

    monkeypatch.setattr(Tools, "load", breaking)
    async with gateway(tmp_path / "data", monkeypatch) as again:
        assert served(again).keys() == {f"s{number}" for number in range(SERVERS)} - {"s3", "s8"}
    assert [each.getMessage() for each in caplog.records] == ["the server default/s3 could not be loaded"]
