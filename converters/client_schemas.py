"""Schemas as some clients want them, where JSON Schema 2020-12 allows more: the same in another way, or less of it.

What a client is shown says how to call; what a call is checked against is the tool's own schema.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from converters import pointers
from converters.json_schema import definition_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Schema = Mapping[str, Any]

_MAX_SUBSCHEMAS: Final = 2_000
"""Schemas that one argument may have when its references are written out; beyond that, "anything"."""
_SCHEMAS: Final = frozenset(
    {"items", "additionalProperties", "contains", "propertyNames", "not", "if", "then", "else", "unevaluatedItems"}
)
_SCHEMA_LISTS: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_SCHEMAS_BY_NAME: Final = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs"})
_ALTERNATIVES: Final = ("anyOf", "oneOf")
_KINDS: Final = ("string", "integer", "number", "boolean", "object", "array", "null")
_OF_PYTHON: Final = {bool: "boolean", int: "integer", str: "string", dict: "object", list: "array", type(None): "null"}


def subschemas(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Give a schema and every schema within it, with its JSON Pointer."""
    waiting: list[tuple[str, Any]] = [("", schema)]
    while waiting:
        at, each = waiting.pop()
        if not isinstance(each, dict):
            continue
        yield at, each
        for keyword, argument in each.items():
            below = pointers.join(at, keyword)
            if keyword in _SCHEMAS:
                waiting.append((below, argument))
            elif keyword in _SCHEMA_LISTS and isinstance(argument, list):
                waiting += ((pointers.join(below, index), part) for index, part in enumerate(argument))
            elif keyword in _SCHEMAS_BY_NAME and isinstance(argument, dict):
                waiting += ((pointers.join(below, name), part) for name, part in argument.items())


def with_items(schema: Any) -> Any:
    """Give a schema whose lists all say `items`: an empty schema is what leaving it out means."""
    if not isinstance(schema, dict):
        return schema
    fitted = {keyword: _argument_with_items(keyword, argument) for keyword, argument in schema.items()}
    if is_array(fitted):
        fitted.setdefault("items", {})
    return fitted


def _argument_with_items(keyword: str, argument: Any) -> Any:
    if keyword in _SCHEMAS:
        return with_items(argument)
    if keyword in _SCHEMA_LISTS and isinstance(argument, list):
        return [with_items(each) for each in argument]
    if keyword in _SCHEMAS_BY_NAME and isinstance(argument, dict):
        return {name: with_items(each) for name, each in argument.items()}
    return argument


def is_array(schema: Schema) -> bool:
    """Tell whether a schema takes lists by its `type`."""
    kind = schema.get("type")
    return kind == "array" or (isinstance(kind, list) and "array" in kind)


def standing_alone(schema: Schema) -> dict[str, Any]:
    """Give an input schema whose arguments each say all of themselves: without references, and with their `type`.

    A definition that holds itself is "anything" of its type where it comes again.
    """
    definitions = schema.get("$defs", {})
    properties = {
        name: _typed(_WrittenOut(definitions).schema(each, frozenset()))
        for name, each in schema.get("properties", {}).items()
    }
    kept = {keyword: value for keyword, value in schema.items() if keyword != "$defs"}
    return {**kept, "properties": properties} if "properties" in schema else kept


class _WrittenOut:
    """Writes the definitions that one argument refers to in the place of the references."""

    def __init__(self, definitions: Schema) -> None:
        self._definitions = definitions
        self._count = 0

    def schema(self, schema: Any, within: frozenset[str]) -> Any:
        if not isinstance(schema, dict):
            return schema
        self._count += 1
        reference = schema.get("$ref")
        if isinstance(reference, str):
            return self._referred(schema, definition_name(reference), within)
        return {keyword: self._argument(keyword, value, within) for keyword, value in schema.items()}

    def _referred(self, schema: Schema, name: str, within: frozenset[str]) -> dict[str, Any]:
        beside = {keyword: value for keyword, value in schema.items() if keyword != "$ref"}
        definition = self._definitions.get(name, {})
        if name in within or self._count > _MAX_SUBSCHEMAS:
            shown = {keyword: definition[keyword] for keyword in ("type", "description") if keyword in definition}
        else:
            shown = self.schema(definition, within | {name})
        return {**shown, **{keyword: self._argument(keyword, value, within) for keyword, value in beside.items()}}

    def _argument(self, keyword: str, value: Any, within: frozenset[str]) -> Any:
        if keyword in _SCHEMAS:
            return self.schema(value, within)
        if keyword in _SCHEMA_LISTS and isinstance(value, list):
            return [self.schema(each, within) for each in value]
        if keyword in _SCHEMAS_BY_NAME and isinstance(value, dict):
            return {name: self.schema(each, within) for name, each in value.items()}
        return value


def _typed(schema: Any) -> dict[str, Any]:
    """Give a schema that says its `type`: one of lists or objects and null says the former alone.

    Clients that ask for a type take what belongs to lists and objects only where it is nothing else.
    """
    fitted = dict(schema) if isinstance(schema, dict) else {}
    kinds = _kinds(fitted) or set(_KINDS) - {"integer"}
    if kinds in ({"array", "null"}, {"object", "null"}):
        kinds = kinds - {"null"}
    ordered = [each for each in _KINDS if each in kinds]
    return {**fitted, "type": ordered[0] if len(ordered) == 1 else ordered}


def _kinds(schema: Any) -> set[str]:
    """Tell the types a schema takes as far as it says so; nothing where it does not."""
    if not isinstance(schema, dict):
        return set()
    said = schema.get("type")
    if said is not None:
        return {said} if isinstance(said, str) else set(said)
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    if values:
        return {_OF_PYTHON.get(type(each), "number") for each in values}
    for keyword in _ALTERNATIVES:
        alternatives = [_kinds(each) for each in schema.get(keyword, ())]
        if alternatives and all(alternatives):
            return set().union(*alternatives)
    return next((found for each in schema.get("allOf", ()) if (found := _kinds(each))), set())
