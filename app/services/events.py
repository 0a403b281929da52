"""What services tell the rest of the process: that a server is different now."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class ServerEvents:
    """Calls its listeners, in order, when a server was created, changed or deleted."""

    def __init__(self) -> None:
        """Start without listeners."""
        self._listeners: list[Callable[[str, str], Awaitable[None]]] = []

    def listen(self, listener: Callable[[str, str], Awaitable[None]]) -> None:
        """Have `listener(namespace, name)` called from now on."""
        self._listeners.append(listener)

    async def changed(self, namespace: str, name: str) -> None:
        """Tell every listener; a use case's answer waits for them, so that what it made is live."""
        for listener in self._listeners:
            await listener(namespace, name)
