"""The keys of namespaces: random bytes in a folder outside of the database, which go when their namespace goes.

What is sealed for a namespace needs its key besides the operator's. A backup of the database holds neither, so that
once a namespace is deleted and its key shredded, no backup gives its secrets back.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from app.errors import CausewayError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_SIZE: Final = 32


class NamespaceKeysError(CausewayError):
    """The folder of the namespaces' keys cannot be used."""

    code = "namespace_keys_unavailable"

    def __init__(self) -> None:
        """Say so, and where to look; the folder's path is the operator's to know."""
        super().__init__(
            "The folder CAUSEWAY_NAMESPACE_KEYS cannot be used: check that it is mounted and that the gateway may "
            "read and write it. Nothing was changed."
        )


class NamespaceKeys:
    """The keys in one folder, which the instances of a database share: a file of 32 bytes for each.

    A file is named by its namespace and a digest of its content, so that none is ever written over another: where a
    folder was lost and is restored later, the keys of before stand beside those made meanwhile. Nothing is kept in
    memory, so that a key that is gone is gone for every instance at once.
    """

    def __init__(self, folder: Path) -> None:
        """Keep the keys in `folder`, made when the first one is."""
        self._folder = folder

    def current(self, namespace: str) -> tuple[str, bytes]:
        """Give id and key that are sealed with for a namespace, made if it has none; raises `NamespaceKeysError`."""
        try:
            for key_id in sorted(self._ids(namespace)):
                found = self.find(namespace, key_id)
                if found is not None:
                    return key_id, found
            return self._made(namespace)
        except OSError:
            raise NamespaceKeysError from None

    def find(self, namespace: str, key_id: str) -> bytes | None:
        """Give a key of a namespace; None where there is none, or where its file is damaged or cannot be read."""
        try:
            key = self._path(namespace, key_id).read_bytes()
        except OSError:
            return None
        return key if _id(key) == key_id else None

    def has_any(self, key_ids: Iterable[str]) -> bool:
        """Tell whether at least one of these keys is there."""
        return not self._all().isdisjoint(key_ids)

    def shred(self, namespace: str) -> None:
        """Overwrite and remove the keys of a namespace; raises `NamespaceKeysError`, and can then be repeated."""
        try:
            for key_id in self._ids(namespace):
                path = self._path(namespace, key_id)
                # Not on every file system over the same blocks, but nothing is lost by trying.
                _write(path, secrets.token_bytes(_SIZE), os.O_WRONLY)
                path.unlink()
            if self._folder.is_dir():
                self._settle()
        except OSError:
            raise NamespaceKeysError from None

    def _made(self, namespace: str) -> tuple[str, bytes]:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = secrets.token_bytes(_SIZE)
        path = self._path(namespace, _id(key))
        part = path.with_name(f".{secrets.token_hex(8)}")
        try:
            _write(part, key, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)
        # Before anything is sealed with it: a secret must not outlast its key in a power cut.
        self._settle()
        return _id(key), key

    def _settle(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _path(self, namespace: str, key_id: str) -> Path:
        return self._folder / f"{_named(namespace)}.{key_id}"

    def _ids(self, namespace: str) -> frozenset[str]:
        named = (name.rpartition(".") for name in self._names())
        return frozenset(key_id for each, _, key_id in named if each == _named(namespace))

    def _all(self) -> frozenset[str]:
        return frozenset(name.rpartition(".")[2] for name in self._names())

    def _names(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            return [each.name for each in self._folder.iterdir()]
        return []


def _named(namespace: str) -> str:
    return quote(namespace, safe="")


def _id(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:16]


def _write(path: Path, content: bytes, flags: int) -> None:
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
