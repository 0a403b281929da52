"""YAML 1.2 (core schema, section 10.3) from libyaml's events, in one pass and without recursion.

What the pass refuses while reading: depth, number of nodes, aliases and their expansion, alias cycles, tags other
than the core schema's, duplicate keys, a second document. Merge keys (`<<`, YAML 1.1) are honoured because real
descriptions use them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import yaml
from yaml._yaml import CParser

from converters import pointers
from converters.errors import DescriptionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converters.limits import Limits

_CORE_TAG: Final = "tag:yaml.org,2002:"
_COLLECTION_TAGS: Final = frozenset({None, "!", _CORE_TAG + "map", _CORE_TAG + "seq"})
_MERGE_TAG: Final = _CORE_TAG + "merge"
_INT: Final = re.compile(r"[-+]?[0-9]+")
_OCTAL: Final = re.compile(r"0o[0-7]+")
_HEX: Final = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WORDS: Final[dict[str, Any]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER_START: Final = frozenset("+-.0123456789")
_MERGE: Final = object()
_MAX_DIGITS: Final = 3_500
"""Digits of an integer; what Python writes as over 4,300 decimal digits cannot become JSON again."""


def load(text: str, limits: Limits) -> tuple[Any, tuple[str, ...]]:
    """Build the one YAML document of `text`; gives it and the pointers of extensions that held themselves.

    An alias inside its own anchor cannot be a JSON value. Within an extension (`x-`), which no tool is made of, null
    takes its place; anywhere else it is refused.

    Raises:
        DescriptionError: `spec_syntax`, `spec_depth`, `spec_expansion`, `spec_cycle`, `spec_tag`,
            `spec_duplicate_key`, `spec_number` or `spec_multiple_documents`, with the line.

    """
    builder = _Builder(limits)
    for event in events(text):
        builder.add(event)
    return builder.root, tuple(builder.cut)


def events(text: str) -> Iterator[Any]:
    """Give libyaml's events one by one; raises `DescriptionError` (`spec_syntax`) where the text is not YAML."""
    parser = CParser(text)
    try:
        while (event := parser.get_event()) is not None:
            yield event
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        line = mark.line + 1 if mark else None
        problem = getattr(error, "problem", None) or "it cannot be read"
        where = f" at line {line}, column {mark.column + 1}" if mark else ""
        raise DescriptionError(
            "spec_syntax",
            f"The document is not valid YAML: {problem}{where}.",
            line=line,
            remedy="Correct the syntax at that place.",
        ) from None
    finally:
        parser.dispose()


class _Frame:
    """One open mapping or sequence: what it holds so far, the key that waits for its value, its size."""

    __slots__ = ("anchor", "container", "has_key", "key", "lines", "merged", "size")

    def __init__(self, container: dict[str, Any] | list[Any], anchor: str | None) -> None:
        self.container = container
        self.anchor = anchor
        self.lines: dict[Any, int] = {}
        self.key: Any = None
        self.has_key = False
        self.merged: list[Any] = []
        self.size = 1


class _Builder:
    """Turns events into values; one method per kind of event."""

    def __init__(self, limits: Limits) -> None:
        self.root: Any = None
        self.cut: list[str] = []
        self._limits = limits
        self._frames: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._open_anchors: set[str] = set()
        self._documents = 0
        self._nodes = 0
        self._aliases = 0

    def add(self, event: Any) -> None:
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)

    def document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            raise _problem(
                "spec_multiple_documents",
                "The file holds more than one YAML document",
                event,
                "Upload one document per file, without further `---` lines.",
            )

    def scalar(self, event: Any) -> None:
        is_merge = self._waits_for_key() and event.value == "<<" and (event.implicit[0] or event.tag == _MERGE_TAG)
        value = _MERGE if is_merge else _scalar(event)
        if event.anchor:
            self._anchors[event.anchor] = (value, 1)
        self._place(value, 1, event)

    def mapping(self, event: Any) -> None:
        self._open({}, event)

    def sequence(self, event: Any) -> None:
        self._open([], event)

    def alias(self, event: Any) -> None:
        self._aliases += 1
        if event.anchor in self._open_anchors and self._is_in_extension():
            self.cut.append(pointers.from_tokens(self._path()))
            self._place(None, 1, event)
            return
        if event.anchor in self._open_anchors:
            raise _problem(
                "spec_cycle",
                f"The alias *{event.anchor} stands inside what it refers to",
                event,
                "Use `$ref` for recursive schemas.",
            )
        if event.anchor not in self._anchors:
            raise _problem("spec_syntax", f"The alias *{event.anchor} has no anchor", event, "Define the anchor first.")
        if self._aliases > self._limits.aliases:
            raise _problem(
                "spec_expansion",
                f"The document uses more than {self._limits.aliases:,} aliases",
                event,
                "Use `$ref` instead of aliases.",
            )
        value, size = self._anchors[event.anchor]
        self._place(value, size, event)

    def end(self, event: Any) -> None:
        frame = self._frames.pop()
        for source in frame.merged:
            _merge(frame.container, source)
        if frame.anchor:
            self._anchors[frame.anchor] = (frame.container, frame.size)
            self._open_anchors.discard(frame.anchor)
        self._attach(frame.container, frame.size, event)

    def _path(self) -> Iterator[str | int]:
        """Give the keys and indices that lead to the value that comes next."""
        for frame in self._frames:
            yield len(frame.container) if isinstance(frame.container, list) else frame.key

    def _is_in_extension(self) -> bool:
        """Tell whether the value that comes next stands somewhere in an extension."""
        return any(
            frame.has_key and isinstance(frame.key, str) and frame.key.startswith("x-") for frame in self._frames
        )

    def _open(self, container: dict[str, Any] | list[Any], event: Any) -> None:
        if event.tag not in _COLLECTION_TAGS:
            raise _unknown_tag(event)
        if self._waits_for_key():
            raise _problem("spec_syntax", "A mapping uses a list or mapping as a key", event, "Use texts as keys.")
        if len(self._frames) >= self._limits.depth:
            raise _problem(
                "spec_depth",
                f"The document is nested deeper than {self._limits.depth} levels",
                event,
                "Move nested schemas to components and refer to them.",
            )
        self._count(event)
        if event.anchor:
            self._open_anchors.add(event.anchor)
        self._frames.append(_Frame(container, event.anchor))

    def _place(self, value: Any, size: int, event: Any) -> None:
        self._count(event)
        if self._waits_for_key():
            self._set_key(value, event)
        else:
            self._attach(value, size, event)

    def _set_key(self, value: Any, event: Any) -> None:
        frame = self._frames[-1]
        key = value if value is _MERGE else event.value if isinstance(event, yaml.ScalarEvent) else value
        if not isinstance(key, str) and key is not _MERGE:
            raise _problem(
                "spec_syntax", "A mapping uses a value that is not a text as a key", event, "Use texts as keys."
            )
        if key in frame.container:
            raise _problem(
                "spec_duplicate_key",
                f"A mapping holds the key {str(key)[:80]!r} twice, at line {frame.lines[key]} and",
                event,
                "Keep one of them: parsers disagree on which one counts.",
            )
        frame.key, frame.has_key = key, True
        frame.lines[key] = event.start_mark.line + 1

    def _attach(self, value: Any, size: int, event: Any) -> None:
        if not self._frames:
            self.root = value
            return
        frame = self._frames[-1]
        frame.size += size
        if frame.size > self._limits.expanded:
            raise _problem(
                "spec_expansion",
                f"The document expands to more than {self._limits.expanded:,} values",
                event,
                "Use `$ref` instead of aliases.",
            )
        if isinstance(frame.container, list):
            frame.container.append(value)
            return
        if frame.key is _MERGE:
            frame.merged.append(value)
        else:
            frame.container[frame.key] = value
        frame.has_key = False

    def _waits_for_key(self) -> bool:
        return bool(self._frames) and isinstance(self._frames[-1].container, dict) and not self._frames[-1].has_key

    def _count(self, event: Any) -> None:
        self._nodes += 1
        if self._nodes > self._limits.nodes:
            raise _problem(
                "spec_expansion",
                f"The document holds more than {self._limits.nodes:,} values",
                event,
                "Split the description.",
            )


_HANDLERS: Final[dict[type, Any]] = {
    yaml.ScalarEvent: _Builder.scalar,
    yaml.MappingStartEvent: _Builder.mapping,
    yaml.SequenceStartEvent: _Builder.sequence,
    yaml.AliasEvent: _Builder.alias,
    yaml.MappingEndEvent: _Builder.end,
    yaml.SequenceEndEvent: _Builder.end,
    yaml.DocumentStartEvent: _Builder.document,
}


def _merge(target: Any, source: Any) -> None:
    """Apply a merge key: keys that the mapping has itself win, earlier sources win over later ones."""
    for mapping in source if isinstance(source, list) else [source]:
        if isinstance(mapping, dict):
            for key, value in mapping.items():
                target.setdefault(key, value)


def _scalar(event: Any) -> Any:
    """Resolve a scalar by the core schema (YAML 1.2 section 10.3.2); a quoted one is always a text."""
    value, tag = event.value, event.tag
    if tag and tag != "!":
        return _tagged(event)
    if tag == "!" or not event.implicit[0] or event.style in {"'", '"', "|", ">"}:
        return value
    if value in _WORDS:
        return _WORDS[value]
    if value[0] not in _NUMBER_START:
        return value
    return _number(value, event)


def _number(value: str, event: Any) -> Any:
    for pattern, base in ((_INT, 10), (_OCTAL, 8), (_HEX, 16)):
        if pattern.fullmatch(value):
            return _integer(value, base, event)
    if _NOT_FINITE.fullmatch(value):
        raise _bad_number(event)
    if _FLOAT.fullmatch(value):
        number = float(value)
        if number in {float("inf"), float("-inf")}:
            raise _bad_number(event)
        return number
    return value


def _integer(value: str, base: int, event: Any) -> int:
    if len(value) > _MAX_DIGITS:
        raise _bad_number(event)
    return int(value, base)


def _tagged(event: Any) -> Any:
    name = event.tag.removeprefix(_CORE_TAG)
    if name == "str":
        return event.value
    if name in {"int", "float", "bool", "null"}:
        if event.value in _WORDS:
            return _WORDS[event.value]
        return _number(event.value, event)
    raise _unknown_tag(event)


def _unknown_tag(event: Any) -> DescriptionError:
    return _problem(
        "spec_tag",
        f"The document uses the YAML tag {event.tag[:80]!r}",
        event,
        "Use plain JSON values only: texts, numbers, booleans, null, lists and mappings.",
    )


def _bad_number(event: Any) -> DescriptionError:
    return _problem(
        "spec_number",
        f"The document holds {event.value[:40]!r}, which is not a JSON number that can be kept exactly",
        event,
        "Use a finite number, or quote the value as a text.",
    )


def _problem(code: str, sentence: str, event: Any, remedy: str) -> DescriptionError:
    line = event.start_mark.line + 1
    return DescriptionError(code, f"{sentence} at line {line}.", line=line, remedy=remedy)
