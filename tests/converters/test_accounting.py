"""The checker is only worth something if it can fail: each test takes something away and sees it missed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from converters import Compilation, ToolDefinition, compile_description
from converters.accounting import losses
from converters.compiler import bundled
from converters.documents import parse
from converters.limits import DEFAULT_LIMITS
from tests.converters.descriptions import OK, description, swagger

BODY = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "owner": {"type": "object", "properties": {"email": {"type": "string"}}},
        "id": {"type": "integer", "readOnly": True},
    },
}
DOCUMENT = description(
    {
        "/pets/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "post": {
                "security": [{"key": []}],
                "parameters": [{"name": "dry", "in": "query", "schema": {"type": "boolean"}}],
                "requestBody": {"required": True, "content": {"application/json": {"schema": BODY}}},
                "responses": OK,
            },
        }
    },
    components={"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}},
)
SWAGGER = swagger(
    {
        "/pets": {
            "post": {
                "parameters": [
                    {"in": "formData", "name": "name", "type": "string"},
                    {"in": "query", "name": "dry", "type": "boolean"},
                ],
                "responses": OK,
            }
        }
    }
)


def lost(document: Any, tools: tuple[ToolDefinition, ...] | None = None) -> list[str]:
    raw = json.dumps(document).encode()
    compilation: Compilation = compile_description(raw)
    whole = bundled(parse(raw), {}, DEFAULT_LIMITS)
    kept = compilation.tools if tools is None else tools
    return [loss.pointer for loss in losses(whole, kept, compilation.diagnostics)]


def tool_of(document: Any) -> ToolDefinition:
    return compile_description(json.dumps(document).encode()).tools[0]


@pytest.mark.parametrize("document", [DOCUMENT, SWAGGER])
def test_nothing_is_lost_of_what_compiles(document: Any) -> None:
    assert lost(document) == []


def test_a_missing_operation_is_a_loss() -> None:
    assert lost(DOCUMENT, ()) == ["/paths/~1pets~1{id}/post"]


@pytest.mark.parametrize(
    ("name", "pointer"),
    [("id", "/paths/~1pets~1{id}/parameters/0"), ("dry", "/paths/~1pets~1{id}/post/parameters/0")],
)
def test_a_missing_parameter_is_a_loss(name: str, pointer: str) -> None:
    tool = tool_of(DOCUMENT)
    without = replace(tool, parameters=tuple(each for each in tool.parameters if each.name != name))
    assert lost(DOCUMENT, (without,)) == [pointer]


def test_a_missing_form_parameter_is_a_loss() -> None:
    tool = tool_of(SWAGGER)
    assert tool.body is not None
    without = replace(tool, body=replace(tool.body, properties=()))
    assert lost(SWAGGER, (without,)) == ["/paths/~1pets/post/parameters/0"]


def test_a_missing_body_and_a_missing_property_at_any_depth_are_losses() -> None:
    tool = tool_of(DOCUMENT)
    assert lost(DOCUMENT, (replace(tool, body=None),)) == ["/paths/~1pets~1{id}/post/requestBody"]
    schema = json.loads(json.dumps(tool.input_schema))
    schema["properties"]["owner"] = {"type": "object"}
    at = "/paths/~1pets~1{id}/post/requestBody/content/application~1json/schema/properties/owner/properties/email"
    assert lost(DOCUMENT, (replace(tool, input_schema=schema),)) == [at]


def test_missing_security_is_a_loss() -> None:
    assert lost(DOCUMENT, (replace(tool_of(DOCUMENT), security=()),)) == ["/paths/~1pets~1{id}/post/security"]


def test_what_a_diagnostic_mentions_is_not_lost() -> None:
    document = description({"/{}": {"get": {"responses": OK}}, "/a": {"get": {"parameters": [7], "responses": OK}}})
    assert lost(document) == []
