from __future__ import annotations

import json
from typing import Any

import pytest

from converters.documents import Document, parse
from converters.errors import DescriptionError
from converters.references import Description, UnresolvedReferenceError, bundle
from tests.converters.descriptions import OK, check_input_schema, compiled, description, only_tool, properties, reported


def document(root: dict[str, Any], uri: str = "") -> Document:
    return parse(json.dumps(root).encode(), uri=uri)


def bundled(entry: Document, further: dict[str, dict[str, Any]]) -> tuple[Description, list[str]]:
    """Answer every request of `bundle` from `further`; gives the description and what was asked for."""
    asking, asked = bundle(entry), []
    try:
        wanted = next(asking)
        while True:
            asked.append(wanted)
            wanted = asking.send(document(further[wanted], wanted) if wanted in further else None)
    except StopIteration as finished:
        return finished.value, asked


def resolved(root: dict[str, Any], reference: str) -> Any:
    return Description(root, root).resolve({"$ref": reference}, "/at")


# --- local references


@pytest.mark.parametrize(
    ("reference", "value", "pointer"),
    [
        ("#/a", {"b": 1}, "/a"),
        ("#/a/b", 1, "/a/b"),
        ("#/c~1d", "slash", "/c~1d"),
        ("#/e~0f", "tilde", "/e~0f"),
        ("#/g%20h", "space", "/g h"),
        ("#/c%2Fd/0", "x", "/c/d/0"),
        ("#/~01", "tilde one", "/~01"),
        ("#/i%25j", "percent", "/i%j"),
        ("#/%C3%A9", "accent", "/é"),
        ("#/list/1", "second", "/list/1"),
        ("#/%7Bid%7D", "braces", "/{id}"),
        ("#/", "empty key", "/"),
    ],
)
def test_a_pointer_is_read_by_rfc_6901_in_its_fragment_form(reference: str, value: Any, pointer: str) -> None:
    root = {
        "a": {"b": 1},
        "c/d": "slash",
        "e~f": "tilde",
        "~1": "tilde one",
        "g h": "space",
        "i%j": "percent",
        "é": "accent",
        "c": {"d": ["x"]},
        "list": ["first", "second"],
        "{id}": "braces",
        "": "empty key",
    }

    assert resolved(root, reference) == (value, pointer)


def test_a_reference_to_a_reference_is_followed_to_its_end() -> None:
    root = {"a": {"$ref": "#/b"}, "b": {"$ref": "#/c"}, "c": {"type": "string"}}

    assert resolved(root, "#/a") == ({"type": "string"}, "/c")


def test_a_pointer_may_lead_through_references() -> None:
    root = {"a": {"$ref": "#/b"}, "b": {"properties": {"x": {"$ref": "#/c"}}}, "c": {"items": {"type": "string"}}}

    assert resolved(root, "#/a/properties/x/items") == ({"type": "string"}, "/c/items")


def test_what_a_pointer_leads_through_may_be_a_key_named_like_a_list_index() -> None:
    assert resolved({"responses": {"200": {"x": 1}}}, "#/responses/200/x") == (1, "/responses/200/x")


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        ("#/nowhere", "reference_unresolved"),
        ("#/a/b/c", "reference_unresolved"),
        ("#/list/2", "reference_unresolved"),
        ("#/list/-1", "reference_unresolved"),
        ("#/list/x", "reference_unresolved"),
        ("#/text/0", "reference_unresolved"),
        ("#anchor", "reference_unresolved"),
        ("#/cycle", "reference_cycle"),
        ("#/self", "reference_cycle"),
        ("#/self/x", "reference_cycle"),
        ("#/through/x", "reference_cycle"),
        ("http://elsewhere.example/x.json", "ref_remote_disabled"),
        ("https://elsewhere.example/x.json#/a", "ref_remote_disabled"),
        ("other.yaml#/a", "reference_document_missing"),
    ],
)
def test_a_reference_that_leads_nowhere_is_told_with_its_place(reference: str, code: str) -> None:
    root = {
        "a": {"b": 1},
        "list": [1, 2],
        "text": "abc",
        "cycle": {"$ref": "#/cycle2"},
        "cycle2": {"$ref": "#/cycle"},
        "self": {"$ref": "#/self"},
        "through": {"$ref": "#/back/x"},
        "back": {"$ref": "#/through/x"},
    }

    with pytest.raises(UnresolvedReferenceError) as caught:
        resolved(root, reference)

    assert caught.value.code == code


def test_a_reference_that_is_tried_gives_none_where_it_leads_nowhere() -> None:
    assert Description({}, {}).try_resolve({"$ref": "#/x"}, "") is None


@pytest.mark.parametrize(
    "schemas",
    [
        pytest.param({"A": {"$ref": "#/components/schemas/A"}}, id="to itself"),
        pytest.param(
            {"A": {"$ref": "#/components/schemas/B"}, "B": {"$ref": "#/components/schemas/A"}}, id="to each other"
        ),
    ],
)
def test_a_cycle_of_nothing_but_references_is_a_diagnostic_and_costs_only_itself(schemas: dict[str, Any]) -> None:
    body = {
        "content": {
            "application/json": {"schema": {"type": "object", "properties": {"a": {"$ref": "#/components/schemas/A"}}}}
        }
    }
    compilation = compiled(
        description({"/x": {"post": {"requestBody": body, "responses": OK}}}, components={"schemas": schemas})
    )

    (tool,) = compilation.tools
    assert properties(tool) == {"a": {}}
    assert [code for code, _ in reported(compilation)] == ["reference_cycle"]


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({"type": "object", "properties": {"next": {"$ref": "#/components/schemas/A"}}}, id="property"),
        pytest.param({"type": "array", "items": {"$ref": "#/components/schemas/A"}}, id="items"),
        pytest.param({"type": "object", "additionalProperties": {"$ref": "#/components/schemas/A"}}, id="map"),
        pytest.param(
            {"allOf": [{"type": "object"}, {"properties": {"a": {"$ref": "#/components/schemas/A"}}}]}, id="allOf"
        ),
    ],
)
def test_a_recursive_schema_stays_recursive(schema: dict[str, Any]) -> None:
    body = {
        "content": {
            "application/json": {"schema": {"type": "object", "properties": {"a": {"$ref": "#/components/schemas/A"}}}}
        }
    }

    tool = only_tool({"requestBody": body}, components={"schemas": {"A": schema}})

    assert properties(tool) == {"a": {"$ref": "#/$defs/A"}}
    assert list(tool.input_schema["$defs"]) == ["A"]


# --- what is data


def test_a_reference_in_data_is_not_a_reference() -> None:
    remote = {"$ref": "http://elsewhere.example/x"}
    schema = {
        "type": "object",
        "example": {"a": {"$ref": "file:///etc/passwd"}},
        "properties": {
            "a": {"enum": [remote, "x"]},
            "b": {"default": {"$ref": "../../x.yaml"}},
            "c": {"const": remote},
            "d": {"examples": [remote]},
            "$ref": {"type": "string"},
            "example": {"type": "integer"},
        },
    }
    body = {"content": {"application/json": {"schema": schema, "example": {"$ref": "/etc/passwd"}}}}

    compilation = compiled(description({"/x": {"post": {"requestBody": body, "responses": OK}}}))

    (tool,) = compilation.tools
    check_input_schema(tool.input_schema)
    assert properties(tool)["a"] == {"enum": [remote, "x"]}
    assert properties(tool)["c"] == {"const": remote}
    assert properties(tool)["example"] == {"type": "integer"}
    assert tool.body is not None
    assert [each.name for each in tool.body.properties] == ["a", "b", "c", "d", "$ref", "example"]
    assert [code for code, _ in reported(compilation)] == ["argument_renamed"]


def test_a_response_named_default_and_a_schema_named_example_are_no_data() -> None:
    entry = document(
        {
            "paths": {"/x": {"get": {"responses": {"default": {"$ref": "r.json"}}}}},
            "components": {"schemas": {"example": {"$ref": "s.json"}, "x-y": {"$ref": "t.json"}}},
        }
    )

    assert sorted(bundled(entry, {})[1]) == ["r.json", "s.json", "t.json"]


# --- other documents


@pytest.mark.parametrize(
    "reference", ["http://canary.example/x", "https://canary.example/x.json#/a", "//canary.example/x"]
)
@pytest.mark.parametrize("place", ["parameter", "body", "response", "path item", "nested schema"])
def test_a_remote_reference_is_a_diagnostic_where_nobody_answers_it(reference: str, place: str) -> None:
    target = {"$ref": reference}
    operation: dict[str, Any] = {"operationId": "op", "responses": OK}
    item: dict[str, Any] = {"get": operation}
    if place == "parameter":
        operation["parameters"] = [target]
    elif place == "body":
        operation["requestBody"] = target
    elif place == "response":
        operation["responses"] = {"200": target}
    elif place == "nested schema":
        schema = {"type": "object", "properties": {"a": {"items": target}}}
        operation["parameters"] = [{"name": "q", "in": "query", "schema": schema}]
    else:
        item = target
    options = {"uri": "https://api.example.com/openapi.json"}

    compilation = compiled(description({"/x": item, "/y": {"get": {"responses": OK}}}), **options)

    assert [code for code, _ in reported(compilation)] == ["ref_remote_disabled"]
    assert "get_y" in [tool.name for tool in compilation.tools]


@pytest.mark.parametrize(
    "reference",
    [
        "file:///etc/passwd",
        "/etc/hostname",
        "../../../etc/passwd",
        "a/../../x.yaml",
        "%2e%2e/x.yaml",
        "..\\x.yaml",
        "..",
        "//host/share",
        "\\\\host\\share",
        "C:/Windows/win.ini",
        "ftp://host/x",
        "data:application/json,{}",
        "unix:/run/x.sock",
    ],
)
def test_a_reference_to_a_file_outside_of_the_description_is_refused(reference: str) -> None:
    schema = {"$ref": reference}
    paths = {"/x": {"get": {"parameters": [{"name": "q", "in": "query", "schema": schema}], "responses": OK}}}

    with pytest.raises(DescriptionError) as caught:
        compiled(description(paths))

    assert caught.value.code == "ref_file_refused"
    assert caught.value.pointer == "/paths/~1x/get/parameters/0/schema"
    assert caught.value.line == 1


def test_a_reference_may_climb_within_the_description() -> None:
    entry = document({"a": {"$ref": "../shared/x.json#/b"}}, "spec/api/openapi.json")

    assert bundled(entry, {})[1] == ["spec/shared/x.json"]


def test_a_document_from_a_url_refers_relative_to_that_url() -> None:
    entry = document({"a": {"$ref": "../x.json#/b"}}, "https://api.example.com/v1/openapi.json")

    assert bundled(entry, {})[1] == ["https://api.example.com/x.json"]


def test_each_document_is_asked_for_once() -> None:
    entry = document({"a": {"$ref": "x.json#/1"}, "b": {"$ref": "./x.json#/2"}, "c": {"$ref": "y/../x.json"}})

    assert bundled(entry, {"x.json": {}})[1] == ["x.json"]


def test_documents_that_refer_to_each_other_become_one_description() -> None:
    entry = document(
        {"paths": {"/p": {"$ref": "paths/p.json"}}, "components": {"schemas": {"Id": {"type": "integer"}}}},
        "openapi.json",
    )
    further: dict[str, dict[str, Any]] = {
        "paths/p.json": {
            "get": {"parameters": [{"$ref": "../shared.json#/params/id"}, {"$ref": "#/x"}]},
            "x": {"name": "x", "in": "query"},
        },
        "shared.json": {
            "params": {"id": {"name": "id", "in": "query", "schema": {"$ref": "openapi.json#/components/schemas/Id"}}}
        },
    }

    bundle_, asked = bundled(entry, further)
    item, at = bundle_.resolve(bundle_.source["paths"]["/p"], "/paths/~1p")
    first, _ = bundle_.resolve(item["get"]["parameters"][0], at)
    second, _ = bundle_.resolve(item["get"]["parameters"][1], at)

    assert asked == ["paths/p.json", "shared.json"]
    assert (first["name"], second["name"]) == ("id", "x")
    assert bundle_.resolve(first["schema"], "") == ({"type": "integer"}, "/components/schemas/Id")


def test_file_names_and_pointers_with_odd_characters_are_found() -> None:
    entry = document({"a": {"$ref": "my%20file%23.json#/x%20y/~1z"}})
    bundle_, asked = bundled(entry, {"my file#.json": {"x y": {"/z": 7}}})

    assert asked == ["my file#.json"]
    assert bundle_.resolve(bundle_.source["a"], "/a")[0] == 7


def test_a_fragment_without_a_slash_is_a_definition_of_the_document() -> None:
    entry = document({"a": {"$ref": "defs.json#Thing"}})
    bundle_, _ = bundled(entry, {"defs.json": {"Thing": {"type": "object"}}})

    assert bundle_.resolve(bundle_.source["a"], "/a")[0] == {"type": "object"}


def test_a_split_description_compiles_with_its_parameters_and_schemas() -> None:
    further = {
        "params.json": json.dumps(
            {"limit": {"name": "limit", "in": "query", "schema": {"$ref": "schemas.json#/Limit"}}}
        ).encode(),
        "schemas.json": b'{"Limit": {"type": "integer", "maximum": "many"}}',
    }
    document_ = description({"/x": {"get": {"parameters": [{"$ref": "params.json#/limit"}], "responses": OK}}})

    compilation = compiled(document_, further=further)

    (tool,) = compilation.tools
    check_input_schema(tool.input_schema)
    assert properties(tool) == {"limit": {"type": "integer"}}
    # What stands in another document has no line in this one.
    (found,) = compilation.diagnostics
    assert (found.code, found.pointer, found.line) == (
        "schema_keyword_invalid",
        "/Limit/maximum",
        1,
    )
    assert found.document == "schemas.json"


def test_a_document_that_is_missing_is_a_diagnostic() -> None:
    paths = {"/x": {"get": {"parameters": [{"$ref": "params.json#/limit"}], "responses": OK}}}

    assert reported(compiled(description(paths))) == [("reference_document_missing", "/paths/~1x/get/parameters/0")]


def test_a_pointer_of_a_rewritten_description_is_translated_to_its_origin() -> None:
    rewritten = Description({}, {}, origins={"/a/b": "/x", "/a/b/c": "/y"})

    assert [rewritten.origin(at) for at in ("/a/b/d", "/a/b/c/e", "/a", "")] == ["/x/d", "/y/e", "/a", ""]
