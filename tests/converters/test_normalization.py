from __future__ import annotations

from typing import Any

import pytest

from converters import Compilation, compile_description
from converters.diagnostics import DiagnosticLog
from converters.documents import parse
from converters.errors import DescriptionError
from converters.normalization import normalize, version_of
from converters.references import Description
from converters.request_plans import plan
from tests.converters.descriptions import OK, compiled, diagnostic, planned, properties, reported, swagger


def converted(document: dict[str, Any]) -> dict[str, Any]:
    return dict(normalize(Description(document, document), DiagnosticLog()).root)


def operation(operation: dict[str, Any], **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = converted(swagger({"/x": {"post": {"responses": OK, **operation}}}, **more))["paths"]["/x"][
        "post"
    ]
    return found


def parameter(**fields: Any) -> Any:
    return operation({"parameters": [{"name": "a", **fields}]})["parameters"][0]


# --- versions


@pytest.mark.parametrize(
    ("fields", "version"),
    [
        ({"swagger": "2.0"}, "2.0"),
        ({"swagger": 2.0}, "2.0"),
        ({"openapi": "3.0.0"}, "3.0"),
        ({"openapi": "3.0.4"}, "3.0"),
        ({"openapi": "3.0.0-rc2"}, "3.0"),
        ({"openapi": "3.1.1"}, "3.1"),
        ({"openapi": 3.1}, "3.1"),
        ({"openapi": "3.2.0"}, "3.2"),
    ],
)
def test_a_version_belongs_to_its_family(fields: dict[str, Any], version: str) -> None:
    assert version_of(fields) == version


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"openapi": "4.0.0"}, "spec_version"),
        ({"openapi": "3.10.0"}, "spec_version"),
        ({"openapi": "2.0"}, "spec_version"),
        ({"openapi": None}, "spec_version"),
        ({"openapi": ["3.1.0"]}, "spec_version"),
        ({"swagger": "1.2"}, "spec_version"),
        ({"swagger": "3.0.0"}, "spec_version"),
        ({}, "spec_not_openapi"),
        ({"asyncapi": "3.0.0"}, "spec_not_openapi"),
    ],
)
def test_an_unknown_version_is_refused(fields: dict[str, Any], code: str) -> None:
    with pytest.raises(DescriptionError) as caught:
        version_of(fields)

    assert caught.value.code == code


def test_openapi_3_is_left_as_it_is() -> None:
    document = {"openapi": "3.0.3", "paths": {"/x": {}}}

    assert normalize(Description(document, document), DiagnosticLog()).root is document


# --- servers


@pytest.mark.parametrize(
    ("fields", "urls"),
    [
        ({"host": "h.example", "basePath": "/v1", "schemes": ["https"]}, ["https://h.example/v1"]),
        ({"host": "h.example:8080", "schemes": ["http", "https"]}, ["https://h.example:8080", "http://h.example:8080"]),
        ({"host": "h.example", "schemes": ["http"]}, ["http://h.example"]),
        ({"host": "h.example"}, ["https://h.example"]),
        ({"host": "h.example", "schemes": ["wss"]}, ["https://h.example"]),
        ({"basePath": "/v1"}, ["/v1"]),
        ({}, []),
    ],
)
def test_host_base_path_and_schemes_become_servers_https_first(fields: dict[str, Any], urls: list[str]) -> None:
    assert [each["url"] for each in converted({"swagger": "2.0", "paths": {}, **fields})["servers"]] == urls


def test_the_schemes_of_an_operation_win() -> None:
    assert operation({"schemes": ["http"]})["servers"] == [{"url": "http://api.example.com/v1"}]


# --- parameters


@pytest.mark.parametrize(
    ("location", "collection_format", "style", "explode"),
    [
        ("query", None, "form", False),
        ("query", "csv", "form", False),
        ("query", "ssv", "spaceDelimited", False),
        ("query", "tsv", "tabDelimited", False),
        ("query", "pipes", "pipeDelimited", False),
        ("query", "multi", "form", True),
        ("path", None, "simple", False),
        ("path", "csv", "simple", False),
        ("path", "ssv", "spaceDelimited", False),
        ("path", "tsv", "tabDelimited", False),
        ("path", "pipes", "pipeDelimited", False),
        ("header", "csv", "simple", False),
        ("header", "pipes", "pipeDelimited", False),
    ],
)
def test_a_collection_format_becomes_a_style(
    location: str,
    collection_format: str | None,
    style: str,
    explode: bool,
) -> None:
    fields = {"collectionFormat": collection_format} if collection_format else {}
    found = parameter(**{"in": location}, type="array", items={"type": "string"}, **fields)

    assert (found["style"], found["explode"]) == (style, explode)
    assert found["schema"] == {"type": "array", "items": {"type": "string"}}


@pytest.mark.parametrize(
    ("location", "collection_format", "wire"),
    [
        ("query", "csv", "https://api.example.com/v1/x?a=b,c%20d"),
        ("query", "ssv", "https://api.example.com/v1/x?a=b%20c%20d"),
        ("query", "tsv", "https://api.example.com/v1/x?a=b%09c%20d"),
        ("query", "pipes", "https://api.example.com/v1/x?a=b%7Cc%20d"),
        ("query", "multi", "https://api.example.com/v1/x?a=b&a=c%20d"),
        ("path", "csv", "https://api.example.com/v1/x/b,c%20d"),
        ("path", "pipes", "https://api.example.com/v1/x/b%7Cc%20d"),
        ("header", "csv", "b,c d"),
        ("header", "ssv", "b c d"),
        ("header", "tsv", "b\tc d"),
        ("header", "pipes", "b|c d"),
        ("formData", "csv", b"a=b,c+d"),
        ("formData", "ssv", b"a=b+c+d"),
        ("formData", "tsv", b"a=b%09c+d"),
        ("formData", "pipes", b"a=b%7Cc+d"),
        ("formData", "multi", b"a=b&a=c+d"),
    ],
)
def test_every_collection_format_reaches_the_wire_in_every_location(
    location: str, collection_format: str, wire: str | bytes
) -> None:
    declared = {
        "name": "a",
        "in": location,
        "required": True,
        "type": "array",
        "items": {"type": "string"},
        "collectionFormat": collection_format,
    }
    path = "/x/{a}" if location == "path" else "/x"
    (tool,) = compiled(swagger({path: {"post": {"parameters": [declared], "responses": OK}}})).tools

    request = planned(tool, a=["b", "c d"])

    sent = {"header": dict(request.headers).get("a"), "formData": request.body}.get(location, request.url)
    assert sent == wire


def test_a_plain_parameter_keeps_its_constraints_in_a_schema() -> None:
    found = parameter(
        **{"in": "query"},
        type="integer",
        format="int32",
        minimum=1,
        exclusiveMinimum=True,
        default=3,
        description="How many.",
        required=True,
        **{"x-nullable": True, "x-example": 5},
    )

    assert found == {
        "name": "a",
        "in": "query",
        "required": True,
        "description": "How many.",
        "schema": {
            "type": "integer",
            "format": "int32",
            "minimum": 1,
            "exclusiveMinimum": True,
            "default": 3,
            "description": "How many.",
            "x-nullable": True,
            "example": 5,
        },
    }


def test_shared_parameters_are_merged_and_an_operation_may_override_them() -> None:
    document = swagger(
        {
            "/x/{id}": {
                "parameters": [
                    {"$ref": "#/parameters/id"},
                    {"name": "q", "in": "query", "type": "string"},
                    {"name": "body", "in": "body", "schema": {"type": "object", "properties": {"old": {}}}},
                ],
                "post": {
                    "parameters": [
                        {"name": "q", "in": "query", "type": "integer"},
                        {"name": "payload", "in": "body", "schema": {"type": "object", "properties": {"new": {}}}},
                    ],
                    "responses": OK,
                },
                "get": {"responses": OK},
            }
        },
        parameters={"id": {"name": "id", "in": "path", "required": True, "type": "string"}},
    )

    get, post = sorted(compiled(document).tools, key=lambda tool: tool.method)

    assert properties(post) == {"q": {"type": "integer"}, "id": {"type": "string", "minLength": 1}, "new": {}}
    assert properties(get) == {"id": {"type": "string", "minLength": 1}, "q": {"type": "string"}, "old": {}}


# --- bodies


def test_shared_parameters_come_first_as_in_openapi_3() -> None:
    shared, own, other = ({"name": name, "in": "query", "type": "string"} for name in ("shared", "own", "other"))
    overriding = {**other, "type": "integer"}
    item = {"parameters": [shared, other], "get": {"parameters": [own, overriding], "responses": OK}}

    (tool,) = compiled(swagger({"/x": item})).tools

    assert [each.name for each in tool.parameters] == ["shared", "other", "own"]
    assert properties(tool)["other"] == {"type": "integer"}


def test_a_body_parameter_becomes_the_request_body_in_each_media_type_it_may_be_sent_as() -> None:
    body = {"name": "body", "in": "body", "required": True, "description": "A pet.", "schema": {"type": "object"}}
    content = {"schema": {"type": "object"}}

    assert operation({"parameters": [body], "consumes": ["application/json", "application/xml"]})["requestBody"] == {
        "required": True,
        "description": "A pet.",
        "content": {"application/json": content, "application/xml": content},
    }


@pytest.mark.parametrize(
    ("own", "shared", "names"),
    [
        (None, None, ["application/json"]),
        (None, ["application/xml"], ["application/xml"]),
        (["text/plain"], ["application/xml"], ["text/plain"]),
        ([], ["application/xml"], ["application/json"]),
        (["multipart/form-data"], None, ["application/json"]),
    ],
)
def test_consumes_of_the_operation_wins_over_that_of_the_description(
    own: list[str] | None, shared: list[str] | None, names: list[str]
) -> None:
    body = {"parameters": [{"name": "b", "in": "body", "schema": {}}]}
    found = operation(
        body | ({} if own is None else {"consumes": own}), **({} if shared is None else {"consumes": shared})
    )

    assert list(found["requestBody"]["content"]) == names


@pytest.mark.parametrize(
    ("consumes", "kind", "media_type"),
    [
        (None, "string", "application/x-www-form-urlencoded"),
        (["application/x-www-form-urlencoded"], "string", "application/x-www-form-urlencoded"),
        (["multipart/form-data"], "string", "multipart/form-data"),
        (["multipart/form-data", "application/x-www-form-urlencoded"], "string", "application/x-www-form-urlencoded"),
        (["application/json"], "string", "application/x-www-form-urlencoded"),
        (None, "file", "multipart/form-data"),
        (["application/x-www-form-urlencoded"], "file", "multipart/form-data"),
    ],
)
def test_form_parameters_become_a_form_and_a_file_makes_it_multipart(
    consumes: list[str] | None, kind: str, media_type: str
) -> None:
    form = {"parameters": [{"name": "a", "in": "formData", "type": kind}]}

    found = operation(form | ({} if consumes is None else {"consumes": consumes}))["requestBody"]

    assert list(found["content"]) == [media_type]


def test_a_form_is_an_object_of_its_parameters() -> None:
    form = [
        {"name": "name", "in": "formData", "type": "string", "required": True, "maxLength": 5, "description": "Who."},
        {"name": "tags", "in": "formData", "type": "array", "items": {"type": "string"}, "collectionFormat": "pipes"},
        {"name": "q", "in": "query", "type": "string"},
    ]

    found = operation({"parameters": form})

    assert [each["name"] for each in found["parameters"]] == ["q"]
    assert found["requestBody"] == {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {
                        "name": {"type": "string", "maxLength": 5, "description": "Who."},
                        "tags": {"type": "array", "items": {"type": "string"}},
                    },
                },
                "encoding": {"tags": {"style": "pipeDelimited", "explode": False}},
            }
        },
    }


def test_an_array_of_files_is_uploaded_as_a_part_per_file() -> None:
    form = [{"name": "f", "in": "formData", "type": "array", "items": {"type": "file"}}]
    (tool,) = compiled(swagger({"/x": {"post": {"parameters": form, "responses": OK}}})).tools

    body = planned(tool, f=["data:text/plain;base64,b25l", "data:text/plain;base64,dHdv"]).body

    assert body is not None
    assert body.count(b'Content-Disposition: form-data; name="f"; filename="f"\r\nContent-Type: text/plain') == 2
    assert [content in body for content in (b"\r\n\r\none\r\n", b"\r\n\r\ntwo\r\n")] == [True, True]


@pytest.mark.parametrize("name", [{}, {"name": ""}, {"name": 7}])
def test_a_form_parameter_without_a_name_is_told_and_left_out(name: dict[str, Any]) -> None:
    form = [{"in": "formData", "type": "string", **name}, {"name": "a", "in": "formData", "type": "string"}]

    compilation = compiled(swagger({"/x": {"post": {"parameters": form, "responses": OK}}}))

    assert reported(compilation) == [("parameter_invalid", "/paths/~1x/post/parameters/0")]
    assert list(properties(compilation.tools[0])) == ["a"]


def test_a_file_is_uploaded_as_a_part_with_its_name() -> None:
    form = [
        {"name": "file", "in": "formData", "type": "file", "required": True},
        {"name": "tags", "in": "formData", "type": "array", "items": {"type": "string"}, "collectionFormat": "csv"},
        {"name": "ids", "in": "formData", "type": "array", "items": {"type": "integer"}, "collectionFormat": "multi"},
    ]
    (tool,) = compiled(swagger({"/x": {"post": {"parameters": form, "responses": OK}}})).tools

    request = planned(tool, file="data:image/png;base64,iVBORw==", tags=["a", "b"], ids=[1, 2])

    boundary = dict(request.headers)["Content-Type"].removeprefix("multipart/form-data; boundary=")
    assert request.body is not None
    start, file, *others = request.body.split(f"--{boundary}".encode())
    assert start == b""
    assert file.splitlines() == [
        b"",
        b'Content-Disposition: form-data; name="file"; filename="file"',
        b"Content-Type: image/png",
        b"",
        b"\x89PNG",
    ]
    assert others == [
        b'\r\nContent-Disposition: form-data; name="tags"\r\n\r\na,b\r\n',
        b'\r\nContent-Disposition: form-data; name="ids"\r\n\r\n1\r\n',
        b'\r\nContent-Disposition: form-data; name="ids"\r\n\r\n2\r\n',
        b"--\r\n",
    ]


# --- responses and security


def test_a_response_schema_is_content_in_each_media_type_produced() -> None:
    document = swagger(
        {"/x": {"get": {"responses": {"200": {"$ref": "#/responses/Pets"}, "default": {"description": "Error"}}}}},
        produces=["application/json", "text/csv"],
        responses={"Pets": {"description": "Pets.", "schema": {"type": "array"}}},
    )

    assert converted(document)["paths"]["/x"]["get"]["responses"] == {
        "200": {
            "description": "Pets.",
            "content": {"application/json": {"schema": {"type": "array"}}, "text/csv": {"schema": {"type": "array"}}},
        },
        "default": {"description": "Error"},
    }


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ({"type": "basic"}, {"type": "http", "scheme": "basic"}),
        (
            {"type": "apiKey", "in": "header", "name": "X-Key"},
            {"type": "apiKey", "in": "header", "name": "X-Key"},
        ),
        (
            {"type": "oauth2", "flow": "implicit", "authorizationUrl": "https://a/auth", "scopes": {"r": "Read."}},
            {"type": "oauth2", "flows": {"implicit": {"authorizationUrl": "https://a/auth", "scopes": {"r": "Read."}}}},
        ),
        (
            {"type": "oauth2", "flow": "password", "tokenUrl": "https://a/t", "scopes": {}},
            {"type": "oauth2", "flows": {"password": {"tokenUrl": "https://a/t", "scopes": {}}}},
        ),
        (
            {"type": "oauth2", "flow": "application", "tokenUrl": "https://a/t"},
            {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://a/t", "scopes": {}}}},
        ),
        (
            {
                "type": "oauth2",
                "flow": "accessCode",
                "authorizationUrl": "https://a/auth",
                "tokenUrl": "https://a/t",
                "scopes": {},
                "description": "Log in.",
            },
            {
                "type": "oauth2",
                "description": "Log in.",
                "flows": {
                    "authorizationCode": {
                        "authorizationUrl": "https://a/auth",
                        "tokenUrl": "https://a/t",
                        "scopes": {},
                    }
                },
            },
        ),
    ],
)
def test_a_security_definition_becomes_a_security_scheme(scheme: dict[str, Any], expected: dict[str, Any]) -> None:
    document = swagger(securityDefinitions={"s": scheme}, security=[{"s": []}])

    assert compiled(document).security_schemes == {"s": expected}


# --- diagnostics point into the uploaded document

ORIGINAL = """swagger: "2.0"
info: {title: T, version: "1"}
host: api.example.com
parameters:
  shared:
    name: shared
    in: query
    type: strange
paths:
  /x:
    parameters:
    - $ref: '#/parameters/shared'
    post:
      consumes: [application/x-www-form-urlencoded]
      parameters:
      - name: a
        in: formData
        type: integer
        maximum: lots
      - name: b
        in: header
        type: string
        pattern: '['
      responses:
        200:
          description: Fine.
          schema:
            type: object
            properties:
              c: {type: strange}
  /y:
    put:
      parameters:
      - name: body
        in: body
        schema:
          type: object
          properties:
            d: {type: object, required: yes please}
      - {name: e, in: nowhere, type: string}
      responses: {200: {description: Fine.}}
"""


@pytest.fixture(scope="module")
def original() -> Compilation:
    return compile_description(ORIGINAL.encode())


def test_every_diagnostic_points_into_the_document_as_uploaded(original: Compilation) -> None:
    assert sorted((each.code, each.pointer, each.line) for each in original.diagnostics) == [
        ("parameter_invalid", "/paths/~1y/put/parameters/1", 40),
        ("schema_keyword_invalid", "/paths/~1x/post/parameters/0/maximum", 19),
        ("schema_keyword_invalid", "/paths/~1y/put/parameters/0/schema/properties/d/required", 39),
        ("schema_pattern_dropped", "/paths/~1x/post/parameters/1/pattern", 23),
        ("schema_type_corrected", "/parameters/shared/type", 8),
        ("schema_type_corrected", "/paths/~1x/post/responses/200/schema/properties/c/type", 30),
    ]


def test_every_piece_of_a_request_points_into_the_document_as_uploaded(original: Compilation) -> None:
    tool = original.tools[0]

    pieces = plan(
        tool,
        {"a": 1, "b": "x", "shared": "y"},
        base="https://api.example.com/v1",
        server_pointer=tool.servers[0].pointer,
    ).pieces

    assert {(each.part, each.name, each.pointer) for each in pieces} == {
        ("server", "https://api.example.com/v1", "/host"),
        ("accept", "application/json, */*;q=0.1", "/paths/~1x/post/responses"),
        ("content_type", "application/x-www-form-urlencoded", "/paths/~1x/post/parameters/0"),
        ("body", "a", "/paths/~1x/post/parameters/0"),
        ("header", "b", "/paths/~1x/post/parameters/1"),
        ("query", "shared", "/parameters/shared"),
    }


def test_a_relative_server_is_told_where_the_document_says_it() -> None:
    document = {"swagger": "2.0", "basePath": "/v1", "paths": {"/x": {"get": {"responses": OK}}}}

    assert diagnostic(compiled(document), "server_relative").pointer == "/basePath"


@pytest.mark.parametrize("broken", ["parameters", "responses"])
def test_a_shared_piece_that_is_missing_costs_only_itself(broken: str) -> None:
    target = {"$ref": f"#/{broken}/nowhere"}
    operation: dict[str, Any] = {"responses": {"200": target} if broken == "responses" else OK}
    operation |= {"parameters": [target]} if broken == "parameters" else {}
    where = "/paths/~1x/get/" + ("responses/200" if broken == "responses" else "parameters/0")

    compilation = compiled(swagger({"/x": {"get": operation}}))

    assert len(compilation.tools) == 1
    assert reported(compilation) == [("reference_unresolved", where)]


def test_the_swagger_document_itself_is_not_changed() -> None:
    document = parse(ORIGINAL.encode())
    before = repr(document.root)

    converted(document.root)

    assert repr(document.root) == before


def test_security_definitions_that_are_no_object_are_told() -> None:
    compilation = compiled(swagger(securityDefinitions=["s"]))
    assert ("security_invalid", "/securityDefinitions") in reported(compilation)
