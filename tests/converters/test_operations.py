from __future__ import annotations

from typing import Any

import pytest

from converters import operations
from converters.diagnostics import DiagnosticLog
from converters.normalization import normalize
from converters.oas import Operation, SecurityRequirement
from converters.references import Description
from tests.converters.descriptions import OK, compiled, description, reported


def read(document: dict[str, Any]) -> tuple[list[Operation], int, list[tuple[str, str]]]:
    log = DiagnosticLog()
    found, declared = operations.read_operations(normalize(Description(document, document), log), log)
    return list(found), declared, [(each.code, each.pointer) for each in log.found()]


def read_one(operation: Any = None, *, path: str = "/x", version: str = "3.1.0", **more: Any) -> Operation:
    (found,), _, _ = read(description({path: {"get": {"responses": OK, **(operation or {})}}}, version, **more))
    return found


def codes(operation: Any, *, path: str = "/x", version: str = "3.1.0") -> list[str]:
    return [code for code, _ in read(description({path: {"get": operation}}, version))[2]]


# --- walking


def test_operations_come_in_document_order_of_paths() -> None:
    document = description({"/b": {"post": {}, "get": {}}, "/a": {"get": {}}, "x-c": {"get": {}}})

    assert [each.key for each in read(document)[0]] == ["GET /b", "POST /b", "GET /a"]


@pytest.mark.parametrize(
    ("version", "methods"),
    [
        ("3.0.3", ["get", "put", "post", "delete", "options", "head", "patch", "trace"]),
        ("3.1.0", ["get", "put", "post", "delete", "options", "head", "patch", "trace"]),
        ("3.2.0", ["get", "put", "post", "delete", "options", "head", "patch", "trace", "query"]),
    ],
)
def test_a_path_item_has_the_methods_of_its_version(version: str, methods: list[str]) -> None:
    item: dict[str, Any] = {method: {} for method in operations.METHODS["3.2"]}
    item |= {"parameters": [], "summary": "", "x-y": {}, "connect": {}}
    found, _, diagnostics = read(description({"/x": item}, version))

    assert [each.method for each in found] == methods
    assert diagnostics == ([] if version == "3.2.0" else [("operation_unsupported_method", "/paths/~1x/query")])


def test_additional_operations_are_read_since_3_2() -> None:
    item = {"additionalOperations": {"PURGE": {"operationId": "purge"}, "No Method": {}}}
    found, declared, diagnostics = read(description({"/x": item}, "3.2.0"))

    assert [(each.method, each.operation_id) for each in found] == [("PURGE", "purge")]
    assert declared == 2
    assert diagnostics == [("operation_unsupported_method", "/paths/~1x/additionalOperations/No Method")]


def test_a_path_item_behind_a_reference_is_read() -> None:
    document = description({"/x": {"$ref": "#/components/pathItems/X"}}, components={"pathItems": {"X": {"get": {}}}})

    (found,), _, _ = read(document)

    assert (found.path, found.pointer) == ("/x", "/components/pathItems/X/get")


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("/x", None, "operation_invalid"),
        ("/x", [], "operation_invalid"),
        ("/x", "text", "operation_invalid"),
        ("x", {}, "operation_path_invalid"),
        ("/a/{}", {}, "operation_path_invalid"),
        ("/a/{b}/{b}", {}, "operation_path_invalid"),
    ],
)
def test_an_operation_that_cannot_be_called_is_skipped_and_the_others_stay(path: str, value: Any, code: str) -> None:
    compilation = compiled(description({path: {"get": value}, "/fine": {"get": {"responses": OK}}}))

    assert [tool.name for tool in compilation.tools] == ["get_fine"]
    assert (compilation.counts.operations, compilation.counts.tools, compilation.counts.skipped) == (2, 1, 1)
    assert [found for found, _ in reported(compilation)] == [code]


def test_a_broken_path_item_does_not_touch_the_others() -> None:
    document = description({"/a": [], "/b": {"$ref": "#/nowhere"}, "/c": {"get": {}}})
    found, declared, diagnostics = read(document)

    assert [each.path for each in found] == ["/c"]
    assert declared == 1
    assert diagnostics == [("path_item_invalid", "/paths/~1a"), ("reference_unresolved", "/paths/~1b")]


# --- what an operation says and inherits


def test_texts_come_from_the_operation_else_from_the_path_item() -> None:
    item = {"summary": "Item.", "description": "Of the item.", "get": {"summary": "Own."}}
    (found,), _, _ = read(description({"/x": item}))

    assert (found.summary, found.description) == ("Own.", "Of the item.")


def test_sloppy_texts_are_read() -> None:
    found = read_one({"operationId": 5, "summary": 12, "description": True, "tags": ["a", 3], "deprecated": "yes"})

    assert (found.operation_id, found.summary, found.description) == ("5", "12", "true")
    assert (found.tags, found.deprecated) == (("a",), False)


@pytest.mark.parametrize(
    ("own", "item", "document", "urls"),
    [
        (["https://op"], ["https://item"], ["https://doc"], ["https://op"]),
        (None, ["https://item"], ["https://doc"], ["https://item"]),
        (None, None, ["https://doc"], ["https://doc"]),
        ([], None, ["https://doc"], ["https://doc"]),
        (None, None, None, []),
    ],
)
def test_servers_of_the_operation_win_over_those_of_the_path_item_and_the_document(
    own: list[str] | None, item: list[str] | None, document: list[str] | None, urls: list[str]
) -> None:
    def servers(given: list[str] | None) -> dict[str, Any]:
        return {} if given is None else {"servers": [{"url": url} for url in given]}

    paths = {"/x": {"get": servers(own), **servers(item)}}
    (found,), _, _ = read({"openapi": "3.1.0", "paths": paths, **servers(document)})

    assert [each.url for each in found.servers] == urls


def test_server_variables_keep_their_defaults_and_choices() -> None:
    server = {
        "url": "https://{region}.x/{v}",
        "variables": {"region": {"default": "eu", "enum": ["eu", "us"]}, "v": {"default": 2}},
    }
    (found,) = read_one({"servers": [server]}).servers

    assert (found.variables["region"].default, found.variables["region"].enum) == ("eu", ("eu", "us"))
    assert found.variables["v"].default == "2"


SCHEMES = {"securitySchemes": {"a": {"type": "apiKey"}, "b": {"type": "http"}}}


@pytest.mark.parametrize(
    ("own", "document", "expected"),
    [
        (None, [{"a": []}], (SecurityRequirement((("a", ()),)),)),
        ([{"b": ["r", "w"]}], [{"a": []}], (SecurityRequirement((("b", ("r", "w")),)),)),
        ([], [{"a": []}], ()),
        ([{"a": [], "b": []}, {}], None, (SecurityRequirement((("a", ()), ("b", ()))), SecurityRequirement(()))),
        (None, None, ()),
    ],
)
def test_security_of_the_operation_replaces_that_of_the_document(
    own: Any, document: Any, expected: tuple[SecurityRequirement, ...]
) -> None:
    operation = {} if own is None else {"security": own}
    more = {} if document is None else {"security": document}

    assert read_one(operation, components=SCHEMES, **more).security == expected


def test_a_requirement_of_an_undeclared_scheme_stays_and_is_told() -> None:
    document = description({"/x": {"get": {"security": [{"nowhere": []}]}}})
    (found,), _, diagnostics = read(document)

    assert found.security == (SecurityRequirement((("nowhere", ()),)),)
    assert diagnostics == [("security_scheme_missing", "/paths/~1x/get/security/0")]


@pytest.mark.parametrize("security", ["a", {"a": []}, ["a"]])
def test_security_that_is_no_list_of_objects_is_told(security: Any) -> None:
    assert codes({"security": security}) == ["security_invalid"]


# --- parameters


def test_parameters_of_the_path_item_are_inherited_and_overridden_by_name_and_location() -> None:
    item = {
        "parameters": [
            {"name": "a", "in": "query", "schema": {"type": "string"}},
            {"name": "a", "in": "header", "schema": {"type": "string"}},
            {"name": "b", "in": "query", "schema": {}},
        ],
        "get": {"parameters": [{"name": "a", "in": "query", "schema": {"type": "integer"}}]},
    }
    (found,), _, _ = read(description({"/x": item}))

    assert [(each.name, each.location, each.schema.value) for each in found.parameters] == [
        ("a", "query", {"type": "integer"}),
        ("a", "header", {"type": "string"}),
        ("b", "query", {}),
    ]


@pytest.mark.parametrize(
    ("location", "style", "explode"),
    [("path", "simple", False), ("query", "form", True), ("header", "simple", False), ("cookie", "form", True)],
)
def test_style_and_explode_have_the_defaults_of_their_location(location: str, style: str, explode: bool) -> None:
    parameter = {"name": "a", "in": location, "required": True, "schema": {}}
    (found,) = read_one({"parameters": [parameter]}, path="/{a}" if location == "path" else "/x").parameters

    assert (found.style, found.explode) == (style, explode)


@pytest.mark.parametrize(
    ("style", "explode"),
    [("form", True), ("spaceDelimited", False), ("pipeDelimited", False), ("deepObject", True)],
)
def test_explode_defaults_to_true_for_form_only(style: str, explode: bool) -> None:
    parameter = {"name": "a", "in": "query", "style": style, "schema": {}}

    assert read_one({"parameters": [parameter]}).parameters[0].explode is explode


@pytest.mark.parametrize(
    ("location", "style"),
    [
        ("path", "form"),
        ("query", "simple"),
        ("query", "matrix"),
        ("header", "form"),
        ("cookie", "deepObject"),
        ("query", ["form"]),
        ("query", {}),
    ],
)
def test_a_style_that_the_location_does_not_have_is_replaced_and_told(location: str, style: Any) -> None:
    parameter = {"name": "a", "in": location, "required": True, "style": style, "schema": {}}
    operation = {"parameters": [parameter]}
    path = "/{a}" if location == "path" else "/x"

    assert codes(operation, path=path) == ["parameter_style_invalid"]
    assert read_one(operation, path=path).parameters[0].style in {"simple", "form"}


def test_a_parameter_with_content_has_its_media_type() -> None:
    parameter = {"name": "a", "in": "query", "content": {"application/json": {"schema": {"type": "object"}}}}
    (found,) = read_one({"parameters": [parameter]}).parameters

    assert (found.content_type, found.schema.value) == ("application/json", {"type": "object"})
    assert found.schema.pointer == "/paths/~1x/get/parameters/0/content/application~1json/schema"


@pytest.mark.parametrize(
    "name",
    [
        *("Host", "content-length", "Transfer-Encoding", "Connection", "Authorization", "COOKIE", "Accept"),
        *("Content-Type", "Proxy-Authorization", "X-Forwarded-For", "Mcp-Session-Id", "TE", "Upgrade"),
    ],
)
def test_a_header_that_belongs_to_the_gateway_is_not_offered(name: str) -> None:
    operation = {"parameters": [{"name": name, "in": "header", "schema": {"type": "string"}}]}

    assert read_one(operation).parameters == ()
    assert codes(operation) == ["parameter_reserved_header"]


@pytest.mark.parametrize("name", ["X Space", "Colon:", "Line\r\nX-Evil", "Größe", "Semi;colon"])
def test_a_header_whose_name_is_no_header_name_is_not_offered(name: str) -> None:
    operation = {"parameters": [{"name": name, "in": "header", "schema": {}}]}

    assert read_one(operation).parameters == ()
    assert codes(operation) == ["parameter_invalid"]


@pytest.mark.parametrize("name", ["X-Request-ID", "If-Match", "Accept-Language", "api_key", "User-Agent"])
def test_other_headers_are_offered(name: str) -> None:
    operation = {"parameters": [{"name": name, "in": "header", "schema": {}}]}

    assert [each.name for each in read_one(operation).parameters] == [name]


@pytest.mark.parametrize(
    "parameter",
    [
        None,
        "text",
        {"in": "query"},
        {"name": "", "in": "query"},
        {"name": "a"},
        {"name": "a", "in": "body"},
        {"name": "a", "in": ["query"]},
        {"name": "a", "in": {}},
        {"name": ["a"], "in": "query"},
    ],
)
def test_a_parameter_without_name_or_location_is_left_out_and_told(parameter: Any) -> None:
    assert read_one({"parameters": [parameter]}).parameters == ()
    assert codes({"parameters": [parameter]}) == ["parameter_invalid"]


def test_a_parameter_declared_twice_counts_once_and_is_told() -> None:
    twice = [{"name": "a", "in": "query", "schema": {"title": title}} for title in ("first", "second")]

    assert [each.schema.value for each in read_one({"parameters": twice}).parameters] == [{"title": "first"}]
    assert codes({"parameters": twice}) == ["parameter_duplicate"]


def test_path_parameters_and_template_agree_in_the_end() -> None:
    unused = {"name": "other", "in": "path", "required": True, "schema": {}}
    found = read_one({"parameters": [unused]}, path="/x/{id}")

    assert [(each.name, each.required, each.schema.value) for each in found.parameters] == [
        ("id", True, {"type": "string"})
    ]
    assert codes({"parameters": [unused]}, path="/x/{id}") == ["parameter_unused_path", "path_parameter_undeclared"]


def test_a_path_parameter_is_required_whatever_it_says() -> None:
    optional = {"name": "id", "in": "path", "schema": {}}

    assert read_one({"parameters": [optional]}, path="/{id}").parameters[0].required
    assert codes({"parameters": [optional]}, path="/{id}") == ["parameter_required_forced"]


@pytest.mark.parametrize(("path", "name"), [("/{+rest}", "rest"), ("/{rest*}", "rest"), ("/a-{rest}.json", "rest")])
def test_template_operators_belong_to_the_expression_not_to_the_name(path: str, name: str) -> None:
    assert operations.template_names(path) == [name]


# --- bodies and responses


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("text", "request_body_invalid"),
        ([], "request_body_invalid"),
        ({}, "request_body_invalid"),
        ({"content": {}}, "request_body_invalid"),
        ({"content": []}, "request_body_invalid"),
        ({"$ref": "#/nowhere"}, "reference_unresolved"),
        ({"$ref": "#/paths/~1x/get/requestBody"}, "reference_cycle"),
    ],
)
def test_a_body_that_cannot_be_sent_is_told(body: Any, code: str) -> None:
    assert codes({"requestBody": body}) == [code]


def test_a_body_has_its_media_types_in_order_with_encodings() -> None:
    content = {
        "multipart/form-data": {
            "schema": {"type": "object"},
            "encoding": {"a": {"contentType": "image/png", "style": "form", "explode": False, "allowReserved": True}},
        },
        "text/plain": {},
    }
    body = read_one({"requestBody": {"required": True, "description": "What.", "content": content}}).request_body

    assert body is not None
    assert (body.required, body.description, [each.name for each in body.content]) == (
        True,
        "What.",
        ["multipart/form-data", "text/plain"],
    )
    encoding = body.content[0].encoding["a"]
    assert (encoding.content_type, encoding.style, encoding.explode, encoding.allow_reserved) == (
        "image/png",
        "form",
        False,
        True,
    )
    assert body.content[1].schema is None


def test_responses_keep_their_statuses_and_broken_ones_are_told() -> None:
    responses = {
        "200": {"content": {"application/json": {}}},
        "2XX": {},
        "default": [],
        "404": {"$ref": "#/no"},
        "x-a": 1,
    }
    operation = {"responses": responses}

    assert [each.status for each in read_one(operation).responses] == ["200", "2XX"]
    assert codes(operation) == ["response_invalid", "reference_unresolved"]


def test_callbacks_are_told_to_be_no_tools() -> None:
    assert codes({"callbacks": {"a": {}}}) == ["callback_ignored"]


@pytest.mark.parametrize(
    ("name", "location", "security", "is_offered"),
    [
        ("api_key", "query", [{"key": []}], False),
        ("api_key", "query", [{"other": []}, {"other": [], "key": []}], False),
        ("api_key", "query", [{"key": []}, {}], False),
        ("api_key", "header", [{"key": []}], True),
        ("API_KEY", "query", [{"key": []}], True),
        ("x-other-KEY", "header", [{"other": []}], False),
        ("api_key", "query", [], True),
        ("api_key", "query", [{"other": []}], True),
    ],
)
def test_a_parameter_that_a_security_scheme_of_the_operation_sends_is_not_offered(
    name: str, location: str, security: list[dict[str, list[str]]], is_offered: bool
) -> None:
    schemes = {
        "key": {"type": "apiKey", "in": "query", "name": "api_key"},
        "other": {"type": "apiKey", "in": "header", "name": "X-Other-Key"},
    }
    parameter = {"name": name, "in": location, "required": True, "schema": {"type": "string"}}
    operation = {"parameters": [parameter], "security": security, "responses": {}}
    document = description({"/a": {"get": operation}}, components={"securitySchemes": schemes})
    (found,), _, reported_there = read(document)
    assert bool(found.parameters) is is_offered
    told = [("parameter_of_security_scheme", "/paths/~1a/get/parameters/0")]
    assert reported_there == ([] if is_offered else told)
