"""The servers that are live in this process: snapshots by name, swapped whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.gateway.snapshots import ServerSnapshot


class SnapshotCatalog:
    """A `ToolCatalog` in memory; calls in flight finish on the snapshot they started with."""

    def __init__(self) -> None:
        """Start empty."""
        self._snapshots: dict[tuple[str, str], ServerSnapshot] = {}

    def find(self, namespace: str, server: str) -> ServerSnapshot | None:
        """Give the current snapshot of a server, or None."""
        return self._snapshots.get((namespace, server))

    def put(self, snapshot: ServerSnapshot) -> None:
        """Serve `snapshot` from now on."""
        self._snapshots[snapshot.namespace, snapshot.name] = snapshot

    def drop(self, namespace: str, server: str) -> None:
        """Serve this server no more."""
        self._snapshots.pop((namespace, server), None)

    def all(self) -> Mapping[tuple[str, str], ServerSnapshot]:
        """Give every live snapshot by (namespace, name)."""
        return dict(self._snapshots)
