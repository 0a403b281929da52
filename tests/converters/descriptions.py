"""Small descriptions, written as values, and what every tool of one must satisfy."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker

from converters import Compilation, ToolDefinition, compile_description
from converters.diagnostics import Diagnostic
from converters.request_plans import RequestPlan, plan

BASE: Final = "https://api.example.com/v1"
OK: Final[Mapping[str, Any]] = {"200": {"description": "Done."}}
_DATA: Final = frozenset({"enum", "const", "default", "examples"})
_NAMED: Final = frozenset({"properties", "patternProperties", "$defs", "dependentSchemas", "dependentRequired"})
_COMBINATORS: Final = frozenset({"$ref", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "enum", "const"})
# Patterns are ECMA-262, which the Python validator would read as Python's.
_NO_FORMATS: Final = FormatChecker(formats=())


def description(paths: Mapping[str, Any] | None = None, version: str = "3.1.0", **more: Any) -> dict[str, Any]:
    document = {"openapi": version, "info": {"title": "Things", "version": "1"}, "servers": [{"url": BASE}]}
    return {**document, "paths": paths or {}, **more}


def swagger(paths: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    document = {"swagger": "2.0", "info": {"title": "Things", "version": "1"}, "host": "api.example.com"}
    return {**document, "basePath": "/v1", "schemes": ["https"], "paths": paths or {}, **more}


def compiled(document: Mapping[str, Any], **options: Any) -> Compilation:
    return compile_description(json.dumps(document).encode(), **options)


def only_tool(
    operation: Mapping[str, Any], *, path: str = "/things", method: str = "post", version: str = "3.1.0", **more: Any
) -> ToolDefinition:
    """Compile a description of one operation to its one tool, which is checked on the way."""
    paths = {path: {method: {"responses": OK, **operation}}}
    (tool,) = compiled(description(paths, version, **more)).tools
    check_input_schema(tool.input_schema)
    return tool


def parameter_tool(parameter: Mapping[str, Any], *, version: str = "3.1.0") -> ToolDefinition:
    """Give the tool of a GET operation with one parameter, its path made to fit."""
    path = f"/things/{{{parameter['name']}}}" if parameter["in"] == "path" else "/things"
    return only_tool({"parameters": [{"required": True, **parameter}]}, path=path, method="get", version=version)


def body_tool(
    schema: Any, *, media_type: str = "application/json", version: str = "3.1.0", **components: Any
) -> ToolDefinition:
    """Give the tool of a POST operation with a required body of this schema."""
    body = {"required": True, "content": {media_type: {"schema": schema}}}
    return only_tool({"requestBody": body}, version=version, components={"schemas": components})


def planned(tool: ToolDefinition, **arguments: Any) -> RequestPlan:
    return plan(tool, arguments, base=BASE)


def properties(tool: ToolDefinition) -> dict[str, Any]:
    found: dict[str, Any] = tool.input_schema["properties"]
    return found


def reported(compilation: Compilation) -> list[tuple[str, str]]:
    """List the diagnostics as (code, pointer)."""
    return [(each.code, each.pointer) for each in compilation.diagnostics]


def diagnostic(compilation: Compilation, code: str) -> Diagnostic:
    (found,) = [each for each in compilation.diagnostics if each.code == code]
    return found


def check_input_schema(schema: Mapping[str, Any]) -> None:
    """Check what MCP clients demand: a valid JSON Schema 2020-12, an object at its root, references that resolve."""
    check_schema(schema)
    assert schema["type"] == "object"
    assert not _COMBINATORS & schema.keys()
    check_references(schema)


def check_schema(schema: Mapping[str, Any]) -> None:
    Draft202012Validator.check_schema(dict(schema), format_checker=_NO_FORMATS)


def check_references(schema: Mapping[str, Any]) -> None:
    defined = {f"#/$defs/{name.replace('~', '~0').replace('/', '~1')}" for name in schema.get("$defs", {})}
    assert set(references(schema)) <= defined


def references(schema: Any, *, named: bool = False) -> Iterator[str]:
    """List the `$ref`s of a schema; what is data, or a property of that name, is none."""
    if isinstance(schema, list):
        for each in schema:
            yield from references(each)
    elif isinstance(schema, dict):
        if not named and isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for key, value in schema.items():
            if named or key not in _DATA:
                yield from references(value, named=not named and key in _NAMED)
