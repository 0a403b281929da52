"""What is written to a client in one turn of the event loop goes out in one piece.

uvicorn writes the head of an answer and its body each by itself: two system calls, and two packets that wake the client
twice, which together cost as much as checking a call's arguments many times over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import asyncio

_MOST: Final = 64 * 1024
"""Bytes that wait for the end of a turn; more go out at once, so that the transport can tell to stop writing."""


class GatheredWrites:
    """A transport around another one, as far as uvicorn uses it; everything but writing is the inner one's."""

    __slots__ = ("_inner", "_loop", "_size", "_waiting")

    def __init__(self, inner: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        """Write to `inner` at the end of each turn of `loop`."""
        self._inner = inner
        self._loop = loop
        self._waiting: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        """Give what the inner transport has."""
        return getattr(self._inner, name)

    def write(self, data: bytes) -> None:
        """Write with what is written in the same turn, or at once where that has become much."""
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(data)
        self._size += len(data)
        if self._size > _MOST:
            self._flush()

    def close(self) -> None:
        """Write what waits, and close."""
        self._flush()
        self._inner.close()

    def _flush(self) -> None:
        waiting, self._waiting, self._size = self._waiting, [], 0
        if waiting and not self._inner.is_closing():
            self._inner.writelines(waiting)
