"""The servers that were served last, one file each, for starts while the registry's database is away.

A file holds what `Tools.load` gave: settings, tools, and credentials sealed as they are in the database, so that they
open with SECRET_KEY alone. It is written whole beside its place and then moved there, and read only if its digest is
right. Files of one database are never read for another.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import logging
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from anyio import to_thread

from app.registry.records import CredentialRecord, ServerName, ServerRecord
from app.services.tools import LoadedServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterable

_FORMAT: Final = "causeway-server-1"
_SUFFIX: Final = ".json"
MAX_BYTES: Final = 1024**3
"""Bytes that all files may have together; what does not fit is not kept."""
_log: Final = logging.getLogger(__name__)


class ServerFiles:
    """The files of one registry's servers."""

    def __init__(self, folder: Path, registry_url: str, *, max_bytes: int = MAX_BYTES) -> None:
        """Keep files below `folder`, apart for each registry; nothing is made yet."""
        self._folder = folder / "servers" / hashlib.sha256(registry_url.encode()).hexdigest()[:16]
        self._max_bytes = max_bytes
        self._sizes: dict[str, int] = {}
        self._has_failed = False
        self._thread = ThreadPoolExecutor(1, "server-files")

    async def read(self) -> AsyncIterator[LoadedServer]:
        """Give every server that was kept and is whole, in order of its file's name."""
        for path in await to_thread.run_sync(self._paths):
            found = await to_thread.run_sync(_read, path)
            if found is not None:
                self._sizes[path.name] = path.stat().st_size
                yield found

    def write(self, *loaded: LoadedServer) -> asyncio.Future[None]:
        """Keep servers as they are now. A disk that is full or read-only is told once, and nothing more."""
        return self._in_turn(self._write, loaded)

    def remove(self, server: ServerName) -> asyncio.Future[None]:
        """Keep a server no more."""
        return self._in_turn(self._remove, _file_name(server))

    def retain(self, servers: Collection[ServerName]) -> asyncio.Future[None]:
        """Keep no server but these."""
        return self._in_turn(self._retain, {_file_name(each) for each in servers})

    def _in_turn(self, work: Callable[[Any], None], what: Any) -> asyncio.Future[None]:
        """Work in the thread, after what it was asked for before, whether or not anybody waits for that."""
        return asyncio.get_running_loop().run_in_executor(self._thread, work, what)

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob(f"*{_SUFFIX}"))

    def _write(self, servers: Iterable[LoadedServer]) -> None:
        for each in servers:
            self._write_one(each)

    def _write_one(self, loaded: LoadedServer) -> None:
        name = _file_name(ServerName(loaded.server.namespace, loaded.server.name))
        content = _to_bytes(loaded)
        if sum(self._sizes.values()) - self._sizes.get(name, 0) + len(content) > self._max_bytes:
            self._complain("the servers kept on disk would take more than %d bytes", self._max_bytes)
            self._remove(name)
            return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(self._folder / name, content)
        except OSError as error:
            self._complain("a server could not be kept on disk: %s", error.strerror)
            return
        self._sizes[name] = len(content)

    def _complain(self, sentence: str, detail: object) -> None:
        if not self._has_failed:
            _log.warning(sentence, detail)
        self._has_failed = True

    def _remove(self, name: str) -> None:
        self._sizes.pop(name, None)
        try:
            (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            self._complain("a server that is gone could not be removed from disk: %s", error.strerror)

    def _retain(self, names: Collection[str]) -> None:
        for path in self._paths():
            if path.name not in names:
                self._remove(path.name)


def _file_name(server: ServerName) -> str:
    # Names may hold what a file's name may not, and differ in case alone.
    return hashlib.sha256(json.dumps([server.namespace, server.name]).encode()).hexdigest()[:40] + _SUFFIX


def replace_file(path: Path, content: bytes) -> None:
    """Write a file, readable by its owner only, so that at every moment there is the old one or the new one."""
    handle, beside = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def _to_bytes(loaded: LoadedServer) -> bytes:
    content = json.dumps(
        {
            "server": _members(loaded.server),
            "definitions": loaded.definitions,
            "document_url": loaded.document_url,
            "former_names": loaded.former_names,
            "credentials": [_members(each) for each in loaded.credentials],
        },
        default=_encoded,
        separators=(",", ":"),
    ).encode()
    return f"{_FORMAT} {hashlib.sha256(content).hexdigest()}\n".encode() + content


def _read(path: Path) -> LoadedServer | None:
    """Read a file; None where it is not whole, or of another release's format."""
    try:
        head, _, content = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    if head.decode("latin-1") != f"{_FORMAT} {hashlib.sha256(content).hexdigest()}":
        return None
    read = json.loads(content)
    try:
        return LoadedServer(
            server=ServerRecord(**_decoded(read["server"])),
            definitions=tuple(read["definitions"]),
            document_url=read["document_url"],
            former_names={name: (now, until) for name, (now, until) in read["former_names"].items()},
            credentials=tuple(CredentialRecord(**_decoded(each)) for each in read["credentials"]),
        )
    except (KeyError, TypeError):
        # Written by a release whose records have other fields.
        return None


def _members(record: ServerRecord | CredentialRecord) -> dict[str, Any]:
    return {each.name: getattr(record, each.name) for each in fields(record)}


def _encoded(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return base64.b64encode(value).decode()


def _decoded(members: dict[str, Any]) -> dict[str, Any]:
    times = {name: datetime.fromisoformat(members[name]) for name in ("created_at", "updated_at")}
    content = {"content": base64.b64decode(members["content"])} if "content" in members else {}
    return {**members, **times, **content}
