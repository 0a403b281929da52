from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.diagnostics import DiagnosticLog
from converters.texts import shortened, visible


def cleaned(text: str) -> tuple[str, list[str]]:
    log = DiagnosticLog()
    result = visible(text, "/info", log)
    return result, [each.message for each in log.found()]


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "two\nlines\tand a tab",
        "Größe, 日本語, العربية",
        "👩\u200d💻 and 🇩🇪",
        "می\u200cخواهم",
        "क्\u200dष",
        "non\u00a0breaking",
    ],
)
def test_what_people_see_stays(text: str) -> None:
    assert cleaned(text) == (text, [])


@pytest.mark.parametrize(
    ("text", "left", "named"),
    [
        ("zero\u200bwidth", "zerowidth", "U+200B"),
        ("\ufeffmark", "mark", "U+FEFF"),
        ("abc\u202edef\u202c", "abcdef", "U+202C, U+202E"),
        ("a\u2066b\u2069", "ab", "U+2066, U+2069"),
        ("\x1b[8mhidden", "[8mhidden", "U+001B"),
        ("bell\x07", "bell", "U+0007"),
        ("c1\x9b31m", "c131m", "U+009B"),
        ("soft\u00adhyphen", "softhyphen", "U+00AD"),
        ("tag\U000e0041\U000e007f", "tag", "U+E0041, U+E007F"),
        ("word\u2060joiner", "wordjoiner", "U+2060"),
        ("as\u200dcii", "ascii", "U+200D"),
        ("é\u200d\u200c\u200dü", "éü", "U+200C, U+200D"),
        ("\u200dstart", "start", "U+200D"),
        ("null\x00", "null", "U+0000"),
    ],
)
def test_what_people_do_not_see_is_removed_and_told(text: str, left: str, named: str) -> None:
    result, messages = cleaned(text)

    assert result == left
    (message,) = messages
    assert message.endswith(f": {named}.")


def test_line_ends_become_newlines_and_outer_space_goes() -> None:
    assert cleaned("  a\r\nb\rc \n") == ("a\nb\nc", [])


@given(text=st.text(max_size=200), budget=st.integers(10, 100))
def test_a_shortened_text_fits_its_budget_and_starts_alike(text: str, budget: int) -> None:
    short = shortened(text, budget)

    assert len(short) <= budget
    assert short == text or (short.endswith("…") and text.startswith(short[:-1]))


@pytest.mark.parametrize(
    ("text", "budget", "short"),
    [
        ("First paragraph.\n\nSecond paragraph that is long.", 24, "First paragraph.…"),
        ("First sentence. Second sentence that is long.", 24, "First sentence.…"),
        ("one two three four five", 12, "one two…"),
        ("unbreakable" * 3, 12, "unbreakable…"),
        ("fits", 4, "fits"),
    ],
)
def test_a_text_is_cut_where_it_reads_well(text: str, budget: int, short: str) -> None:
    assert shortened(text, budget) == short
