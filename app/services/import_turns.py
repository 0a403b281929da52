"""Whose turn it is to import: a namespace has a few imports under way and a few waiting, so that others have theirs.

Each import is a process of its own, so that there are not more of them in all than a machine can take.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import TYPE_CHECKING, Final

from app.errors import TooManyRequestsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

WAITING: Final = 20
"""Imports of a namespace that may wait: each holds its document in memory."""
_RETRY_SECONDS: Final = 10


class ImportTurns:
    """Gives each namespace its turns, in the order they were asked for."""

    def __init__(self, at_once: int, *, in_all: int = 4) -> None:
        """Let `at_once` imports of each namespace run, and `in_all` of all of them."""
        self._at_once = at_once
        self._all = asyncio.Semaphore(in_all)
        self._free: dict[str, asyncio.Semaphore] = {}
        self._there: Counter[str] = Counter()

    @contextlib.asynccontextmanager
    async def of(self, namespace: str) -> AsyncIterator[None]:
        """Wait for a turn of `namespace`, which lasts as long as the block; raises `TooManyRequestsError`."""
        if self._there[namespace] >= self._at_once + WAITING:
            raise TooManyRequestsError(f"{WAITING} imports of this namespace wait already: try later.", _RETRY_SECONDS)
        free = self._free.setdefault(namespace, asyncio.Semaphore(self._at_once))
        self._there[namespace] += 1
        try:
            async with free, self._all:
                yield
        finally:
            self._there[namespace] -= 1
            if not self._there[namespace]:
                del self._there[namespace], self._free[namespace]
