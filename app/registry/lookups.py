"""From the names in a URL to the numbers in the tables."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.registry.errors import NamespaceNotFound, RevisionNotFound, ServerNotFound
from app.registry.records import ServerName
from app.registry.tables import NamespaceRow, RevisionRow, ServerRow

_LARGEST_NUMBER = 2**31 - 1
FOUND = "servers found"
"""What a session that only reads knows by this name of its `info`: the servers that were found."""


@dataclass(frozen=True, slots=True)
class ServerKey:
    """A server's row number, its name, and the numbers of its active revision and of the one that waits."""

    id: int
    name: str
    active_revision: int
    draft_revision: int | None = None


async def require_namespace(session: AsyncSession, namespace: str, *, hold: bool = False) -> None:
    """Raise `NamespaceNotFound` unless there is such a namespace.

    `hold` keeps it from being deleted until the transaction ends.
    """
    query = select(NamespaceRow.name).where(NamespaceRow.name == namespace)
    if await session.scalar(query.with_for_update(read=True, key_share=True) if hold else query) is None:
        raise NamespaceNotFound(namespace)


async def server_key(session: AsyncSession, server: ServerName, *, lock: bool = False) -> ServerKey:
    """Find a server, or raise `ServerNotFound`.

    `lock` makes other writers of the same server wait until the transaction ends. A transaction that only reads finds
    each once: it sees one moment, and loading a server asks for it again and again.
    """
    found: dict[ServerName, ServerKey] | None = session.info.get(FOUND)
    if found is not None and server in found:
        return found[server]
    query = select(ServerRow.id, ServerRow.name, ServerRow.active_revision, ServerRow.draft_revision).where(
        ServerRow.namespace == server.namespace, ServerRow.name == server.name
    )
    row = (await session.execute(query.with_for_update() if lock else query)).one_or_none()
    if row is None:
        raise ServerNotFound(server.namespace, server.name)
    key = ServerKey(**row._asdict())
    if found is not None:
        found[server] = key
    return key


async def revision_id(session: AsyncSession, server: ServerKey, *, number: int) -> int:
    """Find a revision of a server, or raise `RevisionNotFound`."""
    # A number from a URL can be larger than the column, which PostgreSQL's driver would refuse to send.
    if not 0 < number <= _LARGEST_NUMBER:
        raise RevisionNotFound(server.name, number)
    query = select(RevisionRow.id).where(RevisionRow.server_id == server.id, RevisionRow.number == number)
    found = await session.scalar(query)
    if found is None:
        raise RevisionNotFound(server.name, number)
    return found
