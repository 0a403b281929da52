from __future__ import annotations

import json
from typing import Any

import pytest

from converters import ToolDefinition
from tests.converters.descriptions import compiled, description, only_tool, properties, reported

BINARY = {"type": "string", "format": "binary"}
NOTE = "File content: plain text, base64, or (exact for anything) a data: URI."


def tool_of(media_type: str, version: str = "3.2.0", **content: Any) -> ToolDefinition:
    tool = only_tool({"requestBody": {"required": True, "content": {media_type: content}}}, version=version)
    # What is stored says the same as what was compiled.
    assert ToolDefinition.from_json(json.loads(json.dumps(tool.to_json()))) == tool
    return tool


@pytest.mark.parametrize(
    ("media_type", "schema", "kind"),
    [
        ("application/json", {"type": "string"}, "json"),
        ("application/xml", {"type": "object"}, "xml"),
        ("application/xml", {"oneOf": [{"type": "string"}, {"properties": {"a": {}}}]}, "xml"),
        ("application/xml", {"type": "string"}, "text"),
        ("application/xml", {}, "text"),
        ("application/xml", {"$ref": "#/nowhere"}, "text"),
        ("application/xml", {"type": [{}]}, "text"),
        ("text/plain", {"type": {}}, "text"),
        ("text/csv", BINARY, "binary"),
        ("text/csv", {"type": "string"}, "text"),
        ("application/jsonl", {"type": "array"}, "sequence"),
        ("application/jsonl", {"type": "string"}, "text"),
        ("application/zip", {}, "binary"),
    ],
)
def test_a_media_type_and_its_schema_say_how_a_body_is_made(media_type: str, schema: Any, kind: str) -> None:
    body = tool_of(media_type, schema=schema).body

    assert body is not None
    assert body.kind == kind


@pytest.mark.parametrize(
    ("media_type", "schema", "encoding", "is_file"),
    [
        ("multipart/form-data", BINARY, {}, True),
        ("multipart/form-data", {"type": "array", "items": BINARY}, {}, True),
        ("multipart/form-data", {"type": "string", "contentEncoding": "base64"}, {}, True),
        ("multipart/form-data", {}, {"contentType": "image/png"}, True),
        ("multipart/form-data", {"type": "string"}, {"contentType": "application/zip"}, True),
        ("multipart/form-data", {"type": "object"}, {"contentType": "application/zip"}, False),
        ("multipart/form-data", {"type": "string"}, {"contentType": "text/csv"}, False),
        ("multipart/form-data", {"type": "string"}, {}, False),
        ("application/json", BINARY, {}, False),
        ("application/x-www-form-urlencoded", BINARY, {}, False),
        ("application/xml", BINARY, {}, False),
    ],
)
def test_only_what_is_read_as_a_file_is_told_to_be_one(
    media_type: str, schema: Any, encoding: dict[str, Any], is_file: bool
) -> None:
    whole = {"type": "object", "xml": {"name": "x"}, "properties": {"f": schema}}
    tool = tool_of(media_type, schema=whole, encoding={"f": encoding})

    assert tool.body is not None
    assert tool.body.properties[0].is_file is is_file
    assert (properties(tool)["f"].get("description") == NOTE) is is_file


def test_a_body_of_bytes_is_told_to_be_a_file_and_one_of_text_is_not() -> None:
    assert NOTE in properties(tool_of("application/zip"))["body"]["description"]
    assert NOTE not in properties(tool_of("text/csv"))["body"]["description"]


def test_headers_of_a_part_are_sent_where_the_description_fixes_their_value() -> None:
    headers = {
        "X-Const": {"schema": {"const": 1}},
        "X-Ref": {"$ref": "#/components/headers/Kind"},
        "X-Open": {"schema": {"type": "string"}},
        "X-Broken": {"schema": {"const": "a\r\nb"}},
        "bad name": {"schema": {"const": "a"}},
        "Content-Type": {"schema": {"const": "text/evil"}},
    }
    media_type = {
        "schema": {"type": "object", "properties": {"a": {}}},
        "encoding": {"a": {"headers": headers}},
    }
    operation = {"requestBody": {"content": {"multipart/form-data": media_type}}, "responses": {}}
    kind = {"schema": {"$ref": "#/components/schemas/Kind"}}
    components = {"headers": {"Kind": kind}, "schemas": {"Kind": {"enum": ["big"]}}}
    compilation = compiled(description({"/x": {"post": operation}}, components=components))

    body = compilation.tools[0].body
    assert body is not None
    assert body.properties[0].encoding is not None
    assert body.properties[0].encoding.headers == (("X-Const", "1"), ("X-Ref", "big"))
    at = "/paths/~1x/post/requestBody/content/multipart~1form-data/encoding/a/headers"
    assert reported(compilation) == [
        ("part_header_unset", f"{at}/{name}") for name in ("X-Open", "X-Broken", "bad name")
    ]


def test_parts_by_position_take_the_encodings_of_their_place() -> None:
    tool = tool_of(
        "multipart/mixed",
        schema={"type": "array", "prefixItems": [{"type": "object"}, {}], "items": BINARY},
        prefixEncoding=[{}, {"contentType": "image/png"}, {"contentType": "text/never"}],
        itemEncoding={"contentType": "text/csv"},
    )

    body = tool.body
    assert body is not None
    assert [each.is_file for each in body.prefix_parts] == [False, True]
    assert body.item_part is not None
    assert (body.item_part.is_file, body.item_part.encoding and body.item_part.encoding.content_type) == (
        True,
        "text/csv",
    )


def test_parts_that_are_not_a_list_in_the_description_are_none() -> None:
    body = tool_of("multipart/mixed", schema={"type": "array", "prefixItems": {"a": 1}, "items": {}}).body

    assert body is not None
    assert body.prefix_parts == ()


def test_the_schema_of_items_is_found_where_it_stands() -> None:
    tool = tool_of("application/jsonl", itemSchema={"type": "object", "properties": {"a": {"type": "integer"}}})

    schema = properties(tool)["body"]
    assert schema["type"] == "array"
    reference = schema["items"]["$ref"].removeprefix("#/$defs/")
    assert tool.input_schema["$defs"][reference]["properties"] == {"a": {"type": "integer"}}
