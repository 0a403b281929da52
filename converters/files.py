"""File arguments -> bytes: a `data:` URI, base64, or plain text.

A `data:` URI is exact, for any content. What else a text means, the media type decides: text is never decoded, binary
content always where it is base64. Where the media type says neither, as `application/octet-stream` does, base64 is
decoded unless it reads as words, a number, a path or a digest: `abcd` and `Test` are short files far more often than
they are three bytes.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, unquote_to_bytes

from converters import json_values, media_types, serialization
from converters.errors import BodyValueError

_DATA_URI: Final = re.compile(r"data:(?P<type>[^,;]*)(?P<parameters>(?:;[^,;]*)*),(?P<content>.*)", re.DOTALL)
_MEDIA_TYPE: Final = re.compile(r"[!#$&^_.+\-\w]+/[!#$&^_.+\-\w]+", re.ASCII)
_NAME: Final = re.compile(r";(?:file)?name=([^;]*)", re.IGNORECASE)
# RFC 4648 section 4, in whole groups; MIME breaks its lines.
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_LINE_BREAKS: Final = re.compile(r"[\r\n]+")
_ONE_CASE: Final = re.compile("[A-Z]?[a-z0-9]+|[A-Z0-9]+")
_LOWER: Final = re.compile("[a-z]+")
_SHORTEST_WORD: Final = 3


@dataclass(frozen=True, slots=True)
class File:
    """Content of a file argument; `media_type` and `name` are "" where the argument did not say."""

    content: bytes
    media_type: str = ""
    name: str = ""


def read(value: Any, *, media_type: str = "", content_encoding: str = "") -> File:
    """Read a file argument that is to be sent as `media_type`; `content_encoding` is that of its schema.

    Raises:
        BodyValueError: where base64 was promised, by a data: URI or by `content_encoding`, and is none.

    """
    text = value if isinstance(value, str) else json_values.write(value)
    if matched := _DATA_URI.fullmatch(text):
        return _from_data_uri(matched)
    if content_encoding.lower() in {"base64", "base64url"}:
        return File(_decoded(text))
    content = None if _is_text(media_type) else _from_base64(text)
    if content is None or not (_is_certainly_binary(media_type) or not _reads_as_text(text)):
        return File(text.encode())
    return File(content)


def encoded(value: Any, content_encoding: str) -> str:
    """Write a file argument as the text that `content_encoding` makes of it: a `data:` URI anew, a text as it is."""
    if isinstance(value, str) and (matched := _DATA_URI.fullmatch(value)):
        content = _from_data_uri(matched).content
        encode = base64.urlsafe_b64encode if content_encoding.lower() == "base64url" else base64.b64encode
        return encode(content).decode()
    return serialization.scalar(value)


def _from_data_uri(matched: re.Match[str]) -> File:
    """Read a `data:` URI (RFC 2397); many writers give a name in its parameters."""
    parameters, content = matched["parameters"], matched["content"]
    is_base64 = parameters.lower().endswith(";base64")
    name = _NAME.search(parameters)
    return File(
        _decoded(unquote(content)) if is_base64 else unquote_to_bytes(content),
        matched["type"] if _MEDIA_TYPE.fullmatch(matched["type"]) else "",
        re.split(r"[/\\]", unquote(name[1]))[-1] if name else "",
    )


def _decoded(text: str) -> bytes:
    """Decode what is known to be base64, of either alphabet, with padding or without."""
    plain = "".join(text.split()).replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BodyValueError((), "base64 (RFC 4648), or a data: URI", repr(text)[:80]) from None


def _from_base64(text: str) -> bytes | None:
    """Decode canonical base64; None for anything else."""
    plain = _LINE_BREAKS.sub("", text)
    if not plain or not _BASE64.fullmatch(plain):
        return None
    content = base64.b64decode(plain)
    return content if base64.b64encode(content).decode() == plain else None


def _is_text(media_type: str) -> bool:
    return media_types.is_text(media_type) or media_types.is_json(media_type)


def _is_certainly_binary(media_type: str) -> bool:
    return media_types.is_binary(media_type) and media_types.essence(media_type) != "application/octet-stream"


def _reads_as_text(text: str) -> bool:
    """Tell whether each line and path segment is of one case, or of words: base64 mixes its letters, and is padded."""
    segments = re.split(r"[/\r\n]", text.strip("\r\n").removeprefix("/").removesuffix("/"))
    return all(_ONE_CASE.fullmatch(each) or _is_words(each) for each in segments)


def _is_words(text: str) -> bool:
    return text.isalnum() and all(len(each) >= _SHORTEST_WORD for each in _LOWER.findall(text))
