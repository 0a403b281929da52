"""Documents named on the command line: a file, a zip, a directory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from app.cli import Failure
from app.services import archives

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_DOCUMENTS: Final = frozenset({".json", ".yaml", ".yml"})
_MAX_SIZE: Final = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class LocalSource:
    """An entry document with its name, and the documents beside it by their names."""

    document: bytes
    uri: str = ""
    further: Mapping[str, bytes] = field(default_factory=dict)


def read_local(path: Path, *, entry: str | None = None) -> LocalSource:
    """Read what `path` names; documents beside a file are not read, those in a zip or directory are."""
    try:
        if path.is_dir():
            return _from_directory(path, entry)
        content = path.read_bytes()
    except OSError as error:
        raise Failure(f"{path}: {error.strerror or 'it cannot be read'}.", 2) from None
    if content.startswith(archives.MAGIC):
        name, found = archives.documents(content, entry=entry)
        return LocalSource(found.pop(name), name, found)
    return LocalSource(content, path.name)


def _from_directory(path: Path, entry: str | None) -> LocalSource:
    found: dict[str, bytes] = {}
    size = 0
    for file in sorted(path.rglob("*")):
        if file.suffix.lower() in _DOCUMENTS and file.is_file() and not file.is_symlink():
            size += file.stat().st_size
            if size > _MAX_SIZE:
                raise Failure(f"{path}: its documents are larger than {_MAX_SIZE:,} bytes.", 2)
            found[file.relative_to(path).as_posix()] = file.read_bytes()
    name = archives.entry_of(found, entry=entry)
    return LocalSource(found.pop(name), name, found)
