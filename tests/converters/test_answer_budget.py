from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from converters.answer_budget import trimmed_json, trimmed_text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=10), inner, max_size=10),
    max_leaves=200,
)


def is_part(shown: Any, whole: Any) -> bool:
    """Tell whether `shown` is `whole` with lists and texts that end early."""
    if isinstance(whole, dict):
        return shown.keys() == whole.keys() and all(is_part(shown[name], whole[name]) for name in whole)
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
