from __future__ import annotations

import contextlib
import json
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.gateway.messages import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    PARSE_ERROR,
    MessageError,
    error_bytes,
    read,
    result_bytes,
)
from app.gateway.snapshots import to_bytes
from converters.json_values import write


def refused(raw: bytes) -> MessageError:
    with pytest.raises(MessageError) as caught:
        read(raw)
    return caught.value


def call(arguments: str) -> bytes:
    return b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":' + arguments.encode() + b"}}"


def test_a_request_is_read() -> None:
    message = read(b'{"jsonrpc":"2.0","id":"a","method":"tools/list","params":{"cursor":null}}')
    assert (message.method, message.params, message.request_id) == ("tools/list", {"cursor": None}, "a")


def test_a_message_without_an_id_is_a_notification() -> None:
    message = read(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')
    assert (message.method, message.params, message.request_id) == ("notifications/initialized", None, None)


@pytest.mark.parametrize("member", ['"result":{}', '"error":{"code":1,"message":"no"}'])
def test_a_response_of_the_client_has_no_method(member: str) -> None:
    assert read(b'{"jsonrpc":"2.0","id":3,' + member.encode() + b"}").method == ""


@pytest.mark.parametrize(
    "raw",
    [
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","method":"tools/list"}',
        b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"safe","name":"danger"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{},"arguments":{"x":1}}}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":[{"b":1,"b":1}]}}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","\\u006dethod":"tools/call"}',
    ],
)
def test_a_key_that_stands_twice_is_refused_at_every_depth(raw: bytes) -> None:
    error = refused(raw)
    assert (error.code, "twice" in error.message) == (PARSE_ERROR, True)


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_have_are_refused(literal: str) -> None:
    error = refused(call(f'{{"x":{literal}}}'))
    assert (error.code, error.message) == (PARSE_ERROR, f"{literal} is not JSON.")


@pytest.mark.parametrize(
    "raw", [b"", b" ", b"{", b'{"jsonrpc":"2.0",}', b"{'jsonrpc':'2.0'}", b"nul", b'{"jsonrpc":"2.0"} {}', b"\x00"]
)
def test_what_is_not_json_is_a_parse_error(raw: bytes) -> None:
    assert refused(raw).code == PARSE_ERROR


@pytest.mark.parametrize(
    "raw",
    [
        '{"jsonrpc":"2.0","id":1,"method":"ping"}'.encode("utf-16"),
        '{"jsonrpc":"2.0","id":1,"method":"ping"}'.encode("utf-32-le"),
        b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":1,"method":"\xed\xa0\x80"}',
        b'{"jsonrpc":"2.0","id":1,"method":"\xff"}',
        b'{"jsonrpc":"2.0","id":1,"method":"\xc0\xaf"}',
    ],
    ids=["utf-16", "utf-32", "byte order mark", "half of a surrogate pair", "no utf-8", "overlong"],
)
def test_only_utf_8_is_read(raw: bytes) -> None:
    assert refused(raw).code == PARSE_ERROR


@pytest.mark.parametrize("raw", [b"[]", b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]'])
def test_a_batch_is_refused(raw: bytes) -> None:
    error = refused(raw)
    assert (error.code, "Batches" in error.message) == (INVALID_REQUEST, True)


@pytest.mark.parametrize(
    "raw",
    [
        b"null",
        b'"ping"',
        b"1",
        b"{}",
        b'{"id":1,"method":"ping"}',
        b'{"jsonrpc":"1.0","id":1,"method":"ping"}',
        b'{"jsonrpc":2.0,"id":1,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":1}',
        b'{"jsonrpc":"2.0","id":1,"method":""}',
        b'{"jsonrpc":"2.0","id":1,"method":5}',
        b'{"jsonrpc":"2.0","id":1,"method":null}',
        b'{"jsonrpc":"2.0","id":1,"Method":"ping"}',
        b'{"jsonrpc":"2.0","id":1,"METHOD":"ping"}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":"x"}',
    ],
)
def test_json_that_is_no_message_is_an_invalid_request(raw: bytes) -> None:
    assert refused(raw).code == INVALID_REQUEST


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"method": "ping", "param\u017f": {"name": "x"}}, INVALID_REQUEST),
        ({"method": "ping", "Params": {}}, INVALID_REQUEST),
        ({"method": "ping", "\uff4dethod": "tools/call"}, INVALID_REQUEST),
        ({"result": {}, "Error": {}}, INVALID_REQUEST),
        ({"method": "tools/call", "params": {"name": "x", "NAME": "y"}}, INVALID_PARAMS),
        ({"method": "tools/call", "params": {"name": "x", "argument\u017f": {}}}, INVALID_PARAMS),
        ({"method": "tools/call", "params": {"name": "x", "REQUESTSTATE": ""}}, INVALID_PARAMS),
    ],
    ids=range(7),
)
def test_a_member_that_only_looks_like_another_is_refused(members: dict[str, Any], code: int) -> None:
    """C15: nobody reads a message in another way than we do."""
    error = refused(json.dumps({"jsonrpc": "2.0", "id": 1, **members}).encode())
    assert (error.code, error.request_id) == (code, 1)


def test_members_that_look_like_no_other_are_let_through_and_arguments_are_the_api_s() -> None:
    params = {"name": "x", "arguments": {"Name": 1, "METHOD": 2}, "_meta": {"Name": 3}, "x" * 100: 4}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params, "extra": 1}
    assert read(json.dumps(body).encode()).params == params


@pytest.mark.parametrize("written", ["null", "true", "1.5", "1.0", "1E2", "[]", "{}"])
def test_an_id_is_a_text_or_an_integer(written: str) -> None:
    error = refused(b'{"jsonrpc":"2.0","id":' + written.encode() + b',"method":"ping"}')
    assert (error.code, error.request_id) == (INVALID_REQUEST, None)


def test_a_refused_message_keeps_the_id_it_can_be_answered_with() -> None:
    assert refused(b'{"jsonrpc":"2.0","id":"mine","method":5}').request_id == "mine"


def test_an_id_of_400_digits_is_echoed_and_one_of_5000_refused() -> None:
    digits = "9" * 400
    message = read(f'{{"jsonrpc":"2.0","id":{digits},"method":"ping"}}'.encode())
    assert result_bytes(message.request_id, b"{}").decode() == f'{{"jsonrpc":"2.0","id":{digits},"result":{{}}}}'
    assert refused(b'{"jsonrpc":"2.0","id":' + b"9" * 5_000 + b',"method":"ping"}').code == PARSE_ERROR


def nested(levels: int, kind: str = "[]") -> bytes:
    # The message and its params are two levels, which leaves the rest for the argument.
    opening, closing = ("[", "]") if kind == "[]" else ('{"a":', "}")
    inner = opening * (levels - 2) + "1" + closing * (levels - 2)
    return b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":' + inner.encode() + b"}}"


@pytest.mark.parametrize("kind", ["[]", "{}"])
def test_64_levels_are_read_and_65_refused(kind: str) -> None:
    assert read(nested(64, kind)).method == "ping"
    error = refused(nested(65, kind))
    assert (error.code, "64 levels" in error.message) == (PARSE_ERROR, True)


def test_brackets_inside_texts_do_not_count() -> None:
    text = json.dumps("[{" * 100 + '\\" [[[ \\\\')
    assert read(call(f'{{"text":{text}}}')).params == {"arguments": {"text": json.loads(text)}}


def test_texts_do_not_hide_brackets() -> None:
    # After an escaped backslash the quotation mark ends the text: the brackets behind it count.
    assert refused(call('["\\\\",' + "[" * 70 + "1" + "]" * 71)).message.startswith("The message is nested")


def test_many_shallow_containers_are_not_deep() -> None:
    assert read(call("[" + ",".join(["[]", "{}"] * 500) + "]")).method == "tools/call"


def test_a_hundred_thousand_brackets_are_refused_at_once() -> None:
    start = time.perf_counter()
    assert refused(call('{"a":' * 100_000)).code == PARSE_ERROR
    assert refused(call("[" * 100_000 + "]" * 100_000)).code == PARSE_ERROR
    assert time.perf_counter() - start < 2


def test_an_unclosed_text_full_of_escapes_takes_linear_time() -> None:
    start = time.perf_counter()
    assert refused(b"[" * 65 + b'"' + b"\\" * 2_000_001).code == PARSE_ERROR
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
    "literal",
    [
        "0.1",
        "1.5",
        "-0.0",
        "-0",
        "[-0,-0.5,-7,0]",
        "0",
        "-7",
        "9223372036854775807",
        "18446744073709551616",
        "1.0",
        "123456789012345678901234",
    ],
)
def test_a_number_is_written_again_as_it_came(literal: str) -> None:
    arguments = (read(call(f'{{"x":{literal}}}')).params or {})["arguments"]
    assert write(arguments) == f'{{"x":{literal}}}'


@pytest.mark.parametrize("literal", ["1E3", "1e999", "-1e-400", "0.12345678901234567890", "3.14159265358979323846264"])
def test_a_number_that_no_float_holds_keeps_its_value(literal: str) -> None:
    arguments = (read(call(f'{{"x":{literal}}}')).params or {})["arguments"]
    assert json.loads(write(arguments), parse_float=Decimal) == {"x": Decimal(literal)}


@pytest.mark.parametrize("literal", ["1e9999999999999999999", "-1e9999999999999999999", "1.5e-9999999999999999999"])
def test_an_exponent_beyond_every_number_type_is_refused(literal: str) -> None:
    assert refused(call(f'{{"x":{literal}}}')).code == PARSE_ERROR


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=20,
    )
)
def test_whatever_json_holds_comes_through_unchanged(value: object) -> None:
    assert (read(call(json.dumps([value]))).params or {})["arguments"] == [value]


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_message_error(raw: bytes) -> None:
    with contextlib.suppress(MessageError):
        read(raw)


def test_an_answer_is_strict_json_around_the_result() -> None:
    assert result_bytes("é", to_bytes({"a": 1})) == '{"jsonrpc":"2.0","id":"é","result":{"a":1}}'.encode()
    assert json.loads(error_bytes(None, -32700, "no", {"at": 1})) == {
        "jsonrpc": "2.0",
        "id": None,
        "error": {"code": -32700, "message": "no", "data": {"at": 1}},
    }
    assert "data" not in json.loads(error_bytes(1, -32700, "no"))["error"]
