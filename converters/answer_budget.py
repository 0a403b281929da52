"""Answers too large for a conversation -> the part that fits, and what was left out.

JSON stays JSON: lists keep their first entries, texts their beginning, and what is small stays whole. The smallest
members get what they need first, so that one huge member does not crowd out the others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from converters import json_values, pointers

_MAX_NOTES: Final = 5
_LEAST: Final = 200
"""Characters that a member is cut to at most: less would say nothing."""


@dataclass
class Trimmed:
    """What fits: `text` is the answer, or JSON of the same shape; `notes` say what was left out, and where."""

    text: str
    notes: list[str] = field(default_factory=list)


def trimmed_text(text: str, budget: int) -> Trimmed:
    """Keep the first `budget` characters."""
    return Trimmed(text[:budget], [f"the first {budget:,} of {len(text):,} characters are shown"])


def trimmed_json(text: str, budget: int) -> Trimmed:
    """Cut a JSON text to about `budget` characters; one that is not strict is cut as a text."""
    try:
        value = json_values.read(text)
    except (ValueError, ArithmeticError, RecursionError):
        return trimmed_text(text, budget)
    notes: list[str] = []
    kept = _trim(value, budget, "", notes)
    more = len(notes) - _MAX_NOTES
    if more > 0:
        notes = [*notes[:_MAX_NOTES], f"{more:,} further places were shortened"]
    return Trimmed(json_values.write(kept), notes)


def _trim(value: Any, budget: int, at: str, notes: list[str]) -> Any:
    if isinstance(value, str) and len(value) > budget:
        notes.append(f"{at or '/'} shows {budget:,} of {len(value):,} characters")
        return value[:budget] + "…"
    if isinstance(value, list) and json_values.size(value) > budget:
        return _trim_list(value, budget, at, notes)
    if isinstance(value, dict) and json_values.size(value) > budget:
        return _trim_object(value, budget, at, notes)
    return value


def _trim_list(value: list[Any], budget: int, at: str, notes: list[str]) -> list[Any]:
    kept: list[Any] = []
    left = budget
    for entry in value:
        size = json_values.size(entry) + 1
        if size > left:
            break
        kept.append(entry)
        left -= size
    if not kept and value:
        kept = [_trim(value[0], budget, pointers.join(at, 0), notes)]
    if len(kept) < len(value):
        notes.append(f"{at or '/'} shows {len(kept):,} of {len(value):,} entries")
    return kept


def _trim_object(value: dict[str, Any], budget: int, at: str, notes: list[str]) -> dict[str, Any]:
    sizes = {name: json_values.size(each) for name, each in value.items()}
    left = budget - sum(len(name) + 4 for name in value)
    shares: dict[str, int] = {}
    for position, name in enumerate(sorted(value, key=sizes.__getitem__)):
        shares[name] = min(sizes[name], max(left // (len(value) - position), _LEAST))
        left -= shares[name]
    return {name: _trim(each, shares[name], pointers.join(at, name), notes) for name, each in value.items()}
