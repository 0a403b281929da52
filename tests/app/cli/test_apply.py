"""`causeway apply` and `export`: files that declare servers, and the same back."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from app.cli.yaml_text import to_yaml
from converters.documents import parse
from tests.app.cli.commands import module_gateway, run
from tests.app.descriptions import PETS
from tests.app.gateways import KEY

SCHEMES = {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}
SECURED = {**PETS, "components": {"securitySchemes": SCHEMES}, "security": [{"key": []}]}


@pytest.fixture(scope="module")
def operator_secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a file in which the operator of the gateway keeps a secret."""
    path = tmp_path_factory.mktemp("secrets") / "key"
    path.write_text("a-secret-of-the-operator\n")
    return path


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, operator_secret: Path) -> Iterator[str]:
    yield from module_gateway(tmp_path_factory.mktemp("gateway"), credential_files=(operator_secret,))


@pytest.fixture
def namespace(gateway: str, tmp_path: Path) -> str:
    """Make a namespace of the test's own."""
    name = "n-" + "".join(each for each in tmp_path.name.lower() if each.isalnum())[-40:]
    answer = httpx2.post(
        f"{gateway}/api/v1/namespaces", json={"name": name}, headers={"X-API-Key": KEY}, trust_env=False
    )
    assert answer.status_code == 201, answer.text
    return name


def get(gateway: str, path: str) -> Any:
    answer = httpx2.get(f"{gateway}/api/v1/{path}", headers={"X-API-Key": KEY}, trust_env=False)
    return answer.json() if answer.status_code == 200 else None


def declare(folder: Path, name: str, namespace: str, *, document: Any = PETS, **more: Any) -> Path:
    """Write a declaration and its document."""
    (folder / "documents").mkdir(exist_ok=True, parents=True)
    (folder / "documents" / f"{name}.yaml").write_text(json.dumps(document))
    declaration = {"namespace": namespace, "name": name, "source": {"file": f"documents/{name}.yaml"}, **more}
    path = folder / f"{name}.yaml"
    path.write_text(to_yaml(declaration))
    return path


def apply(gateway: str, place: Path, *options: str) -> tuple[int, str, str]:
    return run("apply", "-f", place, "--to", gateway, "--key", KEY, *options)


def export(gateway: str, folder: Path, namespace: str) -> dict[str, bytes]:
    assert run("export", "--from", gateway, "--key", KEY, "--namespace", namespace, "-o", folder)[0] == 0
    return {
        each.relative_to(folder).as_posix(): each.read_bytes() for each in sorted(folder.rglob("*")) if each.is_file()
    }


def test_a_directory_is_applied_once(gateway: str, namespace: str, tmp_path: Path) -> None:
    """B31."""
    declare(tmp_path, "cats", namespace, base_url="https://cats.example")
    declare(tmp_path, "pets", namespace)
    assert apply(gateway, tmp_path, "--dry-run")[:2] == (0, f"{namespace}/cats: created\n{namespace}/pets: created\n")
    assert get(gateway, f"namespaces/{namespace}/servers")["items"] == []
    assert apply(gateway, tmp_path)[:2] == (0, f"{namespace}/cats: created\n{namespace}/pets: created\n")
    assert apply(gateway, tmp_path)[:2] == (0, f"{namespace}/cats: unchanged\n{namespace}/pets: unchanged\n")
    declare(tmp_path, "cats", namespace, base_url="https://other.example")
    assert apply(gateway, tmp_path / "cats.yaml")[:2] == (0, f"{namespace}/cats: changed (base_url)\n")


def test_a_changed_document_is_told_with_what_changes(gateway: str, namespace: str, tmp_path: Path) -> None:
    declare(tmp_path, "pets", namespace)
    apply(gateway, tmp_path)
    less = copy.deepcopy(PETS)
    del less["paths"]["/pets/{petId}"]
    declare(tmp_path, "pets", namespace, document=less)
    output = apply(gateway, tmp_path)[1]
    assert "breaking    removed  get_pet  (GET /pets/{petId})\n" in output
    assert output.endswith(f"{namespace}/pets: changed (description)\n")


def test_what_was_applied_comes_back_and_applied_again_changes_nothing(
    gateway: str, namespace: str, tmp_path: Path, operator_secret: Path
) -> None:
    """B31, K16."""
    declare(
        tmp_path / "first",
        "pets",
        namespace,
        document=SECURED,
        base_url="https://pets.example/v3",
        instructions="Be kind: to pets.\nAlways.",
        policies={"heal_numbers": True, "review": "review"},
        enabled=False,
        tools={"GET /pets": {"name": "find_pets", "description": "no"}, "GET /gone": {"enabled": False}},
        credentials={"key": {"secretRef": {"source": "file", "path": str(operator_secret)}}},
        headers={"X-Tenant": {"secretRef": {"source": "file", "path": str(operator_secret)}, "is_secret": False}},
    )
    assert apply(gateway, tmp_path / "first")[0] == 0
    exported = export(gateway, tmp_path / "second", namespace)
    assert set(exported) == {"pets.yaml", "documents/pets.yaml"}
    assert yaml.safe_load(exported["pets.yaml"]) == yaml.safe_load((tmp_path / "first" / "pets.yaml").read_text())
    assert exported["documents/pets.yaml"] == json.dumps(SECURED).encode()
    assert b"a-secret-of-the-operator" not in b"".join(exported.values())
    assert apply(gateway, tmp_path / "second")[:2] == (0, f"{namespace}/pets: unchanged\n")
    assert export(gateway, tmp_path / "third", namespace) == exported


def test_a_split_description_and_its_overlay_come_back(gateway: str, namespace: str, tmp_path: Path) -> None:
    split = copy.deepcopy(PETS)
    split["paths"]["/pets"] = {"$ref": "pets.json"}
    first = tmp_path / "first"
    path = declare(first, "pets", namespace)
    (first / "api").mkdir()
    (first / "api" / "openapi.json").write_text(json.dumps(split))
    (first / "api" / "pets.json").write_text(json.dumps(PETS["paths"]["/pets"]))
    (first / "ours.yaml").write_text(
        "overlay: 1.0.0\ninfo: {title: a, version: '1'}\nactions: [{target: '$.info', update: {title: Ours}}]\n"
    )
    path.write_text(
        to_yaml({"namespace": namespace, "name": "pets", "source": {"file": "api", "overlays": ["ours.yaml"]}})
    )
    assert apply(gateway, first)[:2] == (0, f"{namespace}/pets: created\n")
    assert get(gateway, f"namespaces/{namespace}/servers/pets")["title"] == "Ours"
    exported = export(gateway, tmp_path / "second", namespace)
    assert set(exported) == {"pets.yaml", "documents/pets.zip", "documents/pets.overlay-1.yaml"}
    assert apply(gateway, tmp_path / "second")[:2] == (0, f"{namespace}/pets: unchanged\n")


def test_pruning_deletes_what_was_applied_before_and_nothing_else(gateway: str, namespace: str, tmp_path: Path) -> None:
    declare(tmp_path, "cats", namespace)
    declare(tmp_path, "pets", namespace)
    apply(gateway, tmp_path)
    run("push", tmp_path / "documents/pets.yaml", "--to", gateway, "--key", KEY, "--namespace", namespace,
        "--name", "by-hand")  # fmt: skip
    (tmp_path / "cats.yaml").unlink()
    told = f"{namespace}/pets: unchanged\n{namespace}/cats: deleted\n"
    assert apply(gateway, tmp_path, "--prune", "--dry-run")[:2] == (0, told)
    assert apply(gateway, tmp_path)[1] == f"{namespace}/pets: unchanged\n"
    assert apply(gateway, tmp_path, "--prune")[:2] == (0, told)
    names = [each["name"] for each in get(gateway, f"namespaces/{namespace}/servers")["items"]]
    assert names == ["by-hand", "pets"]


def test_one_that_is_refused_does_not_keep_others_and_nothing_is_pruned(
    gateway: str, namespace: str, tmp_path: Path
) -> None:
    """K16: a reference that is not known is told, with its place."""
    declare(tmp_path, "old", namespace)
    apply(gateway, tmp_path)
    (tmp_path / "old.yaml").unlink()
    unknown = {"key": {"secretRef": {"source": "env", "name": "NOT_LISTED"}}}
    declare(tmp_path, "bad", namespace, document=SECURED, credentials=unknown)
    declare(tmp_path, "good", namespace)
    code, output, errors = apply(gateway, tmp_path, "--prune")
    assert (code, output) == (2, f"{namespace}/good: created\n")
    assert "bad.yaml: The source is not one of those that CAUSEWAY_CREDENTIAL_ENV lists" in errors
    assert "(at /credentials/key/secretRef)" in errors
    assert errors.endswith("1 of 2 declarations were refused.")
    assert get(gateway, f"namespaces/{namespace}/servers/old")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: pets\nsource: {file: a.yaml}\nsurplus: 1\n", "a.yaml:3: /surplus: Extra inputs are not permitted."),
        ("name: pets\n", "a.yaml:1: /source: Field required."),
        ("name: pets\nsource:\n  url: a\n  file: b\n", "a.yaml:2: /source: exactly one of `file` and `url` is needed."),
        ("name: pets\nname: cats\nsource: {url: a}\n", "a.yaml"),
        ("- a\n", "a.yaml"),
        ("name: pets\nsource: {file: nowhere.json}\n", "nowhere.json: No such file or directory."),
    ],
)
def test_a_file_that_is_wrong_is_told_by_its_line(gateway: str, tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    code, output, errors = apply(gateway, tmp_path)
    assert (code, output) == (2, "")
    assert told in errors


def test_files_that_declare_nothing_or_the_same_are_told(gateway: str, tmp_path: Path) -> None:
    (tmp_path / "openapi.yaml").write_text(json.dumps(PETS))
    assert "no server is declared there" in apply(gateway, tmp_path)[2]
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("name: pets\nsource: {file: openapi.yaml}\n")
    assert "b.yaml: a.yaml declares default/pets already." in apply(gateway, tmp_path)[2]


def test_an_export_overwrites_no_description(gateway: str, namespace: str, tmp_path: Path) -> None:
    declare(tmp_path / "first", "pets", namespace)
    assert apply(gateway, tmp_path / "first")[0] == 0
    (tmp_path / "pets.yaml").write_text(json.dumps(PETS))
    done = run("export", "--from", gateway, "--key", KEY, "--namespace", namespace, "-o", tmp_path)
    assert done[0] == 2
    assert "pets.yaml is no declaration" in done[2]
    assert json.loads((tmp_path / "pets.yaml").read_text()) == PETS
    assert not (tmp_path / "documents").exists()


def test_a_gateway_that_lets_nobody_in_ends_with_3(gateway: str, namespace: str, tmp_path: Path) -> None:
    declare(tmp_path, "pets", namespace)
    assert run("apply", "-f", tmp_path, "--to", gateway, "--key", "wrong")[0] == 3
    assert run("export", "--from", gateway, "--key", "wrong")[0] == 3
    assert run("export", "nobody", "--from", gateway, "--key", KEY)[0] == 2


AMBIGUOUS = (
    *("", "a", "no", "NO", "null", "~", "1", "1e3", "0x1F", "0o7", ".5", "2001-01-01", "1:30", "=", "<<"),
    *("a: b", "a #b", "- a", "\n", "a\nb\n", "  a\n b", "tab\there", "\u0085", "\u2028", "\x07", "é", "'", '"', "🙂"),
    *("GET /pets/{id}", "{a}"),
)


@pytest.mark.parametrize("text", AMBIGUOUS)
def test_texts_are_written_so_that_every_reader_reads_them_back(text: str) -> None:
    value = {"text": text, "list": [text], text or "key": {"within": text}}
    written = to_yaml(value)
    assert yaml.safe_load(written) == value
    assert parse(written.encode()).root == value
