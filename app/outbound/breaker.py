"""A circuit breaker: an API that keeps failing is left alone for a while, then tried with one call.

Closed, it counts calls and failures; open, it refuses; half-open, it lets one call through (the probe), whose outcome
closes it or opens it again. Time is a monotonic clock's, so that a change of the wall clock means nothing.
"""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from app.errors import UpstreamUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

BreakerState = Literal["closed", "open", "half-open"]

# The window is counted in this many parts; the oldest part is forgotten as a whole.
_PARTS: Final = 6
# How long to leave an API alone that a probe is out for: nobody knows, and the probe takes some time.
_WHILE_PROBING: Final = 1.0


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """When a breaker opens: after `max_consecutive` failures, or at `failure_rate` of `min_calls` within `window`.

    `window` and `open_for` are seconds.
    """

    window: float = 30.0
    min_calls: int = 20
    failure_rate: float = 0.5
    max_consecutive: int = 10
    open_for: float = 30.0


@dataclass(slots=True)
class _Part:
    """The calls of one part of the window."""

    number: int
    calls: int = 0
    failures: int = 0


class Breaker:
    """The breaker of one upstream: `admit` before each call, and one of the other three after it."""

    __slots__ = ("_clock", "_consecutive", "_is_probing", "_open_until", "_parts", "_reason", "_rules")

    def __init__(self, rules: BreakerRules, clock: Callable[[], float] = time.monotonic) -> None:
        """Start closed; `clock` gives seconds and never goes back."""
        self._rules = rules
        self._clock = clock
        self._consecutive = 0
        self._parts: deque[_Part] = deque([_Part(-1)], maxlen=_PARTS)
        self._open_until: float | None = None
        self._is_probing = False
        self._reason = ""

    @property
    def state(self) -> BreakerState:
        """What the next call meets."""
        if self._open_until is None:
            return "closed"
        return "half-open" if self._is_probing or self._clock() >= self._open_until else "open"

    @property
    def is_closed(self) -> bool:
        """Whether calls are sent as usual."""
        return self._open_until is None

    def admit(self) -> bool:
        """Let a call through; gives whether it is the probe.

        Raises:
            UpstreamUnavailableError: while calls are paused; it says for how long.

        """
        if self._open_until is None:
            return False
        remaining = self._open_until - self._clock()
        if remaining > 0 or self._is_probing:
            raise self._paused(max(remaining, _WHILE_PROBING))
        self._is_probing = True
        return True

    def succeeded(self, *, is_probe: bool) -> None:
        """Count a call that the API answered."""
        if is_probe:
            self._close()
        if self._open_until is None:
            self._consecutive = 0
            self._part().calls += 1

    def failed(self, *, is_probe: bool) -> None:
        """Count a call that failed for a reason that lies with the API or on the way to it."""
        if is_probe:
            self._open()
        # What was sent before the breaker opened says nothing new.
        if self._open_until is not None:
            return
        self._consecutive += 1
        part = self._part()
        part.calls += 1
        part.failures += 1
        self._judge()

    def abandoned(self, *, is_probe: bool) -> None:
        """Forget a call whose outcome says nothing about the API, such as one that was cancelled."""
        if is_probe:
            self._is_probing = False

    def _judge(self) -> None:
        if self._consecutive >= self._rules.max_consecutive:
            self._reason = f"the last {self._consecutive} calls failed"
            self._open()
            return
        calls = sum(part.calls for part in self._parts)
        failures = sum(part.failures for part in self._parts)
        if calls >= self._rules.min_calls and failures >= self._rules.failure_rate * calls:
            self._reason = f"{failures} of the last {calls} calls failed"
            self._open()

    def _open(self) -> None:
        self._open_until = self._clock() + self._rules.open_for
        self._is_probing = False

    def _close(self) -> None:
        self._open_until = None
        self._is_probing = False
        self._consecutive = 0
        self._parts.clear()
        self._parts.append(_Part(-1))

    def _part(self) -> _Part:
        """Give the current part of the window, and forget those that are out of it."""
        number = int(self._clock() * _PARTS / self._rules.window)
        newest = self._parts[-1]
        if newest.number == number:
            return newest
        while self._parts and self._parts[0].number <= number - _PARTS:
            self._parts.popleft()
        self._parts.append(_Part(number))
        return self._parts[-1]

    def _paused(self, seconds: float) -> UpstreamUnavailableError:
        whole = math.ceil(seconds)
        wait = f"{whole} second{'' if whole == 1 else 's'}"
        return UpstreamUnavailableError(
            f"Calls to this API are paused, because {self._reason}; try again in {wait}.", retry_after=whole
        )
