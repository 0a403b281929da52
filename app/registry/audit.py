"""The audit: entries are added and read, and taken away when they are old; nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import Select, Table, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.registry.errors import InvalidCursor
from app.registry.paging import DEFAULT_LIMIT, page, position
from app.registry.records import AuditEntry, AuditFilter, AuditRecord, Page
from app.registry.tables import AuditRow

_LISTING: Final = "audit"
MAX_PAGE: Final = 1000
_TABLE: Final = cast("Table", AuditRow.__table__)
_MEMBERS: Final = tuple(each.name for each in fields(AuditEntry))
_SELECT: Final = select(
    AuditRow.number,
    AuditRow.at,
    AuditRow.subject,
    AuditRow.action,
    AuditRow.namespace,
    AuditRow.server,
    AuditRow.tool,
    AuditRow.target,
    AuditRow.revision,
    AuditRow.code,
    AuditRow.request_id,
)


class Audit:
    """The audit of every namespace, seen through one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        """Work inside the session's transaction; whoever opened it commits."""
        self._session = session
        self.is_unchanged = False

    def nothing_changed(self) -> None:
        """Tell that the transaction, although it may write, changes nothing that anybody asked for."""
        self.is_unchanged = True

    async def add(self, entries: Sequence[AuditEntry]) -> None:
        """Store entries, in order."""
        if entries:
            # Calls come by the thousand: `asdict` and an insert of objects would take most of what one costs.
            rows = [{name: getattr(each, name) for name in _MEMBERS} for each in entries]
            await self._session.execute(insert(_TABLE), rows)

    async def list(
        self, wanted: AuditFilter, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> Page[AuditRecord]:
        """Return a page of entries, newest first, or raise `InvalidCursor`."""
        before, size = position(_LISTING, cursor), max(1, min(limit, MAX_PAGE))
        query = _filtered(_SELECT, wanted).order_by(AuditRow.number.desc()).limit(size + 1)
        if before is not None:
            if not before.isdecimal() or len(before) > 18:  # noqa: PLR2004 - digits of what fits a number
                raise InvalidCursor
            query = query.where(AuditRow.number < int(before))
        rows = (await self._session.execute(query)).all()
        found = [AuditRecord(**row._asdict()) for row in rows]
        return page(found, size, listing=_LISTING, key=lambda record: str(record.number))

    async def remove_before(self, time: datetime) -> int:
        """Take old entries away; gives how many. The database refuses it for those of the last seven days."""
        removed = await self._session.execute(delete(AuditRow).where(AuditRow.at < time))
        return int(getattr(removed, "rowcount", 0))


def _filtered(query: Select[*tuple[Any, ...]], wanted: AuditFilter) -> Select[*tuple[Any, ...]]:
    if wanted.namespaces is not None:
        query = query.where(AuditRow.namespace.in_(wanted.namespaces))
    if wanted.servers is not None:
        query = query.where(AuditRow.server.in_(wanted.servers))
    for column, value in (
        (AuditRow.namespace, wanted.namespace),
        (AuditRow.server, wanted.server),
        (AuditRow.subject, wanted.subject),
        (AuditRow.action, wanted.action),
        (AuditRow.code, wanted.code),
        (AuditRow.request_id, wanted.request_id),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.since is not None:
        query = query.where(AuditRow.at >= wanted.since)
    return query if wanted.until is None else query.where(AuditRow.at < wanted.until)
