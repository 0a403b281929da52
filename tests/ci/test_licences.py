"""What is shipped with Causeway: the bill of materials (Z02) and the licences (Z08), both made of the lock."""

from __future__ import annotations

import importlib.resources
import json
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from license_expression import get_spdx_licensing
from referencing import Registry, Resource

ROOT = Path(__file__).parents[2]
# Licences under which a work may be a dependency of one under Apache-2.0, and be distributed with it. Of MPL-2.0 only
# changed files have to be published, and none is changed.
ALLOWED = {
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MITNFA", "MPL-2.0", "PSF-2.0"),
    *("Python-2.0", "Unlicense", "Zlib"),
}


EXPORTS = ("requirements.lock", "requirements-otel.lock")


def exported(name: str) -> dict[str, str]:
    """Give the names and versions in an export of the lock."""
    return dict(re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==(\S+)", (ROOT / name).read_text(), re.MULTILINE))


def functions(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Give what a script defines, without running it."""
    monkeypatch.syspath_prepend(ROOT / ".ci")
    return runpy.run_path(str(ROOT / ".ci" / name))


@pytest.fixture(scope="module", params=EXPORTS)
def export(request: pytest.FixtureRequest) -> str:
    """Give what an installation reads, without and with the extra for traces."""
    return str(request.param)


@pytest.fixture(scope="module")
def text(export: str) -> str:
    """Give the bill of materials as the documented command prints it."""
    command = [sys.executable, "-W", "error", ".ci/sbom.py", *([export] if export != EXPORTS[0] else [])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def bill(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


def schema(name: str) -> dict[str, Any]:
    """Give a schema of the specification, as the CycloneDX library has it."""
    path = importlib.resources.files("cyclonedx.schema") / "_res" / name
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_the_bill_of_materials_is_valid_by_its_schema(bill: dict[str, Any]) -> None:
    """Z02."""
    others = {name: schema(f"{name}.SNAPSHOT.schema.json") for name in ("jsf-0.82", "spdx")}
    resources = {f"http://cyclonedx.org/schema/{name}.SNAPSHOT.schema.json": each for name, each in others.items()}
    registry = Registry().with_resources((uri, Resource.from_contents(each)) for uri, each in resources.items())
    validator = Draft7Validator(schema("bom-1.6.SNAPSHOT.schema.json"), registry=registry)
    assert [error.message for error in validator.iter_errors(bill)] == []
    assert not validator.is_valid({**bill, "components": [{"name": "a component without its type"}]})


def test_the_bill_of_materials_holds_the_lock_whole(bill: dict[str, Any], export: str) -> None:
    """Z02: every package, its files' hashes as the lock has them, its licence, and how it came to be there."""
    components = {each["name"]: each for each in bill["components"]}
    assert {name: each["version"] for name, each in components.items()} == exported(export)
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    packages = {package["name"]: package for package in lock["package"]}
    for name, each in components.items():
        archives = [*packages[name].get("wheels", []), packages[name].get("sdist")]
        hashes = {f"sha256:{part['hashes'][0]['content']}" for part in each["externalReferences"]}
        assert hashes == {archive["hash"] for archive in archives if archive}, name
        assert each["purl"] == f"pkg:pypi/{name}@{each['version']}"
        assert each["licenses"], name
    reached, waiting = set(), ["causeway"]
    wants = {each["ref"]: each.get("dependsOn", []) for each in bill["dependencies"]}
    while waiting:
        reference = waiting.pop()
        if reference not in reached:
            reached.add(reference)
            waiting += wants[reference]
    assert reached == {"causeway", *(each["bom-ref"] for each in bill["components"])}


def test_the_same_lock_gives_the_same_bill_of_materials(
    text: str, export: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert functions("sbom.py", monkeypatch)["text"](export) == text


def listed() -> dict[str, str]:
    """Give the table of docs/licences.md."""
    return dict(re.findall(r"^\| ([\w.-]+) \| (.+) \|$", (ROOT / "docs" / "licences.md").read_text(), re.MULTILINE)[1:])


def test_the_page_of_licences_is_that_of_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Z08: `.venv/bin/python .ci/licences.py` writes it again after a change of the lock."""
    assert set(listed()) == set(exported(EXPORTS[1])) > set(exported(EXPORTS[0]))
    assert functions("licences.py", monkeypatch)["page"]() == (ROOT / "docs" / "licences.md").read_text()


def test_no_licence_forbids_the_project_its_own() -> None:
    """Z08."""
    licensing = get_spdx_licensing()
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"] == "Apache-2.0"
    assert {
        name: text
        for name, text in listed().items()
        if not {symbol.key for symbol in licensing.license_symbols(licensing.parse(text, validate=True))} <= ALLOWED
    } == {}
