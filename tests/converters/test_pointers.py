from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters import pointers

# RFC 6901 section 5 and section 6.
EXAMPLES = [
    ("", "", ()),
    ("/foo", "/foo", ("foo",)),
    ("/foo/0", "/foo/0", ("foo", "0")),
    ("/", "/", ("",)),
    ("/a~1b", "/a~1b", ("a/b",)),
    ("/c%d", "/c%25d", ("c%d",)),
    ("/e^f", "/e%5Ef", ("e^f",)),
    ("/g|h", "/g%7Ch", ("g|h",)),
    ("/i\\j", "/i%5Cj", ("i\\j",)),
    ('/k"l', "/k%22l", ('k"l',)),
    ("/ ", "/%20", (" ",)),
    ("/m~0n", "/m~0n", ("m~n",)),
]


@pytest.mark.parametrize(("pointer", "fragment", "tokens"), EXAMPLES)
def test_the_examples_of_rfc_6901(pointer: str, fragment: str, tokens: tuple[str, ...]) -> None:
    assert pointers.tokens(pointer) == tokens
    assert pointers.from_tokens(tokens) == pointer
    assert pointers.from_fragment(fragment) == pointer


@given(tokens=st.lists(st.text(), min_size=1))
def test_tokens_survive_being_joined_and_split(tokens: list[str]) -> None:
    assert pointers.tokens(pointers.from_tokens(tokens)) == tuple(tokens)


def test_numbers_and_names_are_appended_escaped() -> None:
    assert pointers.join("/paths", "/a~b", 0) == "/paths/~1a~0b/0"
