from __future__ import annotations

from typing import Any

import pytest

from converters.diff import Level, ToolChange, compare
from tests.converters.descriptions import OK, compiled, description


def operation(parameters: Any = (), **more: Any) -> dict[str, Any]:
    return {"operationId": "find", "parameters": list(parameters), "responses": OK, **more}


def query(name: str, schema: Any = None, *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "schema": schema or {"type": "string"}}


def changes(old: Any, new: Any) -> tuple[ToolChange, ...]:
    before, after = ({"/a": {"get": each}} if each is not None else {} for each in (old, new))
    return compare(compiled(description(before)).tools, compiled(description(after)).tools)


def only(old: Any, new: Any) -> ToolChange:
    (change,) = changes(old, new)
    return change


def test_equal_surfaces_have_no_changes() -> None:
    assert changes(operation([query("q")]), operation([query("q")])) == ()


def test_a_tool_that_is_gone_breaks_and_a_new_one_does_not() -> None:
    assert (only(operation(), None).kind, only(operation(), None).level) == ("removed", Level.BREAKING)
    assert (only(None, operation()).kind, only(None, operation()).level) == ("added", Level.COMPATIBLE)


def test_a_renamed_tool_breaks_and_says_both_names() -> None:
    change = only(operation(), {**operation(), "operationId": "search"})
    assert (change.kind, change.level, change.name) == ("renamed", Level.BREAKING, "search")
    assert change.details[0].what == "find is now search"


def test_a_tool_that_moved_to_another_path_is_the_same_tool() -> None:
    old = compiled(description({"/a": {"get": operation()}})).tools
    new = compiled(description({"/b": {"get": operation()}})).tools
    (change,) = compare(old, new)
    assert (change.kind, change.level) == ("changed", Level.COMPATIBLE)


def test_another_text_is_text_only() -> None:
    assert only(operation(summary="Finds."), operation(summary="Finds pets.")).level is Level.TEXT


@pytest.mark.parametrize(
    ("old", "new", "level"),
    [
        pytest.param(query("q"), None, Level.BREAKING, id="an argument is gone"),
        pytest.param(None, query("q"), Level.COMPATIBLE, id="an optional argument is new"),
        pytest.param(None, query("q", required=True), Level.BREAKING, id="a required argument is new"),
        pytest.param(query("q"), query("q", required=True), Level.BREAKING, id="required now"),
        pytest.param(query("q", required=True), query("q"), Level.COMPATIBLE, id="optional now"),
        pytest.param(
            query("q", {"type": "integer"}), query("q", {"type": "number"}), Level.COMPATIBLE, id="a wider type"
        ),
        pytest.param(
            query("q", {"type": "number"}), query("q", {"type": "integer"}), Level.BREAKING, id="a narrower type"
        ),
        pytest.param(
            query("q", {"type": "string"}), query("q", {"type": "integer"}), Level.BREAKING, id="another type"
        ),
        pytest.param(query("q", {"enum": ["a"]}), query("q", {"enum": ["a", "b"]}), Level.COMPATIBLE, id="a new value"),
        pytest.param(
            query("q", {"enum": ["a", "b"]}), query("q", {"enum": ["a"]}), Level.BREAKING, id="a value is gone"
        ),
        pytest.param(query("q", {"maximum": 5}), query("q", {"maximum": 9}), Level.COMPATIBLE, id="a wider bound"),
        pytest.param(query("q", {"maximum": 9}), query("q", {"maximum": 5}), Level.BREAKING, id="a tighter bound"),
        pytest.param(
            query("q", {"type": "string", "minLength": 2}),
            query("q", {"type": "string"}),
            Level.COMPATIBLE,
            id="no bound",
        ),
        pytest.param(
            query("q"), query("q", {"type": "string", "pattern": "^a"}), Level.BREAKING, id="a pattern is new"
        ),
    ],
)
def test_input_changes_are_judged_by_what_callers_may_send(old: Any, new: Any, level: Level) -> None:
    change = only(operation(filter(None, [old])), operation(filter(None, [new])))
    assert change.level is level
    assert all(detail.where == "/q" for detail in change.details)


def answering(schema: Any) -> dict[str, Any]:
    return operation(responses={"200": {"description": "ok", "content": {"application/json": {"schema": schema}}}})


def test_output_changes_are_judged_by_what_callers_may_rely_on() -> None:
    old = answering({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}})
    fewer = answering({"type": "object", "properties": {"a": {"type": "string"}}})
    assert only(old, fewer).level is Level.BREAKING
    assert only(fewer, old).level is Level.COMPATIBLE


def test_changes_behind_references_are_found_and_recursion_ends() -> None:
    def tree(kind: str) -> Any:
        node = {
            "type": "object",
            "properties": {"value": {"type": kind}, "next": {"$ref": "#/components/schemas/Node"}},
        }
        body = {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/List"}}}}
        nodes = {"type": "array", "items": {"$ref": "#/components/schemas/Node"}}
        return description(
            {"/a": {"post": {**operation(), "requestBody": body}}},
            components={"schemas": {"Node": node, "List": nodes}},
        )

    (change,) = compare(compiled(tree("string")).tools, compiled(tree("integer")).tools)
    assert [(detail.level, detail.where) for detail in change.details] == [(Level.BREAKING, "/body/items/value")]


def test_a_credential_that_is_needed_now_breaks_and_one_that_is_not_does_not() -> None:
    key: dict[str, Any] = {"security": [{"key": []}]}
    assert only(operation(), operation(**key)).level is Level.BREAKING
    assert only(operation(**key), operation()).level is Level.COMPATIBLE
