"""Tokens that instances share: sealed, with a lease for whoever is asking for the next one."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.registry.lookups import server_key
from app.registry.records import ServerName, SharedToken
from app.registry.tables import SharedTokenRow, now

_SELECT = select(
    SharedTokenRow.server_id,
    SharedTokenRow.name,
    SharedTokenRow.key_id,
    SharedTokenRow.content,
    SharedTokenRow.expires_at,
    SharedTokenRow.asked_by,
    SharedTokenRow.asked_until,
)


class SharedTokens:
    """The shared tokens of every server, seen through one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        """Work inside the session's transaction; whoever opened it commits."""
        self._session = session

    async def hold(self, namespace: str, server: str, *, name: str) -> SharedToken:
        """Return a token's row, made first if it is missing; others wait for it until the transaction ends.

        Raises `ServerNotFound`.
        """
        key = await server_key(self._session, ServerName(namespace, server))
        query = _SELECT.where(SharedTokenRow.server_id == key.id, SharedTokenRow.name == name).with_for_update()
        row = (await self._session.execute(query)).one_or_none()
        if row is None:
            await self._add(key.id, name)
            row = (await self._session.execute(query)).one()
        return SharedToken(**row._asdict())

    async def lease(self, token: SharedToken, *, asker: str, seconds: float) -> None:
        """Note that `asker` asks for the token, for so many seconds at most."""
        await self._change(token, asked_by=asker, asked_until=now() + timedelta(seconds=seconds))

    async def store(self, token: SharedToken, *, key_id: str, content: bytes, expires_at: datetime) -> None:
        """Store the token and end the lease."""
        values = {"key_id": key_id, "content": content, "expires_at": expires_at}
        await self._change(token, **values, asked_by=None, asked_until=None)

    async def release(self, token: SharedToken) -> None:
        """End the lease without a token."""
        await self._change(token, asked_by=None, asked_until=None)

    async def _add(self, server_id: int, name: str) -> None:
        try:
            # A savepoint, because PostgreSQL would otherwise refuse the rest of the caller's transaction.
            async with self._session.begin_nested():
                await self._session.execute(insert(SharedTokenRow).values(server_id=server_id, name=name))
        except IntegrityError:
            # Another instance has just made it.
            return

    async def _change(self, token: SharedToken, **values: object) -> None:
        place = SharedTokenRow.server_id == token.server_id, SharedTokenRow.name == token.name
        await self._session.execute(update(SharedTokenRow).where(*place).values(values))
