"""Opaque cursors: the last key of a page, bound to the list it came from."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from app.registry.errors import InvalidCursor
from app.registry.records import Page

T = TypeVar("T")

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200


def page_size(limit: int) -> int:
    """Return `limit` brought into 1..`MAX_LIMIT`."""
    return max(1, min(limit, MAX_LIMIT))


def position(listing: str, cursor: str | None) -> str | None:
    """Return the key that `cursor` stands for, `None` without a cursor. Raise `InvalidCursor` for any other list's."""
    if cursor is None:
        return None
    try:
        text = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise InvalidCursor from error
    prefix, separator, key = text.partition(":")
    if prefix != listing or not separator:
        raise InvalidCursor
    return key


def page(found: Sequence[T], limit: int, *, listing: str, key: Callable[[T], str]) -> Page[T]:
    """Make a page of at most `limit` items; `found` holds one more when there is a next page."""
    items = tuple(found[:limit])
    if len(found) <= limit:
        return Page(items, next_cursor=None)
    return Page(items, next_cursor=base64.urlsafe_b64encode(f"{listing}:{key(items[-1])}".encode()).decode())
