"""Which servers may have changed, whoever changed them: another instance, a command, this process itself.

PostgreSQL tells of each change as it is committed (`migrations/0006_server_changes.py`). What a connection that broke
did not hear is made up for by looking at all servers: when there is a connection again, and every few seconds in any
case. SQLite has the latter alone.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final

from app.registry.records import ServerName

if TYPE_CHECKING:
    from app.registry.notifications import Notifications

CHANNEL: Final = "causeway_servers"
POLL_SECONDS: Final = 5.0


class ChangedServers:
    """What one process has heard, until it looks."""

    def __init__(self, notifications: Notifications | None, *, poll_seconds: float = POLL_SECONDS) -> None:
        """Listen to `notifications`, where there are any; look at everything every `poll_seconds`."""
        self._poll_seconds = poll_seconds
        self._heard: set[ServerName] = set()
        self._looks_at_all = False
        self._news = asyncio.Event()
        if notifications is not None:
            notifications.listen(CHANNEL, self._hear)
            notifications.on_connection(self._look_at_all)

    async def next(self) -> frozenset[ServerName] | None:
        """Wait for changes and name the servers they are about; None means any of them."""
        try:
            async with asyncio.timeout(self._poll_seconds):
                await self._news.wait()
        except TimeoutError:
            self._looks_at_all = True
        self._news.clear()
        heard = None if self._looks_at_all else frozenset(self._heard)
        self._looks_at_all = False
        self._heard.clear()
        return heard

    def _hear(self, payload: str) -> None:
        if not payload:
            self._look_at_all()
            return
        self._heard.add(ServerName(*json.loads(payload)))
        self._news.set()

    def _look_at_all(self) -> None:
        self._looks_at_all = True
        self._news.set()
