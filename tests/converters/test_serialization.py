from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters import json_values, serialization
from tests.converters.wire_vectors import RESERVED, VECTORS

TEXTS = st.text(st.characters(codec="utf-8"))
SCALARS = TEXTS | st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)


def written(location: str, style: str, value: Any, *, explode: bool, allow_reserved: bool = False) -> str:
    match location:
        case "path":
            return serialization.path_segment("color", value, style, explode=explode)
        case "query":
            return "&".join(
                serialization.query_pairs("color", value, style, explode=explode, allow_reserved=allow_reserved)
            )
        case "header":
            return serialization.header_value(value, style, explode=explode)
        case _:
            return "; ".join(serialization.cookie_pairs("color", value, style, explode=explode))


@pytest.mark.parametrize(("location", "style", "explode", "value", "wire"), VECTORS)
def test_a_value_is_written_as_its_style_says(location: str, style: str, explode: bool, value: Any, wire: str) -> None:
    assert written(location, style, value, explode=explode) == wire


@pytest.mark.parametrize(("location", "style", "explode", "value", "wire"), RESERVED)
def test_reserved_characters_stay_where_they_are_allowed(
    location: str,
    style: str,
    explode: bool,
    value: Any,
    wire: str,
) -> None:
    assert written(location, style, value, explode=explode, allow_reserved=True) == wire


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        ("/foo/bar", "/foo/bar"),
        ("a?b=c#d", "a%3Fb=c%23d"),
        ("projects/p/topics/t:v", "projects/p/topics/t:v"),
        ("50%2F", "50%252F"),
    ],
)
def test_reserved_expansion_in_a_path_never_ends_it(value: str, wire: str) -> None:
    assert serialization.path_segment("a", value, "simple", explode=False, allow_reserved=True) == wire


@pytest.mark.parametrize("style", ["simple", "label", "matrix"])
@pytest.mark.parametrize("value", [[], {}, [None], {"a": None}])
@pytest.mark.parametrize("explode", [False, True])
def test_an_undefined_value_is_nothing_in_a_path(style: str, value: Any, explode: bool) -> None:
    assert serialization.path_segment("a", value, style, explode=explode) == ""


@pytest.mark.parametrize("name", ["a b", "a[b]", "größe", "a&b", "$top", "a=b", "a#b"])
def test_a_name_is_percent_encoded_in_the_query(name: str) -> None:
    (pair,) = serialization.query_pairs(name, "x", "form", explode=True)

    assert parse_qsl(pair, keep_blank_values=True) == [(name, "x")]


# --- a decoder reads back what was given


@given(value=TEXTS)
def test_a_path_segment_decodes_to_the_value(value: str) -> None:
    segment = serialization.path_segment("a", value, "simple", explode=False)

    assert unquote(segment, errors="strict") == value
    assert not set("/?#&;=,") & set(segment)


@given(values=st.dictionaries(TEXTS, TEXTS, max_size=4))
def test_an_exploded_object_reads_back_as_the_same_pairs(values: dict[str, str]) -> None:
    query = "&".join(serialization.query_pairs("color", values, "form", explode=True))

    assert parse_qsl(query, keep_blank_values=True) == list(values.items())


@given(name=TEXTS.filter(bool), values=st.lists(TEXTS, max_size=4))
def test_an_exploded_list_reads_back_as_the_same_pairs(name: str, values: list[str]) -> None:
    query = "&".join(serialization.query_pairs(name, values, "form", explode=True))

    assert parse_qsl(query, keep_blank_values=True) == [(name, value) for value in values]


@given(values=st.lists(TEXTS, min_size=1, max_size=4))
def test_a_list_that_is_not_exploded_splits_back_at_its_commas(values: list[str]) -> None:
    (pair,) = serialization.query_pairs("a", values, "form", explode=False)

    assert [unquote(each) for each in pair.removeprefix("a=").split(",")] == values


@given(values=st.dictionaries(TEXTS, SCALARS, max_size=3))
def test_a_deep_object_reads_back_as_the_same_pairs(values: dict[str, Any]) -> None:
    query = "&".join(serialization.query_pairs("f", values, "deepObject", explode=True))

    assert parse_qsl(query, keep_blank_values=True) == [
        (f"f[{key}]", serialization.scalar(value)) for key, value in values.items()
    ]


@given(values=st.dictionaries(TEXTS, TEXTS | st.lists(TEXTS, max_size=3), max_size=3))
def test_a_form_reads_back_as_the_same_pairs(values: dict[str, Any]) -> None:
    form = "&".join(
        pair for name, value in values.items() for pair in serialization.form_pairs(name, value, None, explode=None)
    )

    assert parse_qsl(form, keep_blank_values=True) == [
        (name, each) for name, value in values.items() for each in (value if isinstance(value, list) else [value])
    ]


@given(value=TEXTS, allow_reserved=st.booleans())
def test_no_value_adds_a_pair_to_the_query(value: str, allow_reserved: bool) -> None:
    (pair,) = serialization.query_pairs("a", value, "form", explode=True, allow_reserved=allow_reserved)

    assert len(parse_qsl(pair, keep_blank_values=True)) == 1
    assert set(pair) & set('#&+[]" <>') == set()


# --- forms


@pytest.mark.parametrize(
    ("value", "style", "explode", "form"),
    [
        ("a b&c", None, None, "name=a+b%26c"),
        (5, None, None, "name=5"),
        (True, None, None, "name=true"),
        (["a", "b c"], None, None, "name=a&name=b+c"),
        ([], None, None, ""),
        ({"a": [1, None]}, None, None, "name=%7B%22a%22%3A%5B1%2Cnull%5D%7D"),
        ([{"a": 1}, {"b": 2}], None, None, "name=%7B%22a%22%3A1%7D&name=%7B%22b%22%3A2%7D"),
        (["a", "b"], "form", None, "name=a&name=b"),
        (["a", "b"], "form", False, "name=a,b"),
        (["a", "b"], None, False, "name=a,b"),
        (["a", "b"], "spaceDelimited", False, "name=a+b"),
        (["a", "b"], "pipeDelimited", None, "name=a%7Cb"),
        ({"a": 1, "b": 2}, "deepObject", True, "name%5Ba%5D=1&name%5Bb%5D=2"),
        ({"a": 1, "b": 2}, "deepObject", None, "name%5Ba%5D=1&name%5Bb%5D=2"),
        ({"a": 1, "b": 2}, "form", True, "a=1&b=2"),
        ({"a": 1, "b": 2}, "form", False, "name=a,1,b,2"),
    ],
)
def test_a_form_property_is_written_as_its_encoding_says(
    value: Any,
    style: str | None,
    explode: bool | None,
    form: str,
) -> None:
    assert "&".join(serialization.form_pairs("name", value, style, explode=explode)) == form


# --- JSON


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, 0.1, None, True, "é\u2028"]}, '{"a":[1,0.1,null,true,"é\u2028"]}'),
        (9223372036854775807, "9223372036854775807"),
        (10**40, "1" + "0" * 40),
        (-0.0, "-0.0"),
        ([Decimal("0.10000000000000000001"), {"a": Decimal("1E+3")}], '[0.10000000000000000001,{"a":1E+3}]'),
        ("\x00\x1f", '"\\u0000\\u001f"'),
    ],
)
def test_json_keeps_every_digit_and_character(value: Any, text: str) -> None:
    assert json_values.write(value) == text


@given(
    value=st.recursive(SCALARS | st.none(), lambda each: st.lists(each) | st.dictionaries(TEXTS, each), max_leaves=8)
)
def test_json_reads_back(value: Any) -> None:
    assert json.loads(json_values.write(value)) == value


@pytest.mark.parametrize(("value", "text"), [("a", "a"), (None, ""), (True, "true"), (1.5, "1.5"), ([1], "[1]")])
def test_a_scalar_is_its_text_and_anything_else_json(value: Any, text: str) -> None:
    assert serialization.scalar(value) == text
