from __future__ import annotations

from typing import Any

import pytest

from converters import bodies
from converters.oas import MediaType, RequestBody, Schema
from converters.references import Description


def flattened(schema: Any, **components: Any) -> bodies.PlainObject | None:
    root = {"components": {"schemas": components}}
    return bodies.plain_object(Schema(schema, "/s"), Description(root, root))


def names(schema: Any, **components: Any) -> list[str] | None:
    flat = flattened(schema, **components)
    return None if flat is None else list(flat.properties)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "object", "properties": {"a": {}, "b": {}}}, ["a", "b"]),
        ({"properties": {"a": {}}}, ["a"]),
        ({"type": ["object", "null"], "properties": {"a": {}}}, ["a"]),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": False}, ["a"]),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": True}, ["a"]),
        ({"$ref": "#/components/schemas/A"}, ["x"]),
        (
            {"allOf": [{"$ref": "#/components/schemas/A"}, {"properties": {"b": {}}}], "properties": {"c": {}}},
            ["x", "b", "c"],
        ),
        ({"allOf": [{"allOf": [{"properties": {"a": {}}}]}]}, ["a"]),
        ({}, []),
    ],
)
def test_a_plain_object_is_flattened(schema: Any, expected: list[str]) -> None:
    assert names(schema, A={"type": "object", "properties": {"x": {}}}) == expected


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {}},
        {"type": "string"},
        {"type": ["object", "string"], "properties": {"a": {}}},
        {"type": [{}], "properties": {"a": {}}},
        {"oneOf": [{"properties": {"a": {}}}]},
        {"anyOf": [{"properties": {"a": {}}}], "properties": {"b": {}}},
        {"type": "object", "properties": {"a": {}}, "additionalProperties": {"type": "string"}},
        {"type": "object", "properties": {"a": {}}, "patternProperties": {"^x": {}}},
        {"type": "object", "properties": {"a": {}}, "minProperties": 1},
        {"type": "object", "properties": {"a": {}}, "dependentRequired": {"a": ["b"]}},
        {"type": "object", "properties": {"a": {}}, "not": {"required": ["a"]}},
        {"type": "object", "properties": {"a": {}}, "if": {}, "then": {}},
        {"allOf": [{"properties": {"a": {}}}, {"oneOf": [{"required": ["a"]}]}]},
        {"allOf": [{"$ref": "#/components/schemas/A"}]},
        {"$ref": "#/components/schemas/A"},
        {"$ref": "#/nowhere"},
        True,
        None,
        {"properties": []},
    ],
)
def test_anything_else_stays_one_body(schema: Any) -> None:
    assert names(schema, A={"allOf": [{"$ref": "#/components/schemas/A"}]}) is None


def test_required_names_of_every_branch_are_collected_once() -> None:
    flat = flattened(
        {"required": ["a", "c"], "properties": {"c": {}}, "allOf": [{"required": ["a", "b"], "properties": {"a": {}}}]}
    )

    assert flat is not None
    assert flat.required == ("a", "b", "c")


def test_a_property_that_several_branches_describe_must_fit_all_of_them() -> None:
    flat = flattened(
        {
            "allOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {"a": {"type": "string"}}}],
            "properties": {"a": {"maxLength": 5}},
        }
    )

    assert flat is not None
    assert flat.properties["a"].value == {"allOf": [{"type": "string"}, {"maxLength": 5}]}


@pytest.mark.parametrize(("additional", "is_open"), [(None, False), (False, False), (True, True), ({}, True)])
def test_an_object_that_admits_undeclared_properties_is_open(additional: Any, is_open: bool) -> None:
    schema = {"properties": {"a": {}}} | ({} if additional is None else {"additionalProperties": additional})
    flat = flattened(schema)

    assert flat is not None
    assert flat.is_open is is_open


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "format": "binary"}, True),
        ({"type": "file"}, True),
        ({"type": "string", "contentEncoding": "base64"}, True),
        ({"contentMediaType": "image/png"}, True),
        ({"$ref": "#/components/schemas/File"}, True),
        ({"type": "string", "format": "byte"}, False),
        ({"type": "string"}, False),
        ({"type": "object", "contentMediaType": "application/json"}, False),
        ({"type": "array", "items": {"type": "string", "format": "binary"}}, False),
        (True, False),
    ],
)
def test_a_file_is_known_by_its_schema(schema: Any, expected: bool) -> None:
    root = {"components": {"schemas": {"File": {"type": "string", "format": "binary"}}}}

    assert bodies.is_file(Schema(schema, "/s"), Description(root, root)) is expected


@pytest.mark.parametrize(
    ("content", "chosen"),
    [
        (
            {"multipart/form-data": {"a": {"format": "binary"}}, "application/x-www-form-urlencoded": {"a": {}}},
            "multipart/form-data",
        ),
        (
            {"multipart/form-data": {"a": {}}, "application/x-www-form-urlencoded": {"a": {}}},
            "application/x-www-form-urlencoded",
        ),
        ({"multipart/form-data": {"a": {"format": "binary"}}, "application/json": {"a": {}}}, "application/json"),
    ],
)
def test_a_form_with_a_file_is_sent_as_multipart(content: dict[str, Any], chosen: str) -> None:
    media_types = tuple(
        MediaType(name, Schema({"type": "object", "properties": each}, "/s"), "/s") for name, each in content.items()
    )

    assert bodies.choose(RequestBody(True, media_types, ""), Description({}, {})).name == chosen  # noqa: FBT003 - as declared


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "format": "binary"}, True),
        ({"type": "array", "items": {"type": "string", "format": "binary"}}, True),
        ({"type": "array", "items": {"$ref": "#/components/schemas/File"}}, True),
        ({"$ref": "#/components/schemas/Files"}, True),
        ({"type": "array", "items": {"type": "string"}}, False),
        ({"type": "array"}, False),
        ({"$ref": "#/nowhere"}, False),
        (True, False),
    ],
)
def test_a_property_holds_files_itself_or_in_an_array(schema: Any, expected: bool) -> None:
    file = {"type": "string", "format": "binary"}
    files = {"type": "array", "items": {"$ref": "#/components/schemas/File"}}
    root = {"components": {"schemas": {"File": file, "Files": files}}}

    assert bodies.holds_files(Schema(schema, "/s"), Description(root, root)) is expected
