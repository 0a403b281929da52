"""Assembled arguments -> the bytes of a request body, for each kind of media type."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

from converters import media_types, serialization
from converters.oas import Encoding

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from converters.tool_definitions import BodyBinding, BodyKind, PropertyBinding

_DATA_URI: Final = re.compile(r"data:(?P<type>[^,;]*)(?P<parameters>(?:;[^,;]*)*),(?P<content>.*)", re.DOTALL)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/\s]+={0,2}\s*")


@dataclass(frozen=True, slots=True)
class File:
    """Content of a file argument; `media_type` is "" where the argument did not say."""

    content: bytes
    media_type: str = ""


def read_file(value: Any, *, as_text: bool = False) -> File:
    """Read a file argument: a `data:` URI (RFC 2397), base64 (RFC 4648), or plain text.

    With `as_text` (a textual media type) only a data: URI is decoded: text that happens to be base64 stays text.
    """
    text = value if isinstance(value, str) else serialization.to_json(value)
    if matched := _DATA_URI.fullmatch(text):
        content = matched["content"]
        if ";base64" in matched["parameters"]:
            return File(_from_base64(content) or b"", matched["type"])
        return File(unquote_to_bytes(content), matched["type"])
    decoded = None if as_text else _from_base64(text)
    return File(text.encode() if decoded is None else decoded)


def _from_base64(text: str) -> bytes | None:
    if not _BASE64.fullmatch(text):
        return None
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def encode(binding: BodyBinding, value: Any) -> tuple[bytes, str]:
    """Encode `value`, the whole body or the object assembled from arguments; gives bytes and Content-Type."""
    return _ENCODERS[binding.kind](binding, value)


def _json(binding: BodyBinding, value: Any) -> tuple[bytes, str]:
    return serialization.to_json(value).encode(), binding.media_type


def _text(binding: BodyBinding, value: Any) -> tuple[bytes, str]:
    charset = re.search(r"charset=\"?([\w.:-]+)", binding.media_type)
    try:
        return serialization.scalar(value).encode(charset[1] if charset else "utf-8"), binding.media_type
    except (LookupError, UnicodeEncodeError):
        return serialization.scalar(value).encode(), f"{media_types.essence(binding.media_type)}; charset=utf-8"


def _binary(binding: BodyBinding, value: Any) -> tuple[bytes, str]:
    file = read_file(value)
    is_range = "*" in binding.media_type
    return file.content, (file.media_type or "application/octet-stream") if is_range else binding.media_type


def _properties(binding: BodyBinding) -> Mapping[str, PropertyBinding]:
    return {each.name: each for each in binding.properties}


def _form(binding: BodyBinding, value: Any) -> tuple[bytes, str]:
    properties = _properties(binding)
    pairs: list[str] = []
    for name, each in (value if isinstance(value, dict) else {"": value}).items():
        encoding = properties[name].encoding if name in properties else None
        encoding = encoding or Encoding()
        if encoding.style is None and encoding.explode is None and media_types.is_json(encoding.content_type or ""):
            each = serialization.to_json(each)  # noqa: PLW2901 - the value as its content type writes it
        pairs += serialization.form_pairs(
            name, each, encoding.style, explode=encoding.explode, allow_reserved=encoding.allow_reserved
        )
    return "&".join(pairs).encode(), binding.media_type


def _multipart(binding: BodyBinding, value: Any) -> tuple[bytes, str]:
    """Build multipart/form-data (RFC 7578); the boundary is derived from the content, so that a plan is repeatable."""
    properties = _properties(binding)
    parts: list[bytes] = []
    for name, each in (value if isinstance(value, dict) else {"": value}).items():
        known = properties.get(name)
        parts.extend(_part(name, item, known) for item in _part_values(each, known.encoding if known else None))
    digest = hashlib.sha256(b"\0".join(parts)).hexdigest()[:32]
    boundary = f"causeway-{digest}"
    body = b"".join(b"--" + boundary.encode() + b"\r\n" + part + b"\r\n" for part in parts)
    media_type = media_types.essence(binding.media_type)
    return body + f"--{boundary}--\r\n".encode(), f"{media_type}; boundary={boundary}"


def _part_values(value: Any, encoding: Encoding | None) -> list[Any]:
    """List what becomes a part: each item of a list, unless its encoding asks for one delimited value."""
    if not isinstance(value, list):
        return [value]
    if encoding is None or (encoding.style is None and encoding.explode is None):
        return value
    style = encoding.style or "form"
    explode = encoding.explode if encoding.explode is not None else style == "form"
    return value if explode else [serialization.header_value(value, style, explode=False)]


def _part(name: str, value: Any, known: PropertyBinding | None) -> bytes:
    declared = (known.encoding.content_type or "").partition(",")[0].strip() if known and known.encoding else ""
    disposition = f'Content-Disposition: form-data; name="{_quoted(name)}"'
    if known is not None and known.is_file:
        file = read_file(value, as_text=declared.startswith("text/"))
        content, media_type = file.content, file.media_type or declared or "application/octet-stream"
        disposition += f'; filename="{_quoted(name)}"'
    elif isinstance(value, (dict, list)):
        content, media_type = serialization.to_json(value).encode(), declared or "application/json"
    else:
        content, media_type = serialization.scalar(value).encode(), declared
    headers = disposition + (f"\r\nContent-Type: {_header_safe(media_type)}" if media_type else "")
    return headers.encode() + b"\r\n\r\n" + content


def _quoted(name: str) -> str:
    """Escape a part's name so that it cannot end the quoted string or the line (WHATWG form-data encoding)."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _header_safe(media_type: str) -> str:
    return re.sub(r"[^\x20-\x7e]", "", media_type)


_ENCODERS: Final[Mapping[BodyKind, Callable[[BodyBinding, Any], tuple[bytes, str]]]] = {
    "json": _json,
    "form": _form,
    "multipart": _multipart,
    "text": _text,
    "binary": _binary,
}
