"""Assembled arguments -> the bytes of a request body, for each kind of media type."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from converters import files, json_values, media_types, multipart, serialization, xml_bodies
from converters.errors import BodyValueError
from converters.oas import Encoding

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from converters.tool_definitions import BodyBinding, BodyKind

_LINE_END: Final = re.compile(r"\r\n|\r|\n")


def encode(binding: BodyBinding, value: Any) -> tuple[bytes, str]:
    """Encode `value`, the whole body or the object assembled from arguments; gives bytes and Content-Type.

    Raises:
        BodyValueError: for a value that the media type cannot hold.

    """
    return _ENCODERS[binding.kind](binding, value)


def _json(binding: BodyBinding, value: Any) -> tuple[bytes, str]:
    return json_values.write(value).encode(), binding.media_type


def _text(binding: BodyBinding, value: Any) -> tuple[bytes, str]:
    """Write text in the declared charset; where that cannot hold it, in UTF-8, which is then said."""
    text, charset = serialization.scalar(value), media_types.charset(binding.media_type)
    if charset:
        try:
            return text.encode(charset), binding.media_type
        except (LookupError, UnicodeEncodeError):
            return text.encode(), media_types.in_utf_8(binding.media_type)
    # Text is US-ASCII unless it says otherwise (RFC 2046 section 4.1.2); XML (RFC 7303) and events are UTF-8.
    kind = media_types.essence(binding.media_type)
    needs_charset = kind.startswith("text/") and not (media_types.is_xml(kind) or media_types.is_event_stream(kind))
    if needs_charset and not text.isascii():
        return text.encode(), media_types.in_utf_8(binding.media_type)
    return text.encode(), binding.media_type


def _binary(binding: BodyBinding, value: Any) -> tuple[bytes, str]:
    """Send bytes as they are; with a `contentEncoding` the payload is that text (OAS 3.1 section 4.8.14.4)."""
    if binding.content_encoding:
        return files.encoded(value, binding.content_encoding).encode(), binding.media_type
    file = files.read(value, media_type=binding.media_type)
    is_range = "*" in binding.media_type
    return file.content, (file.media_type or "application/octet-stream") if is_range else binding.media_type


def _form(binding: BodyBinding, value: Any) -> tuple[bytes, str]:
    encodings = {each.name: each.encoding or Encoding() for each in binding.properties}
    pairs: list[str] = []
    for name, each in (value if isinstance(value, dict) else {"": value}).items():
        encoding = encodings.get(name, Encoding())
        is_styled = encoding.style is not None or encoding.explode is not None
        if not is_styled and each is not None and media_types.is_json(encoding.content_type or ""):
            each = json_values.write(each)  # noqa: PLW2901 - the value as its content type writes it
        pairs += serialization.form_pairs(
            name, each, encoding.style, explode=encoding.explode, allow_reserved=encoding.allow_reserved
        )
    return "&".join(pairs).encode(), binding.media_type


def _xml(binding: BodyBinding, value: Any) -> tuple[bytes, str]:
    text = xml_bodies.write(binding.xml, value)
    try:
        charset = media_types.charset(binding.media_type) or "utf-8"
        return text.encode(charset, "xmlcharrefreplace"), binding.media_type
    except LookupError:
        return text.encode(), media_types.in_utf_8(binding.media_type)


def _sequence(binding: BodyBinding, value: Any) -> tuple[bytes, str]:
    """Write the items of a list one after the other (OAS 3.2 section 4.14.3, "Sequential Media Types")."""
    items = value if isinstance(value, list) else [value]
    if media_types.is_event_stream(binding.media_type):
        written = "".join(_event(each, str(index)) for index, each in enumerate(items))
    elif media_types.is_json_sequence(binding.media_type):
        written = "".join(f"\x1e{json_values.write(each)}\n" for each in items)
    else:
        written = "".join(f"{json_values.write(each)}\n" for each in items)
    return written.encode(), binding.media_type


def _event(event: Any, index: str) -> str:
    """Write one server-sent event (WHATWG HTML section 9.2.6); only data may have several lines."""
    lines: list[str] = []
    for name, value in (event if isinstance(event, dict) else {"data": event}).items():
        text = serialization.scalar(value)
        fields = _LINE_END.split(text)
        if _LINE_END.search(name) or ":" in name or (name != "data" and len(fields) > 1) or "\0" in text:
            raise BodyValueError((index, name), "a field of an event, of one line unless it is `data`", repr(text)[:80])
        if value is not None:
            lines += [f"{name}: {each}" for each in fields]
    return "\n".join([*lines, "", ""])


_ENCODERS: Final[Mapping[BodyKind, Callable[[BodyBinding, Any], tuple[bytes, str]]]] = {
    "json": _json,
    "form": _form,
    "multipart": multipart.encode,
    "xml": _xml,
    "sequence": _sequence,
    "text": _text,
    "binary": _binary,
}
