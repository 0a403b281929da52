"""Discriminator Object (OAS 3.1 section 4.8.25): which values of a property choose which alternative.

JSON Schema has no discriminator, and alternatives that look alike would all match. So each alternative says itself
which values choose it, unless its component says so already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from converters import pointers
from converters.oas import Schema
from converters.references import UnresolvedReferenceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from converters.references import Description


def tell_apart(translated: dict[str, Any], source: Schema, description: Description) -> None:
    """Add the choosing values to the alternatives of `translated`, which `source` was translated to, in place."""
    discriminator = source.value["discriminator"]
    # Swagger 2.0 writes the name alone (section "Schema Object").
    name = discriminator.get("propertyName") if isinstance(discriminator, dict) else discriminator
    keyword = "oneOf" if "oneOf" in translated else "anyOf"
    branches = source.value.get(keyword)
    if not isinstance(name, str) or not isinstance(branches, list):
        return
    mapping = discriminator.get("mapping") if isinstance(discriminator, dict) else None
    chosen_by = _mapping(mapping, source.pointer, description)
    for index, branch in enumerate(branches):
        target = _target(branch, pointers.join(source.pointer, keyword, index), description)
        if target is None or _is_told(target, name, description):
            continue
        values = chosen_by.get(target.pointer) or [pointers.tokens(target.pointer)[-1]]
        translated[keyword][index] = {
            **translated[keyword][index],
            "properties": {name: {"const": values[0]} if len(values) == 1 else {"enum": values}},
            "required": [name],
        }


def with_subtypes(base: Schema, subtypes: Sequence[str]) -> dict[str, Any]:
    """Write out what a schema stands for that others extend by `allOf`: any of `subtypes` (pointers), or itself."""
    return {
        "anyOf": [
            *({"$ref": pointers.to_reference(each)} for each in subtypes),
            {"allOf": [{"$ref": pointers.to_reference(base.pointer)}]},
        ],
        "discriminator": base.value["discriminator"],
    }


def _target(branch: Any, at: str, description: Description) -> Schema | None:
    """Give the component that an alternative refers to; None for one that is written out, or is no component."""
    if not isinstance(branch, dict) or not isinstance(branch.get("$ref"), str):
        return None
    try:
        value, pointer = description.lookup(branch["$ref"], at)
    except UnresolvedReferenceError:
        return None
    return Schema(value, pointer) if pointer else None


def _mapping(mapping: Any, pointer: str, description: Description) -> dict[str, list[str]]:
    """Read a mapping: pointer of the component -> values; a bare name is a component's name."""
    found: dict[str, list[str]] = {}
    for value, reference in mapping.items() if isinstance(mapping, dict) else ():
        if isinstance(reference, str):
            written = reference if "#" in reference else f"#/components/schemas/{reference}"
            target = _target({"$ref": written}, pointer, description)
            if target is not None:
                found.setdefault(target.pointer, []).append(value)
    return found


def _is_told(target: Schema, name: str, description: Description) -> bool:
    """Tell whether a component constrains the property itself, or is no place to say it (not an object)."""
    value = description.try_resolve(target.value, target.pointer)
    if not isinstance(value, dict) or value.get("type", "object") != "object":
        return True
    properties = value.get("properties")
    declared = properties.get(name) if isinstance(properties, dict) else None
    declared = description.try_resolve(declared, target.pointer)
    return isinstance(declared, dict) and bool({"enum", "const"} & declared.keys())
