"""Credentials: sealed secrets per server and security scheme. What is stored here cannot be read here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.registry.errors import CredentialNotFound
from app.registry.lookups import ServerKey, server_key
from app.registry.records import CredentialRecord, NewCredential, ServerName
from app.registry.tables import CredentialRow, ServerRow, now

SELECT_CREDENTIALS: Final = select(
    ServerRow.namespace,
    ServerRow.name.label("server"),
    CredentialRow.scheme,
    CredentialRow.details,
    CredentialRow.fingerprint,
    CredentialRow.key_id,
    CredentialRow.content,
    CredentialRow.created_at,
    CredentialRow.updated_at,
).join(ServerRow, ServerRow.id == CredentialRow.server_id)


class Credentials:
    """The credentials of every server, seen through one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        """Work inside the session's transaction; whoever opened it commits."""
        self._session = session

    async def list(self, namespace: str, server: str) -> tuple[CredentialRecord, ...]:
        """Return a server's credentials in order of scheme, or raise `ServerNotFound`."""
        key = await server_key(self._session, ServerName(namespace, server))
        query = SELECT_CREDENTIALS.where(CredentialRow.server_id == key.id).order_by(CredentialRow.scheme)
        return tuple(CredentialRecord(**row._asdict()) for row in await self._session.execute(query))

    async def put(self, namespace: str, server: str, *, scheme: str, new: NewCredential) -> CredentialRecord:
        """Store a credential in the place of the one that is there, or raise `ServerNotFound`."""
        key = await server_key(self._session, ServerName(namespace, server), lock=True)
        values = {**_values(new), "updated_at": now()}
        place = _place(key, scheme)
        changed = update(CredentialRow).where(*place).values(values).returning(CredentialRow.scheme)
        if await self._session.scalar(changed) is None:
            await self._session.execute(insert(CredentialRow).values(server_id=key.id, scheme=scheme, **values))
        await self._touch(key)
        row = (await self._session.execute(SELECT_CREDENTIALS.where(*place))).one()
        return CredentialRecord(**row._asdict())

    async def delete(self, namespace: str, server: str, *, scheme: str) -> None:
        """Remove a credential, or raise `ServerNotFound` or `CredentialNotFound`."""
        key = await server_key(self._session, ServerName(namespace, server), lock=True)
        statement = delete(CredentialRow).where(*_place(key, scheme)).returning(CredentialRow.scheme)
        if await self._session.scalar(statement) is None:
            raise CredentialNotFound(server, scheme)
        await self._touch(key)

    async def key_ids(self) -> frozenset[str]:
        """Return the ids of all keys that something is sealed with."""
        return frozenset(await self._session.scalars(select(CredentialRow.key_id).distinct()))

    async def sealed_with(self, key_ids: Collection[str]) -> tuple[CredentialRecord, ...]:
        """Return the credentials of all servers that are sealed with one of these keys."""
        rows = await self._session.execute(SELECT_CREDENTIALS.where(CredentialRow.key_id.in_(key_ids)))
        return tuple(CredentialRecord(**row._asdict()) for row in rows)

    async def reseal(self, record: CredentialRecord, new: NewCredential) -> bool:
        """Store the same secret sealed anew; false where it was changed or removed since `record` was read."""
        servers = select(ServerRow.id).where(ServerRow.namespace == record.namespace, ServerRow.name == record.server)
        statement = (
            update(CredentialRow)
            .where(
                CredentialRow.server_id.in_(servers),
                CredentialRow.scheme == record.scheme,
                CredentialRow.content == record.content,
            )
            .values(_values(new))
        )
        is_stored = await self._session.scalar(statement.returning(CredentialRow.scheme)) is not None
        if is_stored:
            # What is kept outside the database is sealed with the key of before.
            await self._session.execute(update(ServerRow).where(ServerRow.id.in_(servers)).values(updated_at=now()))
        return is_stored

    async def _touch(self, key: ServerKey) -> None:
        """Move the server's `updated_at`, which tells readers to look again."""
        await self._session.execute(update(ServerRow).where(ServerRow.id == key.id).values(updated_at=now()))


def _place(key: ServerKey, scheme: str) -> tuple[Any, Any]:
    return CredentialRow.server_id == key.id, CredentialRow.scheme == scheme


def _values(new: NewCredential) -> Mapping[str, Any]:
    return {
        "details": dict(new.details),
        "fingerprint": new.fingerprint,
        "key_id": new.key_id,
        "content": new.content,
    }
