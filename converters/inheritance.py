"""Inheritance by `allOf` (OAS 3.1 section 4.8.25.2): which components extend a component that has a discriminator.

Where such a component is used, any of its subtypes may stand; only the components that extend it say which they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from converters import pointers
from converters.references import UnresolvedReferenceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from converters.references import Description

_HOLDERS = (("components", "schemas"), ("definitions",))


def subtypes(description: Description) -> dict[str, tuple[str, ...]]:
    """Map the pointer of each component that has a discriminator to those of its subtypes, at any depth."""
    extended_by: dict[str, list[str]] = {}
    bases: list[str] = []
    for pointer, value in _components(description.source):
        if "discriminator" in value and not {"oneOf", "anyOf"} & value.keys():
            bases.append(pointer)
        for base in _extended(value, pointer, description):
            extended_by.setdefault(base, []).append(pointer)
    return {base: found for base in bases if (found := _below(base, extended_by))}


def _components(source: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for parts in _HOLDERS:
        holder: Any = source
        for part in parts:
            holder = holder.get(part) if isinstance(holder, dict) else None
        for name, value in (holder if isinstance(holder, dict) else {}).items():
            if isinstance(value, dict):
                yield pointers.from_tokens((*parts, name)), value


def _extended(value: Mapping[str, Any], pointer: str, description: Description) -> Iterator[str]:
    branches = value.get("allOf")
    for branch in branches if isinstance(branches, list) else ():
        if isinstance(branch, dict) and isinstance(branch.get("$ref"), str):
            try:
                yield description.lookup(branch["$ref"], pointer)[1]
            except UnresolvedReferenceError:
                continue


def _below(base: str, extended_by: Mapping[str, list[str]]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    waiting = [base]
    while waiting:
        for each in extended_by.get(waiting.pop(), ()):
            if each not in found and each != base:
                found[each] = None
                waiting.append(each)
    return tuple(sorted(found))
