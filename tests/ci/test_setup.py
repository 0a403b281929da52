"""Z01: what `./run`, `./test` and `.ci/causeway` install is what was locked, byte for byte, or nothing."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
WHEEL = "uvicorn-1-py3-none-any.whl"
"""A package that the set-up imports when it is done; this one has nothing in it."""
PROJECT = """[project]
name = "causeway"
version = "1"
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
BACKEND = '''"""A build backend that makes an editable wheel."""
from pathlib import Path
from zipfile import ZipFile


def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "causeway-1-py3-none-any.whl"
    with ZipFile(Path(folder) / name, "w") as wheel:
        wheel.writestr("causeway.pth", str(Path.cwd()))
        wheel.writestr("causeway-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: causeway\\nVersion: 1\\n")
        wheel.writestr("causeway-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        wheel.writestr("causeway-1.dist-info/RECORD", "")
    return name
'''


def write_wheel(folder: Path, text: str) -> None:
    """Write the wheel with this text in its module."""
    folder.mkdir(exist_ok=True)
    with ZipFile(folder / WHEEL, "w") as wheel:
        for part in ("uvicorn", "uvicorn/protocols", "uvicorn/protocols/http"):
            wheel.writestr(f"{part}/__init__.py", "")
        wheel.writestr("uvicorn/protocols/http/httptools_impl.py", text)
        wheel.writestr("uvicorn-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: uvicorn\nVersion: 1\n")
        wheel.writestr("uvicorn-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("uvicorn-1.dist-info/RECORD", "")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Give a checkout with our set-up, a project of nothing, and a lock of one package."""
    folder = tmp_path / "checkout"
    (folder / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "setup.sh", folder / ".ci")
    for module in ("app/cli/serve.py", "app/main.py", "app/services/compile_worker.py"):
        (folder / module).parent.mkdir(parents=True, exist_ok=True)
        (folder / module).touch()
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "backend.py").write_text(BACKEND)
    return folder


def environment(folder: Path, installer: str) -> Mapping[str, str]:
    """Give an environment in which the installer finds only what is in the folder; pip is used where uv is not."""
    uv = shutil.which("uv")
    if installer == "uv" and uv is None:
        pytest.skip("uv is not installed")
    paths = [path for path in os.environ["PATH"].split(os.pathsep) if not (Path(path) / "uv").exists()]
    if installer == "uv":
        paths.insert(0, str(Path(str(uv)).parent))
    return {
        "PATH": os.pathsep.join(paths),
        "HOME": str(folder),
        "CAUSEWAY_PYTHON": sys.executable,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder / "wheels"),
        "UV_NO_CONFIG": "1",
        "UV_OFFLINE": "1",
        "UV_FIND_LINKS": str(folder / "wheels"),
        "UV_CACHE_DIR": str(folder / "cache"),
    }


def set_up(checkout: Path, installer: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "source .ci/setup.sh; causeway_setup runtime; echo ready"],
        cwd=checkout,
        env=environment(checkout.parent, installer),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_a_wheel_that_was_altered_is_not_installed(checkout: Path, installer: str) -> None:
    """Z01, with the project's own set-up and no index at all."""
    wheels = checkout.parent / "wheels"
    write_wheel(wheels, "VALUE = 'as locked'")
    locked = (wheels / WHEEL).read_bytes()
    digest = hashlib.sha256(locked).hexdigest()
    (checkout / "requirements.lock").write_text(f"uvicorn==1 \\\n    --hash=sha256:{digest}\n")
    write_wheel(wheels, "VALUE = 'altered!'")
    refused = set_up(checkout, installer)
    assert (refused.returncode, refused.stdout) == (3, "")
    assert re.search("hash", refused.stderr, re.IGNORECASE)
    assert not list(checkout.rglob("httptools_impl.py"))

    (wheels / WHEEL).write_bytes(locked)
    if installer == "uv":
        # Where uv fails, pip is tried: a new environment shows which of them succeeds.
        shutil.rmtree(checkout / ".venv")
    done = set_up(checkout, installer)
    assert (done.returncode, done.stdout) == (0, "ready\n"), done.stderr
    (installed,) = checkout.rglob("httptools_impl.py")
    assert installed.read_text() == "VALUE = 'as locked'"
    assert (checkout / ".venv" / "bin" / "pip").exists() == (installer == "pip")


def test_every_package_has_a_hash_for_each_of_its_files() -> None:
    """Z01: what pip reads pins versions and names hashes, so that nothing is installed by name alone."""
    for name in ("requirements.lock", "requirements-otel.lock", "requirements-dev.lock"):
        for entry in re.split(r"\n(?=\S)", (ROOT / name).read_text().strip()):
            assert re.match(r"[\w.-]+(\[[\w,-]+\])?==[\w.]+ ", entry), entry
            assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry


def lock(folder: Path, exclude_newer: str) -> subprocess.CompletedProcess[str]:
    """Run `.ci/lock` in a checkout with this date, and a `uv` that says that it was run."""
    (folder / ".ci").mkdir(exist_ok=True)
    shutil.copy(ROOT / ".ci" / "lock", folder / ".ci")
    (folder / "pyproject.toml").write_text(f'[tool.uv]\nexclude-newer = "{exclude_newer}"\n')
    (folder / "uv").write_text("#!/bin/sh\necho uv was run\n")
    (folder / "uv").chmod(0o755)
    variables = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    command = [folder / ".ci" / "lock"]
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=60)


def test_a_release_is_locked_a_week_after_it_was_made_and_not_sooner(tmp_path: Path) -> None:
    """Z05."""
    now = datetime.now(UTC)
    for days, code in ((6, 1), (8, 0)):
        done = lock(tmp_path, (now - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ"))
        assert (done.returncode, "uv was run" in done.stdout) == (code, code == 0), done.stderr
        assert ("releases wait for a week" in done.stderr) == (code == 1)


def test_nothing_in_the_lock_is_younger_than_its_cool_down_says() -> None:
    """Z05: the dates at which the index got each file."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]
    uploads = re.findall(r'upload-time = "([^"]+)"', (ROOT / "uv.lock").read_text())
    assert len(uploads) > 1000
    assert max(uploads) < settings["exclude-newer"]
