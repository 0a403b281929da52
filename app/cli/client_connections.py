"""How many connections clients may have: as many as there are open files for, with enough of them left for the work.

One beyond is answered 503 at once. If it were kept, the last open files would go to clients that wait, and requests to
APIs, the database and imports would fail in their place, as if these were at fault.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import time
from typing import TYPE_CHECKING, Any, Final

from app.cli.gathered_writes import GatheredWrites

if TYPE_CHECKING:
    import asyncio

RESERVED: Final = 64
"""Open files for everything but clients and their calls: the database, imports, logs, snapshots."""
_TOLD_SECONDS: Final = 60.0
_ASKING_SECONDS: Final = 5.0
"""How long a connection on which nothing was asked yet is left open when the gateway is told to stop."""
_log: Final = logging.getLogger(__name__)


def most_connections() -> float:
    """Raise the soft limit of open files as far as the system permits, and give how many connections that is good for.

    A call has one from its client and one to its API.
    """
    try:
        import resource
    except ImportError:
        return math.inf
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some systems say that there is no limit and then refuse it.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return math.inf if soft == resource.RLIM_INFINITY else max(1, (soft - RESERVED) // 2)


def _busy() -> bytes:
    sentence = "The gateway has as many connections open as it can: try again in a moment."
    problem = {"type": "urn:causeway:problem:too_many_connections", "title": "Service Unavailable", "status": 503}
    body = json.dumps({**problem, "detail": sentence, "code": "too_many_connections"}).encode()
    lines = (
        "HTTP/1.1 503 Service Unavailable",
        "content-type: application/problem+json",
        f"content-length: {len(body)}",
        "retry-after: 1",
        "connection: close",
    )
    return "\r\n".join([*lines, "", ""]).encode() + body


_BUSY: Final = _busy()


def bounded(protocol: type[Any], most: float) -> type[Any]:
    """Give uvicorn's protocol for one connection, which leaves `most` of them open, and lets each ask at the end."""
    told = float("-inf")

    class Bounded(protocol):  # type: ignore[misc]
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(GatheredWrites(transport, self.loop))
            if len(self.connections) > most:
                tell()
                transport.write(_BUSY)
                transport.close()

        def shutdown(self) -> None:
            # Whoever has connected a moment ago is about to ask, and cannot know that a request was not taken.
            if self.cycle is None:
                self.loop.call_later(_ASKING_SECONDS, super().shutdown)
            else:
                super().shutdown()

    def tell() -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= _TOLD_SECONDS:
            told = now
            _log.warning(
                "connections of clients are refused: %d are open, which the limit of open files is good for", most
            )

    return Bounded
