"""The shape of the repository: what imports what, what lies where, what is shipped, what is locked."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import hatchling.build
import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).parents[1]

DOCUMENTED_FILES = {
    *("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE"),
    *(
        "pyproject.toml",
        "uv.lock",
        "requirements.lock",
        "requirements-otel.lock",
        "requirements-dev.lock",
        "run",
        "test",
        "check",
    ),
    "action.yml",
    *(".ci", ".editorconfig", ".gitattributes", ".gitignore"),
    *("converters", "app", "migrations", "specs", "tests", "benchmarks", "docker", "docs"),
}
SHIPPED_PACKAGES = {"app", "converters", "migrations"}
FORBIDDEN_NAMES = {
    "util",
    "utils",
    "helper",
    "helpers",
    "manager",
    "managers",
    "handler",
    "handlers",
    "data",
    "process",
}
SERVICE_PACKAGES = {
    *("alembic", "aiosqlite", "asyncpg", "sqlalchemy"),
    *("aiohttp", "http.client", "httpcore2", "httpx", "httpx2", "requests", "urllib.request", "urllib3"),
    *("authlib", "fastapi", "joserfc", "mcp", "openapi_core", "redis", "starlette", "uvicorn", "werkzeug"),
}


def committed_files() -> list[Path]:
    """Every file that is or would be committed, relative to the root."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listing = subprocess.run(
        [git, "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return [Path(name) for name in listing.split("\0") if name and (ROOT / name).exists()]


def in_a_fresh_interpreter(code: str) -> str:
    return subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=True, text=True).stdout


def test_importing_the_library_loads_no_web_database_or_http_package() -> None:
    loaded = in_a_fresh_interpreter("import sys, converters; print(*sys.modules, sep='\\n')").splitlines()

    assert sorted(SERVICE_PACKAGES.intersection(loaded)) == []


def test_importing_the_library_takes_well_under_a_second_of_cpu() -> None:
    measure = "import time; start = time.process_time(); import converters; print(time.process_time() - start)"

    # The best of three: processor time still counts what a busy machine does to caches.
    assert min(float(in_a_fresh_interpreter(measure)) for _ in range(3)) < 0.8


def test_import_contracts_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    # import-linter puts the working directory on sys.path and turns off every logger there is; all is restored.
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for logger in logging.root.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            monkeypatch.setattr(logger, "disabled", logger.disabled)

    assert lint_imports(config_filename="pyproject.toml", no_cache=True, no_logo=True) == EXIT_STATUS_SUCCESS


def test_no_module_but_the_door_to_the_network_opens_a_connection() -> None:
    """S17, for what the import contract cannot see: methods of sockets and event loops."""
    calls = re.compile(r"\.(?:connect_ex|sock_connect|create_connection|create_unix_connection|open_connection)\(")
    found = {
        path.as_posix()
        for path in committed_files()
        if path.suffix == ".py"
        and path.parts[0] in SHIPPED_PACKAGES
        and path.parts[:2] != ("app", "outbound")
        and calls.search((ROOT / path).read_text(encoding="utf-8"))
    }

    assert found == set()
    assert calls.search("await loop.sock_connect(sock, address)")


def test_no_file_or_folder_has_a_name_that_says_nothing() -> None:
    names = {part for path in committed_files() if path.parts[0] != "specs" for part in path.with_suffix("").parts}

    assert sorted(names & FORBIDDEN_NAMES) == []


def test_the_top_level_is_exactly_the_documented_set() -> None:
    assert sorted({path.parts[0] for path in committed_files()}) == sorted(DOCUMENTED_FILES)


def test_the_wheel_holds_the_three_packages_whole_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    with ZipFile(tmp_path / hatchling.build.build_wheel(str(tmp_path))) as wheel:
        shipped = {name for name in wheel.namelist() if ".dist-info/" not in name}

    assert shipped == {path.as_posix() for path in committed_files() if path.parts[0] in SHIPPED_PACKAGES}


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-otel.lock", "requirements-dev.lock"])
def test_an_export_pins_only_what_the_lock_holds(name: str) -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    locked = {package["name"]: (package["version"], archive_hashes(package)) for package in lock["package"]}
    export = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")

    for line in export.splitlines():
        package, version = re.match(r"([\w.-]+)(?:\[[\w,-]+\])?==(\S+)", line).groups()  # type: ignore[union-attr]
        assert (version, set(re.findall(r"--hash=(\S+)", line))) == locked[package]


def archive_hashes(package: dict[str, Any]) -> set[str]:
    archives = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
    return {archive["hash"] for archive in archives}


@pytest.mark.skipif(shutil.which("uv") is None, reason="only uv can repeat the export")
def test_the_lock_and_its_exports_are_up_to_date() -> None:
    # Without an index of the environment's, which would have uv resolve anew.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UV_")}

    outcome = subprocess.run(
        [ROOT / ".ci" / "lock", "--check"], capture_output=True, check=False, env=environment, text=True
    )

    assert (outcome.returncode, outcome.stderr) == (0, "")
