from __future__ import annotations

from typing import Any

import pytest

from tests.converters.descriptions import OK, compiled, description, planned, properties, reported

PARAMETERS = [
    {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
    {"name": "v", "in": "query", "required": True, "schema": {"type": "integer"}},
    {"name": "limit", "in": "query", "schema": {"type": "integer", "default": 10}},
    {"name": "trace", "in": "query", "schema": {"type": "boolean"}},
]


def extended(extension: Any) -> Any:
    operation = {"parameters": PARAMETERS, "responses": OK, "x-mcp": extension}
    return compiled(description({"/a/{id}": {"get": operation}}))


def test_a_pinned_argument_is_not_listed_and_always_sent() -> None:
    (tool,) = extended({"pinned": {"v": 3}}).tools
    assert "v" not in properties(tool)
    assert tool.input_schema["required"] == ["id"]
    assert planned(tool, id="x").url.endswith("/a/x?v=3")


def test_a_hidden_argument_is_sent_with_its_default_if_it_has_one() -> None:
    (tool,) = extended({"hidden": ["limit", "trace"]}).tools
    assert list(properties(tool)) == ["id", "v"]
    assert planned(tool, id="x", v=1).url.endswith("/a/x?v=1&limit=10")


@pytest.mark.parametrize(
    "extension", [{"hidden": ["id"]}, {"hidden": ["nope"]}, {"pinned": {"nope": 1}}, {"hidden": "id"}, {"pinned": [1]}]
)
def test_what_cannot_be_done_is_said_and_changes_nothing(extension: Any) -> None:
    compilation = extended(extension)
    assert list(properties(compilation.tools[0])) == ["id", "v", "limit", "trace"]
    assert [code for code, _ in reported(compilation)] == ["extension_invalid"]


def test_name_text_hints_and_enabled_are_taken() -> None:
    asked = {
        "name": "fetch",
        "description": "Fetches.",
        "enabled": False,
        "annotations": {"openWorldHint": False, "x": 1},
    }
    (tool,) = extended(asked).tools
    assert (tool.name, tool.description, tool.enabled) == ("fetch", "Fetches.", False)
    assert tool.annotations == {"readOnlyHint": True, "openWorldHint": False}


@pytest.mark.parametrize(
    ("selection", "kept"),
    [
        ({}, ["/pets", "/admin/users", "/pets/x"]),
        ({"include": {"tags": ["pets"]}}, ["/pets"]),
        ({"include": {"paths": ["/pets*"]}}, ["/pets", "/pets/x"]),
        ({"exclude": {"paths": ["/admin/*"]}}, ["/pets", "/pets/x"]),
        ({"include": {"paths": ["/pets*"]}, "exclude": {"tags": ["pets"]}}, ["/pets/x"]),
    ],
)
def test_operations_are_selected_by_tag_and_path(selection: Any, kept: list[str]) -> None:
    paths: dict[str, Any] = {path: {"get": {"responses": OK}} for path in ("/pets", "/admin/users", "/pets/x")}
    paths["/pets"]["get"]["tags"] = ["pets"]
    compilation = compiled(description(paths, **{"x-mcp": selection}))
    assert [tool.path for tool in compilation.tools] == kept
    excluded = [pointer for code, pointer in reported(compilation) if code == "operation_excluded"]
    assert compilation.counts.skipped == len(excluded) == 3 - len(kept)
