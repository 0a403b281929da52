"""What this process may use of the calls that all instances count together: some at a time, so that few calls ask.

A call that finds some left costs no request. Otherwise one request is made for all calls of the same subject that wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from app.gateway.ports import SharedCounts

_ASK_AGAIN: Final = 1.0
"""Seconds for which a subject that was refused is refused without asking: others may give calls back."""
_NOTHING: Final = 0.0


@dataclass(slots=True)
class _Lease:
    """The calls that are left to a subject until `ends`, taken in `second`; or until when there are none.

    `free_at` is when there may be some, `ask_at` when it is worth asking.
    """

    left: int = 0
    second: int = 0
    ends: float = _NOTHING
    free_at: float = _NOTHING
    ask_at: float = _NOTHING
    asking: asyncio.Task[bool] | None = None


class Leases:
    """The calls that every subject has left in this process."""

    def __init__(
        self, counts: SharedCounts, *, seconds: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take calls from `counts`, which may be used for `seconds`."""
        self._counts = counts
        self._seconds = seconds
        self._clock = clock
        self._leases: dict[str, _Lease] = {}

    async def take(self, subject: str, most: int) -> float | None:
        """Take one of the `most` calls of a subject in a minute: 0.0, or the seconds until there is one.

        None where nobody counts for all.
        """
        while True:
            lease = self._leases.setdefault(subject, _Lease())
            now = self._clock()
            if lease.left and now < lease.ends:
                lease.left -= 1
                return _NOTHING
            if now < lease.ask_at:
                return lease.free_at - now
            if lease.asking is None:
                if not self._counts.is_up:
                    return None
                lease.asking = asyncio.create_task(self._ask(subject, lease, most))
            # Shielded: it is asked for all who wait, and one of them may hang up.
            if not await asyncio.shield(lease.asking):
                return None

    async def _ask(self, subject: str, lease: _Lease, most: int) -> bool:
        """Take more, giving back what was left too long; tells whether somebody counts."""
        back, lease.left = lease.left, 0
        try:
            taken = await self._counts.take(subject, most, back=back, second=lease.second)
        finally:
            lease.asking = None
        if taken is None:
            return False
        lease.left, lease.second, wait = taken
        # From now and not from when it was asked: an answer that took long is as good for who waits for it.
        now = self._clock()
        lease.ends = now + self._seconds
        if not lease.left:
            lease.free_at, lease.ask_at = now + wait, now + min(wait, _ASK_AGAIN)
        return True

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Give back in time what is not used, as long as the block runs."""
        task = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            for subject in tuple(self._leases):
                await self._give_back(subject)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            await self.give_back_unused()

    async def give_back_unused(self) -> None:
        """Give back what was left too long, and forget who has nothing."""
        for subject in tuple(self._leases):
            lease = self._leases.get(subject)
            if lease is not None and lease.asking is None and max(lease.ends, lease.ask_at) <= self._clock():
                await self._give_back(subject)

    async def _give_back(self, subject: str) -> None:
        lease = self._leases.pop(subject)
        if lease.left:
            await self._counts.take(subject, 0, back=lease.left, second=lease.second)
