"""What somebody does to a registry, by the services as gateways do it, and what can go wrong in the middle of it.

As a program it does so in processes that may be killed, which are forked because starting one takes seconds: a line of
JSON with `Order`'s members begins one, and the line that answers it says how it ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import event

from app.registry import Database
from app.registry.records import ServerChanges, ToolOverrideChanges
from app.security.keys import ApiKeys
from app.security.namespace_keys import NamespaceKeys
from app.security.operator_secrets import OperatorSecrets
from app.security.sealing import SecretKeys
from app.services.credentials import Credentials
from app.services.events import ServerEvents
from app.services.import_description import ImportOptions, Source
from app.services.keys import Keys
from app.services.namespaces import Namespaces
from app.services.revisions import Revisions
from app.services.rotation import rotate
from app.services.servers import Servers
from app.services.tools import Tools
from app.settings import load
from app.telemetry.records import Change, acting
from tests.app.descriptions import description, operation, written
from tests.app.gateways import InProcessCompiler
from tests.app.registry.importer import importing

ROOT = Path(__file__).parents[3]
SUBJECT = "machine"
SERVER = "pets"
KILL, SOON, CUT = "kill", "soon", "cut"
MOMENTS = ("statement", "commit", "after")
BROKEN = 4
"""The number of the document that is none."""
TOOLS: dict[int, frozenset[str]] = {
    0: frozenset({"a"}),
    1: frozenset({"a", "b"}),
    2: frozenset({"a", "b", "c"}),
    3: frozenset({"c"}),
}
"""The tools of the other documents."""


@dataclass(frozen=True)
class Order:
    """One thing to do in a namespace: `step` is what the audit calls it, `keys` the operator's keys, the newest last.

    `fault` happens at a `moment`: before the statement of the number `at`, before the commit of that number or at
    what follows it, or where there are fewer when all is done. The process is killed (`KILL`), some `microseconds`
    later (`SOON`), or its connection is cut (`CUT`).
    """

    what: str
    namespace: str
    step: str
    arguments: dict[str, Any] = field(default_factory=dict)
    keys: tuple[int, ...] = (0,)
    fault: str = ""
    moment: str = ""
    at: int = 0
    microseconds: int = 0


class Operator:
    """Does what it is ordered to on a database; `folder` is where the namespaces' keys are."""

    def __init__(self, url: str, folder: Path) -> None:
        self.database = Database.open(url)
        self._folder = folder

    def secret_keys(self, numbers: tuple[int, ...]) -> SecretKeys:
        """Give keys by number, the last of which is written with."""
        *readable, current = (hashlib.sha256(f"key {each}".encode()).digest() for each in numbers)
        return SecretKeys(current, readable, namespaces=NamespaceKeys(self._folder))

    def credentials(self, numbers: tuple[int, ...]) -> Credentials:
        """Give the use cases around credentials."""
        secrets = OperatorSecrets(load(data_dir=self._folder), None)
        return Credentials(self.database, self.secret_keys(numbers), secrets, ServerEvents())

    async def do(self, order: Order) -> None:
        """Do it; raises what the services raise."""
        with acting(SUBJECT, Change(order.what, order.namespace, SERVER, target=order.step)), armed(self, order):
            await getattr(self, f"_{order.what}")(order, **order.arguments)

    async def _create_namespace(self, order: Order) -> None:
        await self._namespaces(order).create(order.namespace)

    async def _delete_namespace(self, order: Order) -> None:
        await self._namespaces(order).delete(order.namespace)

    async def _create_server(self, order: Order, document: int) -> None:
        importer = importing(self.database, InProcessCompiler())
        await importer.create(order.namespace, SERVER, source=source(document), options=ImportOptions())

    async def _replace_document(self, order: Order, document: int) -> None:
        importer = importing(self.database, InProcessCompiler())
        await importer.replace(order.namespace, SERVER, source=source(document), options=ImportOptions())

    async def _delete_server(self, order: Order) -> None:
        await Servers(self.database, InProcessCompiler(), ServerEvents()).delete(order.namespace, SERVER)

    async def _review(self, order: Order, policy: str) -> None:
        changes = ServerChanges(policies={"review": policy})
        await Servers(self.database, InProcessCompiler(), ServerEvents()).change(order.namespace, SERVER, changes)

    async def _activate_revision(self, order: Order, number: int) -> None:
        await Revisions(self.database, ServerEvents()).activate(order.namespace, SERVER, number=number)

    async def _override(self, order: Order, tool: str, *, enabled: bool) -> None:
        changes = ToolOverrideChanges(enabled=enabled)
        await Tools(self.database, ServerEvents()).change(order.namespace, SERVER, tool, changes=changes)

    async def _put_credential(self, order: Order, value: str) -> None:
        await self.credentials(order.keys).put(order.namespace, SERVER, "key", given={"value": value})

    async def _delete_credential(self, order: Order) -> None:
        await self.credentials(order.keys).delete(order.namespace, SERVER, "key")

    async def _rotate_secrets(self, order: Order) -> None:
        await rotate(self.database, self.secret_keys(order.keys))

    def _namespaces(self, order: Order) -> Namespaces:
        keys = Keys(self.database, ApiKeys())
        return Namespaces(self.database, ServerEvents(), keys, secrets=self.secret_keys(order.keys))


class _Trap:
    """Counts statements and commits, and has the fault of an order happen at its moment."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._left = order.at
        self._is_next = False
        self._is_over = not order.fault

    def statement(self, connection: Any, *_: Any) -> None:
        if self._is_next or self._counts("statement"):
            self.spring(connection)

    def commit(self, connection: Any) -> None:
        if self._counts("commit"):
            self.spring(connection)
        self._is_next = self._counts("after")

    def spring(self, connection: Any) -> None:
        if not self._is_over:
            self._is_over = True
            _fail(self._order, connection)

    def _counts(self, moment: str) -> bool:
        if self._order.moment == moment:
            self._left -= 1
        return self._order.moment == moment and self._left == 0


@contextlib.contextmanager
def armed(operator: Operator, order: Order) -> Iterator[None]:
    """Have the fault of an order happen in the block, or at its end."""
    trap = _Trap(order)
    engine = operator.database._engines.writer.sync_engine  # noqa: SLF001 - nobody else breaks connections
    events: dict[str, Any] = {"before_cursor_execute": trap.statement, "commit": trap.commit}
    for name, listener in events.items():
        event.listen(engine, name, listener)
    try:
        yield
        trap.spring(None)
    finally:
        for name, listener in events.items():
            event.remove(engine, name, listener)


def _fail(order: Order, connection: Any) -> None:
    if order.fault == KILL:
        os.kill(os.getpid(), signal.SIGKILL)
    elif order.fault == SOON:
        # Nobody handles the signal, which ends a process at once.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, max(order.microseconds, 1) / 1e6)
    elif connection is not None and connection.dialect.name == "postgresql":
        connection.connection.dbapi_connection.driver_connection.terminate()


def source(number: int) -> Source:
    """Give a document whose title and tools tell its number."""
    if number == BROKEN:
        return Source(b"{")
    paths = {f"/{name}": {"get": operation(name)} for name in sorted(TOOLS[number])}
    scheme = {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}
    document = description(paths, title=f"Document {number}")
    return Source(written({**document, "components": {"securitySchemes": scheme}, "security": [{"key": []}]}))


class Killable:
    """The program below, which does each order in a process of its own."""

    def __init__(self, url: str, folder: Path) -> None:
        arguments = [sys.executable, "-m", "tests.app.registry.operator", url, str(folder)]
        self._process = subprocess.Popen(arguments, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def do(self, order: Order) -> str:
        """Give how the process ended: "killed", "done", or the name of what was raised."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        assert answer, "the program ended"
        return answer

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


async def _worked(url: str, folder: Path, order: Order) -> str:
    operator = Operator(url, folder)
    try:
        await operator.do(order)
    except Exception as error:  # noqa: BLE001 - told by its name, whatever it is
        return type(error).__name__
    return "done"


def _forked(url: str, folder: Path, order: Order) -> str:
    reading, writing = os.pipe()
    process = os.fork()
    if not process:
        os.write(writing, asyncio.run(_worked(url, folder, order)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    os.waitpid(process, 0)
    return told or "killed"


def main(url: str, folder: str) -> None:
    """Do what standard input says until it ends."""
    for line in sys.stdin:
        order = json.loads(line)
        ended = _forked(url, Path(folder), Order(**{**order, "keys": tuple(order["keys"])}))
        sys.stdout.write(f"{ended}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
