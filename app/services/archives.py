"""A zip of a split description -> its documents, without writing a file."""

from __future__ import annotations

import io
import lzma
import posixpath
import re
import zipfile
import zlib
from typing import TYPE_CHECKING, Final

from converters import DescriptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAGIC: Final = b"PK\x03\x04"
_DOCUMENTS: Final = (".json", ".yaml", ".yml")
_MAX_FILES: Final = 5_000
_MAX_SIZE: Final = 20 * 1024 * 1024
_UNREADABLE: Final = (zipfile.BadZipFile, zlib.error, lzma.LZMAError)
_ROOT: Final = re.compile(rb"^\s*[{]?\s*\"?(openapi|swagger)\"?\s*:", re.MULTILINE)


def documents(archive: bytes, *, entry: str | None) -> tuple[str, dict[str, bytes]]:
    """Give the entry document's name and every document of the archive by its normalised name.

    Raises:
        DescriptionError: `spec_zip`, for an archive that cannot be read or names no entry.

    """
    found = _read(archive)
    return entry_of(found, entry=entry), found


def entry_of(found: Mapping[str, bytes], *, entry: str | None) -> str:
    """Choose the entry document: the one named, else the only one, else the topmost that says `openapi:`.

    Raises:
        DescriptionError: `spec_zip`, where there is none or several.

    """
    if entry is not None:
        name = posixpath.normpath(entry)
        if name not in found:
            raise _refused(
                f"There is no document {entry[:200]!r}.", "Name the entry as it stands in the zip or directory."
            )
        return name
    if len(found) == 1:
        return next(iter(found))
    roots = sorted((name.count("/"), name) for name, content in found.items() if _ROOT.search(content[:4096]))
    if not roots:
        raise _refused(
            "There is no OpenAPI document among the files.", "Add the JSON or YAML file that says `openapi:`."
        )
    if len(roots) > 1 and roots[0][0] == roots[1][0]:
        raise _refused("There are several OpenAPI documents among the files.", "Say which one is the `entry`.")
    return roots[0][1]


def _read(archive: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            return _extract(opened)
    except (*_UNREADABLE, NotImplementedError, RuntimeError, EOFError, OSError, ValueError):
        raise _refused("The zip archive cannot be read.", "Upload a plain zip file without a password.") from None


def _extract(opened: zipfile.ZipFile) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    room = _MAX_SIZE
    for info in opened.infolist():
        name = posixpath.normpath(info.filename)
        if info.is_dir() or not name.lower().endswith(_DOCUMENTS) or name.startswith(("..", "/")):
            continue
        with opened.open(info) as member:
            content = member.read(room + 1)
        room -= len(content)
        if room < 0 or len(found) >= _MAX_FILES:
            raise DescriptionError(
                "spec_too_large", f"The archive's documents are larger than {_MAX_SIZE:,} bytes.", remedy="Split it."
            )
        found[name] = content
    return found


def _refused(message: str, remedy: str) -> DescriptionError:
    return DescriptionError("spec_zip", message, remedy=remedy)
