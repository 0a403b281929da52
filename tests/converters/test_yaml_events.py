from __future__ import annotations

import json
import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from converters.errors import DescriptionError
from converters.limits import DEFAULT_LIMITS
from converters.yaml_events import load
from converters.yaml_positions import lines_of_yaml

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(TEXTS, values, max_size=3),
    max_leaves=10,
)


def read(text: str) -> Any:
    return load(text, DEFAULT_LIMITS)[0]


@given(value=VALUES, flow=st.booleans())
def test_what_a_yaml_writer_writes_is_read_back(value: Any, flow: bool) -> None:
    assert read(yaml.safe_dump(value, default_flow_style=flow, allow_unicode=True)) == value


@given(value=st.dictionaries(TEXTS, VALUES, max_size=3))
def test_json_is_yaml(value: dict[str, Any]) -> None:
    assert read(json.dumps(value, ensure_ascii=False)) == value


def test_block_texts_keep_their_lines() -> None:
    assert read("a: |\n  one\n  two\nb: >-\n  one\n  two\n") == {"a": "one\ntwo\n", "b": "one two"}


def test_what_an_alias_repeats_is_shared_not_copied() -> None:
    document = read("a: &a {b: 1}\nc: *a\n")

    assert document["a"] is document["c"]


def test_an_anchor_may_be_defined_anew() -> None:
    assert read("a: &x 1\nb: *x\nc: &x 2\nd: *x\n") == {"a": 1, "b": 1, "c": 2, "d": 2}


def test_an_alias_can_be_a_key() -> None:
    assert read("a: &k name\n*k : 1\n") == {"a": "name", "name": 1}


@pytest.mark.parametrize("text", ["a: !!int x", "a: !!float y", "a: !!bool z"])
def test_a_core_tag_on_a_text_that_does_not_fit_stays_a_text(text: str) -> None:
    assert isinstance(read(text)["a"], str)


def test_a_hundred_thousand_values_take_well_under_three_seconds() -> None:
    text = "a:\n" + "- {b: c, d: 1}\n" * 20_000
    started = time.process_time()

    assert len(read(text)["a"]) == 20_000
    assert time.process_time() - started < 3


def test_merge_of_something_that_is_no_mapping_adds_nothing() -> None:
    assert read("a: {<<: text, b: 1}") == {"a": {"b": 1}}


def test_lines_skip_what_is_not_wanted() -> None:
    text = "skip:\n  deep: [a, {b: c}]\nwanted:\n  - x\n  - y: 1\n"

    assert lines_of_yaml(text, {("wanted", "1", "y")}) == {("wanted", "1", "y"): 5}


def test_a_syntax_error_names_line_and_column() -> None:
    with pytest.raises(DescriptionError, match="line 2, column 5"):
        read("a: 1\nb: [}\n")
