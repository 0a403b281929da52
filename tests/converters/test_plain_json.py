"""JSON that goes through unread: what counts as plain is what a strict reader takes, and every client with it."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters import json_values

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


TOO_LARGE = ["1e999", "1E400", "-1e+309", "9" * 400, "1" * 250 + "e90"]
NO_JSON = [
    "NaN",
    "Infinity",
    "{",
    "01",
    "1.",
    '{"a":1,}',
    '"\x01"',
    "1 2",
    "{} {}",
    "'a'",
    "tru",
    '"\\x"',
    "[" * 100_000,
]
HALVES = ['"\\ud800"', '"\\udc00x"']


@pytest.mark.parametrize("text", TOO_LARGE + NO_JSON + HALVES)
def test_what_some_reader_would_refuse_or_change_is_not_plain(text: str) -> None:
    assert not json_values.is_plain(text)
    assert not json_values.is_plain(f'{{"a":[{text}]}}')


@given(VALUES)
def test_what_a_strict_reader_takes_is_plain_and_read_alike(value: Any) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        assert json_values.is_plain(text) or "e" in text
        if json_values.is_plain(text):
            assert json.loads(text) == value


@given(st.integers(0, 400), st.integers(-400, 400), st.sampled_from(["e", "E", "e+", "E+"]))
def test_a_number_that_is_read_as_infinity_is_never_plain(digits: int, exponent: int, letter: str) -> None:
    number = "1" + "0" * digits + (f"{letter}{exponent}" if exponent >= 0 else f"e{exponent}")
    if json_values.is_plain(f'{{"a": {number}}}'):
        assert math.isfinite(float(number))


@given(VALUES)
def test_what_is_written_quickly_is_the_value(value: Any) -> None:
    assert json.loads(json_values.to_bytes(value)) == value


def test_half_of_a_pair_is_written_as_a_question_mark_and_told() -> None:
    assert json_values.to_bytes({"a": "\ud800"}) == b'{"a":"?"}'
    assert json_values.to_bytes([1 << 80]) == b"[1208925819614629174706176]"
    assert not json_values.is_writable(["\ud800"])
    assert not json_values.is_writable({"\udc00": 1})
    assert json_values.is_writable({"a": ["é", 1, None]})


@pytest.mark.parametrize(
    "text", ['"1e999"', '{"sha":"da39a3ee5e6b4b0d3255bfef95601890afd80709e123"}', '["5e1234 ", 1e99]', '["x1e9999"]']
)
def test_a_text_that_looks_like_a_large_number_is_plain(text: str) -> None:
    assert json_values.is_plain(text)


@pytest.mark.parametrize("digits", [1, 150, 199, 200, 255, 256, 257, 400])
def test_a_large_exponent_is_found_after_any_number(digits: int) -> None:
    for number in ("1" + "0" * digits, "-0." + "0" * digits + "1", "1." + "0" * digits):
        assert not json_values.is_plain(f"[0, {number}e2000]"), number
