"""Answers of several parts (RFC 2046 section 5.1): `multipart/mixed` and its kin -> the parts as answers."""

from __future__ import annotations

from email import policy
from email.parser import BytesParser
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message

_MAX_PARTS: Final = 100


def parts(body: bytes, content_type: str) -> list[tuple[str, bytes, str]]:
    """Give (Content-Type, content, Content-Location) of each part, at most 100; none where it is not multipart.

    Parts of parts are listed in their place; a transfer encoding is undone.
    """
    head = b"Content-Type: " + content_type.encode("latin-1", "replace") + b"\r\n\r\n"
    message = BytesParser(policy=policy.HTTP).parsebytes(head + body)
    return list(_leaves(message))[:_MAX_PARTS] if message.is_multipart() else []


def _leaves(message: Message) -> Iterator[tuple[str, bytes, str]]:
    for part in message.walk():
        if part.is_multipart():
            continue
        content = part.get_payload(decode=True)
        yield (
            str(part.get("Content-Type", "text/plain")),
            content if isinstance(content, bytes) else b"",
            str(part.get("Content-Location", "")),
        )
