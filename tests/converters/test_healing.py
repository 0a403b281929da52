from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from converters import ArgumentsError
from converters.arguments import ArgumentChecker

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "petId": {"type": "integer"},
        "status": {"enum": ["Available", "sold-out", "SOLD_OUT", "gone"]},
        "filter": {"$ref": "#/$defs/Filter"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "any": {"anyOf": [{"type": "object", "properties": {"a": {"type": "integer"}}}, {"type": "array"}]},
        "text": {"type": "string"},
        "free": {},
        "price": {"type": ["number", "null"]},
        "flag": {"type": "boolean"},
        "twin_a": {"type": "string"},
        "twinA": {"type": "string"},
    },
    "additionalProperties": False,
    "$defs": {
        "Filter": {
            "type": "object",
            "properties": {"minPrice": {"type": "number"}, "state": {"enum": ["on", "off"]}},
            "additionalProperties": False,
        }
    },
}


def healed(arguments: dict[str, Any], *, numbers: bool = False) -> tuple[Any, list[str]]:
    checked = ArgumentChecker(SCHEMA).check(arguments, heal_numbers=numbers)
    return checked.values, [repair.sentence() for repair in checked.repairs]


@pytest.mark.parametrize(
    "given",
    [
        {"petId": "9" * 5_000},
        {"petId": "1e99999999999999999999"},
        {"petId": "[" * 100_000},
        {"petId": "[" * 5_000 + "]" * 5_000},
        {"tags": "[" * 100_000},
        {"any": "[" * 65 + "]" * 65},
        {"any": '{"a":' * 900 + "1" + "}" * 900},
    ],
)
@pytest.mark.parametrize("numbers", [True, False])
def test_a_text_that_cannot_be_read_is_refused_and_breaks_nothing(given: dict[str, Any], *, numbers: bool) -> None:
    """U2: what Python cannot read, or could not write, is no argument."""
    with pytest.raises(ArgumentsError):
        healed(given, numbers=numbers)


def test_a_text_may_be_nested_as_deep_as_a_message() -> None:
    values, _ = healed({"any": "[" * 64 + "]" * 64})

    assert json.dumps(values["any"]) == "[" * 64 + "]" * 64


@pytest.mark.parametrize(
    ("given", "meant", "told"),
    [
        ({"tags": '["a", "b"]'}, {"tags": ["a", "b"]}, "/tags: the text was read as the JSON that it holds."),
        ({"filter": '{"minPrice": 1}'}, {"filter": {"minPrice": 1}}, "/filter: the text was read as"),
        ({"any": ' {"a": 1}'}, {"any": {"a": 1}}, "/any: the text was read as"),
        ({"any": "[1]"}, {"any": [1]}, "/any: the text was read as"),
        ({"PetID": 1}, {"petId": 1}, "/petId: the name 'PetID' was read as 'petId'."),
        ({"pet_id": 1}, {"petId": 1}, "/petId: the name 'pet_id' was read as 'petId'."),
        ({"filter": {"min-price": 1}}, {"filter": {"minPrice": 1}}, "/filter/minPrice: the name 'min-price'"),
        ({"status": "available"}, {"status": "Available"}, "/status: 'available' was read as 'Available'."),
        ({"filter": {"state": "ON"}}, {"filter": {"state": "on"}}, "/filter/state: 'ON' was read as 'on'."),
    ],
)
def test_what_is_plain_is_repaired_and_told(given: dict[str, Any], meant: dict[str, Any], told: str) -> None:
    before = json.dumps(given)
    values, repairs = healed(given)

    assert values == meant
    assert len(repairs) == 1
    assert repairs[0].startswith(told)
    assert json.dumps(given) == before


def test_repairs_reach_into_what_was_repaired() -> None:
    values, repairs = healed({"Filter": '{"min_price": 1.50, "state": "Off"}'})

    assert values == {"filter": {"minPrice": Decimal("1.50"), "state": "off"}}
    assert str(values["filter"]["minPrice"]) == "1.50"
    assert len(repairs) == 4


@pytest.mark.parametrize(
    "given",
    [
        {"petId": "5"},
        {"flag": "true"},
        {"price": "1.5"},
        {"petId": [5]},
        {"petId": 1.5},
        {"petId": None},
        {"filter": []},
        {"filter": "[1]"},
        {"filter": "{"},
        {"filter": '{"minPrice": 1, "minPrice": 2}'},
        {"filter": '{"minPrice": NaN}'},
        {"tags": '"a"'},
        {"status": "sold out"},
        {"status": 5},
        {"twina": "x"},
        {"petId": 1, "PetId": 2},
        {"petIdent": 1},
        {"filter": '{"state": "\\ud800"}'},
    ],
)
def test_what_could_mean_two_things_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ArgumentsError):
        ArgumentChecker(SCHEMA).check(given)


@pytest.mark.parametrize("given", [{"text": '{"a": 1}'}, {"free": "[1]"}, {"text": "5"}, {"twin_a": "x", "twinA": "y"}])
def test_what_fits_is_left_alone(given: dict[str, Any]) -> None:
    assert healed(given, numbers=True) == (given, [])


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"petId": "5"}, {"petId": 5}),
        ({"price": "1.50"}, {"price": Decimal("1.50")}),
        ({"filter": {"minPrice": "-2e3"}}, {"filter": {"minPrice": -2000}}),
        ({"flag": "true"}, {"flag": True}),
    ],
)
def test_numbers_written_as_texts_are_read_where_that_is_asked_for(
    given: dict[str, Any], meant: dict[str, Any]
) -> None:
    values, repairs = healed(given, numbers=True)

    assert values == meant
    assert len(repairs) == 1


@pytest.mark.parametrize(
    "given", [{"petId": "5.5"}, {"petId": "five"}, {"petId": " 5"}, {"petId": "٥"}, {"flag": "yes"}]
)
def test_texts_that_are_no_such_number_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ArgumentsError):
        ArgumentChecker(SCHEMA).check(given, heal_numbers=True)
