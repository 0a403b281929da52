from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from converters.outputs import OutputChecker
from converters.results import ApiResponse, tool_result
from tests.converters.descriptions import only_tool

SCHEMA = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "kind": {"type": "string"}, "tags": {"type": "array"}},
}
CHECKER = OutputChecker(SCHEMA)


def answered(body: str, *, status: int = 200, content_type: str = "application/json") -> Any:
    return tool_result(ApiResponse(status, content_type, body.encode()), CHECKER)


def test_an_answer_that_matches_keeps_every_digit() -> None:
    text = '{"id": 5, "rate": 0.10000000000000000000001}'
    result = answered(text)
    assert (result.structured, dict(result.meta)) == (text, {})


def test_nulls_that_the_schema_does_not_have_are_left_out_and_said() -> None:
    result = answered('{"id": null, "kind": "x"}')
    assert json.loads(result.structured) == {"kind": "x"}
    assert result.content[0]["text"] == '{"id": null, "kind": "x"}'
    assert "null" in result.meta["causeway/warning"]


@pytest.mark.parametrize(
    ("body", "content_type", "structured"),
    [
        ('{"id": "five"}', "application/json", {"unexpected_answer": {"id": "five"}}),
        ("[1, 2]", "application/json", {"unexpected_answer": [1, 2]}),
        ("plain", "text/plain", {"unexpected_answer": "plain"}),
    ],
)
def test_an_answer_that_does_not_match_is_wrapped_and_said(body: str, content_type: str, structured: Any) -> None:
    result = answered(body, content_type=content_type)
    assert json.loads(result.structured) == structured
    assert result.content[0]["text"] == body
    assert "unexpected_answer" in result.meta["causeway/warning"]


def test_an_answer_without_a_body_is_an_empty_object() -> None:
    result = answered("", status=204)
    assert result.structured == "{}"
    assert "204" in result.content[0]["text"]


def test_bytes_are_a_block_and_an_empty_object() -> None:
    result = tool_result(ApiResponse(200, "image/png", b"\x89PNG"), CHECKER)
    assert result.structured == "{}"
    assert result.content[0]["type"] == "image"


def test_an_error_of_the_api_has_no_structured_content() -> None:
    assert answered('{"detail": "no"}', status=404).structured is None


def test_output_schemas_describe_and_do_not_constrain() -> None:
    schema = {
        "type": "object",
        "required": ["kind"],
        "additionalProperties": False,
        "properties": {
            "kind": {"type": "string", "enum": ["a", "b"], "pattern": "^.$", "maxLength": 1},
            "size": {"type": "integer", "format": "int32", "minimum": 1},
            "part": {"oneOf": [{"type": "object", "required": ["x"]}, {"type": "string"}]},
        },
    }
    responses = {"200": {"description": "ok", "content": {"application/json": {"schema": schema}}}}
    assert only_tool({"responses": responses}).output_schema == {
        "type": "object",
        "properties": {
            "kind": {"type": "string", "description": "One of: a, b."},
            "size": {"type": "integer", "format": "int32"},
            "part": {"anyOf": [{"type": "object"}, {"type": "string"}]},
        },
    }


@pytest.mark.parametrize("structured", ["{}", '{"unexpected_answer": [1]}'])
def test_what_replaces_an_answer_matches_every_output_schema(structured: str) -> None:
    """The official client validates with this library, and refuses the call otherwise."""
    strict = {"type": "object", "required": ["id"], "additionalProperties": False, "properties": {"id": {"enum": [1]}}}
    responses = {"200": {"description": "ok", "content": {"application/json": {"schema": strict}}}}
    listed = only_tool({"responses": responses}).output_schema
    assert listed is not None
    Draft202012Validator(dict(listed)).validate(json.loads(structured))
