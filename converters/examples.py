"""Minimal values for a JSON Schema: what a model can copy when its own value did not fit.

Schemas come from descriptions that somebody else wrote, and are opened while a call waits: a definition is opened once,
and a value has so many parts and no more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from converters.json_schema import definition_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MAX_DEPTH: Final = 8
_MAX_VALUES: Final = 300
_MAX_TEXT: Final = 1_000
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


class NoExampleError(Exception):
    """The smallest value that a schema asks for is too large to be an example."""


def minimal(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """Give a small value for `schema`, with what is required alone.

    The value is a proposal: patterns and combinations of keywords may refuse it, so whoever shows it checks it first.

    Raises:
        NoExampleError: where the value would have more than 300 parts, or a text of more than 1,000 characters.

    """
    return _Writer(definitions).value(schema, 0)


class _Writer:
    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions
        self._left = _MAX_VALUES

    def _spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise NoExampleError

    def value(self, schema: Any, depth: int) -> Any:
        self._spend(1)
        if not isinstance(schema, dict) or depth > _MAX_DEPTH:
            return "text"
        for keyword in ("const", "default"):
            if keyword in schema:
                return schema[keyword]
        for keyword in ("examples", "enum"):
            if isinstance(schema.get(keyword), list) and schema[keyword]:
                return schema[keyword][0]
        whole = merged(schema, self._definitions)
        kind = _kind(whole)
        if kind == "object":
            properties = whole.get("properties", {})
            return {name: self.value(properties.get(name), depth + 1) for name in whole.get("required", ())}
        return self._array(whole, depth) if kind == "array" else _scalar(kind, whole)

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        before, count = self._left, max(1, schema.get("minItems", 1))
        item = self.value(schema.get("items"), depth + 1)
        self._spend((before - self._left) * (count - 1))
        return [item] * count


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
        if schema.get("minLength", 0) > _MAX_TEXT:
            raise NoExampleError
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


def merged(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Open a reference, the branches of `allOf` and the first alternative into one schema, 8 levels deep."""
    whole: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    required: dict[str, None] = {}
    for each in _opened(schema, definitions, set(), 0):
        whole.update(each)
        properties.update(each.get("properties", {}))
        required.update(dict.fromkeys(each.get("required", ())))
    if properties:
        whole["properties"] = properties
    if required:
        whole["required"] = list(required)
    return whole


def _opened(
    schema: Mapping[str, Any], definitions: Mapping[str, Any], seen: set[str], depth: int
) -> Iterator[Mapping[str, Any]]:
    """Give the schemas that `schema` consists of, itself last; each definition that is not in `seen`, once."""
    parts: list[Any] = []
    if isinstance(schema.get("$ref"), str):
        name = definition_name(schema["$ref"])
        parts += [definitions.get(name)] if name not in seen else []
        seen.add(name)
    parts += schema.get("allOf", ())
    for keyword in ("oneOf", "anyOf"):
        parts += schema.get(keyword, ())[:1]
    for each in parts if depth < _MAX_DEPTH else ():
        if isinstance(each, dict):
            yield from _opened(each, definitions, seen, depth + 1)
    yield schema
