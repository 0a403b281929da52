"""Whole answers that were too large for a result, kept for a while to be read as resources, piece by piece.

Kept in memory, bounded in bytes and time: a resource that is gone says so, and the call can be made again.
"""

from __future__ import annotations

import base64
import re
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from converters.results import Overflow

TEMPLATE: Final = "causeway://results/{id}{?from}"
PIECE: Final = 100_000
"""Characters of a text that one read gives."""
_MAX_BYTES: Final = 64 * 1024 * 1024
_SECONDS: Final = 600.0
_URI: Final = re.compile(r"causeway://results/([A-Za-z0-9_-]{22})(?:\?from=(\d{1,9}))?")


@dataclass(frozen=True, slots=True)
class _Kept:
    owner: str
    overflow: Overflow
    until: float


class AnswerStore:
    """Keeps answers by an id that cannot be guessed; each belongs to the owner who may read it."""

    def __init__(
        self, *, max_bytes: int = _MAX_BYTES, seconds: float = _SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Keep at most `max_bytes` of answers, each for `seconds`; the oldest goes first."""
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._bytes = 0

    def keep(self, owner: str, overflow: Overflow) -> str:
        """Keep an answer; gives its URI."""
        key = secrets.token_urlsafe(16)
        self._kept[key] = _Kept(owner, overflow, self._clock() + self._seconds)
        self._bytes += len(overflow.content)
        while self._kept and (self._bytes > self._max_bytes or self._first().until < self._clock()):
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= len(dropped.overflow.content)
        return f"causeway://results/{key}"

    def _first(self) -> _Kept:
        return next(iter(self._kept.values()))

    def read(self, owner: str, uri: str) -> list[dict[str, Any]] | None:
        """Give the `contents` of `resources/read` (2025-11-25, "Resources"), or None where there is no such answer.

        A text comes in pieces of `PIECE` characters; where it goes on, a second entry names the URI to read next.
        """
        matched = _URI.fullmatch(uri)
        kept = self._kept.get(matched[1]) if matched else None
        if matched is None or kept is None or kept.owner != owner or kept.until < self._clock():
            return None
        kind, content = kept.overflow.media_type, kept.overflow.content
        try:
            text = content.decode()
        except UnicodeDecodeError:
            return [{"uri": uri, "mimeType": kind, "blob": base64.b64encode(content).decode()}]
        start = int(matched[2] or 0)
        end = start + PIECE
        contents: list[dict[str, Any]] = [{"uri": uri, "mimeType": kind, "text": text[start:end]}]
        if end < len(text):
            following = f"causeway://results/{matched[1]}?from={end}"
            said = f"Characters {start:,} to {end:,} of {len(text):,}; read on at {following}"
            contents.append({"uri": following, "mimeType": "text/plain", "text": said})
        return contents
