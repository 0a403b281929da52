"""The set-up: one token per database, with which the first key is made."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import exists, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.registry.tables import ApiKeyRow, SetupRow, now

_THE_ONE: Final = 1


class Setup:
    """The set-up token, seen through one transaction. It is never used twice, nor after there is a key."""

    def __init__(self, session: AsyncSession) -> None:
        """Work inside the session's transaction; whoever opened it commits."""
        self._session = session

    async def open_since(self) -> datetime | None:
        """Tell since when there is a token that can be used; None where there is none."""
        query = select(SetupRow.created_at).where(SetupRow.used_at.is_(None), ~exists().where(ApiKeyRow.number > 0))
        return (await self._session.execute(query)).scalar_one_or_none()

    async def offer(self, digest: bytes) -> bool:
        """Store the token of this digest, if it is the first one and there is no key; tells whether it was stored."""
        if (await self._session.execute(select(exists().where(ApiKeyRow.number > 0)))).scalar_one():
            return False
        try:
            # A savepoint, because PostgreSQL would otherwise refuse the rest of the caller's transaction.
            async with self._session.begin_nested():
                await self._session.execute(insert(SetupRow).values(id=_THE_ONE, digest=digest))
        except IntegrityError:
            return False
        return True

    async def use(self, digest: bytes) -> bool:
        """Use the token up; of several who try at once, one is told True."""
        is_good = SetupRow.digest == digest, SetupRow.used_at.is_(None), ~exists().where(ApiKeyRow.number > 0)
        used = await self._session.execute(update(SetupRow).where(*is_good).values(used_at=now()))
        return getattr(used, "rowcount", 0) == 1
