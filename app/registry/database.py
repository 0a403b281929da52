"""The registry's one entrance: open a database, migrate it, work in transactions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from anyio import CancelScope, move_on_after
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.registry.api_keys import ApiKeys
from app.registry.audit import Audit
from app.registry.changes import note_change
from app.registry.conditions import Conditions
from app.registry.connections import Connections
from app.registry.credentials import Credentials
from app.registry.engines import Engines, normalise, open_engines, open_migration_engine
from app.registry.errors import RegistryUnavailable
from app.registry.idempotency_keys import IdempotencyKeys
from app.registry.issuers import Issuers
from app.registry.lookups import FOUND
from app.registry.namespaces import Namespaces
from app.registry.outages import outages_raised
from app.registry.quotas import Quotas
from app.registry.records import Quota
from app.registry.retention import Retention
from app.registry.revisions import Revisions
from app.registry.served_servers import ServedServers
from app.registry.servers import Servers
from app.registry.setup import Setup
from app.registry.shared_tokens import SharedTokens
from app.registry.sources import Sources
from app.registry.spent_states import SpentStates
from app.registry.upgrades import is_current, upgrade

_READY_SECONDS: Final = 2
# PostgreSQL that lets nobody in for so many seconds is away. Writers of a SQLite file may well wait longer in line.
_ENTRY_TICKS: Final = 4
_TICK_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Registry:
    """The repositories of one transaction."""

    namespaces: Namespaces
    quotas: Quotas
    servers: Servers
    revisions: Revisions
    retention: Retention
    credentials: Credentials
    shared_tokens: SharedTokens
    issuers: Issuers
    conditions: Conditions
    sources: Sources
    connections: Connections
    keys: ApiKeys
    setup: Setup
    idempotency_keys: IdempotencyKeys
    audit: Audit
    served: ServedServers
    spent_states: SpentStates


class Database:
    """A SQLite file or a PostgreSQL database that holds the registry. Use it on one event loop."""

    def __init__(self, url: URL, engines: Engines, quota: Quota) -> None:
        """Keep what `open` made."""
        self._quota = quota
        self._url = url
        self._engines = engines
        self._entries = 0

    @classmethod
    def open(cls, url: str, *, quota: Quota | None = None) -> Database:
        """Open `sqlite:///PATH` or `postgresql://USER@HOST/NAME`, with or without our drivers' names.

        No namespace is let hold more than `quota`.
        Nothing connects yet; a missing SQLite file is made, readable by its owner only. Raises
        `InvalidDatabaseUrl`, or `RegistryUnavailable` if the file cannot be made.
        """
        normalised = normalise(url)
        return cls(normalised, open_engines(normalised), quota or Quota())

    @asynccontextmanager
    async def transaction(self, *, read_only: bool = False, is_change: bool = True) -> AsyncIterator[Registry]:
        """Commit when the block ends, roll back when it raises or is cancelled.

        What somebody changes is in the audit by the same commit, or it is not changed. With `is_change` false the
        transaction writes what goes with requests, and not what they ask for.

        A read-only transaction sees one moment in time and never waits for writers. Writers of one SQLite file take
        turns, so keep slow work outside. Raises `RegistryUnavailable` if the database is away.
        """
        engine = self._engines.reader if read_only else self._engines.writer
        # The session maker's own block finishes its commit or rollback even when the task is cancelled meanwhile.
        info: dict[Any, Any] = {FOUND: {}} if read_only else {}
        async with async_sessionmaker(engine, expire_on_commit=False, info=info).begin() as session:
            with outages_raised():
                await self._enter(session)
            quotas = Quotas(session, self._quota)
            registry = Registry(
                Namespaces(session),
                quotas,
                Servers(session, quotas),
                Revisions(session),
                Retention(session),
                Credentials(session),
                SharedTokens(session),
                Issuers(session),
                Conditions(session),
                Sources(session),
                Connections(session),
                ApiKeys(session),
                Setup(session),
                IdempotencyKeys(session),
                Audit(session),
                ServedServers(session),
                SpentStates(session),
            )
            yield registry
            noted = await note_change(registry.audit) if is_change and not read_only else None
        if noted is not None:
            noted.is_noted = True

    async def _enter(self, session: AsyncSession) -> None:
        """Begin the transaction; raises `RegistryUnavailable` where nobody's has begun for some seconds.

        Ticks are counted and not time, because a busy event loop is late for what the database answered long ago.
        """
        if self._url.get_backend_name() == "sqlite":
            await session.connection()
            return
        entering = asyncio.ensure_future(session.connection())
        try:
            ticks, entries = 0, self._entries
            while not (await asyncio.wait([entering], timeout=_TICK_SECONDS))[0]:
                ticks, entries = (ticks + 1, entries) if entries == self._entries else (0, self._entries)
                if ticks == _ENTRY_TICKS:
                    raise RegistryUnavailable
        finally:
            if not entering.done():
                entering.cancel()
                with CancelScope(shield=True):
                    await asyncio.wait([entering])
        entering.result()
        self._entries += 1

    async def migrate(self) -> None:
        """Bring the tables up to date; starters that do it at the same time take turns.

        Raises `RegistryUnavailable`, or `RegistryTooNew` if a newer release has been here.
        """
        engine = open_migration_engine(self._url)
        try:
            with outages_raised():
                async with engine.begin() as connection:
                    await connection.run_sync(upgrade)
        finally:
            await engine.dispose()

    async def is_ready(self) -> bool:
        """Tell within seconds whether the database is reachable and migrated to this release."""
        with move_on_after(_READY_SECONDS):
            try:
                with outages_raised():
                    async with self._engines.reader.connect() as connection:
                        return await connection.run_sync(is_current)
            except RegistryUnavailable:
                return False
        return False

    async def close(self) -> None:
        """Close every connection."""
        await self._engines.dispose()
