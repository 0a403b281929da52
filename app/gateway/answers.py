"""Whole answers that were too large for a result, kept for a while to be read as resources, piece by piece.

Kept in memory, bounded in bytes and time: a resource that is gone says so, and the call can be made again. Where there
is no room, the namespace that keeps most gives way: however many answers a tenant has kept, those of another stay.
"""

from __future__ import annotations

import base64
import re
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from converters.results import Overflow

Owner = tuple[str, str]

TEMPLATE: Final = "causeway://results/{id}{?from}"
PIECE: Final = 100_000
"""Characters of a text that one read gives."""
_MAX_BYTES: Final = 64 * 1024 * 1024
_SECONDS: Final = 600.0
_URI: Final = re.compile(r"causeway://results/([A-Za-z0-9_-]{22})(?:\?from=(\d{1,9}))?")


@dataclass(frozen=True, slots=True)
class _Kept:
    owner: Owner
    overflow: Overflow
    until: float


@dataclass(slots=True)
class _Share:
    """What one namespace keeps, oldest first."""

    kept: OrderedDict[str, _Kept] = field(default_factory=OrderedDict)
    bytes: int = 0

    def drop_oldest(self) -> int:
        """Give the bytes that were freed."""
        _, dropped = self.kept.popitem(last=False)
        freed = len(dropped.overflow.content)
        self.bytes -= freed
        return freed

    def has_expired(self, now: float) -> bool:
        return bool(self.kept) and next(iter(self.kept.values())).until < now


class AnswerStore:
    """Keeps answers by an id that cannot be guessed; each belongs to the owner who may read it.

    An owner is a server, as `namespace/server`, and the subject of who called it.
    """

    def __init__(
        self, *, max_bytes: int = _MAX_BYTES, seconds: float = _SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Keep at most `max_bytes` of answers, each for `seconds`; the oldest of whoever keeps most goes first."""
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._clock = clock
        self._shares: dict[str, _Share] = {}
        self._bytes = 0

    def keep(self, owner: Owner, overflow: Overflow) -> str:
        """Keep an answer; gives its URI."""
        key = secrets.token_urlsafe(16)
        now, size = self._clock(), len(overflow.content)
        share = self._shares.setdefault(_namespace(owner), _Share())
        share.kept[key] = _Kept(owner, overflow, now + self._seconds)
        share.bytes += size
        self._bytes += size
        self._make_room(now)
        return f"causeway://results/{key}"

    def _make_room(self, now: float) -> None:
        for share in self._shares.values():
            while share.has_expired(now):
                self._bytes -= share.drop_oldest()
        while self._bytes > self._max_bytes:
            self._bytes -= max(self._shares.values(), key=lambda share: share.bytes).drop_oldest()
        self._shares = {namespace: share for namespace, share in self._shares.items() if share.kept}

    def read(self, owner: Owner, uri: str) -> list[dict[str, Any]] | None:
        """Give the `contents` of `resources/read` (2025-11-25, "Resources"), or None where there is no such answer.

        A text comes in pieces of `PIECE` characters; where it goes on, a second entry names the URI to read next.
        """
        matched = _URI.fullmatch(uri)
        share = self._shares.get(_namespace(owner), _Share())
        kept = share.kept.get(matched[1]) if matched else None
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


def _namespace(owner: Owner) -> str:
    return owner[0].partition("/")[0]
