from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest

from converters import ArgumentsError
from converters.arguments import ArgumentChecker
from converters.errors import ArgumentProblem
from tests.converters.descriptions import body_tool, only_tool

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "limit": {"type": "integer", "minimum": 1, "maximum": 100},
        "status": {"enum": ["available", "pending", "sold"]},
        "name": {"type": "string", "maxLength": 5},
        "nested": {"type": "object", "properties": {"a/b": {"type": "array", "items": {"type": "number"}}}},
        "flag": {"type": "boolean"},
        "maybe": {"type": ["string", "null"]},
    },
    "required": ["limit"],
    "additionalProperties": False,
}


def problems(arguments: dict[str, Any], schema: dict[str, Any] | None = None) -> list[ArgumentProblem]:
    with pytest.raises(ArgumentsError) as caught:
        ArgumentChecker(schema or SCHEMA).check(arguments)
    return list(caught.value.problems)


@pytest.mark.parametrize(
    "arguments",
    [
        {"limit": 1},
        {"limit": 5.0},
        {"limit": 100, "status": "sold", "nested": {"a/b": [1, 0.5]}, "flag": False, "maybe": None},
        {"limit": 2, "name": "größe"},
    ],
)
def test_arguments_that_fit_are_accepted(arguments: dict[str, Any]) -> None:
    ArgumentChecker(SCHEMA).check(arguments)


@pytest.mark.parametrize(
    ("arguments", "code", "pointer"),
    [
        ({}, "arg_required", "/limit"),
        ({"limit": "5"}, "arg_type", "/limit"),
        ({"limit": 1.5}, "arg_type", "/limit"),
        ({"limit": None}, "arg_type", "/limit"),
        ({"limit": True}, "arg_type", "/limit"),
        ({"limit": [5]}, "arg_type", "/limit"),
        ({"limit": float("nan")}, "arg_type", "/limit"),
        ({"limit": 0}, "arg_minimum", "/limit"),
        ({"limit": 101}, "arg_maximum", "/limit"),
        ({"limit": 1, "flag": "true"}, "arg_type", "/flag"),
        ({"limit": 1, "nested": []}, "arg_type", "/nested"),
        ({"limit": 1, "nested": {"a/b": [1, "x"]}}, "arg_type", "/nested/a~1b/1"),
        ({"limit": 1, "status": "gone"}, "arg_enum", "/status"),
        ({"limit": 1, "name": "too long"}, "arg_maxLength", "/name"),
        ({"limit": 1, "__proto__": 1}, "arg_unknown", "/__proto__"),
        ({"limit": 1, "__class__": 1}, "arg_unknown", "/__class__"),
        ({"limit": 1, "name": "\ud800"}, "arg_not_text", "/name"),
        ({"limit": 1, "nested": {"\udc00": 1}}, "arg_not_text", "/nested"),
    ],
)
def test_a_mistake_has_a_code_and_its_pointer(arguments: dict[str, Any], code: str, pointer: str) -> None:
    assert [(each.code, each.pointer) for each in problems(arguments)] == [(code, pointer)]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, "/limit: expected the required argument 'limit' (an integer), got nothing. For example 1."),
        ({"limit": "5"}, '/limit: expected an integer, got "5". Write 5 without quotes.'),
        ({"limit": 1, "maybe": 5}, '/maybe: expected null or a text, got 5. For example "text".'),
        (
            {"limit": 1, "status": "Avalable"},
            '/status: expected one of "available", "pending", "sold", got "Avalable". Did you mean "available"?',
        ),
        ({"limit": 1, "nmae": "x"}, "/nmae: expected no argument of this name, got 'nmae'. Did you mean 'name'?"),
        (
            {"limit": 1, "zzz": "x"},
            (
                "/zzz: expected no argument of this name, got 'zzz'. "
                "Known arguments: limit, status, name, nested, flag, maybe."
            ),
        ),
        ({"limit": 0}, "/limit: expected a number of at least 1, got 0."),
    ],
)
def test_a_problem_says_what_was_expected_what_came_and_what_may_be_meant(
    arguments: dict[str, Any], sentence: str
) -> None:
    (problem,) = problems(arguments)

    assert problem.sentence() == sentence


def test_every_problem_is_told_at_once_and_twenty_at_most() -> None:
    many = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "integer"}}}}

    assert sorted(each.pointer for each in problems({"limit": 0, "flag": 1, "x": 1})) == ["/flag", "/limit", "/x"]
    assert len(problems({"a": ["x"] * 100}, many)) == 20


def test_a_long_value_is_shortened_in_the_message() -> None:
    (problem,) = problems({"limit": "x" * 10_000})

    assert len(problem.sentence()) < 200


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|a)*$", "^(?=a)(a+)+$", r"^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_a_pattern_that_explodes_elsewhere_is_decided_in_time(pattern: str) -> None:
    checker = ArgumentChecker({"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}})
    started = time.process_time()

    with pytest.raises(ArgumentsError):
        checker.check({"a": "a" * 32 + "!"})

    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("pattern", [r"\p{L}", "(?<=a)b", r"\d{2}", "(?R)", "["])
def test_no_pattern_of_a_description_breaks_a_call(pattern: str) -> None:
    tool = body_tool({"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}})

    with contextlib.suppress(ArgumentsError):
        ArgumentChecker(tool.input_schema).check({"a": "ab"})


def test_unique_items_of_many_objects_are_decided_in_time() -> None:
    checker = ArgumentChecker({"type": "object", "properties": {"a": {"type": "array", "uniqueItems": True}}})
    started = time.process_time()

    checker.check({"a": [{"id": number, "name": f"n{number}"} for number in range(20_000)]})

    assert time.process_time() - started < 1


def test_a_recursive_schema_checks_deep_values() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Node"}, "v": {"type": "integer"}}}
    checker = ArgumentChecker(body_tool({"$ref": "#/components/schemas/Node"}, Node=node).input_schema)
    value: dict[str, Any] = {"v": "wrong"}
    for _ in range(50):
        value = {"next": value}

    with pytest.raises(ArgumentsError) as caught:
        checker.check(value)

    assert caught.value.problems[0].pointer == "/next" * 50 + "/v"


def test_bounds_of_int64_are_exact() -> None:
    schema = {"type": "integer", "format": "int64"}
    tool = only_tool({"parameters": [{"name": "n", "in": "query", "schema": schema}]})
    checker = ArgumentChecker(tool.input_schema)

    checker.check({"n": 2**63 - 1})
    checker.check({"n": -(2**63)})
    for outside in (2**63, -(2**63) - 1):
        with pytest.raises(ArgumentsError):
            checker.check({"n": outside})


def test_all_of_the_error_is_in_its_message() -> None:
    with pytest.raises(ArgumentsError) as caught:
        ArgumentChecker(SCHEMA).check({"limit": 0, "flag": 1})

    *sentences, call = caught.value.message.splitlines()
    assert sentences == [each.sentence() for each in caught.value.problems]
    assert call == 'A minimal valid call: {"limit": 1}'
