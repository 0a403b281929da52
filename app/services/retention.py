"""Old revisions are removed: a server that is imported again and again does not fill its namespace or the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from app.registry.errors import ServerNotFound
from app.services.repeating import repeated
from app.telemetry.records import GATEWAY, Change, acting

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from app.registry import Database
    from app.registry.records import ServerName

_SECONDS: Final = 3600.0
# Each holds thousands of tools, and imports of the same server wait meanwhile.
_AT_ONCE: Final = 5


class Retention:
    """Keeps of each server the newest revisions, and those that were served lately."""

    def __init__(self, database: Database, *, count: int, days: int) -> None:
        """Keep `count` revisions of each server in `database`, and what was served within so many days."""
        self._database = database
        self._count = count
        self._days = timedelta(days=days)

    def follow(self) -> Coroutine[Any, Any, None]:
        """Remove what is old, every hour."""
        return repeated(self.clean, seconds=_SECONDS, name="removing old revisions")

    async def clean(self) -> int:
        """Remove what is old, some in a transaction; gives how many revisions."""
        async with self._database.transaction(read_only=True) as registry:
            servers = await registry.retention.overfull(count=self._count)
        return sum([await self._clean(each) for each in servers])

    async def _clean(self, server: ServerName) -> int:
        removed, since = 0, datetime.now(UTC) - self._days
        with acting(GATEWAY, Change("remove_revisions", server.namespace, server.name)):
            while True:
                try:
                    async with self._database.transaction() as registry:
                        found = await registry.retention.remove(server, count=self._count, since=since, most=_AT_ONCE)
                        if not found:
                            registry.audit.nothing_changed()
                except ServerNotFound:  # deleted a moment ago
                    return removed
                removed += found
                if found < _AT_ONCE:
                    return removed
