"""Files that declare servers: one object per file, and the documents they refer to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from app.api.declaration_schemas import ServerDeclaration
from app.cli import Failure
from app.cli.sources import read_local, uploaded
from app.services.import_description import Source
from converters import DescriptionError
from converters.documents import parse
from converters.pointers import from_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from converters.documents import Document

_SUFFIXES: Final = frozenset({".yaml", ".yml"})
_OTHER_DOCUMENTS: Final = frozenset({"openapi", "swagger", "overlay"})


@dataclass(frozen=True, slots=True)
class DeclaringFile:
    """A file, and what it declares."""

    path: Path
    declaration: ServerDeclaration

    @property
    def document(self) -> Path | None:
        """Where the description is; None where it is not a file."""
        file = self.declaration.source.file
        return None if file is None else self.path.parent / file

    @property
    def overlays(self) -> tuple[Path, ...]:
        """Where the overlays are."""
        return tuple(self.path.parent / each for each in self.declaration.source.overlays)

    def files(self) -> Iterator[Path]:
        """Give the file and all that it refers to."""
        yield self.path
        yield from self.overlays
        if self.document is not None:
            yield from self.document.rglob("*") if self.document.is_dir() else (self.document,)

    def source(self) -> Source:
        """Read the description, a directory as a zip; ends the command where it cannot be read."""
        declared = self.declaration.source
        if self.document is None:
            return Source(url=declared.url)
        local = read_local(self.document, entry=declared.entry)
        overlays = tuple(read_local(each).document for each in self.overlays)
        entry = local.uri if local.further else None
        return Source(uploaded(local)[1], entry=entry, overlays=overlays)


def candidates(place: Path) -> tuple[Path, ...]:
    """List the files that may declare servers: the one named, or the YAML files of a directory, not of those in it."""
    if not place.is_dir():
        return (place,)
    return tuple(sorted(each for each in place.iterdir() if each.suffix.lower() in _SUFFIXES and each.is_file()))


def read_declaration(path: Path) -> DeclaringFile | None:
    """Read a file; None for one that is an OpenAPI document or an overlay.

    Raises:
        Failure: with the file, the line and what to do.

    """
    try:
        document = parse(path.read_bytes())
    except OSError as error:
        raise Failure(f"{path}: {error.strerror or 'it cannot be read'}.", 2) from None
    except DescriptionError as error:
        where = f"{path}:{error.line}" if error.line else str(path)
        raise Failure(f"{where}: {error.message}", 2) from None
    if _OTHER_DOCUMENTS & document.root.keys():
        return None
    try:
        return DeclaringFile(path, ServerDeclaration.model_validate(document.root))
    except ValidationError as error:
        raise Failure(_worded(path, document, error.errors(include_url=False)[0]), 2) from None


def _worded(path: Path, document: Document, error: Any) -> str:
    pointer = from_tokens(error["loc"])
    line = document.lines_of([pointer]).get(pointer)
    where = f"{path}:{line}" if line else str(path)
    return f"{where}: {pointer or 'the declaration'}: {error['msg'].removeprefix('Value error, ')}."


def read_declarations(place: Path) -> tuple[DeclaringFile, ...]:
    """Read all that a file or directory declares; ends the command where one of them is wrong, or there is none."""
    found = tuple(each for path in candidates(place) if (each := read_declaration(path)) is not None)
    if not found:
        raise Failure(f"{place}: no server is declared there.", 2)
    twice = duplicates(found)
    if twice:
        first, second = twice[0]
        sentence = f"{second.path}: {first.path.name} declares {_name(first)} already."
        raise Failure(sentence, 2)
    return found


def duplicates(found: tuple[DeclaringFile, ...]) -> tuple[tuple[DeclaringFile, DeclaringFile], ...]:
    """List files that declare a server which another file before them does, with that one first."""
    first: dict[str, DeclaringFile] = {}
    return tuple((other, each) for each in found if (other := first.setdefault(_name(each), each)) is not each)


def _name(file: DeclaringFile) -> str:
    return f"{file.declaration.namespace}/{file.declaration.name}"
