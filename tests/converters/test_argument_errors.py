from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters import ArgumentsError, argument_errors
from converters.arguments import ArgumentChecker

if TYPE_CHECKING:
    from collections.abc import Mapping

ROW = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "petName": {"type": "string"}},
    "required": ["id"],
    "additionalProperties": False,
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "rows": {"type": "array", "items": ROW, "minItems": 300},
        "either": {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]},
        "map": {"type": "object", "required": ["n1999"]},
        "n": {"type": "integer"},
        "rowCount": {"type": "integer"},
    },
    "additionalProperties": False,
}
FITTING = [{"id": 1}] * 2_000


def refusal(arguments: dict[str, Any]) -> ArgumentsError:
    with pytest.raises(ArgumentsError) as caught:
        ArgumentChecker(SCHEMA).check(arguments)
    return caught.value


@pytest.mark.parametrize(
    "arguments",
    [
        {"rows": [{"id": "x"}] * 300_000},
        {"rows": [5] * 300_000},
        {"either": ["x"] * 300_000},
        {f"unknown {index}": 1 for index in range(300_000)},
        {"rows": [{f"unknown {index}": 1 for index in range(300_000)}]},
        {"n": "x" * 3_000_000},
        {"rows": FITTING, "either": [1] * 300_000, "n": "x"},
    ],
)
def test_what_is_wrong_with_large_arguments_is_told_in_time(arguments: dict[str, Any]) -> None:
    """U4: a million wrong items took the validator half a minute, in which nothing else happened."""
    checker = ArgumentChecker(SCHEMA)
    started = time.process_time()
    with pytest.raises(ArgumentsError) as caught:
        checker.check(arguments)

    assert time.process_time() - started < 2
    assert len(caught.value.message) < 10_000


@pytest.mark.parametrize(
    ("arguments", "pointers"),
    [
        ({"rows": FITTING, "n": "x"}, ["/n"]),
        ({"rows": [{"id": "x"}, *FITTING]}, ["/rows/0/id"]),
        ({"rows": [{}, *FITTING]}, ["/rows/0/id"]),
        ({"rows": FITTING, "x": 1}, ["/x"]),
        ({"map": {f"n{index}": 1 for index in range(3_000)}, "n": "x"}, ["/n"]),
        ({"either": [1] * 3_000, "n": "x"}, ["/n"]),
    ],
)
def test_the_beginnings_of_large_arguments_are_looked_at(arguments: dict[str, Any], pointers: list[str]) -> None:
    error = refusal(arguments)

    assert [each.pointer for each in error.problems] == pointers
    assert "Only the beginnings of long lists and objects were looked at" in error.message


def test_a_mistake_that_comes_late_in_large_arguments_is_told_without_its_place() -> None:
    (problem,) = refusal({"rows": [*FITTING, {"id": "x"}]}).problems

    assert (problem.code, problem.pointer) == ("arg_too_many", "")
    assert problem.sentence() == (
        "(arguments): expected arguments that fit the input schema, got more than 2,000 values, of which a later one "
        "does not. Send fewer at once to learn which."
    )


def test_large_arguments_are_repaired_at_their_beginnings() -> None:
    arguments = {"rows": [{"id": 1, "pet_name": "a"}, *FITTING], "row-count": 2}
    checked = ArgumentChecker(SCHEMA).check(arguments)

    assert checked.values == {"rows": [{"id": 1, "petName": "a"}, *FITTING], "rowCount": 2}
    assert sorted(each.pointer for each in checked.repairs) == ["/rowCount", "/rows/0/petName"]
    assert arguments["rows"][0] == {"id": 1, "pet_name": "a"}  # type: ignore[index]


def test_more_problems_than_are_told_are_mentioned() -> None:
    message = refusal({f"unknown {index}": 1 for index in range(30)}).message

    assert message.count("expected no argument of this name") == 20
    assert "There are more problems: correct these first." in message


VALUES = st.recursive(
    st.integers() | st.text(max_size=3) | st.none(),
    lambda inner: st.lists(inner, max_size=400) | st.dictionaries(st.sampled_from("abcdef"), inner),
    max_leaves=60,
)
SCHEMAS = st.recursive(
    st.sampled_from([{"type": "integer"}, {"type": "string"}, {"minItems": 3}, {"enum": [1, "a"]}, {}]),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"items": inner}),
        st.fixed_dictionaries({"properties": st.fixed_dictionaries({"a": inner, "b": inner})}),
        st.fixed_dictionaries(
            {"properties": st.fixed_dictionaries({"a": inner}), "additionalProperties": st.booleans()}
        ),
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"required": st.just(["a", "f"])}),
        st.fixed_dictionaries({"contains": inner}),
        st.fixed_dictionaries({"minProperties": st.just(3)}),
    ),
    max_leaves=8,
)


@given(SCHEMAS, VALUES, st.integers(0, 40))
def test_every_error_that_is_found_is_an_error_of_the_whole_arguments(
    schema: Mapping[str, Any], value: Any, most: int
) -> None:
    validator = jsonschema_rs.Draft202012Validator({"properties": {"v": schema}})
    arguments = {"v": value}
    everything = {(tuple(each.instance_path), tuple(each.schema_path)) for each in validator.iter_errors(arguments)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argument_errors, "MAX_VALUES", most)
        patch.setattr(argument_errors, "_MAX_ENTRIES", 2)
        found = argument_errors.find(validator, arguments)
        places = {(tuple(each.instance_path), tuple(each.schema_path)) for each in found.found}

    assert places <= everything
    assert not found.are_all or places == everything
