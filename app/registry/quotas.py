"""Quotas: what a namespace may hold, judged in the transaction that adds to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import astuple, fields

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.registry.errors import NamespaceNotFound, QuotaExceeded
from app.registry.records import Quota, QuotaRecord, Usage
from app.registry.tables import NamespaceRow, RevisionRow, ServerRow

_WORDS = {"servers": "servers", "tools": "tools", "document_bytes": "bytes of documents"}
# Beside the locks of other purposes: the first number says that it is this one.
_LOCK = 0x71756F74


class Quotas:
    """The quotas of all namespaces, seen through one transaction."""

    def __init__(self, session: AsyncSession, most: Quota) -> None:
        """Work inside the session's transaction; no namespace may hold more than `most`."""
        self._session = session
        self._most = most

    async def get(self, namespace: str) -> QuotaRecord:
        """Return what a namespace may hold and holds, or raise `NamespaceNotFound`."""
        return QuotaRecord(await self._limits(namespace), await self._usage(namespace))

    @asynccontextmanager
    async def kept(self, namespace: str) -> AsyncIterator[None]:
        """Let the block add to a namespace, and raise `QuotaExceeded` if that makes too much of something.

        What was too much before and did not become more is let through, so that a quota may be lowered. Others that
        add to the same namespace wait until the transaction ends.
        """
        limits = await self._limits(namespace)
        if limits == Quota():
            yield
            return
        await self._take_turns(namespace)
        before = await self._usage(namespace)
        yield
        after = await self._usage(namespace)
        for each in fields(Usage):
            most, held = getattr(limits, each.name), getattr(after, each.name)
            if most is not None and held > most and held > getattr(before, each.name):
                raise QuotaExceeded(namespace, _WORDS[each.name], most=most, wanted=held)

    async def excess(self, namespace: str) -> int:
        """Return how many bytes of documents a namespace holds beyond what it may."""
        most = (await self._limits(namespace)).document_bytes
        return 0 if most is None else max(0, (await self._usage(namespace)).document_bytes - most)

    async def _limits(self, namespace: str) -> Quota:
        query = select(NamespaceRow.name, NamespaceRow.quota).where(NamespaceRow.name == namespace)
        found = (await self._session.execute(query)).one_or_none()
        if found is None:
            raise NamespaceNotFound(namespace)
        own = Quota(**(found.quota or {}))
        return Quota(*map(_lower, astuple(own), astuple(self._most)))

    async def _take_turns(self, namespace: str) -> None:
        # Not the namespace's row: whoever deletes it holds that and waits for its servers, one of which is held here.
        if self._session.get_bind().dialect.name == "postgresql":
            await self._session.execute(select(func.pg_advisory_xact_lock(_LOCK, func.hashtext(namespace))))

    async def _usage(self, namespace: str) -> Usage:
        is_active = and_(RevisionRow.server_id == ServerRow.id, RevisionRow.number == ServerRow.active_revision)
        tools = func.sum(RevisionRow.counts["tools"].as_integer())
        served = select(func.count(ServerRow.id), tools).join(RevisionRow, is_active)
        stored = select(func.sum(func.length(RevisionRow.document))).join(
            ServerRow, RevisionRow.server_id == ServerRow.id
        )
        servers, count = (await self._session.execute(served.where(ServerRow.namespace == namespace))).one()
        size = await self._session.scalar(stored.where(ServerRow.namespace == namespace))
        return Usage(servers, int(count or 0), int(size or 0))


def _lower(one: int | None, other: int | None) -> int | None:
    given = [each for each in (one, other) if each is not None]
    return min(given, default=None)
