"""Namespaces: the tenants."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.registry.errors import NamespaceExists, NamespaceNotFound
from app.registry.paging import DEFAULT_LIMIT, page, page_size, position
from app.registry.records import NamespaceRecord, Page, Quota
from app.registry.tables import ApiKeyRow, IdempotencyKeyRow, NamespaceRow

_LISTING = "namespaces"
_SELECT = select(NamespaceRow.name, NamespaceRow.created_at)


class Namespaces:
    """The namespaces, seen through one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        """Work inside the session's transaction; whoever opened it commits."""
        self._session = session

    async def exists(self, name: str) -> bool:
        """Tell whether there is a namespace of this name."""
        return await self._find(name) is not None

    async def create(self, name: str) -> NamespaceRecord:
        """Add a namespace, or raise `NamespaceExists`."""
        try:
            # A savepoint, because PostgreSQL would otherwise refuse the rest of the caller's transaction.
            async with self._session.begin_nested():
                await self._session.execute(insert(NamespaceRow).values(name=name))
        except IntegrityError as error:
            raise NamespaceExists(name) from error
        return await self._get(name)

    async def ensure(self, name: str) -> NamespaceRecord:
        """Return the namespace, adding it first if it is missing. Safe against another process doing the same."""
        found = await self._find(name)
        if found is not None:
            return found
        try:
            return await self.create(name)
        except NamespaceExists:
            return await self._get(name)

    async def list(
        self, *, among: frozenset[str] | None = None, cursor: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> Page[NamespaceRecord]:
        """Return a page of namespaces in order of name, of all or `among` some, or raise `InvalidCursor`."""
        after, size = position(_LISTING, cursor), page_size(limit)
        query = _SELECT.order_by(NamespaceRow.name).limit(size + 1)
        if among is not None:
            query = query.where(NamespaceRow.name.in_(among))
        if after is not None:
            query = query.where(NamespaceRow.name > after)
        rows = await self._session.execute(query)
        return page([NamespaceRecord(*row) for row in rows], size, listing=_LISTING, key=lambda record: record.name)

    async def set_quota(self, name: str, quota: Quota) -> None:
        """Give a namespace a quota of its own in the place of the one before, or raise `NamespaceNotFound`."""
        given = {each: most for each, most in asdict(quota).items() if most is not None}
        statement = update(NamespaceRow).where(NamespaceRow.name == name).values(quota=given or None)
        if await self._session.scalar(statement.returning(NamespaceRow.name)) is None:
            raise NamespaceNotFound(name)

    async def delete(self, name: str) -> None:
        """Remove a namespace with its servers, its keys and what was kept of requests, or raise `NamespaceNotFound`."""
        statement = delete(NamespaceRow).where(NamespaceRow.name == name).returning(NamespaceRow.name)
        if await self._session.scalar(statement) is None:
            raise NamespaceNotFound(name)
        # After the namespace, which whoever adds a key for it holds until the key can be seen here.
        await self._session.execute(delete(ApiKeyRow).where(ApiKeyRow.namespace == name))
        await self._session.execute(delete(IdempotencyKeyRow).where(IdempotencyKeyRow.namespace == name))

    async def _get(self, name: str) -> NamespaceRecord:
        found = await self._find(name)
        if found is None:
            raise NamespaceNotFound(name)
        return found

    async def _find(self, name: str) -> NamespaceRecord | None:
        row = (await self._session.execute(_SELECT.where(NamespaceRow.name == name))).one_or_none()
        return None if row is None else NamespaceRecord(*row)
