from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from converters import json_schema
from converters.diagnostics import DiagnosticLog
from converters.oas import Schema
from converters.references import Description
from converters.schemas import Direction, SchemaCompiler
from tests.converters.descriptions import body_tool, check_schema, compiled, description, properties

INT32 = {"minimum": -2147483648, "maximum": 2147483647}
INT64 = {"minimum": -9223372036854775808, "maximum": 9223372036854775807}


def translate(
    schema: Any, *, version: str = "3.0", direction: Direction = "input", **components: Any
) -> tuple[Any, dict[str, Any], list[tuple[str, str]]]:
    """Give the translated schema, its definitions and the diagnostics."""
    root = {"components": {"schemas": components}}
    log = DiagnosticLog()
    compiler = SchemaCompiler(Description(root, root, version), direction, log)
    translated, used = compiler.compile(Schema(schema, "/s"))
    definitions = compiler.closure(used)
    check_schema({"properties": {"x": translated}, "$defs": definitions})
    return translated, definitions, [(each.code, each.pointer) for each in log.found()]


# --- what 3.0 writes differently


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": False}, {"type": "string"}),
        ({"type": "string", "x-nullable": True}, {"type": ["string", "null"]}),
        (
            {"type": "string", "nullable": True, "enum": ["a", None]},
            {"type": ["string", "null"], "enum": ["a", None]},
        ),
        (
            {"nullable": True, "description": "D.", "allOf": [{"type": "object"}]},
            {"description": "D.", "anyOf": [{"allOf": [{"type": "object"}]}, {"type": "null"}]},
        ),
        ({"nullable": True}, {}),
        ({"type": "integer", "minimum": 5, "exclusiveMinimum": True}, {"type": "integer", "exclusiveMinimum": 5}),
        ({"type": "integer", "maximum": 5, "exclusiveMaximum": True}, {"type": "integer", "exclusiveMaximum": 5}),
        ({"type": "integer", "minimum": 5, "exclusiveMinimum": False}, {"type": "integer", "minimum": 5}),
        ({"type": "integer", "exclusiveMinimum": True}, {"type": "integer"}),
        ({"type": "number", "exclusiveMinimum": 5}, {"type": "number", "exclusiveMinimum": 5}),
        ({"type": "string", "example": "a"}, {"type": "string", "examples": ["a"]}),
        ({"type": "string", "example": None}, {"type": "string", "examples": [None]}),
        ({"type": "string", "xml": {"name": "a"}, "externalDocs": {}, "x-a": 1}, {"type": "string"}),
        ({"properties": {"a": {}}}, {"type": "object", "properties": {"a": {}}}),
    ],
)
def test_the_dialect_of_3_0_becomes_json_schema(schema: Any, expected: Any) -> None:
    assert translate(schema)[0] == expected


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "integer", "format": "int32"}, {"type": "integer", "format": "int32", **INT32}),
        ({"type": "integer", "format": "int64"}, {"type": "integer", "format": "int64", **INT64}),
        (
            {"type": "integer", "format": "int32", "minimum": 0},
            {"type": "integer", "format": "int32", "minimum": 0, "maximum": INT32["maximum"]},
        ),
        (
            {"type": "integer", "format": "int64", "minimum": 0, "exclusiveMinimum": True, "maximum": 9},
            {"type": "integer", "format": "int64", "exclusiveMinimum": 0, "maximum": 9},
        ),
        (
            {"type": "integer", "format": "int32", "nullable": True},
            {"type": ["integer", "null"], "format": "int32", **INT32},
        ),
        ({"type": ["null", "integer"], "format": "int32"}, {"type": ["null", "integer"], "format": "int32", **INT32}),
        ({"type": "integer", "format": "int32", "enum": [1]}, {"type": "integer", "format": "int32", "enum": [1]}),
        ({"type": "string", "format": "int64"}, {"type": "string", "format": "int64"}),
        ({"type": "integer", "format": "uint8"}, {"type": "integer", "format": "uint8"}),
    ],
)
def test_integer_formats_are_bounds(schema: Any, expected: Any) -> None:
    assert translate(schema)[0] == expected


@pytest.mark.parametrize("version", ["2.0", "3.0"])
def test_siblings_of_a_reference_only_annotate_before_3_1(version: str) -> None:
    schema = {"$ref": "#/components/schemas/A", "description": "D.", "default": 1, "maximum": 5, "type": "string"}

    assert translate(schema, version=version, A={"type": "integer"})[0] == {
        "$ref": "#/$defs/A",
        "description": "D.",
        "default": 1,
    }


def test_siblings_of_a_reference_count_since_3_1() -> None:
    schema = {"$ref": "#/components/schemas/A", "description": "D.", "maximum": 5}

    assert translate(schema, version="3.1", A={"type": "integer"})[0] == {**schema, "$ref": "#/$defs/A"}


def test_a_nullable_reference_admits_null() -> None:
    schema = {"$ref": "#/components/schemas/A", "nullable": True, "description": "D."}

    assert translate(schema, A={"type": "integer"})[0] == {
        "description": "D.",
        "anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}],
    }


# --- what stays


@pytest.mark.parametrize(
    "schema",
    [
        True,
        False,
        {},
        {"type": ["string", "null"], "minLength": 1, "maxLength": 0},
        {"type": ["integer", "string"]},
        {"const": None},
        {"enum": [1, "1", None, True, {"a": [1]}]},
        {"type": "number", "multipleOf": 0.01, "minimum": -1.5, "exclusiveMaximum": 1e6},
        {"type": "array", "prefixItems": [{"type": "string"}], "items": False, "contains": {"const": 1}},
        {"type": "array", "uniqueItems": True, "minItems": 1, "maxItems": 2, "minContains": 1, "maxContains": 2},
        {"if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {"not": {"required": ["b"]}}},
        {"patternProperties": {"^x-": {}}, "propertyNames": {"maxLength": 3}, "additionalProperties": False},
        {"dependentRequired": {"a": ["b"]}, "dependentSchemas": {"a": {"minProperties": 2}}},
        {"unevaluatedProperties": False, "unevaluatedItems": {"type": "string"}},
        {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/png"},
        {"type": "string", "format": "date-time", "default": "2020-01-01T00:00:00Z"},
        {"oneOf": [{"type": "string"}, {"type": "integer"}], "title": "T", "description": "D.", "deprecated": True},
        {"properties": {"$ref": {"type": "string"}, "type": {"type": "string"}, "enum": {}}},
        {"type": "string", "pattern": r"^\p{L}+(?<=a)\d{2}$"},
    ],
)
def test_json_schema_stays_as_it_is(schema: Any) -> None:
    assert translate(schema, version="3.1")[0] == schema


def test_keywords_that_say_nothing_are_left_out() -> None:
    schema = {"type": "string", "minLength": 0, "uniqueItems": False, "deprecated": False, "description": " "}

    assert translate(schema)[0] == {"type": "string"}


def test_a_list_of_item_schemas_is_a_tuple() -> None:
    assert translate({"type": "array", "items": [{"type": "string"}, {"type": "integer"}]})[0] == {
        "type": "array",
        "prefixItems": [{"type": "string"}, {"type": "integer"}],
    }


def test_hidden_characters_are_taken_out_of_texts_and_told() -> None:
    translated, _, diagnostics = translate({"description": "a\u200bb", "title": "\u202ex"})

    assert translated == {"description": "ab", "title": "x"}
    assert diagnostics == [("hidden_text_removed", "/s/description"), ("hidden_text_removed", "/s/title")]


# --- readOnly and writeOnly


ACCOUNT = {
    "type": "object",
    "required": ["id", "name", "password"],
    "properties": {
        "id": {"type": "integer", "readOnly": True},
        "name": {"type": "string"},
        "password": {"type": "string", "writeOnly": True},
    },
}


def test_read_only_properties_are_no_input() -> None:
    assert translate(ACCOUNT)[0] == {
        "type": "object",
        "required": ["name", "password"],
        "properties": {"name": {"type": "string"}, "password": {"type": "string", "writeOnly": True}},
    }


def test_write_only_properties_are_no_output() -> None:
    assert translate(ACCOUNT, direction="output")[0] == {
        "type": "object",
        "properties": {"id": {"type": "integer", "readOnly": True}, "name": {"type": "string"}},
    }


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "maxLength": 5, "pattern": "^a", "format": "uuid"}, {"type": "string", "format": "uuid"}),
        ({"type": "integer", "format": "int32", "minimum": 1}, {"type": "integer", "format": "int32"}),
        (
            {"type": "string", "description": "Now.", "enum": ["on", "off", None], "nullable": True},
            {"type": ["string", "null"], "description": "Now. One of: on, off."},
        ),
        ({"type": "object", "required": ["a"], "additionalProperties": False}, {"type": "object"}),
        (
            {"type": "array", "items": {"type": "string", "const": "x"}, "minItems": 1},
            {"type": "array", "items": {"type": "string"}},
        ),
        (
            {"oneOf": [{"type": "string", "maxLength": 1}, {"type": "string"}]},
            {"anyOf": [{"type": "string"}, {"type": "string"}]},
        ),
        ({"not": {"type": "null"}, "if": {}, "then": {"required": ["a"]}, "title": "T"}, {"title": "T"}),
    ],
)
def test_an_output_is_described_and_not_judged(schema: Any, expected: Any) -> None:
    assert translate(schema, direction="output")[0] == expected


@pytest.mark.parametrize(
    "hidden",
    [
        pytest.param({"$ref": "#/components/schemas/Id"}, id="behind a reference"),
        pytest.param({"$ref": "#/components/schemas/Alias"}, id="behind two references"),
        pytest.param({"allOf": [{"$ref": "#/components/schemas/Id"}], "description": "D."}, id="behind allOf"),
        pytest.param({"$ref": "#/components/schemas/Plain", "readOnly": True}, id="beside a reference"),
    ],
)
def test_read_only_is_seen_through_references(hidden: dict[str, Any]) -> None:
    schema = {"type": "object", "required": ["id"], "properties": {"id": hidden, "a": {}}}
    shared: dict[str, Any] = {
        "Id": {"type": "integer", "readOnly": True},
        "Alias": {"$ref": "#/components/schemas/Id"},
        "Plain": {},
    }

    assert translate(schema, **shared)[0] == {"type": "object", "properties": {"a": {}}}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (
            {"allOf": [{"$ref": "#/components/schemas/A"}, {"required": ["id", "name"]}]},
            {"allOf": [{"$ref": "#/$defs/A"}, {"required": ["name"]}]},
        ),
        (
            {"allOf": [{"$ref": "#/components/schemas/A"}], "required": ["id"]},
            {"allOf": [{"$ref": "#/$defs/A"}]},
        ),
        (
            {"allOf": [{"allOf": [{"required": ["id"]}]}, {"properties": {"id": {"readOnly": True}}}]},
            {"allOf": [{"allOf": [{}]}, {"type": "object", "properties": {}}]},
        ),
    ],
)
def test_read_only_properties_are_not_required_by_another_branch_of_all_of(schema: Any, expected: Any) -> None:
    shared: dict[str, Any] = {"A": {"type": "object", "properties": {"id": {"readOnly": True}, "name": {}}}}

    assert translate(schema, **shared)[0] == expected


# --- references


def test_shared_schemas_are_definitions_used_once() -> None:
    schema = {"properties": {"a": {"$ref": "#/components/schemas/A"}, "b": {"$ref": "#/components/schemas/A"}}}
    translated, definitions, _ = translate(
        schema, version="3.1", A={"items": {"$ref": "#/components/schemas/B"}}, B={"type": "string"}, C={}
    )

    assert translated == {"properties": {"a": {"$ref": "#/$defs/A"}, "b": {"$ref": "#/$defs/A"}}}
    assert definitions == {"A": {"items": {"$ref": "#/$defs/B"}}, "B": {"type": "string"}}


@pytest.mark.parametrize("name", ["a/b", "a b", "Größe", "List<Pet>", "a~b", "x" * 200, "a%b"])
def test_a_component_of_any_name_is_a_definition_with_a_plain_name(name: str) -> None:
    pointer = name.replace("~", "~0").replace("/", "~1").replace("%", "%25")

    shared: dict[str, Any] = {name: {"type": "string"}}

    translated, definitions, _ = translate({"$ref": f"#/components/schemas/{pointer}"}, **shared)

    ((defined, schema),) = definitions.items()
    assert translated == {"$ref": f"#/$defs/{defined}"}
    assert schema == {"type": "string"}
    assert defined.isascii()
    assert len(defined) <= 100


def test_components_whose_names_differ_in_odd_characters_stay_apart() -> None:
    schema = {"oneOf": [{"$ref": "#/components/schemas/a b"}, {"$ref": "#/components/schemas/a~1b"}]}

    shared: dict[str, Any] = {"a b": {"title": "1"}, "a/b": {"title": "2"}}

    assert len(translate(schema, **shared)[1]) == 2


def test_a_reference_into_the_middle_of_a_schema_is_a_definition() -> None:
    schema = {"$ref": "#/components/schemas/A/properties/b"}
    _, definitions, _ = translate(schema, A={"properties": {"b": {"type": "string"}}})

    assert list(definitions.values()) == [{"type": "string"}]


def test_a_reference_that_leads_nowhere_admits_anything_and_is_told() -> None:
    translated, definitions, diagnostics = translate({"type": "array", "items": {"$ref": "#/components/schemas/No"}})

    assert (translated, definitions) == ({"type": "array", "items": {}}, {})
    assert diagnostics == [("reference_unresolved", "/s/items")]


def test_definitions_are_listed_nearest_first() -> None:
    root = {
        "a": {"items": {"$ref": "#/c"}, "contains": {"$ref": "#/b"}},
        "b": {"type": "string"},
        "c": {"items": {"$ref": "#/d"}},
        "d": {"items": {"$ref": "#/a"}},
    }
    compiler = SchemaCompiler(Description(root, root, "3.1"), "input", DiagnosticLog())
    _, used = compiler.compile(Schema({"$ref": "#/a"}, ""))

    assert [sorted(name[0] for name in level) for level in compiler.levels(used)] == [["a"], ["b", "c"], ["d"]]


# --- sloppy and invalid


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("int", "integer"),
        ("String", "string"),
        ("float", "number"),
        ("double", "number"),
        ("bool", "boolean"),
        ("date", "string"),
        ("datetime", "string"),
        ("list", "array"),
        ("dict", "object"),
        (["string", None], ["string", "null"]),
    ],
)
def test_a_sloppy_type_is_corrected_and_told(kind: Any, expected: Any) -> None:
    translated, _, diagnostics = translate({"type": kind}, version="3.1")

    assert translated == {"type": expected}
    assert diagnostics == [("schema_type_corrected", "/s/type")]


@pytest.mark.parametrize("kind", ["any", "mixed", None, 5, {"a": 1}, ["string", "thing"], [["string"]]])
def test_a_type_that_means_nothing_admits_anything_and_is_told(kind: Any) -> None:
    translated, _, diagnostics = translate({"type": kind, "title": "T"})

    assert translated == {"title": "T"}
    assert diagnostics == [("schema_type_corrected", "/s/type")]


def test_a_file_is_a_text_that_holds_base64() -> None:
    assert translate({"type": "file"}, version="2.0") == ({"type": "string", "contentEncoding": "base64"}, {}, [])


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("maximum", "many"),
        ("maximum", True),
        ("minimum", None),
        ("minimum", "inf"),
        ("maximum", "NaN"),
        ("minimum", "9" * 5_000 + "e1"),
        ("multipleOf", 0),
        ("multipleOf", -1),
        ("maxLength", -1),
        ("maxLength", 1.5),
        ("maxLength", "inf"),
        ("minItems", []),
        ("enum", "a"),
        ("enum", []),
        ("required", True),
        ("required", "a"),
        ("properties", []),
        ("patternProperties", "x"),
        ("allOf", {}),
        ("oneOf", []),
        ("dependentRequired", {"a": "b"}),
    ],
)
def test_a_keyword_with_an_invalid_value_is_left_out_and_told(keyword: str, value: Any) -> None:
    translated, _, diagnostics = translate({keyword: value, "title": "T"}, version="3.1")

    assert translated == {"title": "T"}
    assert diagnostics == [("schema_keyword_invalid", f"/s/{keyword}")]


@pytest.mark.parametrize(
    ("keyword", "written", "read"),
    [
        ("maximum", "5", 5),
        ("minimum", "-1.5", -1.5),
        ("maximum", "9223372036854775807", 9223372036854775807),
        ("maxLength", "10", 10),
        ("minLength", 2.0, 2),
    ],
)
def test_numbers_written_as_texts_are_read(keyword: str, written: Any, read: Any) -> None:
    assert translate({keyword: written})[0] == {keyword: read}


@pytest.mark.parametrize("schema", [None, "string", 5, ["a"]])
def test_a_schema_that_is_none_admits_anything_and_is_told(schema: Any) -> None:
    translated, _, diagnostics = translate({"items": schema} if not isinstance(schema, list) else {"not": schema})

    assert translated in ({"items": {}}, {"not": {}})
    assert [code for code, _ in diagnostics] == ["schema_invalid"]


@pytest.mark.parametrize("pattern", ["[", "(", "*a", "a{2,1}", "(?<n", "\\", 5, None, ["a"]])
def test_a_pattern_that_no_engine_accepts_is_dropped_and_told(pattern: Any) -> None:
    translated, _, diagnostics = translate({"type": "string", "pattern": pattern})

    assert translated == {"type": "string"}
    assert diagnostics == [("schema_pattern_dropped", "/s/pattern")]


def test_a_pattern_for_property_names_that_is_invalid_is_dropped_and_told() -> None:
    translated, _, diagnostics = translate({"patternProperties": {"[": {}, "^a": {}}}, version="3.1")

    assert translated == {"patternProperties": {"^a": {}}}
    assert diagnostics == [("schema_pattern_dropped", "/s/patternProperties")]


@pytest.mark.parametrize(
    ("keyword", "code"),
    [
        ("discriminator", "schema_discriminator_dropped"),
        ("$dynamicRef", "schema_keyword_unsupported"),
        ("$id", "schema_keyword_unsupported"),
    ],
)
def test_what_cannot_be_kept_is_told(keyword: str, code: str) -> None:
    assert translate({keyword: {"propertyName": "a"}})[2] == [(code, f"/s/{keyword}")]


def test_an_alternative_that_is_no_component_has_no_name_to_be_chosen_by() -> None:
    alternatives = [{"$ref": "#"}, {"type": "string"}]
    found = translate({"oneOf": alternatives, "discriminator": {"propertyName": "kind"}})[0]["oneOf"]
    assert [sorted(each) for each in found] == [["$ref"], ["type"]]


def test_values_that_repeat_in_an_enum_are_listed_once() -> None:
    assert translate({"enum": ["a", "b", "a", 1, 1.0, True, None, None]}, version="3.1")[0]["enum"][:2] == ["a", "b"]


def test_a_large_example_is_left_out() -> None:
    assert translate({"type": "string", "example": "x" * 1_000})[0] == {"type": "string"}


def test_check_says_why_a_schema_cannot_be_used() -> None:
    assert json_schema.check({"type": "object"}) is None
    assert json_schema.check({"type": "thing"})
    assert json_schema.check({"$ref": "http://canary.example/x"})
    assert json_schema.check({"$ref": "#/$defs/none"})


# --- through a whole tool


def test_a_definition_over_the_budget_gives_way_to_anything_and_is_told() -> None:
    wide = {"type": "object", "properties": {f"p{n}": {"type": "string", "const": "x" * 90} for n in range(900)}}
    near = {"type": "object", "properties": {"wide": {"$ref": "#/components/schemas/Wide"}}}

    tool = body_tool(
        {"type": "object", "properties": {"near": {"$ref": "#/components/schemas/Near"}}}, Near=near, Wide=wide
    )

    assert tool.input_schema["$defs"]["Near"]["properties"] == {"wide": {"$ref": "#/$defs/Wide"}}
    assert set(tool.input_schema["$defs"]["Wide"]) == {"description"}


def test_a_recursive_body_accepts_what_it_describes() -> None:
    node = {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#/components/schemas/N"}}}}

    tool = body_tool({"$ref": "#/components/schemas/N"}, N=node)

    validator = Draft202012Validator(tool.input_schema)
    assert list(properties(tool)) == ["kids"]
    assert validator.is_valid({"kids": [{"kids": []}, {}]})
    assert not validator.is_valid({"kids": [{"kids": [5]}]})


def test_equal_descriptions_give_equal_schemas() -> None:
    document = description(
        {"/x": {"get": {"parameters": [{"name": "q", "in": "query", "schema": {"enum": ["b", "a"]}}]}}}
    )

    assert compiled(document).tools == compiled(document).tools
