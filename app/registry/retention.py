"""Old revisions: which of them are removed, some at a time; the one that is served and the one that waits never are."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.registry.lookups import ServerKey, server_key
from app.registry.records import ServerName
from app.registry.tables import RevisionRow, ServedRevisionRow, ServerRow, now


class Retention:
    """The old revisions of every server, seen through one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        """Work inside the session's transaction; whoever opened it commits."""
        self._session = session

    async def overfull(self, *, count: int) -> tuple[ServerName, ...]:
        """Return the servers that have more than `count` revisions, in order."""
        query = (
            select(ServerRow.namespace, ServerRow.name)
            .join(RevisionRow, RevisionRow.server_id == ServerRow.id)
            .group_by(ServerRow.namespace, ServerRow.name)
            .having(func.count(RevisionRow.id) > count)
            .order_by(ServerRow.namespace, ServerRow.name)
        )
        return tuple(ServerName(*row) for row in await self._session.execute(query))

    async def remove(self, server: ServerName, *, count: int, since: datetime, most: int) -> int:
        """Remove revisions of a server beyond its newest `count` that were not served `since`; gives how many.

        At most `most`, the oldest first. Raises `ServerNotFound`.
        """
        key = await server_key(self._session, server, lock=True)
        own = RevisionRow.server_id == key.id
        newest = select(RevisionRow.number).where(own).order_by(RevisionRow.number.desc()).limit(count)
        served = select(ServedRevisionRow.revision_id).where(ServedRevisionRow.until >= since)
        old = (
            select(RevisionRow.id)
            .where(own, RevisionRow.number.not_in(newest), RevisionRow.number.not_in(_used(key)))
            .where(RevisionRow.id.not_in(served))
            .order_by(RevisionRow.number)
            .limit(most)
        )
        found = tuple(await self._session.scalars(old))
        await self._session.execute(delete(RevisionRow).where(RevisionRow.id.in_(found)))
        return len(found)


async def note_served(session: AsyncSession, revision: int) -> None:
    """Remember that a revision, by its row number, was served until now."""
    await session.execute(delete(ServedRevisionRow).where(ServedRevisionRow.revision_id == revision))
    await session.execute(insert(ServedRevisionRow).values(revision_id=revision, until=now()))


async def make_room(session: AsyncSession, server: ServerKey, *, kept: Collection[int], size: int) -> None:
    """Remove revisions of a server that are not `kept` until so many bytes of documents are free, or none is left.

    The oldest go first, and last the one that was served when the server was read.
    """
    query = select(RevisionRow.id, RevisionRow.number, func.length(RevisionRow.document).label("size")).where(
        RevisionRow.server_id == server.id, RevisionRow.number.not_in(kept)
    )
    rows = (await session.execute(query)).all()
    gone, freed = [], 0
    for row in sorted(rows, key=lambda each: (each.number == server.active_revision, each.number)):
        if freed >= size:
            break
        gone.append(row.id)
        freed += row.size
    await session.execute(delete(RevisionRow).where(RevisionRow.id.in_(gone)))


def _used(server: ServerKey) -> tuple[int, ...]:
    waiting = () if server.draft_revision is None else (server.draft_revision,)
    return (server.active_revision, *waiting)
