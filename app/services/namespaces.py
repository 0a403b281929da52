"""Namespaces: the tenants of a gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.registry.errors import NamespaceExists
from app.telemetry.records import Change, acting, note_target

if TYPE_CHECKING:
    from app.registry import Database
    from app.registry.records import NamespaceRecord, Page, Quota, QuotaRecord
    from app.security.callers import Caller
    from app.security.sealing import SecretKeys
    from app.services.events import ServerEvents
    from app.services.keys import Keys


async def ensure_namespace(database: Database, name: str, *, by: str) -> bool:
    """Make a namespace where there is none of that name, for `by`; tells whether it was made."""
    async with database.transaction(read_only=True) as registry:
        if await registry.namespaces.exists(name):
            return False
    try:
        with acting(by, Change("create_namespace", name)):
            async with database.transaction() as registry:
                await registry.namespaces.create(name)
    except NamespaceExists:  # made a moment ago by another process
        return False
    return True


class Namespaces:
    """The use cases around namespaces."""

    def __init__(self, database: Database, events: ServerEvents, keys: Keys, *, secrets: SecretKeys) -> None:
        """Work on `database`, telling `events` what changed and `keys` which are gone; `secrets` are shredded."""
        self._secrets = secrets
        self._database = database
        self._events = events
        self._keys = keys

    async def create(self, name: str) -> NamespaceRecord:
        """Create a namespace; raises `NamespaceExists`."""
        async with self._database.transaction() as registry:
            note_target(namespace=name)
            return await registry.namespaces.create(name)

    async def quota(self, name: str) -> QuotaRecord:
        """Give what a namespace may hold and holds; raises `NamespaceNotFound`."""
        async with self._database.transaction(read_only=True) as registry:
            return await registry.quotas.get(name)

    async def put_quota(self, name: str, quota: Quota) -> QuotaRecord:
        """Let a namespace hold less than the gateway's settings do; raises `NamespaceNotFound`.

        What it holds already stays, and may not become more.
        """
        async with self._database.transaction() as registry:
            await registry.namespaces.set_quota(name, quota)
            return await registry.quotas.get(name)

    async def list(self, *, by: Caller, cursor: str | None, limit: int) -> Page[NamespaceRecord]:
        """Give a page of the namespaces that `by` reaches; raises `InvalidCursor`."""
        among = None if "*" in by.namespaces else by.namespaces
        async with self._database.transaction(read_only=True) as registry:
            return await registry.namespaces.list(among=among, cursor=cursor, limit=limit)

    async def delete(self, name: str) -> None:
        """Delete a namespace with its servers and keys, and destroy what its secrets are encrypted with.

        Raises:
            NamespaceNotFound, NamespaceKeysError: as they say; nothing is deleted then.

        """
        async with self._database.transaction() as registry:
            gone = [each for each in await registry.servers.names() if each.namespace == name]
            await registry.namespaces.delete(name)
            # Last before it is certain: what fails here can be repeated, while a namespace that is gone cannot be
            # deleted again, and its keys would stay.
            self._secrets.shred(name)
        await self._keys.refresh()
        for server in gone:
            await self._events.changed(server.namespace, server.name)
