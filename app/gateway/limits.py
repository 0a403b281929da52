"""What one caller may ask for in a minute and at once, so that none of them takes the gateway from the others.

Calls of a minute are counted exactly over the last 60 seconds in this process, and where instances share a counter, by
all of them together besides: without one, or while it is away, each instance grants as much. Calls at once and streams
are counted in this process. The operator, and whoever is on this machine in local mode, has no limits.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections import Counter, OrderedDict, deque
from typing import TYPE_CHECKING, Final

from app.errors import TooManyRequestsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.gateway.leases import Leases
    from app.security.callers import Caller, CallerLimits

_WINDOW: Final = 60.0
_MAX_REMEMBERED: Final = 10_000
"""Callers whose calls of the last minute are remembered; those who called longest ago are forgotten first."""


class Limits:
    """The limits of every caller, and how much of them is used in this process."""

    def __init__(
        self,
        defaults: CallerLimits,
        clock: Callable[[], float] = time.monotonic,
        *,
        leases: Leases | None = None,
    ) -> None:
        """Grant `defaults`, or what a caller's own limits lower them to; None in both is no limit.

        `leases` are of what all instances count together.
        """
        self._defaults = defaults
        self._leases = leases
        self._clock = clock
        self._recent: OrderedDict[str, deque[float]] = OrderedDict()
        self._calls: Counter[str] = Counter()
        self._streams: Counter[str] = Counter()

    @contextlib.contextmanager
    def call(self, caller: Caller) -> Iterator[None]:
        """Have one call of a caller under way, as long as the block lasts; raises `TooManyRequestsError`."""
        if caller.is_operator:
            yield
            return
        concurrent = _lower(caller.limits.concurrent_calls, self._defaults.concurrent_calls)
        _check(self._calls[caller.subject], concurrent, "calls under way")
        with one_of(self._calls, caller.subject):
            yield

    @contextlib.contextmanager
    def stream(self, caller: Caller) -> Iterator[None]:
        """Keep one stream open for a caller, as long as the block lasts; `check_stream` has found room."""
        with one_of(self._streams, caller.subject):
            yield

    def check_stream(self, caller: Caller) -> None:
        """Raise `TooManyRequestsError` where a caller has as many streams open as they may."""
        if not caller.is_operator:
            _check(self._streams[caller.subject], _lower(caller.limits.streams, self._defaults.streams), "streams open")

    async def count(self, caller: Caller) -> None:
        """Count a call in the caller's minute; raises `TooManyRequestsError`.

        One that is refused does not count, so that insisting does not keep a caller out.
        """
        most = None if caller.is_operator else _lower(caller.limits.calls_per_minute, self._defaults.calls_per_minute)
        if most is None:
            return
        recent = self._checked(caller.subject, most)
        if self._leases is not None:
            wait = await self._leases.take(caller.subject, most)
            if wait:
                raise _too_many(most, wait)
            # Others were counted meanwhile.
            recent = self._checked(caller.subject, most)
        recent.append(self._clock())

    def _checked(self, subject: str, most: int) -> deque[float]:
        """Give when a caller called in the last minute, fewer than `most` times; raises `TooManyRequestsError`."""
        now = self._clock()
        recent = self._recent.setdefault(subject, deque())
        self._recent.move_to_end(subject)
        if len(self._recent) > _MAX_REMEMBERED:
            self._recent.popitem(last=False)
        while recent and recent[0] <= now - _WINDOW:
            recent.popleft()
        if len(recent) >= most:
            raise _too_many(most, recent[0] + _WINDOW - now)
        return recent


def _too_many(most: int, wait: float) -> TooManyRequestsError:
    seconds = max(1, math.ceil(wait))
    return TooManyRequestsError(f"{most} calls in a minute are permitted: wait {seconds} seconds.", seconds)


def _lower(own: int | None, default: int | None) -> int | None:
    return min((each for each in (own, default) if each is not None), default=None)


def _check(used: int, most: int | None, what: str) -> None:
    if most is not None and used >= most:
        raise TooManyRequestsError(f"You have {most} {what}, which is as many as are permitted: try again later.", 1)


@contextlib.contextmanager
def one_of(counts: Counter[str], subject: str) -> Iterator[None]:
    """Count one more of a subject, as long as the block lasts."""
    counts[subject] += 1
    try:
        yield
    finally:
        counts[subject] -= 1
        if not counts[subject]:
            del counts[subject]
