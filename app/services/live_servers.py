"""What this process serves is kept in step with the registry, and goes on being served while the registry is away.

A server is loaded again when its version in the registry is another one than the version loaded here. So it does not
matter who changed it, whether that was told once, twice or not at all, and an edit is loaded once.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, Protocol

from app.registry.errors import RegistryError, RegistryUnavailable
from app.registry.records import ServerName

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from app.registry import Database
    from app.registry.changed_servers import ChangedServers
    from app.registry.records import ServerVersion
    from app.services.server_files import ServerFiles
    from app.services.tools import LoadedServer, Tools

_RETRY_SECONDS: Final = 1.0
_AT_ONCE: Final = 20
"""Servers that are loaded by the same queries; more would only take more memory meanwhile."""
_log: Final = logging.getLogger(__name__)


class Stage(Protocol):
    """Where loaded servers are served."""

    async def put(self, loaded: LoadedServer) -> None:
        """Serve a server as it is now."""
        ...

    def drop(self, namespace: str, name: str) -> None:
        """Serve a server no more."""
        ...


class LiveServers:
    """The servers of this process, and from when they are."""

    def __init__(
        self,
        database: Database,
        tools: Tools,
        *,
        stage: Stage,
        changed: ChangedServers,
        files: ServerFiles | None = None,
    ) -> None:
        """Serve on `stage` what `tools` loads; keep it in `files`, where there are any, for starts without it."""
        self._database = database
        self._tools = tools
        self._stage = stage
        self._changed = changed
        self._files = files
        self._versions: dict[ServerName, ServerVersion] = {}
        self._refreshing = asyncio.Lock()
        self._is_prepared = False
        self._writing: asyncio.Future[None] | None = None

    async def start(self, prepare: Callable[[], Awaitable[None]]) -> None:
        """Prepare the registry and load every server; where it is away, load what was kept of them.

        `follow` then does the rest. Raises what `prepare` raises, but for `RegistryUnavailable`.
        """
        try:
            await self._prepare(prepare)
            await self._look(None)
        except RegistryUnavailable:
            _log.warning("the registry's database is away: serving what is kept on disk until it is back")
            await self._restore()

    async def follow(self, prepare: Callable[[], Awaitable[None]]) -> None:
        """Load what changes, for ever; what was missed while the registry was away is looked at when it is back."""
        heard: frozenset[ServerName] | None = None
        is_away = False
        while True:
            try:
                await self._prepare(prepare)
                await self._look(heard)
                is_away = False
                heard = await self._changed.next()
            except RegistryError as error:
                if not is_away:
                    _log.warning("servers are not kept up to date for now: %s", error.message)
                is_away, heard = True, None
                await asyncio.sleep(_RETRY_SECONDS)
            except Exception:  # noqa: BLE001 - the edge: whatever goes wrong once, servers are kept up to date
                _log.exception("servers could not be kept up to date")
                heard = None
                await asyncio.sleep(_RETRY_SECONDS)

    async def refresh(self, namespace: str, name: str) -> None:
        """Load a server that was changed here, so that what was made is live when its maker is answered."""
        async with self._refreshing:
            await self._load([ServerName(namespace, name)])
            await self._written()

    async def _prepare(self, prepare: Callable[[], Awaitable[None]]) -> None:
        if not self._is_prepared:
            await prepare()
            self._is_prepared = True

    async def _look(self, heard: frozenset[ServerName] | None) -> None:
        """Load the servers that are not at the version they are at here, of those heard of or of all."""
        async with self._database.transaction(read_only=True) as registry:
            there = await registry.servers.versions(heard)
        changed = [name for name, version in there.items() if self._versions.get(name) != version]
        asked = self._versions.keys() if heard is None else self._versions.keys() & heard
        changed += asked - there.keys()
        for start in range(0, len(changed), _AT_ONCE):
            await self._catch_up(changed[start : start + _AT_ONCE], there)
        await self._written()
        if heard is None and self._files is not None:
            await self._files.retain(there)

    async def _catch_up(self, names: Sequence[ServerName], there: Mapping[ServerName, ServerVersion]) -> None:
        """Load servers of which these are the versions, unless that was done meanwhile."""
        try:
            async with self._refreshing:
                await self._load([each for each in names if self._versions.get(each) != there.get(each)])
        except RegistryError:
            raise
        except Exception:  # noqa: BLE001 - the edge between servers: a defect met at one keeps no other from being served
            if len(names) > 1:
                for each in names:
                    await self._catch_up([each], there)
                return
            _log.exception("the server %s/%s could not be loaded", names[0].namespace, names[0].name)
            self._versions[names[0]] = there[names[0]]

    async def _load(self, names: Collection[ServerName]) -> None:
        """Load servers and serve them; whoever does holds `_refreshing`, so that an older load never wins."""
        found = {ServerName(each.server.namespace, each.server.name): each for each in await self._tools.load(names)}
        for name in names:
            if name in found:
                await self._serve(name, found[name])
                # Between two servers others have their turn.
                await asyncio.sleep(0)
            else:
                await self._drop(name)
        if self._files is not None:
            # These are written while the next are loaded; more at a time would only take memory.
            await self._written()
            self._writing = self._files.write(*found.values())

    async def _written(self) -> None:
        if self._writing is not None:
            # Whoever stops waiting does not stop the writing.
            await asyncio.wait([self._writing])

    async def _drop(self, name: ServerName) -> None:
        self._stage.drop(name.namespace, name.name)
        self._versions.pop(name, None)
        if self._files is not None:
            await self._files.remove(name)

    async def _serve(self, name: ServerName, loaded: LoadedServer) -> None:
        if loaded.server.enabled:
            await self._stage.put(loaded)
        else:
            self._stage.drop(name.namespace, name.name)
        self._versions[name] = loaded.server.version

    async def _restore(self) -> None:
        if self._files is not None:
            async for loaded in self._files.read():
                await self._serve(ServerName(loaded.server.namespace, loaded.server.name), loaded)
