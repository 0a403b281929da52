"""Which requests are sent again, and when: only those that repeat safely, a few times, never beyond the deadline."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from app.errors import UpstreamError

if TYPE_CHECKING:
    from collections.abc import Callable

    from converters.answers import ApiResponse

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "QUERY"})
"""Methods that change nothing (RFC 9110 section 9.2.1, and QUERY)."""

_TOO_MANY_REQUESTS: Final = 429
# 500 is not among them: it says that this request failed, and most fail again. The others are about the moment.
_RETRIED: Final = frozenset({408, _TOO_MANY_REQUESTS, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class RetryRules:
    """At most `most` retries of a call, each after a pause between nothing and `pause` seconds, doubled each time.

    A Retry-After of up to `max_retry_after` seconds is kept, and then the pause is added, so that many who were told
    the same do not come back together; beyond `max_waiting` calls of one upstream that wait, answers are final.
    `jitter` gives numbers from 0 to 1.
    """

    most: int = 2
    pause: float = 0.25
    max_retry_after: float = 10.0
    max_waiting: int = 10
    jitter: Callable[[], float] = random.random  # noqa: S311 - when to come back is no secret


class Retries:
    """The retries that one call has left until `ends`, a time of the event loop's clock."""

    __slots__ = ("_count", "_ends", "_left", "_rules")

    def __init__(self, rules: RetryRules, *, is_allowed: bool, ends: float) -> None:
        """Start with all of them, or none where the request must not be repeated."""
        self._rules = rules
        self._left = rules.most if is_allowed else 0
        self._count = 0
        self._ends = ends

    def after(self, outcome: ApiResponse | UpstreamError, now: float) -> float | None:
        """Give the seconds to wait before sending again, or None where the outcome is final."""
        if not self._left:
            return None
        if isinstance(outcome, UpstreamError):
            return self._pause(0.0, now) if outcome.is_transient else None
        status = outcome.status
        if status not in _RETRIED:
            return None
        asked = retry_after_seconds(outcome.retry_after) if outcome.retry_after else 0.0
        if asked > self._rules.max_retry_after:
            return None
        if status == _TOO_MANY_REQUESTS:
            # Whoever is limited and keeps asking stays limited.
            self._left = 1
        return self._pause(asked, now)

    def _pause(self, asked: float, now: float) -> float | None:
        spread: float = max(self._rules.pause * 2**self._count, asked / 2)
        pause = asked + spread * self._rules.jitter()
        if now + pause >= self._ends:
            return None
        self._left -= 1
        self._count += 1
        return pause


def retry_after_seconds(text: str) -> float:
    """Read a Retry-After field (RFC 9110 section 10.2.3), a number of seconds or a date; 0 for what is neither."""
    text = text.strip()
    if text.isascii() and text.isdecimal():
        return float(text[:12])
    try:
        date = parsedate_to_datetime(text)
        # The obsolete form of a date (asctime) names no zone, and means UTC as the others do.
        return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0
