"""Arguments that plainly mean something else than they say -> what they mean, and what was changed.

Healed are JSON written as a text, names and enum values in another case or with other separators, and, where that is
asked for, numbers written as texts. Never anything that could be read in two ways.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from converters import examples, json_values, pointers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import jsonschema_rs

_SEPARATORS: Final = re.compile(r"[\W_]+")
_MAX_DEPTH: Final = 64
"""Levels that a text may hold: as many as a message may have."""
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class Repair:
    """One change: the JSON Pointer of the value, and what was done to it."""

    pointer: str
    what: str

    def sentence(self) -> str:
        """Give the repair as one line."""
        return f"{self.pointer}: {self.what}"


class Healer:
    """Repairs the arguments of one input schema."""

    def __init__(self, schema: Mapping[str, Any], *, numbers: bool) -> None:
        """Repair by `schema`; `numbers` also reads texts as the numbers and booleans that they spell."""
        self._schema = schema
        self._numbers = numbers

    def repair(
        self, arguments: Mapping[str, Any], errors: Iterable[jsonschema_rs.ValidationError]
    ) -> tuple[dict[str, Any], list[Repair]]:
        """Give a copy of `arguments` with what `errors` complain of repaired where that is plain, and the repairs."""
        healed = _Draft(arguments)
        repairs: list[Repair] = []
        for error in errors:
            kind = error.kind.name
            if kind in {"additionalProperties", "unevaluatedProperties"}:
                repairs += self._rename(healed, error)
            elif kind in {"type", "anyOf", "oneOf", "oneOfNotValid", "enum"}:
                repairs += self._reread(healed, error)
        return healed.values, repairs

    def _reread(self, healed: _Draft, error: jsonschema_rs.ValidationError) -> list[Repair]:
        path, text = error.instance_path, error.instance
        if not path or not isinstance(text, str):
            return []
        value, what = self._meant(error, text)
        if not what:
            return []
        healed.holder(path[:-1])[path[-1]] = value
        return [Repair(pointers.from_tokens(path), what)]

    def _meant(self, error: jsonschema_rs.ValidationError, text: str) -> tuple[Any, str]:
        """Find what a text means where its schema does not admit it: (value, what was done), or (None, "")."""
        if error.kind.name == "enum":
            options = [each for each in error.kind.as_dict()["options"] if isinstance(each, str)]
            same = [each for each in options if _plain(each) == _plain(text)]
            return (same[0], f"{text[:80]!r} was read as {same[0]!r}.") if len(same) == 1 else (None, "")
        kinds = error.kind.as_dict()["types"] if error.kind.name == "type" else ["object", "array"]
        try:
            return self._read(text, set(kinds))
        except (ValueError, ArithmeticError, RecursionError):
            return None, ""

    def _read(self, text: str, kinds: set[str]) -> tuple[Any, str]:
        """Read a text as one of the types; raises what `json_values.read` raises."""
        if self._numbers and {"integer", "number"} & kinds and _NUMBER.fullmatch(text):
            return json_values.read(text), "the text was read as a number."
        if self._numbers and "boolean" in kinds and text in {"true", "false"}:
            return text == "true", "the text was read as true or false."
        if text.lstrip()[:1] in {"{", "["}:
            value = json_values.read(text)
            if ("object" if isinstance(value, dict) else "array") in kinds and not _is_deep(value):
                return value, "the text was read as the JSON that it holds."
        return None, ""

    def _rename(self, healed: _Draft, error: jsonschema_rs.ValidationError) -> list[Repair]:
        known: dict[str, list[str]] = {}
        for each in self._known(error):
            known.setdefault(_plain(each), []).append(each)
        repairs = []
        holder = healed.holder(error.instance_path)
        taken = set(holder)
        for name in error.kind.as_dict()["unexpected"]:
            same = [each for each in known.get(_plain(name), ()) if each not in taken]
            if len(same) == 1 and same[0] not in holder:
                holder[same[0]] = holder.pop(name)
                at = pointers.join(pointers.from_tokens(error.instance_path), same[0])
                repairs.append(Repair(at, f"the name {name[:80]!r} was read as {same[0]!r}."))
        return repairs

    def _known(self, error: jsonschema_rs.ValidationError) -> Mapping[str, Any]:
        schema: Any = self._schema
        for part in error.schema_path[:-1]:
            schema = schema[part]
        properties: Mapping[str, Any] = examples.merged(schema, self._schema.get("$defs", {})).get("properties", {})
        return properties


class _Draft:
    """A copy of arguments, made as far as it is changed."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self.values = dict(arguments)
        self._own: set[tuple[str | int, ...]] = set()

    def holder(self, path: Sequence[str | int]) -> Any:
        """Give the list or object at `path`, which may be changed."""
        found: Any = self.values
        for depth, part in enumerate(path, 1):
            at = tuple(path[:depth])
            if at not in self._own:
                self._own.add(at)
                found[part] = copy.copy(found[part])
            found = found[part]
        return found


def _is_deep(value: Any) -> bool:
    """Tell whether a value is nested deeper than arguments may be."""
    level = [value]
    for _ in range(_MAX_DEPTH + 1):
        holders = [each for each in level if isinstance(each, (dict, list))]
        if not holders:
            return False
        level = [below for each in holders for below in (each.values() if isinstance(each, dict) else each)]
    return True


def _plain(name: str) -> str:
    """Give a name without its case and separators: `petId`, `PetID` and `pet_id` are one."""
    return _SEPARATORS.sub("", name).lower()
