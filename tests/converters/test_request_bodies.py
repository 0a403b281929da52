from __future__ import annotations

import base64
from typing import Any

import pytest

from converters.oas import Encoding
from converters.request_bodies import encode
from converters.tool_definitions import BodyBinding, BodyKind, PropertyBinding

PNG = base64.b64decode("iVBORw0KGgo=")


def body(kind: BodyKind, media_type: str, *properties: PropertyBinding) -> BodyBinding:
    return BodyBinding(media_type, kind, required=True, properties=properties)


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
        ("text/plain", "größe", "größe".encode(), "text/plain; charset=utf-8"),
        ("text/plain", "grosse", b"grosse", "text/plain"),
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
