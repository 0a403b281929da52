"""`serve --config DIR`: the servers are what the directory says, while it changes."""

from __future__ import annotations

import asyncio
import copy
import json
from pathlib import Path
from typing import Any

import pytest

from app.cli import Failure
from app.cli.config_directory import ConfigDirectory
from tests.app.descriptions import PETS
from tests.app.gateways import SERVERS, Gateway


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    return folder


def declare(folder: Path, name: str, *, document: Any = PETS, **more: Any) -> Path:
    (folder / "documents").mkdir(exist_ok=True)
    (folder / "documents" / f"{name}.json").write_text(json.dumps(document))
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps({"name": name, "source": {"file": f"documents/{name}.json"}, **more}))
    return path


async def names(gateway: Gateway) -> list[str]:
    return [each["name"] for each in (await gateway.http.get(SERVERS)).json()["items"]]


async def server(gateway: Gateway, name: str) -> Any:
    return (await gateway.http.get(f"{SERVERS}/{name}")).json()


async def test_what_changes_is_applied_and_what_is_gone_is_deleted(served: Gateway, folder: Path) -> None:
    await served.create(name="by_hand")
    declare(folder, "cats")
    declare(folder, "pets")
    directory = ConfigDirectory(folder, served.application)
    await directory.look()
    assert await names(served) == ["by_hand", "cats", "pets"]
    before = await server(served, "pets")
    declare(folder, "cats", base_url="https://cats.example")
    await directory.look()
    assert (await server(served, "cats"))["base_url"] == "https://cats.example"
    assert await server(served, "pets") == before
    less = copy.deepcopy(PETS)
    del less["paths"]["/pets/{petId}"]
    (folder / "documents" / "pets.json").write_text(json.dumps(less))
    await directory.look()
    assert await served.listed() == ["list_pets", "add_pet"]
    (folder / "cats.yaml").unlink()
    await directory.look()
    assert await names(served) == ["by_hand", "pets"]


@pytest.mark.parametrize(
    "bad", ["name: [", "name: pets\nsource: {file: documents/pets.json}\nsurplus: 1\n", "document"]
)
async def test_a_bad_file_never_replaces_what_was_good_and_is_shown(
    served: Gateway, folder: Path, bad: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = declare(folder, "pets", instructions="Good.")
    cats = declare(folder, "cats")
    directory = ConfigDirectory(folder, served.application)
    await directory.look()
    before = await served.listed()
    if bad == "document":
        (folder / "documents" / "pets.json").write_text("{}")
    else:
        path.write_text(bad)
    cats.unlink()
    await directory.look()
    shown = await server(served, "pets")
    assert await served.listed() == before
    assert (shown["instructions"], shown["revision"]) == ("Good.", 1)
    assert [each["code"] for each in shown["conditions"]] == ["declaration_refused"]
    assert shown["conditions"][0]["message"] in capsys.readouterr().err
    assert shown["conditions"][0]["since"]
    assert "cats" in await names(served), "nothing is deleted while a file is wrong"
    declare(folder, "pets", instructions="Better.")
    await directory.look()
    shown = await server(served, "pets")
    assert (shown["instructions"], shown["conditions"]) == ("Better.", [])
    assert await names(served) == ["pets"]


async def test_a_directory_that_is_empty_or_gone_deletes_nothing(served: Gateway, folder: Path) -> None:
    path = declare(folder, "pets")
    directory = ConfigDirectory(folder, served.application)
    await directory.look()
    path.unlink()
    await directory.look()
    await asyncio.to_thread(folder.rename, folder.with_name("away"))
    await directory.look()
    assert await names(served) == ["pets"]


async def test_two_files_for_one_server_are_told(
    served: Gateway, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = declare(folder, "pets")
    (folder / "twice.yaml").write_text(first.read_text())
    await ConfigDirectory(folder, served.application).look()
    assert "another file declares 'pets' already" in capsys.readouterr().err


async def test_what_is_no_directory_is_told(served: Gateway, folder: Path) -> None:
    with pytest.raises(Failure, match="not a directory"):
        ConfigDirectory(folder / "nowhere", served.application)
