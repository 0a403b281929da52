"""Request body -> arguments: flattened where it is a plain object, else the one argument `body`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from converters import media_types, pointers
from converters.oas import Schema
from converters.references import UnresolvedReferenceError

if TYPE_CHECKING:
    from converters.oas import MediaType, RequestBody
    from converters.references import Description
    from converters.tool_definitions import BodyKind

# Keywords that say something about the object as a whole, which separate arguments could not keep.
_ENTANGLING: Final = frozenset(
    {
        "oneOf", "anyOf", "not", "if", "then", "else", "patternProperties", "propertyNames", "dependentSchemas",
        "dependentRequired", "minProperties", "maxProperties", "unevaluatedProperties", "const", "enum",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlainObject:
    """An object schema whose properties can stand beside the parameters; `allOf` is merged.

    `unreadable` are the pointers of keywords that could not be read, and were left out; `undeclared` the properties
    that are required without being declared, which may have any value.
    """

    properties: dict[str, Schema]
    required: tuple[str, ...]
    is_open: bool = False
    unreadable: tuple[str, ...] = ()
    undeclared: tuple[str, ...] = ()


def choose(body: RequestBody, description: Description) -> MediaType:
    """Choose the media type a body is sent as; a form with a file is sent as multipart where that is offered."""
    chosen = media_types.preferred(body.content)
    if media_types.body_kind(chosen.name) != "form":
        return chosen
    for candidate in body.content:
        if media_types.body_kind(candidate.name) == "multipart" and _has_file(candidate, description):
            return candidate
    return chosen


def kind(media_type: MediaType, description: Description) -> BodyKind:
    """Tell how a body is made: as its media type says, but as text or bytes where its schema says no more than that."""
    declared, schema = media_types.body_kind(media_type.name), media_type.schema
    if declared in {"xml", "sequence"} and (schema is None or not is_structured(schema, description)):
        declared = "text"
    if declared == "text" and schema is not None and is_file(schema, description):
        return "binary"
    return declared


def is_structured(schema: Schema, description: Description) -> bool:
    """Tell whether a schema describes an object or a list, or alternatives of them: more than a text."""
    return _is_structured(schema, description, frozenset())


def _is_structured(schema: Schema, description: Description, seen: frozenset[str]) -> bool:
    try:
        value, pointer = description.resolve_schema(schema)
    except UnresolvedReferenceError:
        return False
    if not isinstance(value, dict) or pointer in seen:
        return False
    declared = value.get("type")
    types = declared if isinstance(declared, list) else [declared]
    if "object" in types or "array" in types:
        return True
    if {"properties", "additionalProperties", "items", "prefixItems"} & value.keys():
        return True
    return any(
        _is_structured(Schema(branch, pointers.join(pointer, keyword, index)), description, seen | {pointer})
        for keyword in ("allOf", "oneOf", "anyOf")
        for index, branch in enumerate(value[keyword] if isinstance(value.get(keyword), list) else [])
    )


def plain_object(schema: Schema, description: Description) -> PlainObject | None:
    """Flatten an object schema, merging `allOf`; None where it is anything but a plain object.

    A schema that others extend (by `allOf` and a discriminator) stands for any of them, so it is none.
    """
    flat = _flatten(schema, description, frozenset())
    if flat is None:
        return None
    undeclared = [name for name in flat.required if name not in flat.properties]
    if not undeclared:
        return flat
    at = pointers.join(schema.pointer, "required")
    return replace(
        flat,
        properties={**flat.properties, **{name: Schema({}, at) for name in undeclared}},
        undeclared=tuple(undeclared),
    )


def is_file(schema: Schema, description: Description) -> bool:
    """Tell whether a value is file content (OAS 3.1 section 4.8.14.3; `format: binary` and `type: file` before)."""
    value = description.try_resolve(schema.value, schema.pointer)
    if not isinstance(value, dict):
        return False
    if value.get("type") == "file" or value.get("format") == "binary":
        return True
    is_text = value.get("type", "string") == "string"
    return is_text and ("contentEncoding" in value or "contentMediaType" in value)


def holds_files(schema: Schema, description: Description, content_type: str | None = None) -> bool:
    """Tell whether a property of a body is a file, or an array of files (OAS 3.1 section 4.8.14.4).

    `content_type` is what its Encoding Object says: a text, or what has no type, is a file where that is binary.
    """
    if is_file(schema, description) or _is_bytes(schema, description, content_type):
        return True
    try:
        value, pointer = description.resolve_schema(schema)
    except UnresolvedReferenceError:
        return False
    if not isinstance(value, dict) or "items" not in value:
        return False
    items = Schema(value["items"], pointers.join(pointer, "items"))
    return is_file(items, description) or _is_bytes(items, description, content_type)


def _is_bytes(schema: Schema, description: Description, content_type: str | None) -> bool:
    value = description.try_resolve(schema.value, schema.pointer)
    if not content_type or not media_types.is_binary(content_type) or not isinstance(value, dict):
        return False
    return value.get("type", "string") == "string" and not is_structured(schema, description)


def _has_file(candidate: MediaType, description: Description) -> bool:
    flat = plain_object(candidate.schema, description) if candidate.schema else None
    return flat is not None and any(holds_files(each, description) for each in flat.properties.values())


def _flatten(schema: Schema, description: Description, seen: frozenset[str]) -> PlainObject | None:
    try:
        value, pointer = description.resolve_schema(schema)
    except UnresolvedReferenceError:
        return None
    if pointer in seen or not isinstance(value, dict) or not _is_plain(value):
        return None
    if pointer in description.subtypes and not seen:
        return None
    merged: dict[str, list[Schema]] = {}
    required: list[str] = []
    is_open = value.get("additionalProperties") not in (None, False)
    unreadable = [pointers.join(pointer, "required")] if not isinstance(value.get("required", []), list) else []
    branches = value.get("allOf", [])
    for index, branch in enumerate(branches if isinstance(branches, list) else []):
        flat = _flatten(Schema(branch, pointers.join(pointer, "allOf", index)), description, seen | {pointer})
        if flat is None:
            return None
        for name, each in flat.properties.items():
            merged.setdefault(name, []).append(each)
        required += flat.required
        is_open = is_open or flat.is_open
        unreadable += flat.unreadable
    for name, each in value.get("properties", {}).items():
        at = pointers.join(pointer, "properties", name)
        merged.setdefault(name, []).append(Schema(each, description.origins.get(at, at)))
    required += [name for name in _names(value.get("required")) if name not in required]
    return PlainObject(
        {name: _combined(each) for name, each in merged.items()}, tuple(required), is_open, tuple(unreadable)
    )


def _is_plain(value: dict[str, Any]) -> bool:
    if _ENTANGLING & value.keys():
        return False
    if not isinstance(value.get("properties", {}), dict):
        return False
    additional = value.get("additionalProperties")
    if isinstance(additional, dict) and additional:
        return False
    kind = value.get("type", "object")
    return kind == "object" or (isinstance(kind, list) and all(each in ("object", "null") for each in kind))


def _combined(schemas: list[Schema]) -> Schema:
    """Join what several `allOf` branches say of one property."""
    distinct = [
        each for index, each in enumerate(schemas) if each.value not in [prior.value for prior in schemas[:index]]
    ]
    if len(distinct) == 1:
        return distinct[0]
    return Schema({"allOf": [each.value for each in distinct]}, distinct[-1].pointer)


def _names(required: Any) -> list[str]:
    return [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
