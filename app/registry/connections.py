"""Connections: sealed tokens per server, security scheme and user, and who renews them now.

What is stored here cannot be read here. Renewing takes place outside of transactions, by who holds the claim: one
process of however many, for as long as one answer may take, so that a token that is used up by renewing is sent once.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.registry.errors import ConnectionNotFound
from app.registry.lookups import ServerKey, server_key
from app.registry.records import ConnectionAttempt, ConnectionRecord, NewConnection, ServerName
from app.registry.tables import ConnectionAttemptRow, ConnectionRow, ServerRow, now

_SELECT: Final = select(
    ServerRow.namespace,
    ServerRow.name.label("server"),
    ConnectionRow.scheme,
    ConnectionRow.subject,
    ConnectionRow.details,
    ConnectionRow.key_id,
    ConnectionRow.content,
    ConnectionRow.is_broken,
    ConnectionRow.created_at,
    ConnectionRow.updated_at,
).join(ServerRow, ServerRow.id == ConnectionRow.server_id)
_ATTEMPT: Final = select(
    ServerRow.namespace, ServerRow.name.label("server"), ConnectionAttemptRow.key_id, ConnectionAttemptRow.content
).join(ServerRow, ServerRow.id == ConnectionAttemptRow.server_id)


class ConnectionKey(NamedTuple):
    """Whose connection to what."""

    namespace: str
    server: str
    scheme: str
    subject: str


class Claimed(NamedTuple):
    """A connection, and whether it is now for the claimant to renew it."""

    record: ConnectionRecord
    is_ours: bool


class Connections:
    """The connections of every server, seen through one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        """Work inside the session's transaction; whoever opened it commits."""
        self._session = session

    async def find(self, key: ConnectionKey) -> ConnectionRecord | None:
        """Return a connection, or None where there is none."""
        row = (await self._session.execute(_SELECT.where(*_named(key)))).one_or_none()
        return None if row is None else ConnectionRecord(**row._asdict())

    async def list(self, namespace: str, server: str, *, subject: str | None = None) -> tuple[ConnectionRecord, ...]:
        """Return a server's connections by scheme and subject, or those of one; or raise `ServerNotFound`."""
        key = await server_key(self._session, ServerName(namespace, server))
        query = _SELECT.where(ConnectionRow.server_id == key.id)
        if subject is not None:
            query = query.where(ConnectionRow.subject == subject)
        rows = await self._session.execute(query.order_by(ConnectionRow.scheme, ConnectionRow.subject))
        return tuple(ConnectionRecord(**row._asdict()) for row in rows)

    async def put(self, key: ConnectionKey, new: NewConnection) -> None:
        """Store a connection in the place of the one that is there, or raise `ServerNotFound`."""
        server = await server_key(self._session, ServerName(key.namespace, key.server), lock=True)
        place = _place(server, key)
        changed = update(ConnectionRow).where(*place).values(_fresh(new)).returning(ConnectionRow.scheme)
        if await self._session.scalar(changed) is None:
            names = {"server_id": server.id, "scheme": key.scheme, "subject": key.subject}
            await self._session.execute(insert(ConnectionRow).values(**names, **_fresh(new)))

    async def delete(self, key: ConnectionKey) -> None:
        """Remove a connection, or raise `ServerNotFound` or `ConnectionNotFound`."""
        server = await server_key(self._session, ServerName(key.namespace, key.server))
        statement = delete(ConnectionRow).where(*_place(server, key)).returning(ConnectionRow.scheme)
        if await self._session.scalar(statement) is None:
            raise ConnectionNotFound(key.server, key.scheme)

    # --- renewing

    async def claim(self, key: ConnectionKey, claim: str, *, seconds: float) -> Claimed | None:
        """Claim the renewal of a connection for a while unless somebody else has; None where there is no connection."""
        free = or_(ConnectionRow.claimed_until.is_(None), ConnectionRow.claimed_until < now())
        statement = update(ConnectionRow).where(*_stored(key), free, ConnectionRow.is_broken.is_(False))
        statement = statement.values(claim=claim, claimed_until=now() + timedelta(seconds=seconds))
        is_ours = await self._session.scalar(statement.returning(ConnectionRow.scheme)) is not None
        record = await self.find(key)
        return None if record is None else Claimed(record, is_ours)

    async def renew(self, key: ConnectionKey, claim: str, new: NewConnection) -> bool:
        """Store what renewing gave; false where the connection is another one by now."""
        return await self._settle(key, claim, _fresh(new))

    async def release(self, key: ConnectionKey, claim: str, *, is_broken: bool = False) -> bool:
        """Give a claim back; `is_broken` says that the connection cannot be renewed any more."""
        return await self._settle(key, claim, {"claim": None, "claimed_until": None, "is_broken": is_broken})

    async def _settle(self, key: ConnectionKey, claim: str, values: dict[str, Any]) -> bool:
        statement = update(ConnectionRow).where(*_stored(key), ConnectionRow.claim == claim).values(values)
        return await self._session.scalar(statement.returning(ConnectionRow.scheme)) is not None

    # --- keys

    async def key_ids(self) -> frozenset[str]:
        """Return the ids of all keys that a connection is sealed with."""
        return frozenset(await self._session.scalars(select(ConnectionRow.key_id).distinct()))

    async def sealed_with(self, key_ids: Collection[str]) -> tuple[ConnectionRecord, ...]:
        """Return the connections of all servers that are sealed with one of these keys."""
        rows = await self._session.execute(_SELECT.where(ConnectionRow.key_id.in_(key_ids)))
        return tuple(ConnectionRecord(**row._asdict()) for row in rows)

    async def reseal(self, record: ConnectionRecord, new: NewConnection) -> bool:
        """Store the same tokens sealed anew; false where they were changed or removed since `record` was read."""
        key = ConnectionKey(record.namespace, record.server, record.scheme, record.subject)
        statement = update(ConnectionRow).where(*_stored(key), ConnectionRow.content == record.content)
        statement = statement.values(key_id=new.key_id, content=new.content)
        return await self._session.scalar(statement.returning(ConnectionRow.scheme)) is not None

    # --- on the way

    async def begin(self, state: str, attempt: ConnectionAttempt, *, seconds: float) -> None:
        """Keep an attempt until it comes back, for so long at most, or raise `ServerNotFound`; the expired ones go."""
        server = await server_key(self._session, ServerName(attempt.namespace, attempt.server))
        await self._session.execute(delete(ConnectionAttemptRow).where(ConnectionAttemptRow.expires_at < now()))
        values = {"server_id": server.id, "key_id": attempt.key_id, "content": attempt.content}
        expires_at = now() + timedelta(seconds=seconds)
        await self._session.execute(insert(ConnectionAttemptRow).values(state=state, expires_at=expires_at, **values))

    async def take(self, state: str) -> ConnectionAttempt | None:
        """Return an attempt that has not expired and remove it, so that a `state` works once; None for any other."""
        row = (await self._session.execute(_ATTEMPT.where(ConnectionAttemptRow.state == state))).one_or_none()
        statement = delete(ConnectionAttemptRow).where(ConnectionAttemptRow.state == state)
        expires_at = await self._session.scalar(statement.returning(ConnectionAttemptRow.expires_at))
        if row is None or expires_at is None or expires_at < now():
            return None
        return ConnectionAttempt(**row._asdict())


def _named(key: ConnectionKey) -> tuple[Any, ...]:
    server = (ServerRow.namespace == key.namespace, ServerRow.name == key.server)
    return (*server, ConnectionRow.scheme == key.scheme, ConnectionRow.subject == key.subject)


def _stored(key: ConnectionKey) -> tuple[Any, ...]:
    servers = select(ServerRow.id).where(ServerRow.namespace == key.namespace, ServerRow.name == key.server)
    return (
        ConnectionRow.server_id.in_(servers),
        ConnectionRow.scheme == key.scheme,
        ConnectionRow.subject == key.subject,
    )


def _place(server: ServerKey, key: ConnectionKey) -> tuple[Any, ...]:
    return (
        ConnectionRow.server_id == server.id,
        ConnectionRow.scheme == key.scheme,
        ConnectionRow.subject == key.subject,
    )


def _fresh(new: NewConnection) -> dict[str, Any]:
    return {
        "details": dict(new.details),
        "key_id": new.key_id,
        "content": new.content,
        "is_broken": False,
        "claim": None,
        "claimed_until": None,
        "updated_at": now(),
    }
