"""Documents named on the command line: a file, a zip, a directory."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from app.cli import Failure
from app.services import archives
from converters import DescriptionError, compile_description
from converters.compiler import bundled
from converters.documents import parse
from converters.limits import DEFAULT_LIMITS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from converters import Compilation
    from converters.references import Description

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


def compile_local(path: Path, *, entry: str | None = None, overlays: Sequence[Path] = ()) -> Compilation:
    """Compile what `path` names, in this process; a document that cannot be used ends the command."""
    source = read_local(path, entry=entry)
    extra = [read_local(overlay).document for overlay in overlays]
    try:
        return compile_description(source.document, uri=source.uri, further=source.further, overlays=extra)
    except DescriptionError as error:
        where = f"{path}:{error.line}" if error.line else str(path)
        pointer = f" (at {error.pointer})" if error.pointer else ""
        raise Failure(f"{where}: {error.message}{pointer} {error.remedy}".strip(), 2) from None


def describe_local(path: Path, *, entry: str | None = None) -> Description:
    """Read what `path` names as one description, references bundled; for documents that `compile_local` accepted."""
    source = read_local(path, entry=entry)
    return bundled(parse(source.document, uri=source.uri), source.further, DEFAULT_LIMITS)


def uploaded(source: LocalSource) -> tuple[str, bytes]:
    """Give a source as one file to send, with its name: a zip where there are documents beside the entry."""
    if not source.further:
        return source.uri.rpartition("/")[2] or "openapi", source.document
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as written:
        for name, content in sorted({**source.further, source.uri: source.document}.items()):
            # Without the time of the file, so that the same documents are the same bytes.
            written.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return "openapi.zip", archive.getvalue()


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
