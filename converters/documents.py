"""Bytes -> Document: JSON (RFC 8259) or YAML 1.2 with the core schema, under limits, with lines for pointers.

YAML is built from libyaml's event stream in one pass: limits (depth, nodes, aliases) hold while reading, nothing
recurses, and only JSON values come out: no dates, no `yes`/`no` booleans, no tags. `line_of` reads the text a second
time, only when a diagnostic asks for it.
"""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from converters import pointers, yaml_events
from converters.errors import DescriptionError
from converters.json_positions import duplicate_key_lines, lines_of_json
from converters.limits import DEFAULT_LIMITS, Limits
from converters.yaml_positions import lines_of_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Document:
    """One parsed document: `root` holds only JSON values; `uri` is where it came from, or ""."""

    root: Any
    text: str
    is_json: bool
    uri: str = ""
    replaced_text: tuple[str, ...] = ()
    cut_cycles: tuple[str, ...] = ()

    def lines_of(self, wanted: Iterable[str]) -> Mapping[str, int]:
        """Find the 1-based lines of JSON Pointers; one that does not exist gets its nearest ancestor's line."""
        paths = {pointer: pointers.tokens(pointer) for pointer in wanted}
        found = (lines_of_json if self.is_json else lines_of_yaml)(self.text, set(paths.values()))
        return {pointer: found[path] for pointer, path in paths.items() if path in found}


# The first bytes of file formats that people upload by mistake.
_MAGIC: Final[Mapping[bytes, str]] = {
    b"PK\x03\x04": "a zip archive",
    b"\x89PNG": "a PNG image",
    b"\x7fELF": "a program",
    b"%PDF": "a PDF document",
    b"\x1f\x8b": "gzip-compressed data",
    b"GIF8": "a GIF image",
    b"\xff\xd8\xff": "a JPEG image",
}
_MARKUP: Final = re.compile(r"\s*<[!?A-Za-z]")
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_ESCAPED_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def parse(raw: bytes, *, uri: str = "", limits: Limits = DEFAULT_LIMITS) -> Document:
    """Parse one document.

    Raises:
        DescriptionError: with a `spec_*` code, when the bytes are not one JSON or YAML mapping within `limits`.

    """
    if len(raw) > limits.size:
        raise DescriptionError(
            "spec_too_large",
            f"The document has {len(raw):,} bytes; the limit is {limits.size:,}.",
            remedy="Split the description, or ask the operator to raise the limit.",
        )
    text = decode(raw)
    if _MARKUP.match(text):
        raise DescriptionError(
            "spec_not_openapi",
            "The document is a web page or XML, not an OpenAPI description.",
            remedy="Upload the OpenAPI document itself; a login or documentation page is not one.",
        )
    start = text.lstrip()[:1]
    cut: tuple[str, ...] = ()
    is_json = start in {"{", "["}
    if not start:
        root = None
    elif is_json:
        try:
            root = _parse_json(text, limits)
        except json.JSONDecodeError as error:
            root, is_json = _parse_yaml_flow(text, error, limits), False
    else:
        root, cut = yaml_events.load(text, limits)
    if not isinstance(root, dict):
        raise DescriptionError(
            "spec_not_object",
            f"The document is {_kind(root)}, not an object; an OpenAPI description is an object.",
            remedy="Upload the JSON or YAML file that starts with `openapi:` or `swagger:`.",
        )
    replaced: tuple[str, ...] = ()
    if is_json and _ESCAPED_SURROGATE.search(text):
        replaced = tuple(_replace_lone_surrogates(root))
    return Document(root, text, is_json, uri, replaced, cut)


def decode(raw: bytes) -> str:
    """Decode UTF-8 or UTF-16 by byte order mark; anything else is refused, never guessed.

    Raises:
        DescriptionError: `spec_not_text` for binary formats, `spec_encoding` for broken text.

    """
    for magic, name in _MAGIC.items():
        if raw.startswith(magic):
            raise DescriptionError(
                "spec_not_text",
                f"The upload is {name}, not a JSON or YAML document.",
                remedy="Upload the OpenAPI document itself.",
            )
    encoding = "utf-8-sig"
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        code = "spec_not_text" if b"\x00" in raw[:1024] else "spec_encoding"
        raise DescriptionError(
            code,
            f"The document is not valid {'UTF-16' if encoding == 'utf-16' else 'UTF-8'} text: byte {error.start} "
            "cannot be decoded.",
            remedy="Save the document as UTF-8.",
        ) from None
    if control := _CONTROL.search(text):
        raise DescriptionError(
            "spec_not_text",
            f"The document holds the control character U+{ord(control.group()):04X} at character {control.start()}.",
            line=text.count("\n", 0, control.start()) + 1,
            remedy="Upload a JSON or YAML text document.",
        )
    return text


def _kind(value: object) -> str:
    if value is None:
        return "empty"
    return {list: "a list", str: "a text", bool: "a boolean", int: "a number", float: "a number"}[type(value)]


def _parse_json(text: str, limits: Limits) -> Any:
    try:
        root = json.loads(
            text, object_pairs_hook=_unique_object, parse_constant=_refuse_constant, parse_float=_finite_float
        )
    except RecursionError:
        raise _too_deep(limits) from None
    except _DuplicateKeyError as error:
        raise _duplicate_key(text, error.key) from None
    except json.JSONDecodeError:
        raise
    except ValueError:
        # int() refuses numbers of over 4,300 digits with a bare ValueError.
        raise _bad_number("a number with thousands of digits") from None
    _check_size(root, limits)
    return root


def _parse_yaml_flow(text: str, error: json.JSONDecodeError, limits: Limits) -> Any:
    """Read a text that starts like JSON but is not as YAML; if it is neither, report the JSON problem."""
    try:
        return yaml_events.load(text, limits)[0]
    except DescriptionError as yaml_error:
        if yaml_error.code != "spec_syntax":
            raise
    raise DescriptionError(
        "spec_syntax",
        f"The document is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}.",
        line=error.lineno,
        remedy="Correct the syntax at that place.",
    )


class _DuplicateKeyError(Exception):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _unique_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKeyError(key)
            seen.add(key)
    return built


def _refuse_constant(name: str) -> Any:
    raise _bad_number(name)


def _finite_float(literal: str) -> float:
    value = float(literal)
    if value in {float("inf"), float("-inf")}:
        raise _bad_number(literal[:40])
    return value


def _bad_number(what: str) -> DescriptionError:
    return DescriptionError(
        "spec_number",
        f"The document holds {what}, which is not a JSON number that can be kept exactly.",
        remedy="Use a finite number, or quote the value as a text.",
    )


def _too_deep(limits: Limits) -> DescriptionError:
    return DescriptionError(
        "spec_depth",
        f"The document is nested deeper than {limits.depth} levels.",
        remedy="Move nested schemas to components and refer to them.",
    )


def _duplicate_key(text: str, key: str) -> DescriptionError:
    first, second = duplicate_key_lines(text, key)
    return DescriptionError(
        "spec_duplicate_key",
        f"An object holds the key {key[:80]!r} twice, at line {first} and at line {second}.",
        line=second,
        remedy="Keep one of them: parsers disagree on which one counts.",
    )


def _check_size(root: Any, limits: Limits) -> None:
    """Bound depth and number of values, level by level, without recursion."""
    level, depth, nodes = [root] if isinstance(root, (dict, list)) else [], 1, 1
    while level:
        if depth > limits.depth:
            raise _too_deep(limits)
        below: list[Any] = []
        for container in level:
            children = container.values() if isinstance(container, dict) else container
            nodes += len(container)
            below += [child for child in children if isinstance(child, (dict, list))]
        if nodes > limits.nodes:
            raise DescriptionError(
                "spec_expansion",
                f"The document holds more than {limits.nodes:,} values.",
                remedy="Split the description.",
            )
        level, depth = below, depth + 1


def _replace_lone_surrogates(root: Any) -> Iterable[str]:
    r"""Replace lone surrogates (from `\ud800` escapes) by U+FFFD in place; gives the pointers of what changed."""
    stack: list[tuple[Any, str]] = [(root, "")]
    while stack:
        container, pointer = stack.pop()
        items = list(container.items()) if isinstance(container, dict) else list(enumerate(container))
        for key, value in items:
            at = pointers.join(pointer, key)
            if isinstance(value, (dict, list)):
                stack.append((value, at))
            elif isinstance(value, str) and _SURROGATE.search(value):
                container[key] = _SURROGATE.sub("\ufffd", value)
                yield at
            if isinstance(key, str) and _SURROGATE.search(key):
                container[_SURROGATE.sub("\ufffd", key)] = container.pop(key)
                yield pointer
