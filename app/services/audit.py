"""The audit: what was changed is written with the change; what was called is written soon after.

A call never waits for the database. Entries of calls wait in memory, a bounded number of them, and those that find no
room are counted. While the database is away they stay there; whether calls are made meanwhile is for the gateway, which
is told. Where a commit was not answered its entries are written again: a call may be there twice, and is not left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import time
from typing import TYPE_CHECKING, Final

from app.registry.errors import RegistryError
from app.registry.records import AuditEntry
from app.security.callers import EVERY
from app.services.repeating import alongside, repeated
from app.telemetry.records import current_record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from app.registry import Database
    from app.registry.records import AuditFilter, AuditRecord, Page
    from app.security.callers import Caller

MAX_WAITING: Final = 10_000
"""Calls whose entries may wait to be written."""
CALL: Final = "tools/call"
"""The action of an entry of a tool call."""

_WRITE_SECONDS: Final = 1.0
_BATCH: Final = 500
_CLEAN_SECONDS: Final = 3600.0
_EXPORT_PAGE: Final = 1000

_Waiting = tuple[float, str, str, str, str, int, str, str]

_log: Final = logging.getLogger(__name__)


class Audit:
    """Reads the audit, writes calls into it, and takes away what is old."""

    def __init__(self, database: Database, *, days: int, max_waiting: int = MAX_WAITING) -> None:
        """Keep entries in `database` for so many days; at most `max_waiting` wait to be written."""
        self._database = database
        self._days = timedelta(days=days)
        self._max_waiting = max_waiting
        self._waiting: deque[_Waiting] = deque()
        self._writing = asyncio.Lock()
        self._is_away = False
        self.lost = 0

    @property
    def is_keeping(self) -> bool:
        """Whether a call that is made now will be in the audit, as far as can be known before."""
        return not self._is_away and len(self._waiting) < self._max_waiting

    def called(self, caller: str, place: tuple[str, str, str], *, revision: int, code: str) -> None:
        """Note a tool call by who made it; `place` is the namespace, the server and the tool."""
        if len(self._waiting) >= self._max_waiting:
            self.lost += 1
            return
        record = current_record()
        request_id = "" if record is None else record.request_id
        self._waiting.append((time(), caller, *place, revision, code, request_id))

    async def list(self, wanted: AuditFilter, *, cursor: str | None, limit: int) -> Page[AuditRecord]:
        """Give a page of entries, newest first; raises `InvalidCursor`."""
        await self.write()
        async with self._database.transaction(read_only=True) as registry:
            return await registry.audit.list(wanted, cursor=cursor, limit=limit)

    async def export(self, wanted: AuditFilter) -> AsyncIterator[tuple[AuditRecord, ...]]:
        """Give all entries, newest first, in parts; no transaction is open between them."""
        cursor: str | None = None
        while True:
            found = await self.list(wanted, cursor=cursor, limit=_EXPORT_PAGE)
            yield found.items
            cursor = found.next_cursor
            if cursor is None:
                return

    async def write(self) -> None:
        """Write the entries that wait; raises `RegistryError` where the database does not let us, and they wait on."""
        async with self._writing:
            while self._waiting:
                await self._write([self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))])

    async def _write(self, batch: Sequence[_Waiting]) -> None:
        """Write entries; one that the database refuses is lost, and keeps none of the others waiting."""
        parts = [batch]
        while parts:
            part = parts.pop()
            try:
                async with self._database.transaction(is_change=False) as registry:
                    await registry.audit.add([_entry(*each) for each in part])
                self._is_away = False
            except (RegistryError, asyncio.CancelledError) as error:
                self._is_away = isinstance(error, RegistryError)
                self._put_back([*part, *(each for later in reversed(parts) for each in later)])
                raise
            except Exception:  # noqa: BLE001 - the edge: whatever one entry is refused for, the others are written
                middle = len(part) // 2
                if middle:
                    parts += [part[middle:], part[:middle]]
                else:
                    self.lost += 1
                    _log.exception("an entry of a call cannot be in the audit")

    def _put_back(self, batch: Sequence[_Waiting]) -> None:
        """Have entries wait again, before all others; the newest make room where there is too little."""
        self._waiting.extendleft(reversed(batch))
        while len(self._waiting) > self._max_waiting:
            self._waiting.pop()
            self.lost += 1

    async def clean(self) -> int:
        """Take away what is older than is kept; gives how many entries."""
        async with self._database.transaction(is_change=False) as registry:
            return await registry.audit.remove_before(datetime.now(UTC) - self._days)

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Write what is noted, as long as the block runs, and what is left at its end."""
        writing = repeated(self.write, seconds=_WRITE_SECONDS, name="writing calls into the audit")
        cleaning = repeated(self.clean, seconds=_CLEAN_SECONDS, name="taking old entries out of the audit")
        try:
            async with alongside(writing, cleaning):
                try:
                    yield
                finally:
                    # Not to be ended in the middle of a commit, of which nobody would know whether it was made.
                    await self._writing.acquire()
        finally:
            self._writing.release()
            try:
                await self.write()
            except RegistryError as error:
                _log.warning("%d calls are not in the audit: %s", len(self._waiting), error.message)


def reached(wanted: AuditFilter, by: Caller) -> AuditFilter:
    """Narrow what is wanted to what `by` reaches."""
    return replace(
        wanted,
        namespaces=None if "*" in by.namespaces else by.namespaces,
        servers=None if by.servers is EVERY or "*" in by.servers else by.servers,
    )


def _entry(  # noqa: PLR0913, PLR0917 - a tuple that waited
    at: float, subject: str, namespace: str, server: str, tool: str, revision: int, code: str, request_id: str
) -> AuditEntry:
    return AuditEntry(
        subject=subject,
        action=CALL,
        at=datetime.fromtimestamp(at, UTC),
        namespace=namespace,
        server=server,
        tool=tool,
        revision=revision,
        code=code,
        request_id=request_id,
    )
