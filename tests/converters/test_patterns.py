from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters import ArgumentsError
from converters.arguments import ArgumentChecker
from converters.patterns import as_written, for_validator

# How ECMA-262 writes something, and how Python's `re` writes the same.
ANY = "[^\n\r\u2028\u2029]"
PIECES = [
    (".", ANY), (r"\.", r"\."), (r"\\.", r"\\" + ANY), ("[.]", "[.]"), ("[^.]", "[^.]"), (r"[\].]", r"[\].]"),
    (r"[\\].", r"[\\]" + ANY), ("a", "a"), (r"\[.", r"\[" + ANY), ("(?:a|.)", f"(?:a|{ANY})"), (".?", f"{ANY}?"),
    (".{2}", ANY + "{2}"), ("(?!a).", f"(?!a){ANY}"), ("(?=.)", f"(?={ANY})"),
]  # fmt: skip


def fits(value: Any, schema: dict[str, Any]) -> bool:
    try:
        ArgumentChecker({"type": "object", "properties": {"v": schema}}).check({"v": value})
    except ArgumentsError:
        return False
    return True


@given(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=4),
    st.text(st.sampled_from("a.[]\\\n\r\u2028\u2029\x85\xe9"), max_size=5),
)
def test_a_dot_is_no_line_terminator_as_in_ecma_262(pieces: list[tuple[str, str]], text: str) -> None:
    written, oracle = ("".join(each) for each in zip(*pieces, strict=True))

    assert fits(text, {"pattern": f"^{written}$"}) == bool(re.search(rf"\A(?:{oracle})\Z", text))


@pytest.mark.parametrize("end", ["\n", "\r", "\u2028", "\u2029"])
@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": "^a.$"},
        {"items": {"pattern": "^a.$"}, "anyOf": [{"pattern": "^a.$"}]},
        {"allOf": [{"not": {"not": {"pattern": "^a.$"}}}]},
    ],
)
def test_a_pattern_is_read_wherever_it_stands(schema: dict[str, Any], end: str) -> None:
    assert not fits("a" + end, schema)
    assert fits("ab", schema)


def test_names_are_matched_alike() -> None:
    schema = {"patternProperties": {"^a.$": {"type": "integer"}}, "additionalProperties": False}

    assert fits({"ab": 1}, schema)
    assert not fits({"ab": "x"}, schema)
    assert not fits({"a\r": 1}, schema)


def test_what_is_no_pattern_stays() -> None:
    schema = {
        "properties": {"pattern": {"type": "string", "const": {"pattern": "a.b"}}, "enum": {"pattern": "."}},
        "enum": [{"pattern": "."}],
        "pattern": r"(?s:.)\.",
    }
    read = for_validator(schema)

    assert read == {**schema, "properties": {**schema["properties"], "enum": {"pattern": ANY}}}  # type: ignore[dict-item]


def test_a_refusal_shows_the_pattern_as_it_is_written() -> None:
    with pytest.raises(ArgumentsError, match=r"a text that matches the pattern \"\^a\.\$\", got"):
        ArgumentChecker({"properties": {"v": {"pattern": "^a.$"}}}).check({"v": "a\r"})
    assert as_written(for_validator({"pattern": "^a.$"})["pattern"]) == "^a.$"
