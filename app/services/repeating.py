"""Work that is done again and again beside the requests: one loop, so that no fault in one turn ends it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Final

from app.registry.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

_log: Final = logging.getLogger(__name__)


async def repeated(turn: Callable[[], Awaitable[object]], *, seconds: float, name: str) -> None:
    """Take a turn every so many seconds, for ever; `name` says in the log what it is.

    A registry that is away, or refuses, is told once until a turn succeeds; anything else is a defect, told each time.
    """
    is_away = False
    while True:
        await asyncio.sleep(seconds)
        try:
            await turn()
        except RegistryError as error:
            if not is_away:
                _log.warning("%s waits for the registry: %s", name, error.message)
            is_away = True
        except Exception:  # noqa: BLE001 - the edge: whatever goes wrong in one turn, the next one is taken
            _log.exception("%s went wrong", name)
        else:
            is_away = False


@contextlib.asynccontextmanager
async def alongside(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Have these run as long as the block runs, and end them with it."""
    tasks = [asyncio.create_task(each) for each in works]
    try:
        yield
    finally:
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
