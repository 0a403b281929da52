from __future__ import annotations

import json
from typing import Any

import pytest

from converters import DescriptionError, Severity, compile_description
from converters.compiler import MAX_OPERATIONS, has_errors
from converters.limits import Limits
from tests.converters.descriptions import OK, compiled, description, diagnostic, reported


def refused(document: dict[str, Any] | bytes, **options: Any) -> DescriptionError:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    with pytest.raises(DescriptionError) as caught:
        compile_description(raw, **options)
    return caught.value


def test_a_compilation_says_what_the_description_is() -> None:
    info = {"title": " Pets ", "version": 1.5, "description": "All about\u200b pets."}
    compilation = compiled({"openapi": "3.1.0", "info": info, "paths": {}})

    assert (compilation.title, compilation.version, compilation.openapi) == ("Pets", "1.5", "3.1.0")
    assert compilation.instructions == "All about pets."


@pytest.mark.parametrize("info", [None, {}, [], {"title": ""}, {"title": None}])
def test_a_description_without_a_title_has_one_all_the_same(info: Any) -> None:
    assert compiled({"openapi": "3.1.0", "info": info, "paths": {}}).title == "Untitled API"


def test_hidden_characters_of_the_title_are_removed() -> None:
    assert compiled({"openapi": "3.1.0", "info": {"title": "Pe\u202ets"}, "paths": {}}).title == "Pets"


@pytest.mark.parametrize("version", ["3.1.0", "3.2.0"])
@pytest.mark.parametrize("more", [{"components": {}}, {"webhooks": {"a": {"post": {}}}}])
def test_since_3_1_a_description_needs_no_paths(version: str, more: dict[str, Any]) -> None:
    compilation = compiled({"openapi": version, "info": {}, **more})

    assert compilation.counts.operations == len(compilation.tools) == 0
    assert diagnostic(compilation, "description_no_operations").severity is Severity.WARNING


@pytest.mark.parametrize(
    "document",
    [
        {"openapi": "3.0.3", "info": {}},
        {"swagger": "2.0", "info": {}},
        {"openapi": "3.0.3", "paths": None},
        {"openapi": "3.1.0", "paths": None},
        {"openapi": "3.1.0", "paths": []},
        {"swagger": "2.0", "paths": "x"},
    ],
)
def test_paths_that_are_missing_or_no_object_are_refused(document: dict[str, Any]) -> None:
    assert refused(document).code == "spec_paths"


def test_a_refusal_has_the_line_of_its_pointer() -> None:
    error = refused(b"openapi: 3.1.0\ninfo: {}\n\npaths: []\n")

    assert (error.code, error.pointer, error.line) == ("spec_paths", "/paths", 4)


def test_an_unknown_version_is_refused_at_its_line() -> None:
    error = refused(b"info: {}\nopenapi: 4.0.0\npaths: {}\n")

    assert (error.code, error.line) == ("spec_version", 2)


def test_limits_are_those_given() -> None:
    assert refused({"openapi": "3.1.0", "paths": {}}, limits=Limits(size=5)).code == "spec_too_large"


def test_more_operations_than_allowed_are_refused() -> None:
    paths: dict[str, Any] = {f"/p{n}": {"get": {}, "put": {}} for n in range(MAX_OPERATIONS // 2 + 1)}

    assert refused({"openapi": "3.1.0", "paths": paths}).code == "spec_too_many_operations"


def test_text_that_was_repaired_is_told_at_its_line() -> None:
    compilation = compile_description(
        b'{"openapi": "3.1.0",\n"info": {"title": "T"},\n"paths": {"/x": {"get": {"operationId": "a\\ud800b"}}}}'
    )

    found = diagnostic(compilation, "text_replaced")
    assert (found.pointer, found.line) == ("/paths/~1x/get/operationId", 3)
    assert compilation.tools[0].name.isascii()


@pytest.mark.parametrize(
    ("servers", "uri", "expected"),
    [
        ([{"url": "https://a.example"}], "", []),
        ([], "", [("server_missing", "")]),
        ([{"url": "/v1"}], "", [("server_relative", "/servers")]),
        ([{"url": "/v1"}], "https://a.example/openapi.json", []),
        ([{}], "", [("server_invalid", "/servers/0"), ("server_missing", "")]),
    ],
)
def test_where_the_api_is_must_be_known(servers: list[Any], uri: str, expected: list[tuple[str, str]]) -> None:
    document = {"openapi": "3.1.0", "servers": servers, "paths": {"/x": {"get": {"responses": OK}}}}

    assert reported(compiled(document, uri=uri)) == expected


def test_webhooks_are_told_to_be_no_tools() -> None:
    document = description({"/x": {"get": {"responses": OK}}}, webhooks={"event": {"post": {}}})

    assert reported(compiled(document)) == [("webhook_ignored", "/webhooks")]


def test_one_bad_operation_costs_exactly_itself() -> None:
    good = {"get": {"responses": OK}}
    bad: dict[str, Any] = {"get": 5, "put": {"responses": OK, "requestBody": []}, "post": {"parameters": [7]}}
    compilation = compiled(description({"/a": good, "no-slash": good, "/b": bad, "/c": good}))

    assert [tool.operation_key for tool in compilation.tools] == ["GET /a", "PUT /b", "POST /b", "GET /c"]
    assert (compilation.counts.operations, compilation.counts.skipped) == (6, 2)
    assert has_errors(compilation.diagnostics)


def test_the_same_bytes_give_the_same_compilation() -> None:
    raw = json.dumps(description({"/x": {"get": {"responses": OK}}})).encode()

    assert compile_description(raw) == compile_description(raw)


def test_the_digest_covers_every_document() -> None:
    document = description({"/x": {"get": {"responses": OK}}})
    digests = {
        compiled(document).digest,
        compiled({**document, "x-a": 1}).digest,
        compiled(document, further={"a.json": b"{}"}).digest,
        compiled(document, further={"a.json": b"[]"}).digest,
        compiled(document, further={"b.json": b"{}"}).digest,
    }

    assert len(digests) == 5


def test_tool_names_leave_room_for_the_name_of_the_server() -> None:
    document = description({"/x": {"get": {"operationId": "o" * 60, "responses": OK}}})

    assert len(compiled(document, server_name="s" * 20).tools[0].name) == 40


def test_no_other_document_is_asked_for_by_links() -> None:
    document = description(
        {"/x": {"get": {"responses": OK, "externalDocs": {"url": "http://canary.example"}}}},
        externalDocs={"url": "http://canary.example"},
        components={"examples": {"a": {"externalValue": "http://canary.example/x"}}},
        info={"title": "T", "contact": {"url": "http://canary.example"}, "x-logo": {"url": "file:///etc/passwd"}},
    )

    # The one place that answers a request for a document is what the caller passed in.
    class Asked(dict[str, bytes]):
        def get(self, key: str, *_: Any) -> Any:
            pytest.fail(f"asked for {key}")

    assert len(compiled(document, further=Asked({"a": b"{}"})).tools) == 1


def test_fifty_thousand_properties_and_a_huge_enum_stay_within_the_budget() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/components/schemas/Wide"}, "b": {"$ref": "#/components/schemas/Enum"}},
    }
    wide = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(50_000)}}
    body = {"content": {"application/json": {"schema": schema}}}
    document = description(
        {"/x": {"post": {"requestBody": body, "responses": OK}}},
        components={"schemas": {"Wide": wide, "Enum": {"enum": [f"value {n}" for n in range(200_000)]}}},
    )

    (tool,) = compiled(document).tools

    assert len(json.dumps(tool.input_schema)) < 64 * 1024
