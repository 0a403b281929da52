"""A bulkhead: how many requests to one upstream may be under way, so that one that hangs takes nothing from others."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from app.errors import UpstreamBusyError


@dataclass(frozen=True, slots=True)
class SlotRules:
    """At most `size` requests at once, and `max_waiting` more that wait up to `max_wait` seconds for their turn."""

    size: int = 100
    max_waiting: int = 200
    max_wait: float = 5.0


class Slots:
    """The requests to one upstream: `take` or else `wait` before each, `give_back` after it."""

    __slots__ = ("_rules", "_waiters", "active")

    def __init__(self, rules: SlotRules) -> None:
        """Start with nothing under way."""
        self._rules = rules
        self._waiters: deque[asyncio.Future[None]] = deque()
        self.active = 0

    def take(self) -> bool:
        """Take a slot where one is free."""
        if self.active >= self._rules.size:
            return False
        self.active += 1
        return True

    async def wait(self) -> None:
        """Wait for a slot and take it, in the order of arrival.

        Raises:
            UpstreamBusyError: when too many are waiting already, or none becomes free in time.

        """
        if len(self._waiters) >= self._rules.max_waiting:
            raise self._busy()
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(self._rules.max_wait):
                await waiter
        except BaseException as error:
            self._withdraw(waiter)
            if isinstance(error, TimeoutError):
                raise self._busy() from None
            raise

    def give_back(self) -> None:
        """Hand the slot to whoever has waited longest, or free it."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self.active -= 1

    def _withdraw(self, waiter: asyncio.Future[None]) -> None:
        if waiter.done() and not waiter.cancelled():
            # The slot came at the moment the wait ended.
            self.give_back()
        elif waiter in self._waiters:
            self._waiters.remove(waiter)

    def _busy(self) -> UpstreamBusyError:
        return UpstreamBusyError(
            f"This API is busy: {self._rules.size} calls to it are under way and none ended in time. Try again later.",
            retry_after=1.0,
        )
