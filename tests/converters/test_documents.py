from __future__ import annotations

import itertools
import json
import re
import resource
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.documents import decode, parse
from converters.errors import DescriptionError
from converters.limits import Limits

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(), values, max_size=4),
    max_leaves=20,
)


def refused(document: str | bytes, **limits: int) -> DescriptionError:
    raw = document.encode() if isinstance(document, str) else document
    with pytest.raises(DescriptionError) as caught:
        parse(raw, limits=Limits(**limits))
    assert caught.value.message.endswith(".")
    assert caught.value.remedy
    return caught.value


def root(document: str) -> Any:
    return parse(document.encode()).root


# --- what is accepted


def test_json_and_yaml_give_the_same_values() -> None:
    as_json = '{"openapi": "3.1.0", "tags": ["a", 1, 1.5, true, false, null], "empty": {}}'
    as_yaml = "openapi: 3.1.0\ntags:\n- a\n- 1\n- 1.5\n- true\n- false\n- null\nempty: {}\n"

    assert root(as_json) == root(as_yaml)


@given(value=st.dictionaries(st.text(), JSON_VALUES, max_size=4))
def test_any_json_object_is_read_as_the_json_parser_reads_it(value: dict[str, Any]) -> None:
    assert parse(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")).root == json.loads(
        json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    )


def test_json_with_trailing_commas_and_comments_is_read_as_yaml() -> None:
    assert root('{"a": 1, # one\n "b": [1, 2,],}') == {"a": 1, "b": [1, 2]}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("2020-01-01", "2020-01-01"),
        ("2020-01-01T10:00:00Z", "2020-01-01T10:00:00Z"),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("Off", "Off"),
        ("y", "y"),
        ("12:30:45", "12:30:45"),
        ("0777", 777),
        ("0o777", 511),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("+12", 12),
        ("1.0", 1.0),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1.2.3", "1.2.3"),
        ("3.1.0", "3.1.0"),
        ("~", None),
        ("", None),
        ("Null", None),
        ("TRUE", True),
        ("False", False),
        ("'true'", "true"),
        ('"1"', "1"),
        ("=", "="),
        ("!!str 12", "12"),
        ("!!int '12'", 12),
        ("!!null ''", None),
        ("! 12", "12"),
    ],
)
def test_yaml_scalars_follow_the_core_schema_of_yaml_1_2(written: str, value: object) -> None:
    read = root(f"a: {written}")["a"]

    assert (read, type(read)) == (value, type(value))


def test_yaml_keys_stay_texts_whatever_they_look_like() -> None:
    document = "200: a\nnull: b\ntrue: c\n1.0: d\nyes: e\n2020-01-01: f\n"

    assert root(document) == {"200": "a", "null": "b", "true": "c", "1.0": "d", "yes": "e", "2020-01-01": "f"}


def test_yaml_aliases_and_merge_keys_are_followed() -> None:
    document = """
base: &base {a: 1, b: 2}
more: &more {b: 3, c: 4}
one: {<<: *base, b: 9}
two: {<<: [*base, *more], d: 5}
same: *base
"""

    assert root(document) == {
        "base": {"a": 1, "b": 2},
        "more": {"b": 3, "c": 4},
        "one": {"b": 9, "a": 1},
        "two": {"d": 5, "a": 1, "b": 2, "c": 4},
        "same": {"a": 1, "b": 2},
    }


def test_a_quoted_merge_key_is_a_plain_key() -> None:
    assert root('a: {"<<": {b: 1}}') == {"a": {"<<": {"b": 1}}}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_byte_order_mark_tells_the_encoding(encoding: str) -> None:
    text = '{"title": "Größe 日本 😀"}'
    marks = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}

    assert parse(marks.get(encoding, b"") + text.encode(encoding)).root == {"title": "Größe 日本 😀"}


def test_a_lone_surrogate_is_replaced_and_told() -> None:
    document = parse(rb'{"info": {"description": "x\ud800y", "title": "\ud83d\ude00"}, "\udc00": 1}')

    assert document.root == {"info": {"description": "x\ufffdy", "title": "😀"}, "\ufffd": 1}
    assert sorted(document.replaced_text) == ["", "/info/description"]


def test_an_escaped_surrogate_in_yaml_is_a_syntax_error_of_that_line() -> None:
    error = refused('a: 1\nb: "\\ud800"\n')

    assert (error.code, error.line) == ("spec_syntax", 2)


# --- what is refused


@pytest.mark.parametrize(
    ("document", "code"),
    [
        pytest.param("", "spec_not_object", id="nothing"),
        pytest.param("  \n\t\n", "spec_not_object", id="white space"),
        pytest.param("null", "spec_not_object", id="null"),
        pytest.param("[]", "spec_not_object", id="a list"),
        pytest.param('"x"', "spec_not_object", id="a text"),
        pytest.param("42", "spec_not_object", id="a number"),
        pytest.param("true", "spec_not_object", id="a boolean"),
        pytest.param("- a\n- b", "spec_not_object", id="a YAML list"),
        pytest.param("<!DOCTYPE html><html><title>Sign in</title></html>", "spec_not_openapi", id="a web page"),
        pytest.param("\n<html>\n<body>a: b</body></html>", "spec_not_openapi", id="a web page that is YAML too"),
        pytest.param('<?xml version="1.0"?><a/>', "spec_not_openapi", id="XML"),
        pytest.param("a: 1\n---\nb: 2\n", "spec_multiple_documents", id="two documents"),
        pytest.param("a: &a [*a]", "spec_cycle", id="an alias within itself"),
        pytest.param("info: &a\n  title: x\n  bye: *a", "spec_cycle", id="an alias within its mapping"),
        pytest.param("a: *b", "spec_syntax", id="an alias without an anchor"),
        pytest.param("a: !!python/object/apply:os.system [id]", "spec_tag", id="a Python object"),
        pytest.param("a: !!binary aGVsbG8=", "spec_tag", id="binary"),
        pytest.param("a: !!timestamp 2020-01-01", "spec_tag", id="a timestamp"),
        pytest.param("a: !x y", "spec_tag", id="a local tag"),
        pytest.param("a: !!set {b, c}", "spec_tag", id="a set"),
        pytest.param("? [a, b]\n: c", "spec_syntax", id="a list as key"),
        pytest.param("? {a: b}\n: c", "spec_syntax", id="a mapping as key"),
        pytest.param("a: [1\nb: 2", "spec_syntax", id="an open list"),
        pytest.param('{"a": 1 "b": 2}', "spec_syntax", id="a missing comma"),
        pytest.param('{"a": NaN}', "spec_number", id="NaN"),
        pytest.param('{"a": -Infinity}', "spec_number", id="minus infinity"),
        pytest.param('{"a": 1e999}', "spec_number", id="1e999 in JSON"),
        pytest.param("a: .nan", "spec_number", id=".nan"),
        pytest.param("a: -.INF", "spec_number", id="-.INF"),
        pytest.param("a: 1e999", "spec_number", id="1e999 in YAML"),
        pytest.param('{"a": ' + "9" * 5_000 + "}", "spec_number", id="5,000 digits in JSON"),
        pytest.param("a: " + "9" * 5_000, "spec_number", id="5,000 digits in YAML"),
        pytest.param("a: 0x" + "f" * 5_000, "spec_number", id="5,000 hexadecimal digits"),
        pytest.param("a: 0o" + "7" * 5_000, "spec_number", id="5,000 octal digits"),
    ],
)
def test_a_document_that_is_no_description_is_refused(document: str, code: str) -> None:
    assert refused(document).code == code


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"PK\x03\x04rest", id="zip"),
        pytest.param(b"\x89PNG\r\n\x1a\n", id="PNG"),
        pytest.param(b"\x7fELF\x02\x01", id="ELF"),
        pytest.param(b"%PDF-1.7\n%\xe2\xe3", id="PDF"),
        pytest.param(b"\x1f\x8b\x08\x00", id="gzip"),
        pytest.param(bytes(range(256)) * 4, id="every byte"),
        pytest.param("{}".encode("utf-16-le"), id="UTF-16 without a byte order mark"),
        pytest.param("{}".encode("utf-32"), id="UTF-32"),
        pytest.param(b"a: \x00", id="NUL"),
    ],
)
def test_a_binary_file_is_refused_as_such(raw: bytes) -> None:
    assert refused(raw).code == "spec_not_text"


def test_broken_utf_8_is_refused_with_the_offset() -> None:
    error = refused(b"a: " + b"x" * 997 + b"\xff")

    assert error.code == "spec_encoding"
    assert "byte 1000" in error.message


def test_broken_utf_16_is_refused() -> None:
    assert refused(b"\xff\xfea\x00\x00").code in {"spec_encoding", "spec_not_text"}


def test_decoding_never_guesses_a_legacy_encoding() -> None:
    with pytest.raises(DescriptionError):
        decode("größe: 1".encode("latin-1"))


@pytest.mark.parametrize(
    ("document", "lines"),
    [
        pytest.param('{"x": {"get": 1},\n"y": {"get": 2},\n"z": {"get": 3,\n\n"get": 4}}', (3, 5), id="JSON"),
        pytest.param('{"paths": {"/a": {},\n "\\u002fa": {}}}', (1, 2), id="JSON, escaped differently"),
        pytest.param('{"a": "{\\"b\\": [",\n"c": 1,\n"a": 2}', (1, 3), id="JSON, brackets in a text"),
        pytest.param("x:\n  get: 1\ny:\n  get: 1\n  put: 2\n  get: 3\n", (4, 6), id="YAML"),
        pytest.param("paths:\n  /a: {}\n  '/a': {}\n", (2, 3), id="YAML, quoted differently"),
        pytest.param("responses:\n  200: a\n  '200': b\n", (2, 3), id="YAML, a number and a text"),
        pytest.param("{a: 1,\n a: 2}", (1, 2), id="YAML, flow"),
    ],
)
def test_a_duplicate_key_is_refused_with_both_lines(document: str, lines: tuple[int, int]) -> None:
    error = refused(document)

    assert error.code == "spec_duplicate_key"
    assert error.line == lines[1]
    assert [int(line) for line in re.findall(r"line (\d+)", error.message)] == list(lines)


def test_keys_that_a_mapping_overrides_in_what_it_merges_are_no_duplicates() -> None:
    assert root("a: &a {b: 1}\nc: {b: 2, <<: *a}") == {"a": {"b": 1}, "c": {"b": 2}}


# --- limits


@pytest.mark.parametrize("extra", [0, 1])
def test_the_size_limit_is_exact(extra: int) -> None:
    document = "a: " + "x" * 97 + "y" * extra

    if extra:
        assert refused(document, size=100).code == "spec_too_large"
    else:
        parse(document.encode(), limits=Limits(size=100))


@pytest.mark.parametrize("opening", ['{"a":', "[", '{"a":['])
@pytest.mark.parametrize("kind", ["JSON", "YAML"])
def test_a_hundred_levels_are_read_and_one_more_is_refused(opening: str, kind: str) -> None:
    prefix = {"JSON": '{"x": ', "YAML": "{x: "}[kind]
    closing = "".join({"{": "}", "[": "]"}[mark] for mark in reversed(opening) if mark in "{[")
    levels = len(closing)

    fits = prefix + opening * ((100 - 1) // levels) + "1" + closing * ((100 - 1) // levels) + "}"
    too_deep = prefix + opening * (100 // levels) + "1" + closing * (100 // levels) + "}"

    parse(fits.encode())
    assert refused(too_deep).code == "spec_depth"


@pytest.mark.parametrize(
    "document",
    [
        pytest.param("[" * 30_000, id="flow lists"),
        pytest.param("{a: " + "[" * 30_000, id="flow lists in YAML"),
        pytest.param('{"a":' * 100_000, id="JSON objects"),
        pytest.param("- " * 30_000 + "a", id="block lists"),
        pytest.param("".join("\n" + " " * depth + "a:" for depth in range(1_000)), id="block mappings"),
        pytest.param('{"a":' * 5_000 + "1" + "}" * 5_000, id="complete JSON objects"),
    ],
)
def test_nesting_that_crashes_parsers_is_refused(document: str) -> None:
    assert refused(document).code == "spec_depth"


def test_an_alias_bomb_is_refused_in_time_and_memory() -> None:
    names = "abcdefghi"
    lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    lines += [f"{name}: &{name} [{','.join(['*' + before] * 9)}]" for before, name in itertools.pairwise(names)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()

    error = refused("\n".join(lines))

    assert error.code == "spec_expansion"
    assert time.process_time() - started < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150 * 1024


def test_an_alias_bomb_of_merge_keys_is_refused() -> None:
    lines = ["a0: &a0 {k: [x, x, x, x, x, x, x, x, x, x]}"]
    lines += [f"a{n + 1}: &a{n + 1} {{<<: *a{n}, l{n}: *a{n}, m{n}: *a{n}}}" for n in range(30)]

    assert refused("\n".join(lines)).code == "spec_expansion"


def test_more_aliases_than_allowed_are_refused() -> None:
    document = "a: &a 1\nb: [" + ", ".join(["*a"] * 6) + "]"

    assert refused(document, aliases=5).code == "spec_expansion"
    parse(document.encode(), limits=Limits(aliases=6))


@pytest.mark.parametrize("document", ['{"a": [1, 2, 3, 4]}', "a: [1, 2, 3, 4]"])
def test_more_values_than_allowed_are_refused(document: str) -> None:
    assert refused(document, nodes=4).code == "spec_expansion"


def test_the_errors_of_yaml_name_the_line() -> None:
    assert refused("a: 1\nb: !x y\n").line == 2
    assert refused("a: 1\n\nb: .nan\n").line == 3
    assert refused("a: 1\n---\nb: 2\n").line == 2


# --- lines of pointers

JSON_LINES = """{
  "openapi": "3.1.0",
  "paths": {
    "/a/{b}": {
      "get": {"tags": [
        "one",
        "two"
      ]},
      "put": {}
    },
    "/c~d": {
      "get": null
    }
  }
}
"""
YAML_LINES = """openapi: 3.1.0
# A comment.
paths:
  /a/{b}:
    get:
      tags: [one,
        two]
    put: {}
  ? "/c~d"
  : get: &anchor
      x: 1
  /e:
    get: *anchor
    parameters:
    - name: b

    - name: c
      in: query
"""


@pytest.mark.parametrize(
    ("pointer", "line"),
    [
        ("", 1),
        ("/openapi", 2),
        ("/paths", 3),
        ("/paths/~1a~1{b}", 4),
        ("/paths/~1a~1{b}/get", 5),
        ("/paths/~1a~1{b}/get/tags/0", 6),
        ("/paths/~1a~1{b}/get/tags/1", 7),
        ("/paths/~1a~1{b}/put", 9),
        ("/paths/~1c~0d/get", 12),
        ("/paths/~1a~1{b}/get/tags/7", 5),
        ("/paths/~1a~1{b}/put/parameters/0", 9),
        ("/nowhere", 1),
    ],
)
def test_a_pointer_has_its_line_in_json(pointer: str, line: int) -> None:
    assert parse(JSON_LINES.encode()).lines_of([pointer]) == {pointer: line}


@pytest.mark.parametrize(
    ("pointer", "line"),
    [
        ("", 1),
        ("/openapi", 1),
        ("/paths", 3),
        ("/paths/~1a~1{b}", 4),
        ("/paths/~1a~1{b}/get/tags", 6),
        ("/paths/~1a~1{b}/get/tags/0", 6),
        ("/paths/~1a~1{b}/get/tags/1", 7),
        ("/paths/~1a~1{b}/put", 8),
        ("/paths/~1c~0d", 9),
        ("/paths/~1c~0d/get/x", 11),
        ("/paths/~1e/get", 13),
        ("/paths/~1e/get/x", 13),
        ("/paths/~1e/parameters/0/name", 15),
        ("/paths/~1e/parameters/1", 17),
        ("/paths/~1e/parameters/1/in", 18),
        ("/paths/~1e/parameters/2", 14),
    ],
)
def test_a_pointer_has_its_line_in_yaml(pointer: str, line: int) -> None:
    assert parse(YAML_LINES.encode()).lines_of([pointer]) == {pointer: line}


def test_many_pointers_are_found_in_one_pass() -> None:
    wanted = ["/paths/~1a~1{b}/put", "/openapi", "/paths/~1c~0d"]

    assert dict(parse(JSON_LINES.encode()).lines_of(wanted)) == dict(zip(wanted, [9, 2, 11], strict=True))


def test_parsing_opens_no_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret.yaml"
    secret.write_text("a: 1")

    assert root(f"$ref: '{secret}'\nb: '@{secret}'") == {"$ref": str(secret), "b": f"@{secret}"}
