"""What counts once and has counted: kept until it would not count any more for its age."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.registry.tables import SpentStateRow, now

_REMOVED_AT_ONCE: Final = 100


class SpentStates:
    """The states that every instance was brought, seen through one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        """Work inside the session's transaction; whoever opened it commits."""
        self._session = session

    async def spend(self, state: str, *, expires_at: datetime) -> bool:
        """Tell whether `state` has not counted before, and have it counted; it is kept until `expires_at`."""
        await self._remove_expired()
        try:
            # A savepoint, because PostgreSQL would otherwise refuse the rest of the caller's transaction.
            async with self._session.begin_nested():
                await self._session.execute(insert(SpentStateRow).values(state=state, expires_at=expires_at))
        except IntegrityError:
            return False
        return True

    async def _remove_expired(self) -> None:
        # Those that others are removing are theirs: to wait for each other could be to wait for ever.
        some = select(SpentStateRow.state).where(SpentStateRow.expires_at <= now()).limit(_REMOVED_AT_ONCE)
        over = some.with_for_update(skip_locked=True)
        await self._session.execute(delete(SpentStateRow).where(SpentStateRow.state.in_(over)))
