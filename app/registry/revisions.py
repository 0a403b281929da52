"""Revisions: stored compilations with their tools and diagnostics, and the overrides that lie over the tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final

from anyio import to_thread
from sqlalchemy import and_, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.registry.errors import InvalidCursor, ToolNotFound
from app.registry.lookups import ServerKey, revision_id, server_key
from app.registry.paging import DEFAULT_LIMIT, page, page_size, position
from app.registry.records import (
    DiagnosticRecord,
    FormerName,
    Page,
    RevisionRecord,
    ServerName,
    ToolOverride,
    ToolOverrideChanges,
    ToolRecord,
    present,
)
from app.registry.tables import (
    DiagnosticRow,
    FormerToolNameRow,
    RevisionRow,
    ServerRow,
    ToolOverrideRow,
    ToolRow,
    now,
)
from app.registry.tool_rows import override_values, select_tools, tool_record, tool_records

LONGEST_GRACE: Final = timedelta(days=365)
"""How long a tool's former name is remembered."""

_LISTING: Final = "revisions"
_SELECT_REVISION: Final = select(
    RevisionRow.number,
    RevisionRow.digest,
    RevisionRow.compiler_version,
    RevisionRow.media_type,
    RevisionRow.document_url,
    RevisionRow.counts,
    RevisionRow.description,
    RevisionRow.created_at,
)
_SELECT_DIAGNOSTIC: Final = select(
    DiagnosticRow.code,
    DiagnosticRow.severity,
    DiagnosticRow.pointer,
    DiagnosticRow.line,
    DiagnosticRow.message,
    DiagnosticRow.remedy,
    DiagnosticRow.document,
)


class Revisions:
    """The revisions of every server, seen through one transaction.

    Every method raises `ServerNotFound` for an unknown server. `number` is the active revision unless given,
    and one that the server does not have raises `RevisionNotFound`.
    """

    def __init__(self, session: AsyncSession) -> None:
        """Work inside the session's transaction; whoever opened it commits."""
        self._session = session

    async def get(self, namespace: str, name: str, *, number: int | None = None) -> RevisionRecord:
        """Return one revision."""
        _, found = await self._locate(namespace, name, number=number)
        row = (await self._session.execute(_SELECT_REVISION.where(RevisionRow.id == found))).one()
        return RevisionRecord(*row)

    async def list(
        self, namespace: str, name: str, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> Page[RevisionRecord]:
        """Return a page of a server's revisions, the newest first, or raise `InvalidCursor`."""
        server = await server_key(self._session, ServerName(namespace, name))
        before, size = _number(position(_LISTING, cursor)), page_size(limit)
        query = _SELECT_REVISION.where(RevisionRow.server_id == server.id)
        if before is not None:
            query = query.where(RevisionRow.number < before)
        rows = await self._session.execute(query.order_by(RevisionRow.number.desc()).limit(size + 1))
        records = [RevisionRecord(*row) for row in rows]
        return page(records, size, listing=_LISTING, key=lambda record: str(record.number))

    async def document(self, namespace: str, name: str, *, number: int | None = None) -> bytes:
        """Return the document of a revision, byte for byte as it was imported."""
        _, found = await self._locate(namespace, name, number=number)
        return (await self._session.scalars(select(RevisionRow.document).where(RevisionRow.id == found))).one()

    async def tools(self, namespace: str, name: str, *, number: int | None = None) -> tuple[ToolRecord, ...]:
        """Return the tools of a revision in the order they were compiled, with today's overrides."""
        _, found = await self._locate(namespace, name, number=number)
        rows = (await self._session.execute(select_tools([found]).order_by(ToolRow.position))).all()
        # A large server holds tens of megabytes of JSON: parsing it here would stall the event loop.
        return await to_thread.run_sync(tool_records, rows)

    async def tool(self, namespace: str, name: str, *, tool_name: str) -> ToolRecord:
        """Return a tool of the active revision by the name clients see, else by its compiled name.

        Raises `ToolNotFound`.
        """
        _, found = await self._locate(namespace, name)
        is_published_name = func.coalesce(ToolOverrideRow.name, ToolRow.name) == tool_name
        query = select_tools([found]).where(or_(is_published_name, ToolRow.name == tool_name))
        row = (await self._session.execute(query.order_by(is_published_name.desc(), ToolRow.position))).first()
        if row is None:
            raise ToolNotFound(name, tool_name)
        return tool_record(row)

    async def diagnostics(
        self, namespace: str, name: str, *, number: int | None = None
    ) -> tuple[DiagnosticRecord, ...]:
        """Return the diagnostics of a revision in the order the compiler made them."""
        _, found = await self._locate(namespace, name, number=number)
        query = _SELECT_DIAGNOSTIC.where(DiagnosticRow.revision_id == found).order_by(DiagnosticRow.position)
        return tuple(DiagnosticRecord(*row) for row in await self._session.execute(query))

    async def set_override(
        self, namespace: str, name: str, *, operation_key: str, changes: ToolOverrideChanges
    ) -> ToolRecord:
        """Change the override of an operation and return its tool. An override with nothing left in it goes away.

        The server's `updated_at` moves, which tells readers to look again. Raises `ToolNotFound` if the active
        revision has no such operation. That names stay unique is for the caller to check.
        """
        server = await server_key(self._session, ServerName(namespace, name), lock=True)
        found = await revision_id(self._session, server, number=server.active_revision)
        query = select_tools([found]).where(ToolRow.operation_key == operation_key).order_by(ToolRow.position)
        row = (await self._session.execute(query)).first()
        if row is None:
            raise ToolNotFound(name, operation_key)
        await self._write_override(server, operation_key, values=override_values(row) | present(changes))
        await self._session.execute(update(ServerRow).where(ServerRow.id == server.id).values(updated_at=now()))
        return tool_record((await self._session.execute(query)).first() or row)

    async def overrides(self, namespace: str, name: str) -> tuple[ToolOverride, ...]:
        """Return all overrides of a server by operation, also of operations that the active revision lacks."""
        server = await server_key(self._session, ServerName(namespace, name))
        query = (
            select(
                ToolOverrideRow.operation_key,
                ToolOverrideRow.enabled,
                ToolOverrideRow.name,
                ToolOverrideRow.description,
                ToolOverrideRow.annotations,
                ToolOverrideRow.pinned,
                ToolOverrideRow.hidden,
            )
            .where(ToolOverrideRow.server_id == server.id)
            .order_by(ToolOverrideRow.operation_key)
        )
        return tuple(ToolOverride(*row) for row in await self._session.execute(query))

    async def replace_overrides(self, namespace: str, name: str, *, overrides: Sequence[ToolOverride]) -> None:
        """Have exactly these overrides; they may be of operations that the active revision lacks."""
        server = await server_key(self._session, ServerName(namespace, name), lock=True)
        await self._session.execute(delete(ToolOverrideRow).where(ToolOverrideRow.server_id == server.id))
        if overrides:
            values = [{"server_id": server.id, **asdict(each)} for each in overrides]
            await self._session.execute(insert(ToolOverrideRow), values)
        await self._session.execute(update(ServerRow).where(ServerRow.id == server.id).values(updated_at=now()))

    async def stale_overrides(self, namespace: str, name: str) -> tuple[str, ...]:
        """Return the operations that have an override and no tool in the active revision."""
        server, found = await self._locate(namespace, name)
        known = select(ToolRow.operation_key).where(ToolRow.revision_id == found)
        query = select(ToolOverrideRow.operation_key).where(
            ToolOverrideRow.server_id == server.id, ToolOverrideRow.operation_key.not_in(known)
        )
        return tuple(await self._session.scalars(query.order_by(ToolOverrideRow.operation_key)))

    async def tools_without_arguments(self, namespace: str, name: str) -> tuple[ToolRecord, ...]:
        """Return the tools of the active revision whose overrides pin or hide arguments, in order."""
        _, found = await self._locate(namespace, name)
        has_any = or_(ToolOverrideRow.pinned.is_not(None), ToolOverrideRow.hidden.is_not(None))
        query = select_tools([found]).where(has_any).order_by(ToolRow.position)
        return await to_thread.run_sync(tool_records, (await self._session.execute(query)).all())

    async def previous(self, namespace: str, name: str, *, number: int) -> int | None:
        """Return the number of the revision before `number`, or None."""
        server = await server_key(self._session, ServerName(namespace, name))
        query = select(func.max(RevisionRow.number)).where(
            RevisionRow.server_id == server.id, RevisionRow.number < number
        )
        return await self._session.scalar(query)

    async def former_names(self, namespace: str, name: str) -> tuple[FormerName, ...]:
        """Return the names that tools of a server had before, however long ago."""
        server = await server_key(self._session, ServerName(namespace, name))
        query = select(FormerToolNameRow.name, FormerToolNameRow.operation_key, FormerToolNameRow.renamed_at)
        rows = await self._session.execute(query.where(FormerToolNameRow.server_id == server.id))
        return tuple(FormerName(*row) for row in rows)

    async def keep_former_names(self, namespace: str, name: str, *, names: Mapping[str, str]) -> None:
        """Remember that tools were renamed a moment ago; `names` are their operations by the names they had."""
        server = await server_key(self._session, ServerName(namespace, name), lock=True)
        rows = FormerToolNameRow.server_id == server.id
        too_old = FormerToolNameRow.renamed_at < now() - LONGEST_GRACE
        await self._session.execute(
            delete(FormerToolNameRow).where(rows, or_(too_old, FormerToolNameRow.name.in_(names)))
        )
        if names:
            values = [{"server_id": server.id, "name": each, "operation_key": key} for each, key in names.items()]
            await self._session.execute(insert(FormerToolNameRow), values)

    async def _locate(self, namespace: str, name: str, *, number: int | None = None) -> tuple[ServerKey, int]:
        server = await server_key(self._session, ServerName(namespace, name))
        wanted = server.active_revision if number is None else number
        return server, await revision_id(self._session, server, number=wanted)

    async def _write_override(self, server: ServerKey, operation_key: str, *, values: dict[str, Any]) -> None:
        key = and_(ToolOverrideRow.server_id == server.id, ToolOverrideRow.operation_key == operation_key)
        await self._session.execute(delete(ToolOverrideRow).where(key))
        if any(value is not None for value in values.values()):
            row = {"server_id": server.id, "operation_key": operation_key, **values}
            await self._session.execute(insert(ToolOverrideRow).values(row))


def _number(key: str | None) -> int | None:
    if key is None:
        return None
    if not key.isdecimal() or len(key) > len("2147483647"):
        raise InvalidCursor
    return int(key)
