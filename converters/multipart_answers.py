"""Answers of several parts (RFC 2046 section 5.1): `multipart/mixed` and its kin -> the parts as answers.

Split here, within limits, and not by the email library, which makes an object of every part and of every header line
of an answer that somebody else wrote. An answer beyond the limits is not taken apart, so that nothing of it is lost.
"""

from __future__ import annotations

import binascii
import re
from email import policy
from email.message import Message
from email.parser import BytesHeaderParser
from itertools import islice
from typing import TYPE_CHECKING, Final

from converters import media_types

if TYPE_CHECKING:
    from collections.abc import Iterator

    Part = tuple[str, bytes, str]

_MAX_PARTS: Final = 100
_MAX_HEADER: Final = 8 * 1024
_MAX_DEPTH: Final = 3
_BLANK_LINE: Final = re.compile(rb"(?:\r\n|\n)(?:\r\n|\n)")
_FOLD: Final = re.compile(r"[\r\n]+\s*")
# The values are read as they stand: other policies parse them by a recursive grammar.
_HEADERS: Final = BytesHeaderParser(policy=policy.compat32)


class _BeyondLimitsError(Exception):
    """The answer has too many parts, parts of parts too deep, or a header that is too large."""


def parts(body: bytes, content_type: str) -> list[Part]:
    """Give (Content-Type, content, Content-Location) of each part; none where it is not multipart or beyond limits.

    Parts of parts are listed in their place; a transfer encoding is undone. The limits are 100 parts in all, 3 levels,
    and 8 KiB of header fields for each part.
    """
    try:
        found = list(islice(_leaves(body, content_type, 1), _MAX_PARTS + 1))
    except _BeyondLimitsError:
        return []
    return found if len(found) <= _MAX_PARTS else []


def _leaves(body: bytes, content_type: str, depth: int) -> Iterator[Part]:
    for raw in _split(body, content_type):
        fields, content = _read(raw)
        kind = _field(fields, "Content-Type") or "text/plain"
        if media_types.essence(kind).startswith("multipart/") and _boundary(kind):
            if depth == _MAX_DEPTH:
                raise _BeyondLimitsError
            yield from _leaves(content, kind, depth + 1)
        else:
            encoding = _field(fields, "Content-Transfer-Encoding").strip().lower()
            yield kind, _decoded(content, encoding), _field(fields, "Content-Location")


def _split(body: bytes, content_type: str) -> list[bytes]:
    """Give what stands between the delimiter lines, from the end of one line to the end of the line before the next."""
    boundary = _boundary(content_type)
    if not boundary:
        return []
    delimiter = re.compile(rb"(?:\r\n|\n|\A)--" + re.escape(boundary) + rb"(--)?[ \t]*(?=\r\n|\n|\Z)")
    found = list(islice(delimiter.finditer(body), _MAX_PARTS + 2))
    last = next((index for index, each in enumerate(found) if each[1]), len(found))
    if last > _MAX_PARTS:
        raise _BeyondLimitsError
    starts = [each.end() for each in found[:last]]
    # An answer that was cut off has no closing delimiter.
    ends = [each.start() for each in found[1 : last + 1]] + [len(body)]
    return [body[start:end] for start, end in zip(starts, ends, strict=False)]


def _boundary(content_type: str) -> bytes:
    if len(content_type) > _MAX_HEADER:
        return b""
    message = Message(policy.compat32)
    message["Content-Type"] = content_type
    return (message.get_boundary() or "").encode("utf-8", "surrogateescape")


def _read(raw: bytes) -> tuple[Message, bytes]:
    """Read the header fields of a part, which begins with the end of its delimiter line."""
    blank = _BLANK_LINE.search(raw, 0, _MAX_HEADER)
    if blank is None and len(raw) > _MAX_HEADER:
        raise _BeyondLimitsError
    head, content = (raw[: blank.start()], raw[blank.end() :]) if blank else (raw, b"")
    fields = _HEADERS.parsebytes(head.lstrip(b"\r\n"))
    if not blank or fields.get_payload():
        # What is not written as header fields is content: the blank line before it was left out.
        rest = str(fields.get_payload()).encode("ascii", "surrogateescape")
        return fields, rest + raw[len(head) :]
    return fields, content


def _field(fields: Message, name: str) -> str:
    return _FOLD.sub(" ", str(fields.get(name, "")))


def _decoded(content: bytes, encoding: str) -> bytes:
    """Undo a transfer encoding (RFC 2045 section 6); what is not written in it stays as it came."""
    if encoding == "quoted-printable":
        return binascii.a2b_qp(content)
    if encoding == "base64":
        try:
            # Padding that was left out is no reason to lose the content; what is more than needed is not looked at.
            return binascii.a2b_base64(content + b"==")
        except binascii.Error:
            return content
    return content
