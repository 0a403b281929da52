"""Mistakes that models make, and the texts from which they correct them.

The texts are recorded in `mistakes.json`; after a change, `python -m tests.converters.test_mistakes` records them
anew, and the difference is what to review.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from converters import ArgumentsError
from converters.arguments import ArgumentChecker
from tests.converters.descriptions import only_tool

RECORDED: Final = Path(__file__).with_name("mistakes.json")
ADDRESS: Final = {
    "type": "object",
    "properties": {
        "street": {"type": "string"},
        "city": {"type": "string", "minLength": 2},
        "country": {"type": "string"},
    },
    "required": ["street", "city"],
    "additionalProperties": False,
}
BODY: Final = {
    "type": "object",
    "required": ["customer", "items"],
    "properties": {
        "customer": {"type": "string", "format": "uuid", "minLength": 36},
        "items": {
            "type": "array",
            "minItems": 1,
            "maxItems": 50,
            "uniqueItems": True,
            "items": {
                "type": "object",
                "required": ["sku", "quantity"],
                "properties": {
                    "sku": {"type": "string", "pattern": "^[A-Z]{3}-[0-9]+$"},
                    "quantity": {"type": "integer", "minimum": 1, "maximum": 99},
                    "price": {"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.5},
                },
            },
        },
        "address": ADDRESS,
        "gift": {"type": "boolean"},
        "note": {"type": "string", "maxLength": 10},
        "priority": {"enum": ["low", "normal", "high"]},
        "currency": {"const": "EUR"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": 2},
        "payment": {
            "oneOf": [
                {
                    "type": "object",
                    "required": ["kind", "iban"],
                    "properties": {"kind": {"const": "transfer"}, "iban": {"type": "string"}},
                },
                {
                    "type": "object",
                    "required": ["kind", "number"],
                    "properties": {"kind": {"const": "card"}, "number": {"type": "string"}, "cvc": {"type": "integer"}},
                },
            ]
        },
        "when": {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]},
    },
}
CUSTOMER: Final = "123e4567-e89b-42d3-a456-426614174000"
ITEM: Final = {"sku": "ABC-1", "quantity": 1}
GOOD: Final[dict[str, Any]] = {"shop": 7, "customer": CUSTOMER, "items": [ITEM]}
MISTAKES: Final[dict[str, dict[str, Any]]] = {
    "no argument at all": {},
    "a required argument is missing": {"shop": 7, "items": [ITEM]},
    "a misspelt argument": {**GOOD, "currensy": "EUR"},
    "an invented argument": {**GOOD, "idempotency_key": "x"},
    "an argument of a nested object beside the others": {**GOOD, "city": "Oslo"},
    "an argument within a nested object": {**GOOD, "address": {"street": "a", "city": "Oslo", "note": "x"}},
    "all arguments within `body`": {"shop": 7, "body": {"customer": CUSTOMER, "items": [ITEM]}},
    "a text for an integer": {**GOOD, "shop": "7"},
    "a word for an integer": {**GOOD, "shop": "seven"},
    "a fraction for an integer": {**GOOD, "shop": 7.5},
    "a text for a boolean": {**GOOD, "gift": "true"},
    "a number for a text": {**GOOD, "note": 5},
    "null for a text": {**GOOD, "note": None},
    "a text for an object": {**GOOD, "address": "1 Main Street, Oslo"},
    "a list for an object": {**GOOD, "address": ["1 Main Street", "Oslo"]},
    "an object for a list": {**GOOD, "items": ITEM},
    "one text for a list of texts": {**GOOD, "tags": "red"},
    "one number for a list of texts": {**GOOD, "tags": 5},
    "a list with one wrong item": {**GOOD, "tags": ["red", 5]},
    "an empty list": {**GOOD, "items": []},
    "an item twice": {**GOOD, "items": [ITEM, ITEM]},
    "a nested property is missing": {**GOOD, "items": [{"sku": "ABC-1"}]},
    "a nested value is too large": {**GOOD, "items": [{"sku": "ABC-1", "quantity": 100}]},
    "a value that is no multiple": {**GOOD, "items": [{**ITEM, "price": 0.3}]},
    "a value at an open bound": {**GOOD, "items": [{**ITEM, "price": 0}]},
    "a text against its pattern": {**GOOD, "items": [{"sku": "abc1", "quantity": 1}]},
    "a text that is too long": {**GOOD, "note": "Please ring the bell twice."},
    "a text that is too short": {**GOOD, "address": {"street": "a", "city": "O"}},
    "an enum value that does not exist": {**GOOD, "priority": "urgent"},
    "an enum value that is misspelt": {**GOOD, "priority": "hgh"},
    "another constant": {**GOOD, "currency": "USD"},
    "too many free properties": {**GOOD, "labels": {"a": "1", "b": "2", "c": "3"}},
    "an alternative without what it requires": {**GOOD, "payment": {"kind": "card"}},
    "an alternative with a wrong type": {**GOOD, "payment": {"kind": "card", "number": "1", "cvc": "x"}},
    "an alternative that does not exist": {**GOOD, "payment": {"kind": "cash"}},
    "no alternative at all": {**GOOD, "when": "tomorrow"},
    "several mistakes at once": {"shop": 0, "customer": 5, "items": [{"sku": "x"}], "gift": "yes", "extra": 1},
}


def checker() -> ArgumentChecker:
    body = {"required": True, "content": {"application/json": {"schema": BODY}}}
    shop = {"name": "shop", "in": "query", "required": True, "schema": {"type": "integer", "minimum": 1}}
    return ArgumentChecker(only_tool({"parameters": [shop], "requestBody": body}, method="post").input_schema)


def told(arguments: dict[str, Any]) -> list[str]:
    with pytest.raises(ArgumentsError) as caught:
        checker().check(arguments)
    return caught.value.message.splitlines()


def test_a_call_without_mistakes_is_accepted() -> None:
    assert checker().check(GOOD).values == GOOD


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_as_recorded(mistake: str) -> None:
    assert told(MISTAKES[mistake]) == json.loads(RECORDED.read_bytes())[mistake]["told"]


def test_every_recorded_mistake_is_made() -> None:
    assert list(json.loads(RECORDED.read_bytes())) == list(MISTAKES)


def record() -> None:
    """Write the texts anew."""
    recorded = {mistake: {"arguments": given, "told": told(given)} for mistake, given in MISTAKES.items()}
    RECORDED.write_text(json.dumps(recorded, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    record()
