"""`serve --config DIR`: the servers that a directory declares, kept as it says while it changes.

A file that is wrong never replaces what it declared before: it is told on standard error, and as a condition of its
server. Servers whose file is gone are deleted, but not while another file is wrong, which may be about them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import click

from app.api.declaration_schemas import declaration_of
from app.cli import Failure
from app.cli.declarations import DeclaringFile, candidates, duplicates, read_declaration
from app.errors import CausewayError
from app.registry.errors import ServerNotFound
from app.services.namespaces import ensure_namespace
from app.telemetry.records import Change, acting
from converters import DescriptionError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from app.main import Application

BY: Final = "config"
CONDITION: Final = "declaration_refused"
_SECONDS: Final = 1.0
_REMEDY: Final = "Mend the file; what it declared before is served meanwhile."

_Stamp = tuple[Any, ...]


class ConfigDirectory:
    """Keeps a gateway's servers as a directory declares them."""

    def __init__(self, place: Path, application: Application) -> None:
        """Read nothing yet; raises `Failure` for what is no directory."""
        if not place.is_dir():
            raise Failure(f"{place}: it is not a directory.", 2)
        self._place = place
        self._application = application
        self._known: dict[Path, DeclaringFile] = {}
        self._seen: dict[Path, _Stamp] = {}
        self._refused: set[Path] = set()

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(_SECONDS)
            try:
                await self.look()
            except CausewayError as error:
                # The database is away, say: what is served stays, and the next look tries again.
                self._seen.clear()
                click.echo(f"causeway: {self._place}: {error.message}", err=True)

    async def look(self) -> None:
        """Apply every file that is another one than before."""
        paths = await asyncio.to_thread(candidates, self._place) if self._place.is_dir() else ()
        stamps = await asyncio.to_thread(lambda: {path: self._stamp(path) for path in paths})
        if not paths or stamps == self._seen:
            return
        changed = [path for path in paths if stamps[path] != self._seen.get(path) or path in self._refused]
        self._seen = {path: self._seen.get(path, ()) for path in paths}
        for path in changed:
            self._seen[path] = stamps[path]
            await self._take(path)
        for path in self._known.keys() - set(paths):
            del self._known[path]
        self._refused &= set(paths)
        await self._prune()

    def _stamp(self, path: Path) -> _Stamp:
        known = self._known.get(path)
        return tuple(_stat(each) for each in (known.files() if known else (path,)))

    async def _take(self, path: Path) -> None:
        try:
            file = await asyncio.to_thread(read_declaration, path)
            if file is None:
                self._known.pop(path, None)
                return
            others = tuple(each for each in self._known.values() if each.path != path)
            if duplicates((*others, file)):
                raise Failure(f"{path}: another file declares {file.declaration.name!r} already.", 2)  # noqa: TRY301 - told as the others are
            self._known[path] = file
            # Which files belong to it is known only now. They are looked at before they are read, and the declaration
            # was: what changes meanwhile is another stamp at the next look.
            own = self._seen[path][0]
            self._seen[path] = (own, *(await asyncio.to_thread(self._stamp, path))[1:])
            await self._apply(file)
        except (Failure, CausewayError, DescriptionError) as error:
            self._refused.add(path)
            sentence = error.message if isinstance(error, Failure) else f"{path}: {error.message}"
            click.echo(f"causeway: {sentence}", err=True)
            await self._tell(path, sentence)

    async def _apply(self, file: DeclaringFile) -> None:
        declared = file.declaration
        source = await asyncio.to_thread(file.source)
        database = self._application.database
        await ensure_namespace(database, declared.namespace, by=BY)
        with acting(BY, Change("apply_declaration", declared.namespace, declared.name)):
            await self._application.publishing.declared.apply(declaration_of(declared, source), by=BY)
        async with database.transaction(is_change=False) as registry:
            await registry.conditions.clear(declared.namespace, declared.name, code=CONDITION)
        self._refused.discard(file.path)

    async def _tell(self, path: Path, sentence: str) -> None:
        known = self._known.get(path)
        if known is None:
            return
        namespace, name = known.declaration.namespace, known.declaration.name
        try:
            async with self._application.database.transaction(is_change=False) as registry:
                await registry.conditions.put(namespace, name, code=CONDITION, message=sentence, remedy=_REMEDY)
        except ServerNotFound:
            return

    async def _prune(self) -> None:
        if self._refused or not self._known:
            return
        async with self._application.database.transaction(read_only=True) as registry:
            namespaces = {each.namespace for each in await registry.servers.names()}
        for namespace in sorted(namespaces):
            kept = frozenset(self._names(namespace))
            with acting(BY, Change("prune_servers", namespace)):
                await self._application.publishing.declared.prune(namespace, kept=kept, by=BY)

    def _names(self, namespace: str) -> Iterable[str]:
        declared = (each.declaration for each in self._known.values())
        return (each.name for each in declared if each.namespace == namespace)


def _stat(path: Path) -> _Stamp:
    try:
        found = path.stat()
    except OSError:
        return (str(path), None)
    return (str(path), found.st_mtime_ns, found.st_size, found.st_ino)
