"""The revisions of a server: list them, compare them, serve another one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.services import publishing

if TYPE_CHECKING:
    from app.registry import Database
    from app.registry.records import Page, RevisionRecord, ServerRecord
    from app.services.events import ServerEvents
    from app.services.surfaces import SurfaceChange


@dataclass(frozen=True, slots=True)
class RevisionDetails:
    """A revision, and the server it belongs to, which says whether it is served or waits."""

    revision: RevisionRecord
    server: ServerRecord


@dataclass(frozen=True, slots=True)
class RevisionDiff:
    """What changed from `against`, None standing for nothing at all, to a revision."""

    against: int | None
    change: SurfaceChange


class Revisions:
    """The use cases around the revisions of a server."""

    def __init__(self, database: Database, events: ServerEvents) -> None:
        """Work on `database`, telling `events` what changed."""
        self._database = database
        self._events = events

    async def list(
        self, namespace: str, name: str, *, cursor: str | None, limit: int
    ) -> tuple[ServerRecord, Page[RevisionRecord]]:
        """Give a server and a page of its revisions, newest first; raises `ServerNotFound` or `InvalidCursor`."""
        async with self._database.transaction(read_only=True) as registry:
            server = await registry.servers.get(namespace, name)
            return server, await registry.revisions.list(namespace, name, cursor=cursor, limit=limit)

    async def read(self, namespace: str, name: str, *, number: int) -> RevisionDetails:
        """Give one revision; raises `RevisionNotFound`."""
        async with self._database.transaction(read_only=True) as registry:
            server = await registry.servers.get(namespace, name)
            return RevisionDetails(await registry.revisions.get(namespace, name, number=number), server)

    async def diff(self, namespace: str, name: str, *, number: int, against: int | None) -> RevisionDiff:
        """Compare a revision with another one, by default with the active one, and that with the one before it.

        Overrides and settings are today's on both sides. Raises `RevisionNotFound`.
        """
        async with self._database.transaction(read_only=True) as registry:
            server = await registry.servers.get(namespace, name)
            if against is None and number != server.revision:
                against = server.revision
            elif against is None:
                against = await registry.revisions.previous(namespace, name, number=number)
            change = await publishing.between(registry, server, old=against, new=number)
        return RevisionDiff(against, change)

    async def activate(self, namespace: str, name: str, *, number: int) -> None:
        """Serve another revision, and have none wait for a review any more; raises `RevisionNotFound`."""
        async with self._database.transaction() as registry:
            server = await registry.servers.hold(namespace, name)
            await publishing.activated(registry, server, number=number)
        await self._events.changed(namespace, name)
