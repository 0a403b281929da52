from __future__ import annotations

import time
from typing import Any

import pytest

from converters import ArgumentsError
from converters.arguments import ArgumentChecker
from converters.examples import NoExampleError, merged, minimal


def fan(depth: int, width: int) -> dict[str, Any]:
    """Make definitions of which each refers to the next one `width` times."""
    return {f"D{n}": {"allOf": [{"$ref": f"#/$defs/D{n + 1}"}] * width} for n in range(depth)} | {
        f"D{depth}": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    }


@pytest.mark.parametrize("of", ["allOf", "oneOf", "anyOf"])
def test_a_schema_is_its_reference_its_branches_and_its_first_alternative(of: str) -> None:
    definitions = {"Named": {"properties": {"name": {"type": "string"}}, "required": ["name"], "title": "Named"}}
    schema = {
        of: [{"$ref": "#/$defs/Named"}, {"properties": {"b": {}}}],
        "properties": {"a": {}},
        "required": ["a", "name"],
        "title": "Whole",
    }
    whole = merged(schema, definitions)

    assert list(whole["properties"]) == ["name", "b", "a"] if of == "allOf" else ["name", "a"]
    assert (whole["required"], whole["title"]) == (["name", "a"], "Whole")


def test_each_definition_is_opened_once() -> None:
    """U4: two hundred references at each of three levels are eight million schemas."""
    started = time.process_time()
    whole = merged({"$ref": "#/$defs/D0"}, fan(depth=3, width=200))

    assert whole["required"] == ["a"]
    assert time.process_time() - started < 1


def test_a_recursive_definition_ends() -> None:
    assert merged({"$ref": "#/$defs/A"}, {"A": {"allOf": [{"$ref": "#/$defs/A"}], "title": "A"}})["title"] == "A"


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "array", "items": {"type": "array", "items": {"type": "integer"}, "minItems": 2}}, [[1, 1]]),
        ({"type": "array", "minItems": 100, "items": {"type": "integer"}}, [1] * 100),
        (
            {"type": "object", "properties": {"a": {"minLength": 6, "type": "string"}}, "required": ["a"]},
            {"a": "textxx"},
        ),
    ],
)
def test_what_is_required_makes_the_value(schema: dict[str, Any], value: Any) -> None:
    assert minimal(schema, {}) == value


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "minItems": 10**12},
        {"type": "array", "minItems": 50, "items": {"type": "array", "minItems": 50}},
        {"type": "string", "minLength": 10**12},
        {"$ref": "#/$defs/Tree"},
    ],
)
def test_a_value_that_would_be_huge_is_no_example(schema: dict[str, Any]) -> None:
    """U4, U5: what a description asks for is not made to explain a call."""
    names = [f"n{index}" for index in range(20)]
    tree = {"type": "object", "properties": {name: {"$ref": "#/$defs/Tree"} for name in names}, "required": names}

    with pytest.raises(NoExampleError):
        minimal(schema, {"Tree": tree})


def test_a_bad_call_of_such_a_tool_is_explained_without_an_example() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "minLength": 10**12}}, "required": ["a"]}

    with pytest.raises(ArgumentsError, match="the required argument 'a'") as caught:
        ArgumentChecker(schema).check({})

    assert "minimal" not in caught.value.message
