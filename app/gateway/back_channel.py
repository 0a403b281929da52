"""Requests to clients of the handshake era: sent on a stream that the client reads, answered by a POST of its own.

The POST may reach another process than the one that asked: the id of a request names the process that waits.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from app.gateway.snapshots import to_bytes

if TYPE_CHECKING:
    from app.gateway.event_stream import Push
    from app.gateway.messages import Message
    from app.security.callers import Caller

ANSWER_SECONDS: Final = 300.0
"""How long a user may think."""
_REQUEST_ID: Final = re.compile(r"ask\.([A-Za-z0-9]{1,32})\.[A-Za-z0-9_-]{32}")


@dataclass(slots=True)
class _Asked:
    server: str
    caller: str
    answer: asyncio.Future[dict[str, Any] | None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


def asking_process(request_id: Any) -> str:
    """Give the process that sent a request of this id to a client, "" for an id that is none of ours."""
    found = _REQUEST_ID.fullmatch(request_id) if isinstance(request_id, str) else None
    return found[1] if found else ""


class BackChannel:
    """The requests of this process that clients have not answered yet."""

    def __init__(self, process: str, *, seconds: float = ANSWER_SECONDS) -> None:
        """Ask as `process`; wait `seconds` for an answer."""
        self.process = process
        self._seconds = seconds
        self._asked: dict[str, _Asked] = {}

    async def ask(
        self, push: Push, method: str, params: dict[str, Any], *, server: str, caller: Caller
    ) -> dict[str, Any] | None:
        """Send a request to a client by `push`, and give its result; None for an error, and where none comes."""
        request_id = f"ask.{self.process}.{secrets.token_urlsafe(24)}"
        asked = self._asked[request_id] = _Asked(server, caller.subject)
        await push(to_bytes({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}))
        try:
            async with asyncio.timeout(self._seconds):
                return await asked.answer
        except TimeoutError:
            return None
        finally:
            del self._asked[request_id]

    def answer(self, message: Message, *, server: str, caller: str) -> None:
        """Take a client's response; one that nobody waits for, or from somebody else, is dropped."""
        asked = self._asked.get(str(message.request_id))
        if asked is None or (asked.server, asked.caller) != (server, caller) or asked.answer.done():
            return
        result = message.body.get("result")
        asked.answer.set_result(result if isinstance(result, dict) else None)
