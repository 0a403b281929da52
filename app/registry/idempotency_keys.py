"""Requests with an idempotency key: claimed while they are under way, then kept with their answer for a while."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, delete, func, insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.registry.errors import IdempotencyKeyReused, IdempotentRequestRunning
from app.registry.records import IdempotentRequest, KeptAnswer
from app.registry.tables import IdempotencyKeyRow, now

_SELECT: Final = select(
    IdempotencyKeyRow.fingerprint,
    IdempotencyKeyRow.claimed_until,
    IdempotencyKeyRow.status,
    IdempotencyKeyRow.headers,
    IdempotencyKeyRow.body,
)
_REMOVED_AT_ONCE: Final = 100


class IdempotencyKeys:
    """The idempotency keys of every caller, seen through one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        """Work inside the session's transaction; whoever opened it commits."""
        self._session = session

    async def claim(
        self, request: IdempotentRequest, *, claim: str, until: datetime, expires_at: datetime
    ) -> KeptAnswer | None:
        """Claim a request for whoever has the secret `claim`, None, or give what it was answered with.

        A claim that has run out is given to the next. Raises `IdempotencyKeyReused` or `IdempotentRequestRunning`.
        """
        await self._remove_expired(request)
        if await self._add(request, claim=claim, claimed_until=until, expires_at=expires_at):
            return None
        row = await self._held(request)
        # It was there a moment ago: another instance has just given it up.
        if row is None:
            raise IdempotentRequestRunning
        if row.fingerprint != request.fingerprint:
            raise IdempotencyKeyReused
        if row.status is not None:
            return KeptAnswer(row.status, row.headers or {}, row.body)
        if row.claimed_until is not None and row.claimed_until > now():
            raise IdempotentRequestRunning
        await self._session.execute(
            update(IdempotencyKeyRow).where(*_place(request)).values(claim=claim, claimed_until=until)
        )
        return None

    async def count(self, owner: str) -> int:
        """Tell how many requests of an owner are kept or under way."""
        counted = select(func.count()).where(IdempotencyKeyRow.owner == owner, IdempotencyKeyRow.expires_at > now())
        return (await self._session.execute(counted)).scalar_one()

    async def extend(self, request: IdempotentRequest, *, claim: str, seconds: float) -> None:
        """Have a claim last for so many seconds from now."""
        await self._change(request, claim, claimed_until=now() + timedelta(seconds=seconds))

    async def keep(self, request: IdempotentRequest, *, claim: str, answer: KeptAnswer) -> None:
        """Keep what a claimed request was answered with; nothing where somebody else has claimed it since."""
        values = {"status": answer.status, "headers": answer.headers, "body": answer.body}
        await self._change(request, claim, **values, claimed_until=None)

    async def release(self, request: IdempotentRequest, *, claim: str) -> None:
        """Give up a claim, as if the request had never been made."""
        mine = delete(IdempotencyKeyRow).where(*_place(request), IdempotencyKeyRow.claim == claim)
        await self._session.execute(mine)

    async def _remove_expired(self, request: IdempotentRequest) -> None:
        """Remove some requests that are kept no longer, and of these the one at hand in any case."""
        is_over = IdempotencyKeyRow.expires_at <= now()
        await self._session.execute(delete(IdempotencyKeyRow).where(*_place(request), is_over))
        # Those that others are removing are theirs: to wait for each other could be to wait for ever.
        some = select(IdempotencyKeyRow.owner, IdempotencyKeyRow.key).where(is_over).limit(_REMOVED_AT_ONCE)
        place = tuple_(IdempotencyKeyRow.owner, IdempotencyKeyRow.key)
        await self._session.execute(delete(IdempotencyKeyRow).where(place.in_(some.with_for_update(skip_locked=True))))

    async def _add(self, request: IdempotentRequest, **values: object) -> bool:
        place = {"owner": request.owner, "key": request.key, "namespace": request.namespace}
        statement = insert(IdempotencyKeyRow).values(**place, fingerprint=request.fingerprint, **values)
        try:
            # A savepoint, because PostgreSQL would otherwise refuse the rest of the caller's transaction.
            async with self._session.begin_nested():
                await self._session.execute(statement)
        except IntegrityError:
            return False
        return True

    async def _held(self, request: IdempotentRequest) -> Row[Any] | None:
        return (await self._session.execute(_SELECT.where(*_place(request)).with_for_update())).one_or_none()

    async def _change(self, request: IdempotentRequest, claim: str, **values: object) -> None:
        mine = update(IdempotencyKeyRow).where(*_place(request), IdempotencyKeyRow.claim == claim)
        await self._session.execute(mine.values(values))


def _place(request: IdempotentRequest) -> tuple[ColumnElement[bool], ...]:
    return IdempotencyKeyRow.owner == request.owner, IdempotencyKeyRow.key == request.key
