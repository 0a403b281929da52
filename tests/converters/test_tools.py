from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters import ArgumentsError, ToolDefinition, input_schemas, output_schemas, texts
from converters.arguments import ArgumentChecker
from tests.converters.descriptions import (
    OK,
    body_tool,
    check_input_schema,
    compiled,
    description,
    diagnostic,
    only_tool,
    properties,
    reported,
)

PET = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}}


def query(name: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": {"type": "string", **schema}}


# --- arguments


def test_parameters_and_a_plain_body_stand_beside_each_other() -> None:
    operation = {
        "parameters": [
            {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
            {"name": "limit", "in": "query", "description": "How many.", "schema": {"type": "integer"}},
            {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
            {"name": "theme", "in": "cookie", "schema": {"type": "string"}, "deprecated": True},
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": PET}}},
    }

    tool = only_tool(operation, path="/x/{id}")

    assert tool.input_schema == {
        "type": "object",
        "properties": {
            "id": {"type": "string", "minLength": 1},
            "limit": {"type": "integer", "description": "How many."},
            "X-Trace": {"type": "string"},
            "theme": {"type": "string", "deprecated": True},
            "name": {"type": "string"},
            "age": {"type": "integer"},
        },
        "required": ["id", "name"],
        "additionalProperties": False,
    }


def test_the_properties_of_an_optional_body_are_optional() -> None:
    assert "required" not in only_tool({"requestBody": {"content": {"application/json": {"schema": PET}}}}).input_schema


def test_a_property_of_an_optional_body_needs_those_that_the_body_requires() -> None:
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in "abc"}, "required": ["a", "b"]}
    tool = only_tool({"requestBody": {"content": {"application/json": {"schema": schema}}}})

    assert tool.input_schema["dependentRequired"] == {"a": ["b"], "b": ["a"], "c": ["a"]}
    checker = ArgumentChecker(tool.input_schema)
    assert checker.check({}).values == {}
    for lacking in ({"a": "x"}, {"b": "x"}, {"c": "x"}, {"c": "x", "a": "x"}):
        with pytest.raises(ArgumentsError, match="the required argument"):
            checker.check(lacking)


@pytest.mark.parametrize(
    ("parameter", "least"),
    [
        ({"in": "path", "schema": {"type": "string"}}, {"minLength": 1}),
        ({"in": "path", "schema": {"type": "string", "enum": ["a"]}}, {}),
        ({"in": "path", "schema": {"type": "array", "minItems": 2}}, {"minItems": 2}),
        ({"in": "path", "schema": {"$ref": "#/components/schemas/L"}}, {"minItems": 1}),
        ({"in": "query", "required": True, "schema": {"type": "array"}}, {"minItems": 1}),
        ({"in": "query", "required": True, "schema": {"type": "object"}}, {"minProperties": 1}),
        ({"in": "query", "required": True, "schema": {"type": "string"}}, {}),
        ({"in": "query", "schema": {"type": "array"}}, {}),
        ({"in": "query", "required": True, "content": {"application/json": {"schema": {"type": "array"}}}}, {}),
    ],
)
def test_a_value_that_could_not_be_written_empty_must_not_be(parameter: dict[str, Any], least: dict[str, int]) -> None:
    operation = {"parameters": [{"name": "p", "required": parameter["in"] == "path", **parameter}], "responses": OK}
    components = {"schemas": {"L": {"type": "array"}}}
    compilation = compiled(
        description({"/x/{p}" if parameter["in"] == "path" else "/x": {"get": operation}}, components=components)
    )

    published = properties(compilation.tools[0])["p"]
    assert {key: value for key, value in published.items() if key.startswith("min")} == least


def test_a_required_property_that_is_not_declared_takes_anything_and_is_told() -> None:
    schema = {"allOf": [{"required": ["team", "a"]}, {"type": "object", "properties": {"a": {"type": "string"}}}]}
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    compilation = compiled(description({"/x": {"post": {"requestBody": body, "responses": OK}}}))

    assert properties(compilation.tools[0]) == {"a": {"type": "string"}, "team": {}}
    assert "property_undeclared" in {code for code, _ in reported(compilation)}


def test_names_that_meet_are_all_qualified_and_keep_their_place_on_the_wire() -> None:
    locations = ["path", "query", "header", "cookie"]
    operation = {
        "parameters": [
            {"name": "id", "in": location, "required": True, "schema": {"type": "string"}} for location in locations
        ],
        "requestBody": {"content": {"application/json": {"schema": {"properties": {"id": {"type": "string"}}}}}},
    }

    tool = only_tool(operation, path="/x/{id}")

    assert list(properties(tool)) == ["path_id", "query_id", "header_id", "cookie_id", "body_id"]
    assert [(each.argument, each.location, each.name) for each in tool.parameters] == [
        (f"{location}_id", location, "id") for location in locations
    ]
    assert tool.body is not None
    assert [(each.argument, each.name) for each in tool.body.properties] == [("body_id", "id")]


def test_a_body_property_named_body_stands_beside_the_others() -> None:
    assert list(properties(body_tool({"properties": {"body": {"type": "string"}, "a": {}}}))) == ["body", "a"]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"type": "string"}},
        {"type": "string"},
        {"type": "integer"},
        {"oneOf": [PET, {"type": "string"}]},
        {"anyOf": [PET, {"type": "object"}]},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "object"},
        {},
    ],
)
def test_any_other_body_is_the_one_property_body(schema: dict[str, Any]) -> None:
    tool = body_tool(schema)

    assert tool.input_schema == {
        "type": "object",
        "properties": {"body": schema},
        "required": ["body"],
        "additionalProperties": False,
    }
    assert tool.body is not None
    assert tool.body.whole == "body"


def test_a_parameter_named_body_and_a_whole_body_are_qualified() -> None:
    operation = {
        "parameters": [query("body")],
        "requestBody": {"content": {"application/json": {"schema": {"type": "array"}}}},
    }

    assert list(properties(only_tool(operation))) == ["query_body", "body_body"]


def test_a_root_all_of_is_merged() -> None:
    tool = body_tool({"allOf": [{"$ref": "#/components/schemas/Pet"}, {"properties": {"extra": {}}}]}, Pet=PET)

    assert list(properties(tool)) == ["name", "age", "extra"]
    assert tool.input_schema["required"] == ["name"]


def test_read_only_properties_of_a_body_are_no_arguments() -> None:
    schema = {"required": ["id", "name"], "properties": {"id": {"readOnly": True}, "name": {}}}
    tool = body_tool(schema)

    assert list(properties(tool)) == ["name"]
    assert tool.input_schema["required"] == ["name"]
    assert tool.body is not None
    assert tool.body.required_properties == ("name",)


@pytest.mark.parametrize(
    ("name", "argument"), [("filter[a]", "filter_a"), ("$top", "top"), ("größe", None), ("a b", "a_b"), ("x.y", "x.y")]
)
def test_odd_names_are_replaced_and_told_and_reach_the_wire(name: str, argument: str | None) -> None:
    compilation = compiled(description({"/x": {"get": {"parameters": [query(name)], "responses": OK}}}))
    (tool,) = compilation.tools
    (given,) = properties(tool)

    assert argument in {given, None}
    assert tool.parameters[0].name == name
    assert [code for code, _ in reported(compilation)] == ([] if given == name else ["argument_renamed"])


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "format": "binary"},
        {"type": "string", "contentEncoding": "base64"},
        {"type": "string", "contentMediaType": "image/png"},
    ],
)
def test_a_file_in_a_multipart_body_says_how_it_is_written(schema: dict[str, Any]) -> None:
    tool = body_tool({"type": "object", "properties": {"file": schema}}, media_type="multipart/form-data")

    assert (
        properties(tool)["file"]["description"]
        == "File content: plain text, base64, or (exact for anything) a data: URI."
    )
    assert tool.body is not None
    assert [each.is_file for each in tool.body.properties] == [True]


@pytest.mark.parametrize(
    ("media_type", "schema", "expected"),
    [
        (
            "application/octet-stream",
            {"type": "string", "format": "binary"},
            {
                "type": "string",
                "format": "binary",
                "description": "File content: plain text, base64, or (exact for anything) a data: URI.",
            },
        ),
        ("image/png", {}, {"type": "string", "format": "binary"}),
        ("text/plain", {"type": "string", "maxLength": 5}, {"type": "string", "maxLength": 5}),
        ("text/csv", {"type": "array"}, {"type": "string", "description": "The body as text/csv text."}),
        ("application/xml", {}, {"type": "string", "description": "The body as application/xml text."}),
        ("application/xml", {"type": "integer"}, {"type": "string"}),
        ("text/plain", {"type": "integer"}, {"type": "integer"}),
    ],
)
def test_a_body_without_structure_is_a_text(media_type: str, schema: Any, expected: dict[str, Any]) -> None:
    found = properties(body_tool(schema, media_type=media_type))["body"]

    assert {key: found[key] for key in expected if key in found} == expected


def test_media_types_that_are_not_used_are_told() -> None:
    content = {name: {"schema": PET} for name in ("application/xml", "application/json", "text/plain")}
    operation = {"requestBody": {"content": content}, "responses": OK}

    assert reported(compiled(description({"/x": {"post": operation}}))) == [
        ("request_body_media_type_unused", "/paths/~1x/post/requestBody/content/application~1xml"),
        ("request_body_media_type_unused", "/paths/~1x/post/requestBody/content/text~1plain"),
    ]


# --- texts and annotations


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"summary": "Get it.", "description": "Gets the thing."}, "Get it.\n\nGets the thing."),
        ({"summary": "Get it.", "description": "Get it. And more."}, "Get it. And more."),
        ({"summary": "Get it."}, "Get it."),
        ({"description": "Gets the thing."}, "Gets the thing."),
        ({}, "GET /things"),
        ({"deprecated": True, "summary": "Get it."}, "Deprecated. Get it."),
        ({"x-mcp": {"description": "For models."}, "summary": "Get it."}, "For models."),
        ({"description": "a\u200bb\u202ec"}, "abc"),
    ],
)
def test_a_description_is_summary_and_description(fields: dict[str, Any], text: str) -> None:
    assert only_tool(fields, method="get").description == text


def test_a_long_description_is_cut_and_told() -> None:
    operation = {"description": "A sentence. " * 400, "responses": OK}
    compilation = compiled(description({"/x": {"get": operation}}))

    (tool,) = compilation.tools
    assert len(tool.description) <= texts.BUDGET
    assert tool.description.endswith("A sentence.…")
    assert diagnostic(compilation, "text_truncated").pointer == "/paths/~1x/get"


def test_hidden_text_is_removed_from_title_description_and_tags_and_told() -> None:
    operation = {"summary": "a\u200bb", "description": "c\u202ed", "tags": ["e\u2060f"], "responses": OK}
    compilation = compiled(description({"/x": {"get": operation}}))
    (tool,) = compilation.tools

    assert (tool.title, tool.description, tool.tags) == ("ab", "ab\n\ncd", ("ef",))
    assert {code for code, _ in reported(compilation)} == {"hidden_text_removed"}


@pytest.mark.parametrize(
    ("method", "read_only", "destructive", "idempotent"),
    [
        ("get", True, None, None),
        ("head", True, None, None),
        ("options", True, None, None),
        ("trace", True, None, None),
        ("query", True, None, None),
        ("post", False, False, False),
        ("patch", False, False, False),
        ("put", False, False, True),
        ("delete", False, True, True),
    ],
)
def test_annotations_come_from_the_method(
    method: str,
    read_only: bool,
    destructive: bool | None,
    idempotent: bool | None,
) -> None:
    hints = {"readOnlyHint": read_only, "destructiveHint": destructive, "idempotentHint": idempotent}

    assert only_tool({}, method=method, version="3.2.0").annotations == {
        name: value for name, value in hints.items() if value is not None
    }


def test_annotations_of_the_x_mcp_extension_win_where_they_are_hints() -> None:
    asked = {"annotations": {"destructiveHint": True, "title": "T", "other": True, "idempotentHint": {}}}

    assert only_tool({"x-mcp": asked}).annotations == {
        "readOnlyHint": False,
        "destructiveHint": True,
        "idempotentHint": False,
        "title": "T",
    }


def test_an_operation_can_be_disabled_by_the_x_mcp_extension() -> None:
    assert only_tool({"x-mcp": {"enabled": False}}).enabled is False
    assert only_tool({}).enabled is True


# --- output schemas


def output(responses: dict[str, Any], **schemas: Any) -> Any:
    return only_tool({"responses": responses}, components={"schemas": schemas}).output_schema


def json_response(schema: Any, media_type: str = "application/json") -> dict[str, Any]:
    return {"description": "", "content": {media_type: {"schema": schema}}}


PERSON = {"type": "object", "properties": {"name": {"type": "string"}, "secret": {"writeOnly": True}}}
PERSON_OUT = {"type": "object", "properties": {"name": {"type": "string"}}}


@pytest.mark.parametrize(
    ("responses", "expected"),
    [
        ({"200": json_response(PERSON)}, PERSON_OUT),
        ({"201": json_response(PERSON, "application/vnd.api+json")}, PERSON_OUT),
        ({"2XX": json_response(PERSON), "404": json_response({"type": "string"})}, PERSON_OUT),
        ({"default": json_response(PERSON)}, PERSON_OUT),
        ({"200": json_response(PERSON), "201": json_response(PERSON)}, PERSON_OUT),
        ({"200": json_response(PERSON), "201": json_response({"type": "object"})}, None),
        ({"200": json_response(PERSON), "204": {"description": ""}}, None),
        ({"200": json_response({"type": "array"})}, None),
        ({"200": json_response({"type": "string"})}, None),
        ({"200": json_response({})}, None),
        ({"200": json_response(schema=True)}, None),
        ({"200": json_response(PERSON, "text/csv")}, None),
        ({"204": {"description": ""}}, None),
        ({"404": json_response(PERSON)}, None),
    ],
)
def test_the_output_schema_is_that_of_the_one_success(responses: dict[str, Any], expected: Any) -> None:
    assert output(responses) == expected


def test_an_output_schema_behind_a_reference_has_an_object_root_and_its_definitions() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Node"}}}
    found = output(
        {"200": json_response({"$ref": "#/components/schemas/Alias"})},
        Node=node,
        Alias={"$ref": "#/components/schemas/Node"},
        Unused={"type": "string"},
    )

    assert {key: found[key] for key in ("type", "properties")} == {
        "type": "object",
        "properties": {"next": {"$ref": "#/$defs/Node"}},
    }
    assert found["$defs"]["Node"] == {key: found[key] for key in ("type", "properties")}
    assert "Unused" not in found["$defs"]


def test_an_output_schema_over_the_budget_is_not_listed_and_told() -> None:
    wide = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(output_schemas.BUDGET // 20)}}
    operation = {"responses": {"200": json_response(wide)}}
    compilation = compiled(description({"/x": {"get": operation}}))

    assert compilation.tools[0].output_schema is None
    assert [code for code, _ in reported(compilation)] == ["output_schema_dropped"]


def test_an_output_schema_of_merged_objects_is_listed_as_an_object() -> None:
    merged = {"allOf": [{"$ref": "#/components/schemas/Base"}, {"properties": {"b": {"type": "string"}}}]}
    base = {"type": "object", "properties": {"a": {"type": "string"}}}
    operation = {"responses": {"200": json_response(merged)}}
    compilation = compiled(description({"/x": {"get": operation}}, components={"schemas": {"Base": base}}))

    assert compilation.tools[0].output_schema == {
        "type": "object",
        "allOf": [{"$ref": "#/$defs/Base"}, {"properties": {"b": {"type": "string"}}}],
        "$defs": {"Base": base},
    }


@pytest.mark.parametrize(
    "responses",
    [
        {"200": json_response({"type": "array", "items": {"type": "string"}})},
        {"200": json_response({"type": "object"}), "202": json_response({"type": "object", "title": "Other"})},
        {"200": json_response({"type": "object"}), "204": {"description": "Nothing."}},
    ],
)
def test_answers_that_are_not_one_object_have_no_output_schema_which_is_told(responses: dict[str, Any]) -> None:
    compilation = compiled(description({"/x": {"get": {"responses": responses}}}))

    assert compilation.tools[0].output_schema is None
    assert [code for code, _ in reported(compilation)] == ["output_schema_dropped"]


def test_output_schemas_fit_into_a_list_together_the_smallest_first() -> None:
    def answer(count: int) -> dict[str, Any]:
        schema = {"type": "object", "properties": {f"property{n}": {"type": "string"} for n in range(count)}}
        return {"get": {"responses": {"200": json_response(schema)}}}

    many = {f"/large{n}": answer(100) for n in range(20)} | {f"/small{n}": answer(2) for n in range(20)}
    compilation = compiled(description(many))
    listed = [tool for tool in compilation.tools if tool.output_schema is not None]

    assert {tool.path for tool in listed} == {path for path in many if path.startswith("/small")}
    assert [code for code, _ in reported(compilation)] == ["output_schema_dropped"] * 20
    few = compiled(description(dict(list(many.items())[15:25])))
    assert all(tool.output_schema is not None for tool in few.tools)


# --- budgets


def test_links_are_read_by_their_text() -> None:
    text = 'See [the guide](https://a.test/(x)?y#z "Title"), ![logo](l.png) and [](e), not f(x)[0](call or a](b).'
    compilation = compiled(description({"/x": {"get": {"description": text, "responses": OK}}}))

    assert compilation.tools[0].description == "See the guide, logo and [](e), not f(x)[0](call or a](b)."


def test_a_definition_that_one_argument_uses_stands_in_its_place() -> None:
    operation = {
        "parameters": [
            {"name": name, "in": "query", "schema": {"$ref": f"#/components/schemas/{schema}"}, **note}
            for name, schema, note in (
                ("once", "Once", {"description": "Mine."}),
                ("a", "Twice", {}),
                ("b", "Twice", {}),
            )
        ],
        "responses": OK,
    }
    once = {"type": "string", "enum": ["x"], "description": "Its own."}
    components = {"schemas": {"Once": once, "Twice": {"type": "integer"}}}
    compilation = compiled(description({"/x": {"get": operation}}, components=components))

    (tool,) = compilation.tools
    twice = {"$ref": "#/$defs/Twice"}
    assert properties(tool) == {"once": {**once, "description": "Mine."}, "a": twice, "b": twice}
    assert tool.input_schema["$defs"] == {"Twice": {"type": "integer"}}


def test_descriptions_of_arguments_share_a_budget_and_the_longest_give_way() -> None:
    long = "A sentence that says much. " * 50
    data = {"description": "x" * 1_300}
    operation = {
        "parameters": [
            {**query("short"), "description": "Short."},
            *({**query(f"long{n}", default=data), "description": long} for n in range(3)),
        ],
        "responses": OK,
    }
    compilation = compiled(description({"/x": {"get": operation}}))

    (tool,) = compilation.tools
    texts_ = [each["description"] for each in properties(tool).values()]
    assert texts_[0] == "Short."
    assert sum(map(len, texts_)) <= input_schemas.TEXT_BUDGET
    assert all(each.endswith("says much.…") for each in texts_[1:])
    assert properties(tool)["long0"]["default"] == data
    assert [code for code, _ in reported(compilation)] == ["text_truncated"]


def test_a_text_of_megabytes_is_cut_and_told() -> None:
    operation = {"parameters": [{**query("q"), "description": "word " * 1_000_000}], "responses": OK}
    compilation = compiled(description({"/x": {"get": operation}}))

    assert len(properties(compilation.tools[0])["q"]["description"]) <= texts.BUDGET
    assert [code for code, _ in reported(compilation)] == ["text_truncated"]


def test_a_body_of_too_many_properties_is_one_argument() -> None:
    wide = {"type": "object", "properties": {f"property{n}": {"type": "string"} for n in range(50_000)}}
    operation = {"requestBody": {"content": {"application/json": {"schema": wide}}}, "responses": OK}
    compilation = compiled(description({"/x": {"post": operation}}))

    (tool,) = compilation.tools
    assert list(properties(tool)) == ["body"]
    assert len(json.dumps(tool.input_schema)) < 64 * 1024
    assert [code for code, _ in reported(compilation)] == ["schema_over_budget"]


def test_an_operation_of_too_many_parameters_is_left_out_and_told() -> None:
    operation = {"parameters": [query(f"parameter{n}") for n in range(5_000)], "responses": OK}
    compilation = compiled(description({"/x": {"get": operation}, "/y": {"get": {"responses": OK}}}))

    assert [tool.path for tool in compilation.tools] == ["/y"]
    assert diagnostic(compilation, "operation_schema_unusable").pointer == "/paths/~1x/get"


def test_an_input_schema_never_exceeds_its_budget_by_definitions() -> None:
    schemas: dict[str, Any] = {
        f"S{n}": {"type": "object", "properties": {f"p{m}": {"$ref": f"#/components/schemas/S{m}"} for m in range(80)}}
        for n in range(80)
    }
    compilation = compiled(
        description(
            {
                "/x": {
                    "post": {
                        "requestBody": {
                            "content": {
                                "application/json": {
                                    "schema": {"type": "array", "items": {"$ref": "#/components/schemas/S0"}}
                                }
                            }
                        },
                        "responses": OK,
                    }
                }
            },
            components={"schemas": schemas},
        )
    )

    (tool,) = compilation.tools
    check_input_schema(tool.input_schema)
    assert len(json.dumps(tool.input_schema)) < 64 * 1024
    assert [code for code, _ in reported(compilation)] == ["schema_over_budget"]


def test_definitions_lose_their_texts_before_anything_is_cut() -> None:
    wide = {"type": "object", "properties": {f"p{n}": {"type": "string", "description": "x" * 90} for n in range(900)}}
    body = {"content": {"application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/W"}}}}}
    compilation = compiled(description({"/x": {"post": {"requestBody": body}}}, components={"schemas": {"W": wide}}))

    (tool,) = compilation.tools
    assert tool.input_schema["properties"]["body"]["items"]["$ref"] == "#/$defs/W"
    assert tool.input_schema["$defs"]["W"]["properties"]["p899"] == {"type": "string"}
    assert "schema_over_budget" not in {code for code, _ in reported(compilation)}


def test_an_argument_over_the_budget_admits_anything_and_is_told() -> None:
    operation = {
        "parameters": [query("big", enum=[f"value {n}" for n in range(20_000)]), query("small")],
        "responses": OK,
    }
    compilation = compiled(description({"/x": {"get": operation}}))

    (tool,) = compilation.tools
    assert properties(tool) == {
        "big": {"description": "Any value; the schema of big is too large to list."},
        "small": {"type": "string"},
    }
    assert [code for code, _ in reported(compilation)] == ["schema_over_budget"]


# --- as values


def test_a_definition_goes_to_json_and_back() -> None:
    server = {"url": "https://{r}.x", "variables": {"r": {"default": "a", "enum": ["a", "b"]}}}
    body = {
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "required": ["f"], "properties": {"f": {"format": "binary"}, "a": {}}},
                "encoding": {"a": {"contentType": "application/json", "explode": False}},
            }
        }
    }
    tool = only_tool(
        {
            "summary": "S.",
            "tags": ["t"],
            "servers": [server],
            "security": [{"k": ["s"]}, {}],
            "parameters": [query("q")],
            "requestBody": body,
            "responses": {"200": json_response(PERSON)},
        },
        components={"securitySchemes": {"k": {"type": "apiKey"}}},
    )

    assert ToolDefinition.from_json(json.loads(json.dumps(tool.to_json()))) == tool


def test_the_mcp_tool_has_exactly_what_the_protocol_names() -> None:
    operation = {"operationId": "getIt", "summary": "Get it.", "description": "All of it.", "tags": ["things"]}
    tool = only_tool(operation, method="get")

    assert tool.to_tool() == {
        "name": "getIt",
        "title": "Get it.",
        "description": "Get it.\n\nAll of it.",
        "inputSchema": {"type": "object", "properties": {}, "additionalProperties": False},
        "annotations": {"readOnlyHint": True},
        "_meta": {"causeway/tags": ["things"]},
    }


def test_a_title_that_is_the_description_is_listed_once() -> None:
    tool = only_tool({"summary": "Get it."}, method="get")

    assert tool.title == "Get it."
    assert "title" not in tool.to_tool()


# --- stability

PATHS: dict[str, Any] = {
    "/pets": {
        "get": {"operationId": "pets.list", "responses": OK},
        "post": {"operationId": "pets/list", "responses": OK},
    },
    "/pets/{id}": {"get": {"responses": OK}, "delete": {"operationId": "x" * 90, "responses": OK}},
    "/pets_{id}": {"get": {"responses": OK}},
    "/größe": {"get": {"responses": {"200": json_response({"$ref": "#/components/schemas/A"})}}},
    "/b": {"put": {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/B"}}}}}},
}
SCHEMAS: dict[str, Any] = {
    "A": {"type": "object", "properties": {"b": {"$ref": "#/components/schemas/B"}}},
    "B": {
        "type": "object",
        "properties": {"a": {"$ref": "#/components/schemas/A"}, "c d": {"$ref": "#/components/schemas/C d"}},
    },
    "C d": {"type": "string"},
}


@given(paths=st.permutations(list(PATHS)), components=st.permutations(list(SCHEMAS)), kept=st.integers(1, len(PATHS)))
def test_a_tool_does_not_change_when_the_description_is_reordered(
    paths: list[str], components: list[str], kept: int
) -> None:
    def tools(names: list[str], schemas: list[str]) -> dict[str, Any]:
        document = description(
            {name: PATHS[name] for name in names}, components={"schemas": {name: SCHEMAS[name] for name in schemas}}
        )
        return {tool.operation_key: tool.to_json() for tool in compiled(document).tools}

    everything = tools(list(PATHS), list(SCHEMAS))
    assert tools(paths, components) == everything
    # Names that collide with nothing stay when other operations leave.
    alone = tools(["/größe", "/b", *paths[:kept]], components)
    assert alone["PUT /b"] == everything["PUT /b"]
    assert alone["GET /größe"] == everything["GET /größe"]


@pytest.mark.parametrize(
    "given",
    [
        {"example": "first"},
        {"examples": {"a": {"externalValue": "x"}, "b": {"value": "first"}, "c": {"value": "second"}}},
        {"examples": {"a": {"$ref": "#/components/examples/A"}}},
    ],
)
def test_an_example_of_a_parameter_is_listed_with_its_argument(given: dict[str, Any]) -> None:
    operation = {"parameters": [{**query("q"), **given}], "responses": OK}
    components = {"examples": {"A": {"value": "first"}}}
    compilation = compiled(description({"/x": {"get": operation}}, components=components))

    assert properties(compilation.tools[0])["q"] == {"type": "string", "examples": ["first"]}


def test_names_of_required_properties_that_are_no_list_are_told() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": "a"}
    compilation = compiled(
        description({"/x": {"post": {"requestBody": {"content": {"application/json": {"schema": schema}}}}}})
    )

    assert "required" not in compilation.tools[0].input_schema
    assert diagnostic(compilation, "schema_keyword_invalid").pointer.endswith("/schema/required")
