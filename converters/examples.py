"""Minimal values for a JSON Schema: what a model can copy when its own value did not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from converters.json_schema import definition_name

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_DEPTH: Final = 8
_FORMATS: Final[Mapping[str, str]] = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "P1D",
    "email": "user@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com",
    "url": "https://example.com",
    "uuid": "123e4567-e89b-42d3-a456-426614174000",
}


def minimal(schema: Any, definitions: Mapping[str, Any], depth: int = 0) -> Any:
    """Give a small value for `schema`, with what is required alone.

    The value is a proposal: patterns and combinations of keywords may refuse it, so whoever shows it checks it first.
    """
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return "text"
    for keyword in ("const", "default"):
        if keyword in schema:
            return schema[keyword]
    for keyword in ("examples", "enum"):
        if isinstance(schema.get(keyword), list) and schema[keyword]:
            return schema[keyword][0]
    whole = merged(schema, definitions, depth)
    kind = _kind(whole)
    if kind == "object":
        properties = whole.get("properties", {})
        return {name: minimal(properties.get(name), definitions, depth + 1) for name in whole.get("required", ())}
    if kind == "array":
        item = minimal(whole.get("items"), definitions, depth + 1)
        return [item] * max(1, whole.get("minItems", 1))
    return _scalar(kind, whole)


def _kind(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), "null")
    if isinstance(kind, str):
        return kind
    return "object" if {"properties", "required"} & schema.keys() else "array" if "items" in schema else "string"


def _scalar(kind: str, schema: Mapping[str, Any]) -> Any:
    if kind in {"integer", "number"}:
        return _number(schema)
    if kind == "string":
        text = _FORMATS.get(schema.get("format", ""), "text")
        text = text.ljust(schema.get("minLength", 0), "x")
        return text[: schema.get("maxLength", len(text))]
    return {"boolean": True, "null": None}.get(kind, "text")


def _number(schema: Mapping[str, Any]) -> int | float:
    """Give the number nearest to 1 that the bounds and the step admit."""
    step = schema.get("multipleOf", 1)
    least = max(schema.get("minimum", 1), schema.get("exclusiveMinimum", 0) + step)
    most = min(schema.get("maximum", least), schema.get("exclusiveMaximum", least + step) - step)
    wanted = min(least, most)
    found: int | float = -(-wanted // step) * step if wanted == least else wanted // step * step
    return int(found) if found == int(found) else found


def merged(schema: Mapping[str, Any], definitions: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    """Open a reference, the branches of `allOf` and the first alternative into one schema."""
    whole: dict[str, Any] = {}
    parts: list[Any] = []
    if isinstance(schema.get("$ref"), str):
        parts.append(definitions.get(definition_name(schema["$ref"])))
    parts += schema.get("allOf", ())
    for keyword in ("oneOf", "anyOf"):
        parts += schema.get(keyword, ())[:1]
    opened = [merged(each, definitions, depth + 1) for each in parts if isinstance(each, dict) and depth < _MAX_DEPTH]
    for each in (*opened, schema):
        properties = {**whole.get("properties", {}), **each.get("properties", {})}
        required = list(dict.fromkeys([*whole.get("required", ()), *each.get("required", ())]))
        whole.update(each)
        if properties:
            whole["properties"] = properties
        if required:
            whole["required"] = required
    return whole
