from __future__ import annotations

from pathlib import Path

import pytest

import app.main
import app.parts
from app.main import Application
from app.settings import load
from tests.app.descriptions import PETS
from tests.app.gateways import KEY, SERVERS, Gateway, InProcessCompiler, gateway

pytestmark = pytest.mark.usefixtures("clean_environment")
OWN = f"{SERVERS}/causeway"


async def test_the_gateway_is_its_own_first_server_with_what_only_reads(local: Gateway) -> None:
    server = (await local.http.get(OWN)).json()
    assert (server["title"], server["revision"], server["base_url"]) == ("Causeway", 1, "http://127.0.0.1:8080")
    assert not [each for each in server["diagnostics"] if each["severity"] == "error"]
    tools = (await local.http.get(f"{OWN}/tools")).json()["items"]
    assert {each["enabled"] for each in tools if each["method"] == "GET"} == {True}
    assert {each["enabled"] for each in tools if each["method"] != "GET"} == {False}
    assert sorted(await local.listed(server="causeway")) == sorted(each["name"] for each in tools if each["enabled"])


async def test_it_is_made_once_and_not_again_after_it_was_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gateway(tmp_path, monkeypatch) as running:
        assert (await running.http.delete(OWN)).status_code == 204
    async with gateway(tmp_path, monkeypatch) as running:
        assert (await running.http.get(OWN)).status_code == 404


async def test_a_second_start_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with gateway(tmp_path, monkeypatch) as running:
        before = (await running.http.get(OWN)).json()
    async with gateway(tmp_path, monkeypatch) as running:
        assert (await running.http.get(OWN)).json() == before


async def test_it_follows_the_gateway_to_another_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with gateway(tmp_path, monkeypatch):
        pass
    monkeypatch.setattr(app.parts, "Compiler", InProcessCompiler)
    moved = Application(load(data_dir=tmp_path), public_url="http://127.0.0.1:9999")
    async with moved.running():
        server = (await moved.publishing.servers.read("default", "causeway")).server
    assert (server.base_url, server.revision) == ("http://127.0.0.1:9999", 1)


async def test_it_follows_a_new_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with gateway(tmp_path, monkeypatch) as running:
        await running.http.patch(f"{OWN}/tools/delete_server", json={"enabled": True})
    monkeypatch.setattr(app.main, "version", lambda: "99.0.0")
    async with gateway(tmp_path, monkeypatch) as running:
        assert (await running.http.get(OWN)).json()["revision"] == 2
        assert "delete_server" in await running.listed(server="causeway")


async def test_a_server_that_somebody_made_under_its_name_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gateway(tmp_path, monkeypatch) as running:
        await running.http.delete(OWN)
        before = await running.create(name="causeway", base_url="http://127.0.0.1:7")
    async with gateway(tmp_path, monkeypatch) as running:
        assert (await running.http.get(OWN)).json() == before


async def test_a_description_that_somebody_put_in_its_place_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gateway(tmp_path, monkeypatch) as running:
        await running.http.put(f"{OWN}/document", json={"document": PETS, "base_url": "http://127.0.0.1:7"})
    async with gateway(tmp_path, monkeypatch) as running:
        server = (await running.http.get(OWN)).json()
    assert (server["title"], server["revision"], server["base_url"]) == ("Pets", 2, "http://127.0.0.1:7")


async def test_service_mode_makes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with gateway(tmp_path, monkeypatch, admin_key=KEY) as running:
        assert (await running.http.get(OWN)).status_code == 404
