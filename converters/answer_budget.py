"""Answers too large for a conversation -> the part that fits, and what was left out.

JSON stays JSON: lists keep their first entries, texts their beginning, and what is small stays whole. The smallest
members get what they need first, so that one huge member does not crowd out the others. What is nested too deep is
emptied: every level is measured again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from converters import json_values, pointers

_MAX_NOTES: Final = 5
_LEAST: Final = 200
"""Characters that a member is cut to at most: less would say nothing."""
_MAX_DEPTH: Final = 32
_MAX_PLACE: Final = 200
"""Characters of a place in a note: names can be as long as answers."""


@dataclass
class Trimmed:
    """What fits: `text` is the answer, or JSON of the same shape; `notes` say what was left out, and where."""

    text: str
    notes: list[str] = field(default_factory=list)


def trimmed_text(text: str, budget: int) -> Trimmed:
    """Keep the first `budget` characters."""
    return Trimmed(text[:budget], [f"the first {budget:,} of {len(text):,} characters are shown"])


def trimmed_json(text: str, budget: int) -> Trimmed:
    """Cut a JSON text to about `budget` characters; one that is not strict, or cannot be read, is cut as a text."""
    trimmer = _Trimmer()
    try:
        shown = json_values.write(trimmer.trim(json_values.read(text), budget, ""))
    except (ValueError, ArithmeticError, RecursionError):
        return trimmed_text(text, budget)
    notes, more = trimmer.notes, trimmer.count - _MAX_NOTES
    return Trimmed(shown, [*notes, f"{more:,} further places were shortened"] if more > 0 else notes)


class _Trimmer:
    """Cuts values, and notes where; a place is a JSON Pointer."""

    def __init__(self) -> None:
        self.count = 0
        self.notes: list[str] = []

    def _note(self, at: str, shown: int, whole: int, what: str) -> None:
        self.count += 1
        if len(self.notes) < _MAX_NOTES:
            place = at if len(at) <= _MAX_PLACE else at[:_MAX_PLACE] + "…"
            self.notes.append(f"{place or '/'} shows {shown:,} of {whole:,} {what}")

    def trim(self, value: Any, budget: int, at: str) -> Any:
        if isinstance(value, str) and len(value) > budget:
            self._note(at, budget, len(value), "characters")
            return value[:budget] + "…"
        if not isinstance(value, (dict, list)) or json_values.size(value, budget) <= budget:
            return value
        if at.count("/") >= _MAX_DEPTH:
            self._note(at, 0, len(value), "entries, which are nested too deep")
            return type(value)()
        return self._list(value, budget, at) if isinstance(value, list) else self._object(value, budget, at)

    def _list(self, value: list[Any], budget: int, at: str) -> list[Any]:
        kept: list[Any] = []
        left = budget
        for entry in value:
            size = json_values.size(entry, left) + 1
            if size > left:
                break
            kept.append(entry)
            left -= size
        if not kept and value:
            kept = [self.trim(value[0], budget, pointers.join(at, 0))]
        if len(kept) < len(value):
            self._note(at, len(kept), len(value), "entries")
        return kept

    def _object(self, value: dict[str, Any], budget: int, at: str) -> dict[str, Any]:
        sizes, left = _members(value, budget)
        if len(sizes) < len(value):
            self._note(at, len(sizes), len(value), "members")
        kept: dict[str, Any] = dict.fromkeys(sizes)
        for position, name in enumerate(sorted(sizes, key=sizes.__getitem__)):
            size, share = sizes[name], max(left // (len(sizes) - position), _LEAST)
            kept[name] = value[name] if size <= share else self.trim(value[name], share, pointers.join(at, name))
            left -= min(size, share)
        return kept


def _members(value: dict[str, Any], budget: int) -> tuple[dict[str, int], int]:
    """Give the sizes of the first members whose names and beginnings fit, and what their names leave of `budget`."""
    most = max(budget, _LEAST)
    sizes: dict[str, int] = {}
    names = needed = 0
    for name, each in value.items():
        size = json_values.size(each, most)
        names += len(name) + 4
        needed += len(name) + 4 + min(size, _LEAST)
        if needed > most:
            return sizes, budget - names + len(name) + 4
        sizes[name] = size
    return sizes, budget - names
