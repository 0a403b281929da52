"""Conditions of servers: what went wrong with them, until it goes right again."""

from __future__ import annotations

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.registry.lookups import server_key
from app.registry.records import ConditionRecord, ServerName
from app.registry.tables import ConditionRow


class Conditions:
    """The conditions of every server, seen through one transaction; every method raises `ServerNotFound`."""

    def __init__(self, session: AsyncSession) -> None:
        """Work inside the session's transaction; whoever opened it commits."""
        self._session = session

    async def list(self, namespace: str, name: str) -> tuple[ConditionRecord, ...]:
        """Return a server's conditions by code."""
        server = await server_key(self._session, ServerName(namespace, name))
        query = select(ConditionRow.code, ConditionRow.message, ConditionRow.remedy, ConditionRow.since)
        rows = await self._session.execute(query.where(ConditionRow.server_id == server.id).order_by(ConditionRow.code))
        return tuple(ConditionRecord(*row) for row in rows)

    async def put(self, namespace: str, name: str, *, code: str, message: str, remedy: str) -> None:
        """Tell a condition; one that is told already in the same words keeps its time."""
        server = await server_key(self._session, ServerName(namespace, name), lock=True)
        told = {each.code: each for each in await self.list(namespace, name)}.get(code)
        if told is not None and (told.message, told.remedy) == (message, remedy):
            return
        await self.clear(namespace, name, code=code)
        values = {"server_id": server.id, "code": code, "message": message, "remedy": remedy}
        await self._session.execute(insert(ConditionRow).values(values))

    async def clear(self, namespace: str, name: str, *, code: str) -> None:
        """Take a condition back, where there is one."""
        server = await server_key(self._session, ServerName(namespace, name))
        await self._session.execute(
            delete(ConditionRow).where(ConditionRow.server_id == server.id, ConditionRow.code == code)
        )
