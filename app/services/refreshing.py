"""Descriptions that are fetched again from where they came: on a schedule, and when somebody asks.

What is fetched and cannot be used never replaces what is served; the server's conditions say so until it can. The
server's review policy holds as for any import.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from app.errors import CausewayError
from app.registry.errors import RegistryError
from app.registry.records import SourceState
from app.services.import_description import ImportOptions, Source
from app.services.repeating import repeated
from app.telemetry.records import Change, acting
from converters import DescriptionError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.outbound import DocumentFetcher
    from app.outbound.documents import Fetched
    from app.registry import Database
    from app.services.import_description import ImportDescription
    from app.services.publishing import Imported

BY: Final = "source"
"""Who changes a server, in the audit, when its source does."""
CONDITION: Final = "source_failed"
_REMEDY: Final = "What was imported before is served meanwhile; mend what is at the URL, or import another document."
LOOK_SECONDS: Final = 5.0
"""How often it is asked whose time has come."""
_log: Final = logging.getLogger(__name__)


class SourceMissingError(CausewayError):
    """The server's description did not come from a URL."""

    code = "source_missing"

    def __init__(self, name: str) -> None:
        """Say what to do."""
        super().__init__(f"The description of {name!r} was not fetched from a URL: import it by `document_url` first.")


class Refreshing:
    """Fetches descriptions again."""

    def __init__(self, database: Database, importer: ImportDescription, fetcher: DocumentFetcher) -> None:
        """Import by `importer` what `fetcher` finds at the sources in `database`."""
        self._database = database
        self._importer = importer
        self._fetcher = fetcher

    async def follow(self) -> None:
        """Look at the sources whose time has come, for ever. Of several processes, one looks at each."""
        await repeated(self.look, seconds=LOOK_SECONDS, name="looking at sources")

    async def look(self) -> None:
        """Look at the sources whose time has come."""
        async with self._database.transaction(read_only=True) as registry:
            if not await registry.sources.are_due():
                return
        async with self._database.transaction(is_change=False) as registry:
            claimed = await registry.sources.claim()
        await asyncio.gather(*(self._looked_at(each.namespace, each.name) for each in claimed))

    async def refresh(self, namespace: str, name: str) -> Imported:
        """Fetch and import now, whatever was there before.

        Raises:
            SourceMissingError: when there is no URL.
            ServerNotFound, DescriptionError, ServerFrozenError, UpstreamError: as they say; the conditions tell.

        """
        async with self._database.transaction(read_only=True) as registry:
            url = await registry.sources.url(namespace, name)
        if url is None:
            raise SourceMissingError(name)
        async with self._telling(namespace, name):
            return await self._import(namespace, name, url, await self._fetcher.fetch_changed(url))

    async def _looked_at(self, namespace: str, name: str) -> None:
        with acting(BY, Change("refresh_server", namespace, name)):
            await self._look_at(namespace, name)

    async def _look_at(self, namespace: str, name: str) -> None:
        """Import what is at a source, unless it is what was there the last time."""
        try:
            async with self._database.transaction(read_only=True) as registry:
                url = await registry.sources.url(namespace, name)
                known = await registry.sources.state(namespace, name)
            if url is None:
                return
            if known.url != url:
                known = SourceState()
            async with self._telling(namespace, name):
                found = await self._fetcher.fetch_changed(url, etag=known.etag, last_modified=known.last_modified)
                if found.document is not None and _digest(found.document) != known.content_digest:
                    await self._import(namespace, name, url, found)
                    return
            async with self._database.transaction(is_change=False) as registry:
                await registry.conditions.clear(namespace, name, code=CONDITION)
        except (CausewayError, DescriptionError) as error:
            _log.info("the source of %s/%s was not imported: %s", namespace, name, error.message)

    async def _import(self, namespace: str, name: str, url: str, found: Fetched) -> Imported:
        source = Source(document=found.document, url=found.url)
        done = await self._importer.replace(namespace, name, source=source, options=ImportOptions())
        # Of a description of several documents, the first says nothing about the others.
        is_split = done.compiled.description["is_split"]
        seen = SourceState(url, found.etag, found.last_modified, _digest(found.document))
        async with self._database.transaction(is_change=False) as registry:
            await registry.sources.keep(namespace, name, state=SourceState() if is_split else seen)
            await registry.conditions.clear(namespace, name, code=CONDITION)
        return done

    @asynccontextmanager
    async def _telling(self, namespace: str, name: str) -> AsyncIterator[None]:
        """Tell what goes wrong meanwhile as the server's condition."""
        try:
            yield
        except RegistryError:
            raise
        except (CausewayError, DescriptionError) as error:
            async with self._database.transaction(is_change=False) as registry:
                await registry.conditions.put(namespace, name, code=CONDITION, message=error.message, remedy=_REMEDY)
            raise


def _digest(document: bytes | None) -> str:
    return hashlib.sha256(document or b"").hexdigest()
