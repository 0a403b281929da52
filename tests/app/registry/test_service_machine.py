"""F29: whatever is created, imported, deleted or broken off, in whatever order, the registry is as a model says."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.registry import Database
from app.registry.errors import ServerExists, ServerNotFound
from app.registry.records import ServerChanges
from app.services.events import ServerEvents
from app.services.import_description import ImportDescription, ImportOptions, Source
from app.services.revisions import Revisions
from app.services.servers import Servers
from tests.app.gateways import InProcessCompiler
from tests.app.registry.importer import described, importing
from tests.databases import sqlite_database

NAMES = st.sampled_from(["pets"])
DOCUMENTS = st.integers(0, 3)
OPERATIONS = 2


class BrokenOff(Exception):
    """Somebody has gone in the middle of a transaction."""


class Registry(RuleBasedStateMachine):
    """The service layer on SQLite, and a model of it: of each server its revisions and the live one."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._loop = asyncio.new_event_loop()
        self._model: dict[str, tuple[list[int], int]] = {}
        self._open()
        self._do(self._prepare())

    def _open(self) -> None:
        self._database = Database.open(sqlite_database(Path(self._folder.name)))
        compiler = InProcessCompiler()
        self._importer: ImportDescription = importing(self._database, compiler)
        self._servers = Servers(self._database, compiler, ServerEvents())
        self._revisions = Revisions(self._database, ServerEvents())

    async def _prepare(self) -> None:
        await self._database.migrate()
        async with self._database.transaction() as registry:
            await registry.namespaces.ensure("default")

    def _do(self, work: Any) -> Any:
        return self._loop.run_until_complete(work)

    @rule(name=NAMES, document=DOCUMENTS)
    def create(self, name: str, document: int) -> None:
        """Make a server, unless it is there already."""
        made = self._importer.create("default", name, source=source(document), options=ImportOptions())
        if name in self._model:
            with pytest.raises(ServerExists):
                self._do(made)
        else:
            self._do(made)
            self._model[name] = [document], 1

    @rule(name=NAMES, document=DOCUMENTS)
    def replace(self, name: str, document: int) -> None:
        """Import a description: a new revision, but for the one that is live."""
        done = self._importer.replace("default", name, source=source(document), options=ImportOptions())
        if name not in self._model:
            with pytest.raises(ServerNotFound):
                self._do(done)
            return
        assert self._do(done).revision == self._imported(name, document)

    def _imported(self, name: str, document: int) -> int:
        documents, live = self._model[name]
        if documents[live - 1] != document:
            self._model[name] = [*documents, document], len(documents) + 1
        return self._model[name][1]

    @precondition(lambda self: self._model)
    @rule(data=st.data())
    def activate(self, data: st.DataObject) -> None:
        """Have an earlier revision, or a later one, live again."""
        name = data.draw(st.sampled_from(sorted(self._model)))
        documents, _ = self._model[name]
        number = data.draw(st.integers(1, len(documents)))
        self._do(self._revisions.activate("default", name, number=number))
        self._model[name] = documents, number

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        """Delete a server with its revisions."""
        if self._model.pop(name, None) is None:
            with pytest.raises(ServerNotFound):
                self._do(self._servers.delete("default", name))
        else:
            self._do(self._servers.delete("default", name))

    @precondition(lambda self: self._model)
    @rule(data=st.data())
    def break_off(self, data: st.DataObject) -> None:
        """Leave in the middle of a transaction: what is not committed has never been."""
        name = data.draw(st.sampled_from(sorted(self._model)))

        async def work() -> None:
            async with self._database.transaction() as registry:
                await registry.servers.update("default", name, changes=ServerChanges(title="Broken off"))
                await registry.servers.delete("default", name)
                raise BrokenOff

        with pytest.raises(BrokenOff):
            self._do(work())

    @rule()
    def restart(self) -> None:
        """Another process finds what this one left."""
        self._do(self._database.close())
        self._open()

    @invariant()
    def the_registry_is_the_model(self) -> None:
        """Names, revisions, and the tools of the live one."""
        assert self._do(self._found()) == {
            name: (live, len(documents), names(documents[live - 1])) for name, (documents, live) in self._model.items()
        }

    async def _found(self) -> dict[str, tuple[int, int, set[str]]]:
        found = {}
        async with self._database.transaction(read_only=True) as registry:
            for server in (await registry.servers.list("default")).items:
                revisions = (await registry.revisions.list("default", server.name, limit=200)).items
                tools = await registry.revisions.tools("default", server.name)
                found[server.name] = (server.revision, len(revisions), {each.name for each in tools})
        return found

    def teardown(self) -> None:
        """Close what was opened."""
        self._do(self._database.close())
        self._loop.close()
        self._folder.cleanup()


def source(document: int) -> Source:
    return Source(described(document, operations=OPERATIONS))


def names(document: int) -> set[str]:
    return {f"tool_{document}_{index}" for index in range(OPERATIONS)}


Registry.TestCase.settings = settings(
    max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestRegistry = Registry.TestCase
