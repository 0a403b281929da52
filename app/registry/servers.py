"""Servers: what is published under which name, with which settings and which revision."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import and_, delete, func, insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.registry.errors import ServerExists, ServerNotFound
from app.registry.insertion import insert_revision
from app.registry.lookups import ServerKey, require_namespace, revision_id, server_key
from app.registry.paging import DEFAULT_LIMIT, page, page_size, position
from app.registry.quotas import Quotas
from app.registry.records import (
    AddedRevision,
    NewRevision,
    Page,
    ServerChanges,
    ServerName,
    ServerRecord,
    ServerVersion,
    present,
)
from app.registry.retention import make_room, note_served
from app.registry.tables import RevisionRow, ServerRow

_LISTING = "servers"
_FIRST_REVISION = 1
_MOST_NAMED = 100
SELECT_SERVERS = select(
    ServerRow.namespace,
    ServerRow.name,
    ServerRow.title,
    ServerRow.kind,
    ServerRow.base_url,
    ServerRow.server_variables,
    ServerRow.instructions,
    ServerRow.certificate_authorities,
    ServerRow.policies,
    ServerRow.enabled,
    ServerRow.active_revision.label("revision"),
    ServerRow.draft_revision,
    ServerRow.declared_by,
    RevisionRow.counts,
    RevisionRow.description,
    ServerRow.created_at,
    ServerRow.updated_at,
).join(RevisionRow, and_(RevisionRow.server_id == ServerRow.id, RevisionRow.number == ServerRow.active_revision))


class Servers:
    """The servers of every namespace, seen through one transaction."""

    def __init__(self, session: AsyncSession, quotas: Quotas) -> None:
        """Work inside the session's transaction, keeping to `quotas`; whoever opened it commits."""
        self._session = session
        self._quotas = quotas

    async def create(  # noqa: PLR0913 (a server's settings, each by keyword)
        self,
        namespace: str,
        name: str,
        *,
        title: str,
        revision: NewRevision,
        kind: str = "openapi",
        base_url: str | None = None,
        server_variables: Mapping[str, str] | None = None,
        instructions: str | None = None,
    ) -> ServerRecord:
        """Publish a server with its first revision; raises `NamespaceNotFound`, `ServerExists` or `QuotaExceeded`."""
        await require_namespace(self._session, namespace, hold=True)
        settings = {
            "title": title,
            "kind": kind,
            "base_url": base_url,
            "server_variables": dict(server_variables or {}),
            "instructions": instructions,
        }
        async with self._quotas.kept(namespace):
            server_id = await self._insert(namespace, name, settings=settings)
            await insert_revision(self._session, server_id, number=_FIRST_REVISION, revision=revision)
        return await self.get(namespace, name)

    async def get(self, namespace: str, name: str) -> ServerRecord:
        """Return one server, or raise `ServerNotFound`."""
        query = SELECT_SERVERS.where(ServerRow.namespace == namespace, ServerRow.name == name)
        row = (await self._session.execute(query)).one_or_none()
        if row is None:
            raise ServerNotFound(namespace, name)
        return ServerRecord(**row._asdict())

    async def hold(self, namespace: str, name: str) -> ServerRecord:
        """Return one server, its other writers waiting until the transaction ends, or raise `ServerNotFound`."""
        await server_key(self._session, ServerName(namespace, name), lock=True)
        return await self.get(namespace, name)

    async def list(
        self,
        namespace: str,
        *,
        among: frozenset[str] | None = None,
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Page[ServerRecord]:
        """Return a page of a namespace's servers in order of name, of all or `among` some.

        Raises `NamespaceNotFound`, or `InvalidCursor` for a cursor of another list.
        """
        await require_namespace(self._session, namespace)
        after, size = position(_LISTING, cursor), page_size(limit)
        query = SELECT_SERVERS.where(ServerRow.namespace == namespace).order_by(ServerRow.name).limit(size + 1)
        if among is not None:
            query = query.where(ServerRow.name.in_(among))
        if after is not None:
            query = query.where(ServerRow.name > after)
        rows = await self._session.execute(query)
        records = [ServerRecord(**row._asdict()) for row in rows]
        return page(records, size, listing=_LISTING, key=lambda record: record.name)

    async def names(self) -> tuple[ServerName, ...]:
        """Return the names of all servers of all namespaces, in order."""
        query = select(ServerRow.namespace, ServerRow.name).order_by(ServerRow.namespace, ServerRow.name)
        return tuple(ServerName(*row) for row in await self._session.execute(query))

    async def versions(self, names: Collection[ServerName] | None = None) -> dict[ServerName, ServerVersion]:
        """Return the version of each server there is, of those named or of all, in order of name."""
        query = select(ServerRow.namespace, ServerRow.name, ServerRow.active_revision, ServerRow.updated_at)
        if names is not None and len(names) <= _MOST_NAMED:
            named = [(each.namespace, each.name) for each in names]
            query = query.where(tuple_(ServerRow.namespace, ServerRow.name).in_(named))
        rows = await self._session.execute(query.order_by(ServerRow.namespace, ServerRow.name))
        return {ServerName(row.namespace, row.name): ServerVersion(row.active_revision, row.updated_at) for row in rows}

    async def declared(self, namespace: str, *, by: str) -> tuple[str, ...]:
        """Return the names of the servers of a namespace that are declared by `by`, in order."""
        query = select(ServerRow.name).where(ServerRow.namespace == namespace, ServerRow.declared_by == by)
        return tuple(await self._session.scalars(query.order_by(ServerRow.name)))

    async def update(self, namespace: str, name: str, *, changes: ServerChanges) -> ServerRecord:
        """Change a server's settings, or raise `ServerNotFound`."""
        server = await server_key(self._session, ServerName(namespace, name), lock=True)
        await self._apply(server, changes)
        return await self.get(namespace, name)

    async def delete(self, namespace: str, name: str) -> None:
        """Remove a server with its revisions and overrides, or raise `ServerNotFound`."""
        statement = delete(ServerRow).where(ServerRow.namespace == namespace, ServerRow.name == name)
        if await self._session.scalar(statement.returning(ServerRow.id)) is None:
            raise ServerNotFound(namespace, name)

    async def add_revision(
        self,
        namespace: str,
        name: str,
        *,
        revision: NewRevision,
        changes: ServerChanges | None = None,
        is_draft: bool = False,
    ) -> AddedRevision:
        """Store a revision and make it the active one, or with `is_draft` the one that waits for a review.

        If the active revision, or with `is_draft` the one that waits, has the same digest, nothing is stored. What
        waited before waits no more; `changes` apply in every case. Where the namespace's documents become too much, old
        revisions of the server make room. Raises `ServerNotFound` or `QuotaExceeded`.
        """
        server = await server_key(self._session, ServerName(namespace, name), lock=True)
        number = await self._stored(server, revision.digest, is_draft=is_draft)
        is_new = number is None
        async with self._quotas.kept(namespace):
            if number is None:
                number = await self._next_number(server)
                await insert_revision(self._session, server.id, number=number, revision=revision)
            if is_draft and number != server.active_revision:
                await self._point(server, draft_revision=number)
            else:
                await self._activate(server, number)
            if is_new and (excess := await self._quotas.excess(namespace)):
                kept = {number, server.active_revision} if is_draft else {number}
                await make_room(self._session, server, kept=kept, size=excess)
        await self._apply(server, changes or ServerChanges())
        return AddedRevision(server=await self.get(namespace, name), number=number, is_new=is_new)

    async def activate_revision(self, namespace: str, name: str, *, number: int) -> ServerRecord:
        """Make an earlier or later revision the active one; none waits for a review any more.

        Raises `ServerNotFound`, `RevisionNotFound` or `QuotaExceeded`.
        """
        server = await server_key(self._session, ServerName(namespace, name), lock=True)
        await revision_id(self._session, server, number=number)
        async with self._quotas.kept(namespace):
            await self._activate(server, number)
        return await self.get(namespace, name)

    async def _insert(self, namespace: str, name: str, *, settings: dict[str, Any]) -> int:
        statement = insert(ServerRow).values(
            namespace=namespace, name=name, active_revision=_FIRST_REVISION, **settings
        )
        try:
            # A savepoint, because PostgreSQL would otherwise refuse the rest of the caller's transaction.
            async with self._session.begin_nested():
                return (await self._session.execute(statement.returning(ServerRow.id))).scalar_one()
        except IntegrityError as error:
            raise ServerExists(namespace, name) from error

    async def _apply(self, server: ServerKey, changes: ServerChanges) -> None:
        values = present(changes)
        if values:
            await self._session.execute(update(ServerRow).where(ServerRow.id == server.id).values(values))

    async def _activate(self, server: ServerKey, number: int) -> None:
        if number != server.active_revision:
            await note_served(self._session, await revision_id(self._session, server, number=server.active_revision))
        if number != server.active_revision or server.draft_revision is not None:
            await self._point(server, active_revision=number, draft_revision=None)

    async def _point(self, server: ServerKey, **revisions: int | None) -> None:
        await self._session.execute(update(ServerRow).where(ServerRow.id == server.id).values(**revisions))

    async def _stored(self, server: ServerKey, digest: str, *, is_draft: bool) -> int | None:
        """Find which of the revisions that are served or wait has this digest; the one that waits only for a draft."""
        candidates = [server.active_revision, *([server.draft_revision] if is_draft else [])]
        query = select(RevisionRow.number).where(
            RevisionRow.server_id == server.id, RevisionRow.digest == digest, RevisionRow.number.in_(candidates)
        )
        return await self._session.scalar(query.order_by(RevisionRow.number))

    async def _next_number(self, server: ServerKey) -> int:
        # Not the active number plus one: after a rollback the later revisions are still there.
        query = select(func.max(RevisionRow.number)).where(RevisionRow.server_id == server.id)
        return (await self._session.scalar(query) or 0) + 1
