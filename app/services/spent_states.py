"""What clients bring back counts once, whichever instance it is brought to, also after a start."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.registry import Database


class SpentStates:
    """The gateway's `SpentStates` in the database."""

    def __init__(self, database: Database) -> None:
        """Keep them in `database`."""
        self._database = database

    async def spend(self, state: str, *, seconds: float) -> bool:
        """Tell whether `state` has not counted before, and have it counted; it is kept for `seconds`.

        Raises `RegistryUnavailable` while the database is away, and where it cannot be told.
        """
        expires_at = datetime.now(UTC) + timedelta(seconds=seconds)
        async with self._database.transaction() as registry:
            return await registry.spent_states.spend(state, expires_at=expires_at)
