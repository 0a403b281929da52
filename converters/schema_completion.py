"""What of a translated schema depends on several of its keywords: bounds, `required`, `nullable`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_INTEGER_BOUNDS: Final[Mapping[str, tuple[int, int]]] = {
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
}


def drop_required(translated: dict[str, Any], hidden: set[str]) -> None:
    """Take `hidden` out of `required`, also where a branch of `allOf` asks for what another one declares."""
    if "required" in translated:
        translated["required"] = [name for name in translated["required"] if name not in hidden]
        if not translated["required"]:
            del translated["required"]
    for branch in translated.get("allOf", ()):
        if isinstance(branch, dict):
            drop_required(branch, hidden)


def complete_array(translated: dict[str, Any]) -> None:
    """Leave out `items` beside `prefixItems` where it says nothing."""
    if "prefixItems" in translated and translated.get("items") == {}:
        del translated["items"]


def complete_bounds(translated: dict[str, Any], value: dict[str, Any]) -> None:
    """Turn boolean exclusive bounds (before 3.1) into numeric ones, and integer formats into bounds."""
    for keyword, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if value.get(exclusive) is True and keyword in translated:
            translated[exclusive] = translated.pop(keyword)
    bounds = _INTEGER_BOUNDS.get(translated.get("format", ""))
    if (
        bounds
        and translated.get("type") in ("integer", ["integer", "null"], ["null", "integer"])
        and "enum" not in translated
    ):
        if not {"minimum", "exclusiveMinimum"} & translated.keys():
            translated["minimum"] = bounds[0]
        if not {"maximum", "exclusiveMaximum"} & translated.keys():
            translated["maximum"] = bounds[1]


_NOTES: Final = ("title", "description", "deprecated", "default")


def nullable(translated: dict[str, Any]) -> dict[str, Any]:
    """Admit null where OAS 3.0's `nullable: true` (or 2.0's `x-nullable`) does."""
    kind = translated.get("type")
    if isinstance(kind, str):
        return {**translated, "type": [kind, "null"]}
    if isinstance(kind, list):
        return {**translated, "type": [*kind, *({"null"} - set(kind))]}
    if {"$ref", "allOf", "anyOf", "oneOf"} & translated.keys():
        notes: dict[str, Any] = {key: translated[key] for key in _NOTES if key in translated}
        rest = {key: entry for key, entry in translated.items() if key not in notes}
        return {**notes, "anyOf": [rest, {"type": "null"}]}
    return translated
