"""Two tool surfaces -> what changed, and whether callers notice: breaking, compatible or text only.

Tools are matched by operation (method and path), then by name. A change breaks where a call that was right before is
refused now, or where a result may lack what it had. What cannot be judged counts as breaking.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, Literal

from converters import pointers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from converters.tool_definitions import ToolDefinition

Kind = Literal["added", "removed", "renamed", "changed"]


class Level(IntEnum):
    """How much a change matters to callers."""

    TEXT = 0
    COMPATIBLE = 1
    BREAKING = 2

    @property
    def label(self) -> str:
        """The level in words."""
        return ("text only", "compatible", "breaking")[self]


@dataclass(frozen=True, slots=True)
class Detail:
    """One difference within a tool: where (a JSON Pointer into the schema, or a field's name), and what."""

    level: Level
    where: str
    what: str


@dataclass(frozen=True, slots=True)
class ToolChange:
    """What happened to one tool; `level` is that of its worst detail."""

    kind: Kind
    level: Level
    name: str
    operation_key: str
    details: tuple[Detail, ...] = ()


def compare(old: Sequence[ToolDefinition], new: Sequence[ToolDefinition]) -> tuple[ToolChange, ...]:
    """List the changes from `old` to `new`: removed, renamed and changed tools in old order, then added ones."""
    by_key = {tool.operation_key: tool for tool in new}
    by_name = {tool.name: tool for tool in new}
    old_keys = {tool.operation_key for tool in old}
    matched: set[str] = set()
    changes: list[ToolChange] = []
    for tool in old:
        found = by_key.get(tool.operation_key)
        moved = by_name.get(tool.name)
        if found is None and moved is not None and moved.operation_key not in old_keys:
            found = moved
        if found is None:
            changes.append(ToolChange("removed", Level.BREAKING, tool.name, tool.operation_key))
            continue
        matched.add(found.operation_key)
        change = _change(tool, found)
        if change is not None:
            changes.append(change)
    changes += [
        ToolChange("added", Level.COMPATIBLE, tool.name, tool.operation_key)
        for tool in new
        if tool.operation_key not in matched
    ]
    return tuple(changes)


def _change(old: ToolDefinition, new: ToolDefinition) -> ToolChange | None:
    details = tuple(_details(old, new))
    if old.name != new.name:
        renamed = Detail(Level.BREAKING, "name", f"{old.name} is now {new.name}")
        return ToolChange("renamed", Level.BREAKING, new.name, new.operation_key, (renamed, *details))
    if not details:
        return None
    return ToolChange("changed", max(each.level for each in details), new.name, new.operation_key, details)


def _details(old: ToolDefinition, new: ToolDefinition) -> Iterator[Detail]:
    if (old.description, old.title) != (new.description, new.title):
        yield Detail(Level.TEXT, "description", "the text changed")
    if old.operation_key != new.operation_key:
        yield Detail(Level.COMPATIBLE, "operation", f"{old.operation_key} is now {new.operation_key}")
    if old.deprecated != new.deprecated:
        yield Detail(
            Level.TEXT, "deprecated", "it is deprecated now" if new.deprecated else "it is no longer deprecated"
        )
    if dict(old.annotations) != dict(new.annotations):
        yield Detail(Level.COMPATIBLE, "annotations", "the hints changed")
    if old.enabled and not new.enabled:
        yield Detail(Level.BREAKING, "enabled", "it is disabled now")
    yield from _security(old, new)
    yield from _Comparison(old.input_schema, new.input_schema, widening=Level.COMPATIBLE).run()
    if old.output_schema is not None and new.output_schema is not None:
        yield from _Comparison(old.output_schema, new.output_schema, widening=Level.BREAKING, root="output").run()
    elif old.output_schema != new.output_schema:
        gone = new.output_schema is None
        yield Detail(Level.COMPATIBLE, "output", "the output schema is " + ("gone" if gone else "new"))


def _security(old: ToolDefinition, new: ToolDefinition) -> Iterator[Detail]:
    """Compare what is accepted as credentials: an alternative that is gone may be the one a caller relies on."""
    before = {frozenset(each.schemes) for each in old.security}
    after = {frozenset(each.schemes) for each in new.security}
    if before == after:
        return
    was_open = not before or frozenset() in before
    breaks = (was_open and bool(after) and frozenset() not in after) or (
        not was_open and bool(after) and bool(before - after)
    )
    yield Detail(Level.BREAKING if breaks else Level.COMPATIBLE, "security", "the security requirements changed")


_ANNOTATIONS: Final = frozenset(
    {"title", "description", "examples", "default", "deprecated", "$comment", "readOnly", "writeOnly"}
)
_STRUCTURE: Final = frozenset(
    {"properties", "required", "items", "type", "enum", "const", "$ref", "$defs", "additionalProperties"}
)
# Bound -> whether a larger value admits more.
_BOUNDS: Final[Mapping[str, bool]] = {
    "maximum": True,
    "exclusiveMaximum": True,
    "maxLength": True,
    "maxItems": True,
    "maxProperties": True,
    "minimum": False,
    "exclusiveMinimum": False,
    "minLength": False,
    "minItems": False,
    "minProperties": False,
}


class _Comparison:
    """Compares two schemas; `widening` says what it means that the new one admits more than the old one."""

    def __init__(self, old: Mapping[str, Any], new: Mapping[str, Any], *, widening: Level, root: str = "") -> None:
        self._old, self._new = old, new
        self._wider = widening
        self._narrower = Level.BREAKING if widening is Level.COMPATIBLE else Level.COMPATIBLE
        self._root = root
        self._seen: set[tuple[int, int]] = set()

    def run(self) -> Iterator[Detail]:
        yield from self._schema(self._old, self._new, self._root)

    def _resolved(self, schema: Any, root: Mapping[str, Any]) -> Any:
        seen: set[str] = set()
        while isinstance(schema, dict) and isinstance(schema.get("$ref"), str) and schema["$ref"] not in seen:
            seen.add(schema["$ref"])
            name = pointers.tokens(schema["$ref"].removeprefix("#"))[-1]
            siblings = {key: value for key, value in schema.items() if key != "$ref"}
            target = root.get("$defs", {}).get(name, {})
            schema = {**target, **siblings} if isinstance(target, dict) and siblings else target
        return schema

    def _schema(self, old: Any, new: Any, at: str) -> Iterator[Detail]:
        pair = (id(old), id(new))
        if pair in self._seen:
            return
        self._seen.add(pair)
        old, new = self._resolved(old, self._old), self._resolved(new, self._new)
        if old == new and not _refers(old):
            return
        if not (isinstance(old, dict) and isinstance(new, dict)):
            yield from self._booleans(old, new, at)
            return
        yield from self._types(old, new, at)
        yield from self._enums(old, new, at)
        yield from self._properties(old, new, at)
        yield from self._bounds(old, new, at)
        yield from self._others(old, new, at)
        if isinstance(old.get("items"), dict) and isinstance(new.get("items"), dict):
            yield from self._schema(old["items"], new["items"], f"{at}/items")

    def _booleans(self, old: Any, new: Any, at: str) -> Iterator[Detail]:
        if old != new:
            admits_all = new is True or new == {}
            yield Detail(self._wider if admits_all else Level.BREAKING, at, "the schema changed")

    def _types(self, old: dict[str, Any], new: dict[str, Any], at: str) -> Iterator[Detail]:
        before, after = _types(old), _types(new)
        if before == after:
            return
        message = f"the type was {_worded(before)} and is {_worded(after)}"
        if not after or (before and before <= after):
            yield Detail(self._wider, at, message)
        elif not before or after <= before:
            yield Detail(self._narrower, at, message)
        else:
            yield Detail(Level.BREAKING, at, message)

    def _enums(self, old: dict[str, Any], new: dict[str, Any], at: str) -> Iterator[Detail]:
        before, after = _values(old), _values(new)
        if before == after:
            return
        if after is None or (before is not None and before <= after):
            yield Detail(self._wider, at, "more values are allowed")
        elif before is None or after <= before:
            yield Detail(self._narrower, at, "fewer values are allowed")
        else:
            yield Detail(Level.BREAKING, at, "other values are allowed")

    def _properties(self, old: dict[str, Any], new: dict[str, Any], at: str) -> Iterator[Detail]:
        before, after = old.get("properties", {}), new.get("properties", {})
        was_required, is_required = set(old.get("required", ())), set(new.get("required", ()))
        for name in before:
            here = pointers.join(at, name)
            if name not in after:
                yield Detail(Level.BREAKING, here, "it is gone")
                continue
            if name in is_required - was_required:
                yield Detail(self._narrower, here, "it is required now")
            elif name in was_required - is_required:
                yield Detail(self._wider, here, "it is optional now")
            yield from self._schema(before[name], after[name], here)
        for name in after:
            if name not in before:
                level = self._narrower if name in is_required else Level.COMPATIBLE
                yield Detail(level, pointers.join(at, name), "it is new" + (" and required" * (name in is_required)))

    def _bounds(self, old: dict[str, Any], new: dict[str, Any], at: str) -> Iterator[Detail]:
        for keyword, larger_is_wider in _BOUNDS.items():
            before, after = old.get(keyword), new.get(keyword)
            if before == after:
                continue
            wider = after is None or (before is not None and (after > before) == larger_is_wider)
            yield Detail(self._wider if wider else self._narrower, at, f"{keyword} was {before} and is {after}")

    def _others(self, old: dict[str, Any], new: dict[str, Any], at: str) -> Iterator[Detail]:
        known = _STRUCTURE | _BOUNDS.keys() | _ANNOTATIONS
        for keyword in sorted((old.keys() | new.keys()) - known):
            if old.get(keyword) != new.get(keyword):
                level = self._wider if keyword not in new else Level.BREAKING
                yield Detail(level, at, f"`{keyword}` changed")
        if any(old.get(keyword) != new.get(keyword) for keyword in _ANNOTATIONS):
            yield Detail(Level.TEXT, at, "the text changed")


def _refers(schema: Any) -> bool:
    """Tell whether equal schemas may still differ: what their references mean is elsewhere."""
    return isinstance(schema, dict) and any(key not in _ANNOTATIONS for key in schema) and "$ref" in str(schema)


def _types(schema: dict[str, Any]) -> frozenset[str]:
    kinds = schema.get("type", ())
    found = {kinds} if isinstance(kinds, str) else set(kinds)
    return frozenset(found | {"integer"} if "number" in found else found)


def _worded(types: frozenset[str]) -> str:
    return " or ".join(sorted(types)) or "anything"


def _values(schema: dict[str, Any]) -> frozenset[str] | None:
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    return None if values is None else frozenset(repr(value) for value in values)
