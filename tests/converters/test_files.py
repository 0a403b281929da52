from __future__ import annotations

import base64
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.errors import BodyValueError
from converters.files import encoded, read

PNG = base64.b64decode("iVBORw0KGgo=")


@pytest.mark.parametrize(
    ("value", "content", "media_type"),
    [
        ("aGVsbG8=", b"hello", ""),
        ("aGVs\nbG8=\n", b"hello", ""),
        ("SGVsbG8gV29ybGQh", b"Hello World!", ""),
        ("iVBORw0KGgoA", PNG + b"\x00", ""),
        ("//4A", b"\xff\xfe\x00", ""),
        ("data:text/plain,a%20b", b"a b", "text/plain"),
        ("data:,x", b"x", ""),
        ("data:,", b"", ""),
        ("data:;base64,abcd", b"i\xb7\x1d", ""),
        ("data:;base64,aGVsbG8", b"hello", ""),
        ("data:;base64,aGVsbG8%3D", b"hello", ""),
        ("data:;base64,_-8=", b"\xff\xef", ""),
        ("data:text/plain;charset=utf-8;base64,aGVsbG8=", b"hello", "text/plain"),
        ("not base64!", b"not base64!", ""),
        ("größe", "größe".encode(), ""),
        ("abc", b"abc", ""),
        ({"a": 1}, b'{"a":1}', ""),
    ],
)
def test_a_file_is_a_data_uri_or_base64_or_a_text(value: object, content: bytes, media_type: str) -> None:
    file = read(value)

    assert (file.content, file.media_type) == (content, media_type)


@pytest.mark.parametrize(
    "text",
    [
        *("", "abcd", "test", "Test", "WORD", "12345678", "20240101", "/usr/bin", "AKIAIOSFODNN7EXAMPLE", "abcd efgh"),
        *("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "key=", "a,b\n1,2\n", "supercalifragili"),
        *("Passw0rd", "HelloWorld12", "/home/user/Documents/README4", "abcd\nefgh\n", "2024"),
    ],
)
def test_a_text_that_could_be_base64_stays_text(text: str) -> None:
    assert read(text).content == text.encode()


@pytest.mark.parametrize("media_type", ["text/csv", "application/json", "application/xml", "text/plain; charset=utf-8"])
def test_content_of_a_textual_media_type_is_decoded_from_a_data_uri_only(media_type: str) -> None:
    assert read("aGVsbG8=", media_type=media_type).content == b"aGVsbG8="
    assert read("data:text/plain;base64,aGVsbG8=", media_type=media_type).content == b"hello"


def test_content_of_a_binary_media_type_is_decoded_wherever_it_is_base64() -> None:
    assert read("abcd", media_type="image/png").content == b"i\xb7\x1d"
    assert read("abcd", media_type="application/octet-stream").content == b"abcd"
    assert read("not base64!", media_type="image/png").content == b"not base64!"


def test_base64_that_was_promised_must_be_base64() -> None:
    assert read("_-8", content_encoding="base64url").content == b"\xff\xef"
    for value, encoding in (("data:;base64,%%%", ""), ("not base64!", "base64"), ("größe", "base64url")):
        with pytest.raises(BodyValueError, match="base64"):
            read(value, content_encoding=encoding)


def test_a_name_in_a_data_uri_is_a_file_name_without_its_directories() -> None:
    assert read("data:text/plain;name=a.txt,x").name == "a.txt"
    assert read("data:text/plain;filename=..%2F..%5Ca%20b.txt;base64,YQ==").name == "a b.txt"
    assert read("data:text/plain,x").name == ""


def test_a_payload_that_is_transferred_as_base64_is_written_as_base64() -> None:
    assert encoded("YWJj", "base64") == "YWJj"
    assert encoded("data:,abc", "base64") == "YWJj"
    assert encoded("data:;base64,//8=", "base64url") == "__8="


@given(content=st.binary())
def test_any_bytes_travel_as_a_data_uri_and_as_base64_where_the_media_type_is_binary(content: bytes) -> None:
    written = base64.b64encode(content).decode()

    assert read(f"data:application/x;base64,{written}").content == content
    assert read(written, media_type="image/png").content == content


@given(text=st.text(st.characters(codec="utf-8")))
def test_any_text_travels_in_a_data_uri_and_as_it_is_where_the_media_type_is_text(text: str) -> None:
    escaped = "".join(f"%{byte:02X}" for byte in text.encode())

    assert read(f"data:,{escaped}").content == text.encode()
    if not text.startswith("data:"):
        assert read(text, media_type="text/plain").content == text.encode()


def test_the_bytes_of_an_image_are_known_by_their_base64_alone() -> None:
    generator = random.Random(1)  # noqa: S311 - test data
    for length in range(24, 400):
        content = PNG + generator.randbytes(length)

        assert read(base64.b64encode(content).decode()).content == content
