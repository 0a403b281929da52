"""Where descriptions were fetched from, what was there the last time, and whose turn it is to look again."""

from __future__ import annotations

import random
from dataclasses import asdict
from datetime import timedelta
from typing import Final

from sqlalchemy import ColumnElement, Select, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.registry.lookups import server_key
from app.registry.records import ServerName, SourceState
from app.registry.tables import RevisionRow, ServerRow, SourceCheckRow, now

_JITTER: Final = 0.1
_AT_ONCE: Final = 8


class Sources:
    """The sources of every server, seen through one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        """Work inside the session's transaction; whoever opened it commits."""
        self._session = session

    async def url(self, namespace: str, name: str) -> str | None:
        """Return where the newest revision of a server was fetched from, or None; raises `ServerNotFound`."""
        server = await server_key(self._session, ServerName(namespace, name))
        query = select(RevisionRow.document_url).where(RevisionRow.server_id == server.id)
        return await self._session.scalar(query.order_by(RevisionRow.number.desc()).limit(1))

    async def state(self, namespace: str, name: str) -> SourceState:
        """Return what was at a server's source when it was looked at; raises `ServerNotFound`."""
        server = await server_key(self._session, ServerName(namespace, name))
        query = select(
            SourceCheckRow.url, SourceCheckRow.etag, SourceCheckRow.last_modified, SourceCheckRow.content_digest
        )
        row = (await self._session.execute(query.where(SourceCheckRow.server_id == server.id))).one_or_none()
        return SourceState() if row is None else SourceState(*row)

    async def keep(self, namespace: str, name: str, *, state: SourceState) -> None:
        """Remember what is at a server's source; raises `ServerNotFound`."""
        server = await server_key(self._session, ServerName(namespace, name), lock=True)
        row = SourceCheckRow.server_id == server.id
        due = await self._session.scalar(select(SourceCheckRow.due_at).where(row))
        await self._session.execute(delete(SourceCheckRow).where(row))
        values = {"server_id": server.id, "due_at": due or now(), **asdict(state)}
        await self._session.execute(insert(SourceCheckRow).values(values))

    async def are_due(self) -> bool:
        """Tell whether there is a source to be looked at by now."""
        return (await self._session.execute(_due().limit(1))).first() is not None

    async def claim(self) -> tuple[ServerName, ...]:
        """Take some of the servers whose sources are to be looked at by now; nobody else takes them at this time.

        Each is due again after its interval, a tenth more or less, so that those of one origin spread.
        """
        # Rows that another process is about to claim are skipped there; SQLite has one writer at a time.
        query = _due().limit(_AT_ONCE).with_for_update(of=ServerRow, skip_locked=True)
        found = (await self._session.execute(query)).all()
        for row in found:
            seconds = row.seconds * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - nothing to guess
            due_at = now() + timedelta(seconds=seconds)
            known = SourceCheckRow.server_id == row.id
            done = await self._session.scalar(
                update(SourceCheckRow).where(known).values(due_at=due_at).returning(SourceCheckRow.server_id)
            )
            if done is None:
                await self._session.execute(insert(SourceCheckRow).values(server_id=row.id, due_at=due_at))
        return tuple(ServerName(row.namespace, row.name) for row in found)


def _interval() -> ColumnElement[int]:
    seconds: ColumnElement[int] = ServerRow.policies["refresh_interval"].as_integer()
    return seconds


def _due() -> Select[int, str, str, int]:
    newest = (
        select(RevisionRow.document_url)
        .where(RevisionRow.server_id == ServerRow.id)
        .order_by(RevisionRow.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    due_at = select(SourceCheckRow.due_at).where(SourceCheckRow.server_id == ServerRow.id).scalar_subquery()
    return (
        select(ServerRow.id, ServerRow.namespace, ServerRow.name, _interval().label("seconds"))
        .where(ServerRow.enabled, _interval().is_not(None), newest.is_not(None))
        .where(or_(due_at.is_(None), due_at <= now()))
        .order_by(ServerRow.id)
    )
