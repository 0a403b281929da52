"""API keys: what is kept of them. The keys themselves are nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, Select, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.registry.errors import KeyNotFound
from app.registry.lookups import require_namespace
from app.registry.paging import DEFAULT_LIMIT, page, page_size, position
from app.registry.records import ApiKeyRecord, KeyGrant, NewApiKey, Page
from app.registry.tables import ApiKeyRow, now

_LISTING: Final = "keys"
_EVERY_NAMESPACE: Final = "*"
_SELECT: Final = select(
    ApiKeyRow.id,
    ApiKeyRow.digest,
    ApiKeyRow.prefix,
    ApiKeyRow.name,
    ApiKeyRow.namespace,
    ApiKeyRow.scopes,
    ApiKeyRow.servers,
    ApiKeyRow.tools,
    ApiKeyRow.limits,
    ApiKeyRow.created_by,
    ApiKeyRow.created_at,
    ApiKeyRow.expires_at,
    ApiKeyRow.last_used_at,
    ApiKeyRow.revoked_at,
)


class ApiKeys:
    """The keys of every namespace, seen through one transaction. A revoked key stays, and can be listed."""

    def __init__(self, session: AsyncSession) -> None:
        """Work inside the session's transaction; whoever opened it commits."""
        self._session = session

    async def add(self, new: NewApiKey) -> ApiKeyRecord:
        """Store a key, or raise `NamespaceNotFound`."""
        grant = new.grant
        if grant.namespace != _EVERY_NAMESPACE:
            await require_namespace(self._session, grant.namespace, hold=True)
        await self._session.execute(
            insert(ApiKeyRow).values(
                id=new.id,
                digest=new.digest,
                prefix=new.prefix,
                name=new.name,
                namespace=grant.namespace,
                scopes=list(grant.scopes),
                servers=list(grant.servers),
                tools=list(grant.tools),
                limits=dict(grant.limits),
                created_by=new.created_by,
                expires_at=new.expires_at,
            )
        )
        return await self.get(new.id)

    async def get(self, key_id: str) -> ApiKeyRecord:
        """Return a key, revoked or not, or raise `KeyNotFound`."""
        row = (await self._session.execute(_SELECT.where(ApiKeyRow.id == key_id))).one_or_none()
        if row is None:
            raise KeyNotFound(key_id)
        return _record(row)

    async def list(
        self, namespaces: frozenset[str] | None, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> Page[ApiKeyRecord]:
        """Return a page of the keys for these namespaces, None for all keys, in order of id; or `InvalidCursor`."""
        after, size = position(_LISTING, cursor), page_size(limit)
        query = _SELECT.order_by(ApiKeyRow.id).limit(size + 1)
        if namespaces is not None:
            query = query.where(ApiKeyRow.namespace.in_(namespaces))
        if after is not None:
            query = query.where(ApiKeyRow.id > after)
        return page(await self._records(query), size, listing=_LISTING, key=lambda record: record.id)

    async def usable(self) -> tuple[ApiKeyRecord, ...]:
        """Return every key that is neither revoked nor expired."""
        is_current = or_(ApiKeyRow.expires_at.is_(None), ApiKeyRow.expires_at > now())
        return await self._records(_SELECT.where(ApiKeyRow.revoked_at.is_(None), is_current))

    async def revoke(self, key_id: str) -> None:
        """Make a key unusable for ever, or raise `KeyNotFound`; one that is revoked stays as it is."""
        await self.get(key_id)
        revoked = update(ApiKeyRow).where(ApiKeyRow.id == key_id, ApiKeyRow.revoked_at.is_(None))
        await self._session.execute(revoked.values(revoked_at=now()))

    async def used(self, times: Mapping[str, datetime]) -> None:
        """Note when keys were used last; a later time that is there stays."""
        for key_id, time in times.items():
            is_older = or_(ApiKeyRow.last_used_at.is_(None), ApiKeyRow.last_used_at < time)
            statement = update(ApiKeyRow).where(ApiKeyRow.id == key_id, is_older)
            await self._session.execute(statement.values(last_used_at=time))

    async def state(self) -> tuple[int, int, int]:
        """Return what is another whenever a key came or went: the highest number, the keys, those revoked.

        Numbers are never used twice, so that a key that came shows in the first; without one that came, those that
        went show in the second, and those that were revoked in the third.
        """
        counts = select(func.max(ApiKeyRow.number), func.count(), func.count(ApiKeyRow.revoked_at))
        highest, keys, revoked = (await self._session.execute(counts)).one()
        return highest or 0, keys, revoked

    async def _records(self, query: Select[Any]) -> tuple[ApiKeyRecord, ...]:
        return tuple(_record(row) for row in await self._session.execute(query))


def _record(row: Row[Any]) -> ApiKeyRecord:
    values = row._asdict()
    names: Iterable[str] = ("scopes", "servers", "tools")
    lists = {name: tuple(values.pop(name)) for name in names}
    grant = KeyGrant(namespace=values.pop("namespace"), limits=values.pop("limits"), **lists)
    return ApiKeyRecord(grant=grant, **values)
