from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters import json_values
from converters.answer_budget import trimmed_json, trimmed_text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=10), inner, max_size=10),
    max_leaves=200,
)


def is_part(shown: Any, whole: Any) -> bool:
    """Tell whether `shown` is `whole` with lists, objects and texts that end early."""
    if isinstance(whole, dict):
        return list(shown) == list(whole)[: len(shown)] and all(is_part(shown[name], whole[name]) for name in shown)
    if isinstance(whole, list):
        return len(shown) <= len(whole) and all(is_part(*pair) for pair in zip(shown, whole, strict=False))
    if isinstance(whole, str) and shown != whole:
        return shown.endswith("…") and whole.startswith(shown[:-1])
    return bool(shown == whole)


@given(JSON, st.integers(50, 2_000))
def test_what_is_shown_is_the_beginning_of_everything(value: Any, budget: int) -> None:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    cut = trimmed_json(text, budget)

    assert is_part(json.loads(cut.text), value)
    assert len(text) > budget or (cut.text, cut.notes) == (text, [])


def test_a_huge_member_does_not_crowd_out_the_others() -> None:
    value = {"total": 5000, "items": [{"id": n} for n in range(5_000)], "page": {"next": "x" * 500}}
    cut = trimmed_json(json.dumps(value), 5_000)
    shown = json.loads(cut.text)

    assert len(cut.text) <= 5_000
    assert (shown["total"], shown["page"]) == (5000, value["page"])
    assert cut.notes == [f"/items shows {len(shown['items'])} of 5,000 entries"]


def test_digits_stay_what_they_were() -> None:
    text = '{"id": 9007199254740993123, "rate": 1.10, "zero": -0, "rows": [' + "1.50," * 5_000 + "2]}"

    assert trimmed_json(text, 500).text.startswith('{"id":9007199254740993123,"rate":1.10,"zero":-0,"rows":[1.50,')


def test_one_entry_that_is_too_large_is_cut_itself() -> None:
    cut = trimmed_json(json.dumps([{"html": "x" * 9_000}, 2]), 1_000)

    assert len(json.loads(cut.text)[0]["html"]) < 1_000
    assert cut.notes[0].startswith("/0/html shows ")
    assert cut.notes[1] == "/ shows 1 of 2 entries"


def test_many_places_are_summed_up() -> None:
    cut = trimmed_json(json.dumps({f"n{n}": ["x" * 300] * 30 for n in range(20)}), 9_000)

    assert len(cut.notes) == 6
    assert cut.notes[-1].endswith(" further places were shortened")


def test_text_and_what_is_no_strict_json_end_early() -> None:
    assert trimmed_text("x" * 300, 200).text == "x" * 200
    assert trimmed_json("[NaN," + "1," * 500 + "1]", 200).notes == ["the first 200 of 1,007 characters are shown"]


@given(JSON, st.integers(0, 300))
def test_a_size_is_the_length_of_what_is_written(value: Any, most: int) -> None:
    size = len(json_values.write(value))
    counted = json_values.size(value, most)

    assert counted == size if size <= most else counted > most


def test_an_object_of_many_members_shows_the_first() -> None:
    cut = trimmed_json(json.dumps({f"name {n}": n for n in range(10_000)}), 1_000)

    assert len(cut.text) <= 1_000
    assert cut.notes == [f"/ shows {len(json.loads(cut.text))} of 10,000 members"]


def test_a_name_that_is_an_answer_of_its_own_is_left_out_and_shortened_in_notes() -> None:
    cut = trimmed_json(json.dumps({"list": [1] * 600, "x" * 900: [1] * 900}), 1_500)
    whole = trimmed_json(json.dumps({"x" * 2_000: 1, "a": 2}), 1_000)

    assert len(cut.text) <= 1_510
    assert max(map(len, cut.notes)) < 300
    assert (whole.text, whole.notes) == ("{}", ["/ shows 0 of 2 members"])


@pytest.mark.parametrize("number", ["1", "1.10"])
def test_what_is_nested_too_deep_is_emptied(number: str) -> None:
    cut = trimmed_json("[" * 40 + ",".join([number] * 900) + "]" * 40, 500)

    assert cut.text == "[" * 33 + "]" * 33
    assert cut.notes[0] == "/0" * 32 + " shows 0 of 1 entries, which are nested too deep"


def test_what_python_cannot_write_is_cut_as_a_text() -> None:
    """U1: numbers that keep their digits are written level by level, in Python, which gives up at some depth."""
    deep = "[" * 700 + "1.10" + "]" * 700
    cut = trimmed_json(f'[{deep},"{"x" * 3_000}"]', 2_000)

    assert cut.text == f'[{deep},"{"x" * 3_000}"]'[:2_000]


@pytest.mark.parametrize("opening", ['{"a":', "["])
def test_deep_answers_are_measured_once_for_each_level_shown(opening: str) -> None:
    """U4: every level was written whole to be measured, on the event loop."""
    depth = 900
    text = opening * depth + "[" + "1," * 1_000_000 + "1]" + ("}" if "{" in opening else "]") * depth
    started = time.process_time()
    trimmed_json(text, 100_000)

    assert time.process_time() - started < 8
