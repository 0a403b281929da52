"""The servers that are live in this process: snapshots by name, swapped whole, and who watches their lists of tools."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.gateway.ports import Watcher
    from app.gateway.snapshots import ServerSnapshot
    from app.security.callers import Caller

_Key = tuple[str, str]


class SnapshotCatalog:
    """A `ToolCatalog` in memory; calls in flight finish on the snapshot they started with."""

    def __init__(self) -> None:
        """Start empty."""
        self._snapshots: dict[_Key, ServerSnapshot] = {}
        # Keyed by a token, because equal callables may watch twice.
        self._watchers: dict[_Key, dict[object, tuple[Watcher, Caller]]] = {}

    def find(self, namespace: str, server: str) -> ServerSnapshot | None:
        """Give the current snapshot of a server, or None."""
        return self._snapshots.get((namespace, server))

    def put(self, snapshot: ServerSnapshot) -> None:
        """Serve `snapshot` from now on."""
        key = snapshot.namespace, snapshot.name
        before = self._snapshots.get(key)
        if before is not None:
            snapshot.follow(before)
        self._snapshots[key] = snapshot
        # Lists are compared only for those who watch: writing one takes a while.
        for watcher, caller in tuple(self._watchers.get(key, {}).values()):
            is_other = before is None or not snapshot.seen_by(caller).lists_the_same_as(before.seen_by(caller))
            if is_other:
                _tell(watcher, is_served=True)

    def drop(self, namespace: str, server: str) -> None:
        """Serve this server no more."""
        if self._snapshots.pop((namespace, server), None) is not None:
            for watcher, _ in tuple(self._watchers.get((namespace, server), {}).values()):
                _tell(watcher, is_served=False)

    def all(self) -> Mapping[_Key, ServerSnapshot]:
        """Give every live snapshot by (namespace, name)."""
        return dict(self._snapshots)

    def watch(self, namespace: str, server: str, watcher: Watcher, *, caller: Caller) -> Callable[[], None]:
        """Have `watcher` told of another list of tools for `caller` (True), and of the server's end (False)."""
        key, token = (namespace, server), object()
        self._watchers.setdefault(key, {})[token] = watcher, caller
        return partial(self._unwatch, key, token)

    def _unwatch(self, key: _Key, token: object) -> None:
        watchers = self._watchers.get(key, {})
        watchers.pop(token, None)
        if not watchers:
            self._watchers.pop(key, None)


def _tell(watcher: Watcher, *, is_served: bool) -> None:
    watcher(is_served)
