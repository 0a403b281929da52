"""What is sloppy, hostile or huge but can be served is served, and what it cost is told (acceptance group B)."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.backends import Backend, described, parameter
from tests.e2e.gateways import Gateway

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
SCHEMA_BUDGET = 64 * 1024


@pytest.fixture(autouse=True)
def unharmed(gateway: Gateway) -> Iterator[None]:
    """Require after every test that the gateway lives, and take the test's servers away."""
    yield
    assert gateway.is_alive()
    for name, _ in gateway.servers():
        if name.startswith("sloppy"):
            gateway.http.delete(f"{gateway.api}/{name}")


def imported(gateway: Gateway, description: Any, *, seconds: float = 10, name: str = "sloppy") -> dict[str, Any]:
    """Import a description (a value, or text); gives the server."""
    document = description if isinstance(description, bytes) else json.dumps(description).encode()
    started = time.monotonic()
    response = gateway.upload(document, name=name)
    assert response.status_code == 201, response.text[:2000]
    assert time.monotonic() - started < seconds
    server: dict[str, Any] = response.json()
    counts = server["counts"]
    assert counts["operations"] == counts["tools"] + counts["skipped"]
    return server


def listed(gateway: Gateway, name: str = "sloppy") -> dict[str, dict[str, Any]]:
    """List the tools as a strict reader of JSON does."""
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    headers = {"MCP-Protocol-Version": "2025-11-25", "Accept": "application/json, text/event-stream"}
    response = gateway.http.post(gateway.mcp_url(name), json=message, headers=headers)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    tools = json.loads(response.content, parse_constant=refuse)["result"]["tools"]
    for tool in tools:
        assert NAME.fullmatch(tool["name"])
        assert tool["inputSchema"]["type"] == "object"
        assert len(json.dumps(tool["inputSchema"])) <= SCHEMA_BUDGET
    return {tool["name"]: tool for tool in tools}


def codes(server: dict[str, Any]) -> set[str]:
    return {each["code"] for each in server["diagnostics"]}


def getting(path: str = "/a", **operation: Any) -> dict[str, Any]:
    return {path: {"get": {"operationId": "get_a", "responses": {"200": {"description": "OK"}}, **operation}}}


def test_yaml_that_looks_like_dates_and_numbers_stays_text(gateway: Gateway, backend: Backend) -> None:
    """B16."""
    text = (
        f"openapi: 3.0.3\ninfo: {{title: Dates, version: 1.0}}\nservers: [{{url: '{backend.url}'}}]\npaths:\n"
        "  /a:\n    get:\n      operationId: get_a\n      parameters:\n"
        "      - {name: day, in: query, schema: {type: string, enum: [2020-01-01, no], example: 2020-01-01}}\n"
        "      responses:\n        200: {description: OK}\n"
    )
    imported(gateway, text.encode())
    day = listed(gateway)["get_a"]["inputSchema"]["properties"]["day"]

    assert (day["enum"], day["examples"]) == (["2020-01-01", "no"], ["2020-01-01"])
    gateway.call("sloppy", "get_a", {"day": "no"})
    assert backend.only().target == "/a?day=no"


def test_half_of_a_surrogate_pair_is_replaced(gateway: Gateway) -> None:
    """B17."""
    document = described("http://127.0.0.1:9", getting(description="@", operationId="a@"))
    server = imported(gateway, json.dumps(document).replace("@", "\\ud800").encode())

    assert "text_replaced" in codes(server)
    assert len(listed(gateway)) == 1


@pytest.mark.parametrize("version", ["3.0.4", "3.1.1", "3.2.0", 3.1])
def test_supported_versions_are_served(gateway: Gateway, version: Any) -> None:
    """B18."""
    description = {**described("http://127.0.0.1:9", getting()), "openapi": version}
    assert imported(gateway, description)["counts"]["tools"] == 1


def test_a_description_of_webhooks_alone_has_no_tools(gateway: Gateway) -> None:
    """B19."""
    server = imported(gateway, {"openapi": "3.1.0", "info": {"title": "Hooks", "version": "1"}, "webhooks": {}})

    assert server["counts"] == {"operations": 0, "tools": 0, "skipped": 0}
    assert "description_no_operations" in codes(server)
    assert listed(gateway) == {}


def test_an_operation_whose_path_cannot_be_called_costs_itself_alone(gateway: Gateway) -> None:
    """B20."""
    paths = {**getting("/fine"), "/a/{}": getting()["/a"], "b": getting()["/a"], "/c/{x}/{x}": getting()["/a"]}
    server = imported(gateway, described("http://127.0.0.1:9", paths))

    assert server["counts"] == {"operations": 4, "tools": 1, "skipped": 3}
    errors = [each["pointer"] for each in server["diagnostics"] if each["severity"] == "error"]
    assert errors == ["/paths/~1a~1{}/get", "/paths/b/get", "/paths/~1c~1{x}~1{x}/get"]


@pytest.mark.parametrize("place", ["properties", "items", "additionalProperties", "other"])
def test_a_schema_that_holds_itself_is_finite_and_callable(gateway: Gateway, backend: Backend, place: str) -> None:
    """B21."""
    node = {"$ref": "#/components/schemas/Node"}
    schema: dict[str, Any] = {
        "properties": {"type": "object", "properties": {"next": node}},
        "items": {"type": "array", "items": node},
        "additionalProperties": {"type": "object", "additionalProperties": node},
        "other": {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Other"}}},
    }[place]
    components = {"schemas": {"Node": schema, "Other": {"allOf": [node]}}}
    body = {"content": {"application/json": {"schema": {"type": "object", "properties": {"node": node}}}}}
    paths = {"/a": {"post": {"operationId": "add", "requestBody": body, "responses": {"200": {"description": "OK"}}}}}
    imported(gateway, described(backend.url, paths, components=components), seconds=2)

    assert "$defs" in listed(gateway)["add"]["inputSchema"]
    value: Any = [[[]]] if place == "items" else {"next": {"next": {}}}
    assert not gateway.call("sloppy", "add", {"node": value})["isError"]
    assert json.loads(backend.only().body) == {"node": value}


@pytest.mark.parametrize(
    "components",
    [
        {"A": {"$ref": "#/components/schemas/B"}, "B": {"$ref": "#/components/schemas/A"}},
        {"A": {"$ref": "#/components/schemas/None"}},
        {"A": {"$ref": "#/info/title"}},
    ],
    ids=["circle", "dangling", "scalar"],
)
def test_a_reference_that_leads_nowhere_costs_what_it_stands_for(gateway: Gateway, components: dict[str, Any]) -> None:
    """B24."""
    paths = getting(parameters=[parameter("q", "query", {"$ref": "#/components/schemas/A"})])
    server = imported(gateway, described("http://127.0.0.1:9", paths, components={"schemas": components}), seconds=2)

    assert server["counts"]["tools"] == 1
    assert all(each["pointer"] and each["line"] for each in server["diagnostics"])
    assert codes(server) & {"reference_cycle", "reference_unresolved", "schema_invalid"}


def test_urls_that_a_description_merely_mentions_are_not_fetched(gateway: Gateway, backend: Backend) -> None:
    """B25."""
    url = f"{backend.url}/canary"
    paths = getting(
        externalDocs={"url": url},
        parameters=[{**parameter("q", "query"), "examples": {"one": {"externalValue": url}}}],
    )
    info = {"title": "T", "version": "1", "contact": {"url": url}, "x-logo": {"url": url}}
    more = {"externalDocs": {"url": url}, "info": info}
    imported(gateway, {**described("http://127.0.0.1:9", paths), **more})
    listed(gateway)

    assert backend.received == []


@pytest.mark.parametrize("place", ["query", "body"])
def test_what_is_too_large_for_a_list_is_cut_and_told(gateway: Gateway, backend: Backend, place: str) -> None:
    """B26."""
    many = {f"property{n}": {"type": "string"} for n in range(50_000)}
    operation: dict[str, Any] = {"parameters": [], "description": "word " * 1_000_000, "operationId": "get_a"}
    if place == "query":
        operation["parameters"] = [parameter("big", "query", {"enum": [f"value {n}" for n in range(200_000)]})]
    else:
        operation["requestBody"] = {"content": {"application/json": {"schema": {"type": "object", "properties": many}}}}
    server = imported(gateway, described(backend.url, {"/a": {"post": operation}}))

    assert {"text_truncated", "schema_over_budget"} <= codes(server)
    assert set(listed(gateway)["get_a"]["inputSchema"]["properties"]) == {"big" if place == "query" else "body"}
    value = {"big": "value 7"} if place == "query" else {"body": {"property7": "x"}}
    assert not gateway.call("sloppy", "get_a", value)["isError"]
    assert backend.only().path == "/a"


def test_a_pattern_that_backtracks_for_ever_judges_at_once(gateway: Gateway, backend: Backend) -> None:
    """B27."""
    paths = getting(parameters=[parameter("q", "query", {"type": "string", "pattern": "^(a+)+$"})])
    imported(gateway, described(backend.url, paths))
    started = time.monotonic()

    assert gateway.call("sloppy", "get_a", {"q": "a" * 32 + "!"})["isError"]
    assert time.monotonic() - started < 1
    assert backend.received == []


@pytest.mark.parametrize("pattern", ["(?<=a)b", r"\p{L}+", "(?R)", "[", "a{2,1}"])
def test_a_pattern_of_another_dialect_never_breaks_a_call(gateway: Gateway, backend: Backend, pattern: str) -> None:
    """B28."""
    paths = getting(parameters=[parameter("q", "query", {"type": "string", "pattern": pattern})])
    server = imported(gateway, described(backend.url, paths))
    kept = "pattern" in listed(gateway)["get_a"]["inputSchema"]["properties"]["q"]

    assert kept or "schema_pattern_dropped" in codes(server)
    gateway.call("sloppy", "get_a", {"q": "ab"})
    assert len(backend.received) <= 1


def test_ten_thousand_operations_are_served(gateway: Gateway) -> None:
    """B29."""
    paths = {f"/things/{n}": {"get": {"responses": {"200": {"description": "OK"}}}} for n in range(10_000)}
    server = imported(gateway, described("http://127.0.0.1:9", paths), seconds=60)

    assert server["counts"]["tools"] == 10_000
    assert len(listed(gateway)) == 10_000


def test_names_are_legal_unique_and_stay_when_the_document_is_reordered(gateway: Gateway) -> None:
    """B30."""
    ids = ["same", "same", "Twin", "twin", "x" * 200, "😀", "", "获取用户", "取得する", "получить"]
    paths = {
        f"/p{n}": {"get": {"responses": {"200": {"description": "OK"}}, **({"operationId": id_} if id_ else {})}}
        for n, id_ in enumerate(ids)
    }
    # Names of one length: a server's name and a tool's share 60 characters.
    imported(gateway, described("http://127.0.0.1:9", paths), name="sloppy-1")
    imported(gateway, described("http://127.0.0.1:9", dict(reversed(paths.items()))), name="sloppy-2")
    names = set(listed(gateway, "sloppy-1"))

    assert len({name.lower() for name in names}) == len(ids)
    assert names == set(listed(gateway, "sloppy-2"))


def test_the_same_document_again_is_no_new_revision(gateway: Gateway) -> None:
    """B31."""
    document = json.dumps(described("http://127.0.0.1:9", getting())).encode()
    first = imported(gateway, document)
    again = gateway.replace("sloppy", document)

    assert (again.status_code, again.json()["revision"]) == (200, first["revision"])


def test_comparing_twenty_thousand_items_with_each_other_takes_no_time(gateway: Gateway, backend: Backend) -> None:
    """B33."""
    schema = {"type": "array", "uniqueItems": True, "items": {"type": "object"}}
    operation = {
        "operationId": "add",
        "requestBody": {"content": {"application/json": {"schema": schema}}},
        "responses": {"200": {"description": "OK"}},
    }
    imported(gateway, described(backend.url, {"/a": {"post": operation}}))
    started = time.monotonic()

    assert not gateway.call("sloppy", "add", {"body": [{"id": n} for n in range(20_000)]})["isError"]
    assert time.monotonic() - started < 2
