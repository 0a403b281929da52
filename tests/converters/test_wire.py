"""What calls are on the wire: every vector of tests/converters/wire, from the description to the bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import yaml

from converters import ArgumentsError, ToolDefinition, compile_description
from converters.arguments import ArgumentChecker
from converters.json_values import exact_integer, exact_number
from converters.request_plans import RequestPlan, ServerUnknownError, base_url, plan

WIRE: Final = Path(__file__).parent / "wire"
BASE: Final = "https://api.example.com/v1"
_SCHEMA_KEYWORDS: Final = ("openapi", "path", "method", "parameter", "parameters", "body", "content", "components")


def groups(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def vectors() -> list[Any]:
    """List all vectors as (group, vector), rows of tables written out."""
    return list(_vectors())


def _vectors() -> Iterator[Any]:
    for path in sorted(WIRE.glob("*.yaml")):
        for number, group in enumerate(groups(path)):
            rows = [*group.get("vectors", []), *(_row(group, row) for row in group.get("table", []))]
            for index, vector in enumerate(rows):
                yield pytest.param(group, vector, id=f"{path.stem}-{number}-{index}")


def _row(group: dict[str, Any], row: list[Any]) -> dict[str, Any]:
    value, wire = row
    vector: dict[str, Any] = {"arguments": f'{{"color":{value}}}'}
    if isinstance(wire, list):
        return {**vector, "refused": wire}
    location = group["parameter"]["in"]
    path = group.get("path", "/things")
    if location == "path":
        return {**vector, "target": "/v1" + path.partition("{")[0] + wire}
    if location == "query":
        return {**vector, "target": f"/v1{path}?{wire}" if wire else f"/v1{path}"}
    return {**vector, "headers": {"Cookie" if location == "cookie" else "color": wire}}


def description(group: Mapping[str, Any]) -> dict[str, Any]:
    """Write the whole description that a group is a fragment of."""
    path, has_body = group.get("path", "/things"), "body" in group or "content" in group
    parameters = list(group.get("parameters", []))
    if "parameter" in group:
        is_swagger = group.get("openapi") == "2.0"
        parameters = [
            {"name": "color", "required": True, **({} if is_swagger else {"schema": {}}), **group["parameter"]}
        ]
    operation: dict[str, Any] = {"parameters": parameters, "responses": {"200": {"description": "Done."}}}
    if "content" in group:
        operation["requestBody"] = {"required": True, "content": group["content"]}
    elif "body" in group:
        operation["requestBody"] = group["body"]
    if "operation_servers" in group:
        operation["servers"] = group["operation_servers"]
    item: dict[str, Any] = {group.get("method", "post" if has_body else "get"): operation}
    if "path_servers" in group:
        item["servers"] = group["path_servers"]
    document: dict[str, Any] = {"info": {"title": "Things", "version": "1"}, "paths": {path: item}}
    if group.get("openapi") == "2.0":
        operation.update({"consumes": group["consumes"]} if "consumes" in group else {})
        return {**document, "swagger": "2.0", "host": "api.example.com", "basePath": "/v1", "schemes": ["https"]}
    return {
        **document,
        "openapi": group.get("openapi", "3.1.0"),
        "servers": group.get("servers", [{"url": BASE}]),
        "components": group.get("components", {}),
    }


def tool_of(group: Mapping[str, Any]) -> ToolDefinition:
    """Compile the group's tool, and store and load it as a server would."""
    (tool,) = compile_description(json.dumps(description(group)).encode()).tools
    return ToolDefinition.from_json(json.loads(json.dumps(tool.to_json())))


def exact(text: str) -> Any:
    """Read JSON without losing a digit, as the gateway does."""
    return json.loads(text, parse_float=exact_number, parse_int=exact_integer)


def planned(tool: ToolDefinition, vector: Mapping[str, Any]) -> RequestPlan:
    arguments = exact(vector["arguments"])
    arguments = ArgumentChecker(tool.input_schema).check(arguments).values
    base = base_url(
        tool.servers,
        override=vector.get("base_url"),
        variables=vector.get("variables", {}),
        document_url=vector.get("document_url"),
    )
    return plan(tool, arguments, base=base)


def request_bytes(request: RequestPlan) -> bytes:
    """Write the message as HTTP/1.1 has it (RFC 9112 section 2.1), the headers in alphabetical order."""
    url = urlsplit(request.url)
    target = url.path + (f"?{url.query}" if url.query else "")
    headers = sorted([*request.headers, ("Host", url.netloc)])
    lines = [f"{request.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode() + (request.body or b"")


def expected_bytes(group: Mapping[str, Any], vector: Mapping[str, Any], boundary: str) -> bytes:
    has_body = "body" in group or "content" in group
    method = group.get("method", "post" if has_body else "get").upper()
    target = vector.get("target", "/v1" + group.get("path", "/things"))
    headers = {"Accept": "*/*", "Host": vector.get("host", "api.example.com"), **vector.get("headers", {})}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in sorted(headers.items()))]
    written = "\r\n".join([*lines, "", ""]).replace("{boundary}", boundary).encode()
    if "body_hex" in vector:
        return written + bytes.fromhex(vector["body_hex"])
    body: str = vector.get("body", "")
    if boundary:
        body = body.rstrip("\n").replace("\r\n", "\n").replace("\n", "\r\n").replace("{boundary}", boundary) + "\r\n"
    return written + body.encode()


def boundary_of(request: RequestPlan) -> str:
    return dict(request.headers).get("Content-Type", "").partition("boundary=")[2]


@pytest.mark.parametrize(("group", "vector"), vectors())
def test_a_call_is_on_the_wire_what_the_description_says(group: dict[str, Any], vector: dict[str, Any]) -> None:
    tool = tool_of(group)
    if "refused" in vector:
        with pytest.raises(ArgumentsError) as caught:
            planned(tool, vector)
        code, pointer = vector["refused"]
        assert (code, pointer) in [(each.code, each.pointer) for each in caught.value.problems]
    elif "server_refused" in vector:
        with pytest.raises(ServerUnknownError, match=vector["server_refused"]):
            planned(tool, vector)
    else:
        request = planned(tool, vector)
        assert request_bytes(request) == expected_bytes(group, vector, boundary_of(request))


def test_there_are_vectors_enough() -> None:
    assert len(vectors()) >= 260


def test_no_group_has_a_key_that_nobody_reads() -> None:
    known = {*_SCHEMA_KEYWORDS, "about", "table", "vectors", "servers", "path_servers", "operation_servers", "consumes"}
    used = {key for path in WIRE.glob("*.yaml") for group in groups(path) for key in group}

    assert used <= known
