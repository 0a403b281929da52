from __future__ import annotations

import base64
import email.message
import email.parser
import email.policy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.oas import Encoding
from converters.request_bodies import encode, read_file
from converters.tool_definitions import BodyBinding, BodyKind, PropertyBinding

PNG = base64.b64decode("iVBORw0KGgo=")


def body(kind: BodyKind, media_type: str, *properties: PropertyBinding) -> BodyBinding:
    return BodyBinding(media_type, kind, required=True, properties=properties)


def parts_of(binding: BodyBinding, value: Any) -> list[tuple[str, bytes]]:
    """Split a multipart body at its boundary into (headers, content)."""
    content, media_type = encode(binding, value)
    boundary = media_type.partition("; boundary=")[2]
    first, *parts, last = content.split(b"--" + boundary.encode())
    assert (first, last) == (b"", b"--\r\n")
    split = [part.removeprefix(b"\r\n").removesuffix(b"\r\n").partition(b"\r\n\r\n") for part in parts]
    return [(headers.decode(), text) for headers, _, text in split]


# --- JSON, text, binary


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ({"a": 1, "b": None}, b'{"a":1,"b":null}'),
        ([], b"[]"),
        (None, b"null"),
        ("größe", '"größe"'.encode()),
        (0.1, b"0.1"),
        (9223372036854775807, b"9223372036854775807"),
    ],
)
@pytest.mark.parametrize(
    "media_type", ["application/json", "application/vnd.api+json", "application/json; charset=utf-8"]
)
def test_json_is_sent_as_it_is_with_its_media_type(value: Any, sent: bytes, media_type: str) -> None:
    assert encode(body("json", media_type), value) == (sent, media_type)


@pytest.mark.parametrize(
    ("media_type", "value", "sent", "declared"),
    [
        ("text/plain", "größe", "größe".encode(), "text/plain"),
        ("text/plain; charset=iso-8859-1", "größe", "größe".encode("latin-1"), "text/plain; charset=iso-8859-1"),
        ("text/plain; charset=us-ascii", "größe", "größe".encode(), "text/plain; charset=utf-8"),
        ("text/plain; charset=nonsense", "a", b"a", "text/plain; charset=utf-8"),
        ("application/xml", "<a>é</a>", "<a>é</a>".encode(), "application/xml"),
        ("text/csv", "a,b\r\n1,2", b"a,b\r\n1,2", "text/csv"),
        ("text/plain", 5, b"5", "text/plain"),
    ],
)
def test_text_is_sent_in_its_charset(media_type: str, value: Any, sent: bytes, declared: str) -> None:
    assert encode(body("text", media_type), value) == (sent, declared)


@pytest.mark.parametrize(
    ("media_type", "value", "sent", "declared"),
    [
        ("application/octet-stream", "iVBORw0KGgo=", PNG, "application/octet-stream"),
        ("image/png", "data:image/png;base64,iVBORw0KGgo=", PNG, "image/png"),
        ("image/*", "data:image/png;base64,iVBORw0KGgo=", PNG, "image/png"),
        ("image/*", "iVBORw0KGgo=", PNG, "application/octet-stream"),
        ("application/octet-stream", "plain text!", b"plain text!", "application/octet-stream"),
        ("application/octet-stream", "", b"", "application/octet-stream"),
    ],
)
def test_bytes_are_sent_raw(media_type: str, value: str, sent: bytes, declared: str) -> None:
    assert encode(body("binary", media_type), value) == (sent, declared)


@pytest.mark.parametrize(
    ("value", "content", "media_type"),
    [
        ("aGVsbG8=", b"hello", ""),
        ("aGVs\nbG8=\n", b"hello", ""),
        ("data:text/plain,a%20b", b"a b", "text/plain"),
        ("data:,x", b"x", ""),
        ("data:text/plain;charset=utf-8;base64,aGVsbG8=", b"hello", "text/plain"),
        ("not base64!", b"not base64!", ""),
        ("größe", "größe".encode(), ""),
        ("abc", b"abc", ""),
        ({"a": 1}, b'{"a":1}', ""),
    ],
)
def test_a_file_is_a_data_uri_or_base64_or_a_text(value: Any, content: bytes, media_type: str) -> None:
    file = read_file(value)

    assert (file.content, file.media_type) == (content, media_type)


def test_a_text_file_that_looks_like_base64_stays_text() -> None:
    assert read_file("aGVsbG8=", as_text=True).content == b"aGVsbG8="
    assert read_file("data:text/plain;base64,aGVsbG8=", as_text=True).content == b"hello"


@given(content=st.binary())
def test_any_bytes_travel_as_base64_and_as_a_data_uri(content: bytes) -> None:
    encoded = base64.b64encode(content).decode()

    assert read_file(encoded).content == content
    assert read_file(f"data:application/x;base64,{encoded}").content == content


# --- forms


def test_a_form_is_urlencoded_with_the_encoding_of_each_property() -> None:
    binding = body(
        "form",
        "application/x-www-form-urlencoded",
        PropertyBinding("tags", "tags", encoding=Encoding(style="pipeDelimited", explode=False)),
        PropertyBinding("url", "url", encoding=Encoding(allow_reserved=True)),
        PropertyBinding("ids", "ids", encoding=Encoding(content_type="application/json")),
        PropertyBinding("plain", "plain"),
    )
    value = {"tags": ["a", "b"], "url": "http://x/?y", "ids": [1, 2], "plain": "a b", "undeclared": {"x": 1}}

    assert encode(binding, value) == (
        b"tags=a%7Cb&url=http://x/?y&ids=%5B1%2C2%5D&plain=a+b&undeclared=%7B%22x%22%3A1%7D",
        "application/x-www-form-urlencoded",
    )


# --- multipart


def test_scalars_are_parts_without_a_content_type() -> None:
    assert parts_of(body("multipart", "multipart/form-data"), {"a": "größe", "b": 5, "c": True, "d": ""}) == [
        ('Content-Disposition: form-data; name="a"', "größe".encode()),
        ('Content-Disposition: form-data; name="b"', b"5"),
        ('Content-Disposition: form-data; name="c"', b"true"),
        ('Content-Disposition: form-data; name="d"', b""),
    ]


def test_objects_are_json_parts_and_lists_a_part_per_item() -> None:
    assert parts_of(body("multipart", "multipart/form-data"), {"a": {"b": 1}, "c": [1, {"d": 2}]}) == [
        ('Content-Disposition: form-data; name="a"\r\nContent-Type: application/json', b'{"b":1}'),
        ('Content-Disposition: form-data; name="c"', b"1"),
        ('Content-Disposition: form-data; name="c"\r\nContent-Type: application/json', b'{"d":2}'),
    ]


def test_a_file_has_a_name_and_a_media_type() -> None:
    binding = body(
        "multipart",
        "multipart/form-data",
        PropertyBinding("one", "one", is_file=True),
        PropertyBinding("two", "two", is_file=True, encoding=Encoding(content_type="image/png, image/jpeg")),
        PropertyBinding("three", "three", is_file=True, encoding=Encoding(content_type="text/csv")),
    )
    encoded = base64.b64encode(PNG).decode()

    assert parts_of(binding, {"one": f"data:image/gif;base64,{encoded}", "two": encoded, "three": "abcd"}) == [
        ('Content-Disposition: form-data; name="one"; filename="one"\r\nContent-Type: image/gif', PNG),
        ('Content-Disposition: form-data; name="two"; filename="two"\r\nContent-Type: image/png', PNG),
        ('Content-Disposition: form-data; name="three"; filename="three"\r\nContent-Type: text/csv', b"abcd"),
    ]


@pytest.mark.parametrize(
    ("encoding", "contents"),
    [
        (None, [b"a", b"b"]),
        (Encoding(style="form", explode=False), [b"a,b"]),
        (Encoding(explode=False), [b"a,b"]),
        (Encoding(style="form"), [b"a", b"b"]),
        (Encoding(style="spaceDelimited", explode=False), [b"a b"]),
        (Encoding(style="pipeDelimited"), [b"a|b"]),
        (Encoding(content_type="text/plain"), [b"a", b"b"]),
    ],
)
def test_a_list_is_one_part_where_its_encoding_delimits_it(encoding: Encoding | None, contents: list[bytes]) -> None:
    binding = body("multipart", "multipart/form-data", PropertyBinding("l", "l", encoding=encoding))

    assert [content for _, content in parts_of(binding, {"l": ["a", "b"]})] == contents


def test_an_encoding_gives_a_part_its_content_type() -> None:
    binding = body(
        "multipart", "multipart/form-data", PropertyBinding("a", "a", encoding=Encoding(content_type="application/xml"))
    )

    assert parts_of(binding, {"a": "<x/>"}) == [
        ('Content-Disposition: form-data; name="a"\r\nContent-Type: application/xml', b"<x/>")
    ]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ('x"; filename="evil', "x%22; filename=%22evil"),
        ("a\r\nX-Evil: 1", "a%0D%0AX-Evil: 1"),
        ("../../x", "../../x"),
        ("größe", "größe"),
    ],
)
def test_no_name_ends_its_quotes_or_its_line(name: str, written: str) -> None:
    ((headers, _),) = parts_of(body("multipart", "multipart/form-data"), {name: "v"})

    assert headers == f'Content-Disposition: form-data; name="{written}"'


def test_no_media_type_of_a_file_adds_a_header() -> None:
    binding = body("multipart", "multipart/form-data", PropertyBinding("f", "f", is_file=True))

    ((headers, _),) = parts_of(binding, {"f": "data:a/b\r\nX-Evil: 1;base64,aGVsbG8="})

    assert headers.splitlines()[1:] == ["Content-Type: a/bX-Evil: 1"]


@given(values=st.dictionaries(st.text("ab", min_size=1), st.text(st.characters(codec="utf-8")), min_size=1, max_size=3))
def test_no_content_ends_its_part(values: dict[str, str]) -> None:
    parts = parts_of(body("multipart", "multipart/form-data"), values)

    assert [content for _, content in parts] == [value.encode() for value in values.values()]


def test_the_same_arguments_give_the_same_bytes() -> None:
    binding = body("multipart", "multipart/form-data")

    assert encode(binding, {"a": 1}) == encode(binding, {"a": 1})
    assert encode(binding, {"a": 1})[1] != encode(binding, {"a": 2})[1]


def test_another_mime_reader_reads_the_parts() -> None:
    binding = body("multipart", "multipart/form-data", PropertyBinding("f", "f", is_file=True))
    content, media_type = encode(binding, {"f": base64.b64encode(PNG).decode(), "note": {"a": "é"}})

    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
        f"Content-Type: {media_type}\r\n\r\n".encode() + content
    )

    assert isinstance(message, email.message.EmailMessage)
    file, note = message.iter_parts()
    assert (file.get_filename(), file.get_content_type()) == ("f", "application/octet-stream")
    assert json.loads(note.get_content()) == {"a": "é"}
