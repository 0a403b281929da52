"""Documents -> one self-contained description, and the lookup of its `$ref`s.

`bundle` is a generator: it yields the absolute or relative URIs it needs and is sent a `Document` for each, or None
for "refused"; it never fetches. Referenced documents are mounted in the root under `x-documents`, and every `$ref`
is rewritten to stay inside, so that what follows sees one document whose references are all local.

prance serves as pointer walker. Its resolver is not used: it would inline schemas, and treat a `$ref` that is data
(in an example, an enum, a default) as a reference.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from prance.util.path import path_get

from converters import pointers
from converters.errors import ConverterError, DescriptionError

if TYPE_CHECKING:
    from collections.abc import Container, Generator, Iterator, Mapping

    from converters.documents import Document
    from converters.oas import Schema

MOUNT: Final = "x-documents"

_DATA: Final = frozenset({"example", "examples", "enum", "default", "const"})
_NAMED: Final = frozenset(
    {
        "properties", "patternProperties", "definitions", "$defs", "dependentSchemas", "schemas", "parameters",
        "responses", "requestBodies", "headers", "callbacks", "paths", "pathItems", "content", "encoding", "links",
        "webhooks", "securitySchemes", "securityDefinitions", "mediaTypes",
    }
)  # fmt: skip
"""Keywords whose value maps names, chosen by the author, to objects."""

_MAX_CHAIN: Final = 64


class UnresolvedReferenceError(ConverterError):
    """A `$ref` leads nowhere; `code` is a diagnostic code and `pointer` where the `$ref` stands."""

    def __init__(self, code: str, pointer: str, message: str) -> None:
        """Keep what a diagnostic needs."""
        super().__init__(message)
        self.code = code
        self.pointer = pointer


@dataclass(frozen=True, slots=True)
class Description:
    """A description whose references are all local.

    `source` is the bundled document as written, which `$ref`s and pointers mean; `root` has the OAS 3.x structure
    (equal to `source` unless normalization changed it); `origins` maps pointers of `root` to those of `source`;
    `missing` lists the documents that were asked for and refused; `subtypes` maps the pointer of each component with a
    discriminator to the components that extend it.
    """

    source: Mapping[str, Any]
    root: Mapping[str, Any]
    version: str = ""
    uri: str = ""
    origins: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    subtypes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def origin(self, pointer: str) -> str:
        """Translate a pointer into `root` to the place in `source` that made it."""
        if not self.origins:
            return pointer
        parts = pointers.tokens(pointer)
        for length in range(len(parts), 0, -1):
            prefix = pointers.from_tokens(parts[:length])
            if prefix in self.origins:
                return self.origins[prefix] + pointers.from_tokens(parts[length:])
        return pointer

    def resolve(self, value: Any, pointer: str) -> tuple[Any, str]:
        """Follow `$ref`s from `value` (which stands at `pointer`) to something that is not a Reference Object.

        Raises:
            UnresolvedReferenceError: where a reference leads nowhere, outside, or round in a circle.

        """
        start = pointer
        for _ in range(_MAX_CHAIN):
            if not (isinstance(value, dict) and isinstance(value.get("$ref"), str)):
                return value, pointer
            value, pointer = self.lookup(value["$ref"], pointer)
        raise UnresolvedReferenceError("reference_cycle", start, "The chain of references never ends at a value.")

    def try_resolve(self, value: Any, pointer: str) -> Any:
        """Follow `$ref`s as `resolve` does; None where they lead nowhere."""
        try:
            return self.resolve(value, pointer)[0]
        except UnresolvedReferenceError:
            return None

    def resolve_schema(self, schema: Schema) -> Schema:
        """Follow the `$ref`s of a schema; raises as `resolve` does."""
        return type(schema)(*self.resolve(schema.value, schema.pointer))

    def lookup(self, reference: str, at: str, *, hops: int = 0) -> tuple[Any, str]:
        """Find what one reference, written at pointer `at`, points to: the value and its canonical pointer.

        `hops` counts the references that were followed on the way.
        """
        uri, _, fragment = reference.partition("#")
        if uri:
            raise _outside(reference, uri, at)
        target = pointers.from_fragment(fragment)
        if fragment and not fragment.startswith("/"):
            raise UnresolvedReferenceError(
                "reference_unresolved", at, f"The anchor {reference[:200]!r} is not supported."
            )
        try:
            return path_get(self.source, pointers.tokens(target)), target
        except (KeyError, IndexError, TypeError):
            return self._lookup_through(target, reference, at, hops)

    def _lookup_through(self, target: str, reference: str, at: str, hops: int) -> tuple[Any, str]:
        """Walk a pointer whose way leads through other references."""
        value: Any = self.source
        pointer = ""
        for token in pointers.tokens(target):
            while isinstance(value, dict) and token not in value and isinstance(value.get("$ref"), str):
                hops += 1
                if hops > _MAX_CHAIN:
                    raise UnresolvedReferenceError(
                        "reference_cycle", at, f"The reference {reference[:200]!r} leads round in a circle."
                    )
                value, pointer = self.lookup(value["$ref"], pointer, hops=hops)
            try:
                value = path_get(value, (token,))
            except (KeyError, IndexError, TypeError):
                raise UnresolvedReferenceError(
                    "reference_unresolved", at, f"The reference {reference[:200]!r} points at nothing."
                ) from None
            pointer = pointers.join(pointer, token)
        return value, pointer


def _outside(reference: str, uri: str, at: str) -> UnresolvedReferenceError:
    parts = urlsplit(uri)
    if parts.scheme in {"http", "https"} or parts.netloc:
        return UnresolvedReferenceError(
            "ref_remote_disabled", at, f"The reference {reference[:200]!r} leads to another host and was not fetched."
        )
    return UnresolvedReferenceError(
        "reference_document_missing", at, f"The reference {reference[:200]!r} needs a document that was not uploaded."
    )


def bundle(entry: Document) -> Generator[str, Document | None, Description]:
    """Make `entry` and every document it refers to one description.

    Yields the URI of each further document, relative ones resolved against the document that refers to them, and
    expects the parsed document, or None where it is not to be had.

    Raises:
        DescriptionError: `ref_file_refused`, for a reference to the file system or above the description's root.

    """
    root: dict[str, Any] = dict(entry.root)
    further: dict[str, Any] = {}
    waiting: list[tuple[Any, str, str]] = [] if _is_local(entry) else [(root, entry.uri, "")]
    places: dict[str, str | None] = {entry.uri: "", **_identified(entry, "")}
    while waiting:
        tree, base, place = waiting.pop()
        for holder, at in _references(tree, place):
            uri, fragment = urldefrag(holder["$ref"])
            target = _resolve_uri(base, uri, pointer=at) if uri else base
            if target not in places:
                document = yield target
                mount = None if document is None else pointers.join("", MOUNT, target)
                places[target] = mount
                if document is not None and mount is not None:
                    further[target] = document.root
                    places.update(_identified(document, mount, uri=target))
                    waiting.append((document.root, target, mount))
            anchored = places.get(f"{target}#{fragment}")
            mount = places[target]
            if anchored is not None:
                holder["$ref"] = "#" + _quoted(anchored)
            elif mount is not None and (mount or uri):
                holder["$ref"] = "#" + _quoted(mount) + _fragment_path(fragment)
    if further:
        root[MOUNT] = {**root.get(MOUNT, {}), **dict(sorted(further.items()))}
    missing = tuple(sorted(uri for uri, place in places.items() if place is None))
    return Description(root, root, uri=entry.uri, missing=missing)


def unmounted(pointer: str, uris: Container[str]) -> tuple[str, str]:
    """Split a pointer into a bundled description: the URI of the document it leads into, and the pointer there.

    `uris` are the further documents there are; the entry document is "".
    """
    parts = pointers.tokens(pointer)
    if len(parts) > 1 and parts[0] == MOUNT and parts[1] in uris:
        return parts[1], pointers.from_tokens(parts[2:])
    return "", pointer


def mounted(uri: str, pointer: str) -> str:
    """Undo `unmounted`."""
    return pointers.join("", MOUNT, uri) + pointer if uri else pointer


_IDENTIFIERS: Final = ("$id", "$anchor", "$dynamicAnchor")


def _identified(document: Document, place: str, *, uri: str | None = None) -> dict[str, str]:
    """Find the schemas that name themselves (JSON Schema 2020-12 core, section 8.2): URI or URI#anchor -> pointer.

    `$dynamicRef` is read as `$ref` to the one `$dynamicAnchor` of that name, which is what it means unless a schema
    of another resource overrides it.
    """
    base = document.uri if uri is None else uri
    found: dict[str, str] = {}
    if not any(identifier in document.text for identifier in _IDENTIFIERS):
        return found
    for schema, at in _objects(document.root, place):
        identifier = schema.get("$id")
        if isinstance(identifier, str):
            found.setdefault(urljoin(base, identifier).rstrip("#"), at)
        for keyword in ("$anchor", "$dynamicAnchor"):
            if isinstance(schema.get(keyword), str):
                found.setdefault(f"{base}#{schema[keyword]}", at)
        if isinstance(schema.get("$dynamicRef"), str):
            schema.setdefault("$ref", schema["$dynamicRef"])
    return found


def _fragment_path(fragment: str) -> str:
    return fragment if fragment in {"", "/"} or fragment.startswith("/") else "/" + fragment


def _quoted(pointer: str) -> str:
    return pointer.replace("%", "%25").replace("#", "%23")


def _resolve_uri(base: str, uri: str, *, pointer: str) -> str:
    """Resolve a reference's URI against its document, refusing the file system and what is above the root."""
    scheme = urlsplit(uri).scheme
    climbs = not scheme and not urlsplit(base).scheme and _climbs(base, uri)
    if (scheme and scheme not in {"http", "https"}) or climbs:
        raise DescriptionError(
            "ref_file_refused",
            f"The reference {uri[:200]!r} leads outside of the description; such files are never opened.",
            pointer=pointer,
            remedy="Put the referenced document into the upload and refer to it by a relative path.",
        )
    if scheme or urlsplit(base).scheme:
        return urljoin(base, uri)
    return posixpath.normpath(posixpath.join(posixpath.dirname(base), unquote(uri)))


def _climbs(base: str, uri: str) -> bool:
    path = unquote(uri).replace("\\", "/")
    if path.startswith("/"):
        return True
    depth = unquote(base).count("/")
    for segment in path.split("/"):
        depth += -1 if segment == ".." else 0 if segment in {"", "."} else 1
        if depth < 0:
            return True
    return False


_REFERENCE: Final = re.compile(r"\$ref")
_LOCAL_REFERENCE: Final = re.compile(r"""\$ref["']?\s*:\s*["']?#["'/\s]""")
_ESCAPED: Final = re.compile(r"\$\\|\\u0024|\\x24", re.IGNORECASE)


def _is_local(document: Document) -> bool:
    """Tell by the text alone that every `$ref` is a pointer into the document itself, so that none needs rewriting.

    This spares a walk over all values of most descriptions; where it is not certain, they are walked.
    """
    text = document.text
    if any(identifier in text for identifier in (*_IDENTIFIERS, "$dynamicRef")) or _ESCAPED.search(text):
        return False
    return len(_REFERENCE.findall(text)) == len(_LOCAL_REFERENCE.findall(text))


def _references(tree: Any, place: str) -> Iterator[tuple[dict[str, Any], str]]:
    """List every object of `tree` that is a reference, with its pointer; what is data, not schema, is left alone."""
    return ((node, at) for node, at in _objects(tree, place) if isinstance(node.get("$ref"), str))


def _objects(tree: Any, place: str) -> Iterator[tuple[dict[str, Any], str]]:
    """List every object of `tree` that may be part of the description, with its pointer."""
    seen: set[int] = set()
    stack: list[tuple[Any, str, bool]] = [(tree, place, False)]
    while stack:
        node, pointer, named = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, list):
            stack.extend(
                (child, f"{pointer}/{index}", False)
                for index, child in enumerate(node)
                if isinstance(child, (dict, list))
            )
            continue
        yield node, pointer
        for key, child in node.items():
            if isinstance(child, (dict, list)) and (named or (key not in _DATA and not key.startswith("x-"))):
                stack.append((child, f"{pointer}/{pointers.escape(key)}", not named and key in _NAMED))
