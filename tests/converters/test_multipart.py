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

from converters.errors import BodyValueError
from converters.multipart import encode
from converters.oas import Encoding
from converters.tool_definitions import BodyBinding, PropertyBinding

PNG = base64.b64decode("iVBORw0KGgo=")


def body(*properties: PropertyBinding, media_type: str = "multipart/form-data") -> BodyBinding:
    return BodyBinding(media_type, "multipart", required=True, properties=properties)


def parts_of(binding: BodyBinding, value: Any) -> list[tuple[str, bytes]]:
    """Split a multipart body at its boundary into (headers, content)."""
    content, media_type = encode(binding, value)
    boundary = media_type.partition("; boundary=")[2]
    first, *parts, last = content.split(b"--" + boundary.encode())
    assert (first, last) == (b"", b"--\r\n")
    split = [part.removeprefix(b"\r\n").removesuffix(b"\r\n").partition(b"\r\n\r\n") for part in parts]
    return [(headers.decode(), text) for headers, _, text in split]


def test_scalars_are_parts_without_a_content_type() -> None:
    assert parts_of(body(), {"a": "größe", "b": 5, "c": True, "d": ""}) == [
        ('Content-Disposition: form-data; name="a"', "größe".encode()),
        ('Content-Disposition: form-data; name="b"', b"5"),
        ('Content-Disposition: form-data; name="c"', b"true"),
        ('Content-Disposition: form-data; name="d"', b""),
    ]


def test_objects_are_json_parts_and_lists_a_part_per_item() -> None:
    assert parts_of(body(), {"a": {"b": 1}, "c": [1, {"d": 2}]}) == [
        ('Content-Disposition: form-data; name="a"\r\nContent-Type: application/json', b'{"b":1}'),
        ('Content-Disposition: form-data; name="c"', b"1"),
        ('Content-Disposition: form-data; name="c"\r\nContent-Type: application/json', b'{"d":2}'),
    ]


def test_a_file_has_a_name_and_a_media_type() -> None:
    binding = body(
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
    binding = body(PropertyBinding("l", "l", encoding=encoding))

    assert [content for _, content in parts_of(binding, {"l": ["a", "b"]})] == contents


def test_an_encoding_gives_a_part_its_content_type() -> None:
    binding = body(PropertyBinding("a", "a", encoding=Encoding(content_type="application/xml")))

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
    ((headers, _),) = parts_of(body(), {name: "v"})

    assert headers == f'Content-Disposition: form-data; name="{written}"'


def test_no_media_type_of_a_file_adds_a_header() -> None:
    binding = body(PropertyBinding("f", "f", is_file=True))

    ((headers, _),) = parts_of(binding, {"f": "data:a/b\r\nX-Evil: 1;base64,aGVsbG8="})

    assert headers.splitlines()[1:] == ["Content-Type: application/octet-stream"]


@given(values=st.dictionaries(st.text("ab", min_size=1), st.text(st.characters(codec="utf-8")), min_size=1, max_size=3))
def test_no_content_ends_its_part(values: dict[str, str]) -> None:
    parts = parts_of(body(), values)

    assert [content for _, content in parts] == [value.encode() for value in values.values()]


def test_the_same_arguments_give_the_same_bytes() -> None:
    binding = body()

    assert encode(binding, {"a": 1}) == encode(binding, {"a": 1})
    assert encode(binding, {"a": 1})[1] != encode(binding, {"a": 2})[1]


def test_another_mime_reader_reads_the_parts() -> None:
    binding = body(PropertyBinding("f", "f", is_file=True))
    content, media_type = encode(binding, {"f": base64.b64encode(PNG).decode(), "note": {"a": "é"}})

    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
        f"Content-Type: {media_type}\r\n\r\n".encode() + content
    )

    assert isinstance(message, email.message.EmailMessage)
    file, note = message.iter_parts()
    assert (file.get_filename(), file.get_content_type()) == ("f", "application/octet-stream")
    assert json.loads(note.get_content()) == {"a": "é"}


def test_a_part_that_cannot_be_written_is_named() -> None:
    binding = body(PropertyBinding("f", "f", is_file=True))

    with pytest.raises(BodyValueError) as caught:
        encode(binding, {"f": ["data:,a", "data:;base64,%%%"]})

    assert caught.value.path == ("f", "1")


def test_the_parameters_of_the_media_type_stay_but_for_its_boundary() -> None:
    _, media_type = encode(body(media_type='multipart/related; type="text/html"; boundary=x'), {})

    assert media_type.startswith('multipart/related; type="text/html"; boundary=causeway-')
