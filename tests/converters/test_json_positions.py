from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from converters.json_positions import duplicate_key_lines, line_starts, lines_of_json, trie, with_ancestors

KEYS = st.text(alphabet='ab"\\/{}[]:,é\n', max_size=3)
VALUES = st.recursive(
    st.integers() | st.text(alphabet='"\\{}[]:,\n', max_size=4) | st.none(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(KEYS, values, max_size=3),
    max_leaves=8,
)


def paths_of(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(below for key, child in children for below in paths_of(child, (*path, str(key))))]


def test_lines_start_after_each_newline() -> None:
    assert line_starts("ab\n\nc\n") == [0, 3, 4, 6]


def test_paths_share_their_beginnings_in_a_trie() -> None:
    assert trie({("a", "b"), ("a", "c"), ("d",)}) == {"a": {"b": {}, "c": {}}, "d": {}}


def test_a_path_that_was_not_found_gets_the_line_of_its_nearest_ancestor() -> None:
    wanted = {("a", "b", "c"), ("x",), ()}

    assert with_ancestors({("a",): 7}, wanted) == {("a", "b", "c"): 7, ("x",): 1, (): 1}


@given(value=st.dictionaries(KEYS, VALUES, max_size=3))
def test_every_line_found_holds_the_key_or_item(value: dict[str, Any]) -> None:
    text = json.dumps(value, indent=1)
    written = text.split("\n")
    paths = set(paths_of(value))

    for path, line in lines_of_json(text, paths).items():
        # Indented by one, each key or item stands on a line of its own.
        indentation = len(written[line - 1]) - len(written[line - 1].lstrip())
        assert indentation == len(path)
        key = json.dumps(path[-1]) if path else ""
        assert written[line - 1].strip().startswith((f"{key}:", "{", "[", '"', "-", "n", *"0123456789"))


def test_lines_are_found_in_json_without_any_white_space() -> None:
    assert lines_of_json('{"a":[{"b":1},{"c":2}]}', {("a", "1", "c")}) == {("a", "1", "c"): 1}


def test_lines_are_found_across_carriage_returns() -> None:
    assert lines_of_json('{\r\n"a":\r\n1}', {("a",)}) == {("a",): 2}


def test_the_two_places_of_a_duplicate_key_are_those_of_one_object() -> None:
    text = '{"a": {"k": 1},\n "b": [{"k": 1},\n {"k": 1, "x": {"k": 2},\n "k": 3}]}'

    assert duplicate_key_lines(text, "k") == (3, 4)
