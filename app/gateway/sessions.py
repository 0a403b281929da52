"""Sessions of the handshake era (2025-11-25, "Session Management"), for clients whose user may have to be asked.

Every other client gets none: a session only costs where nothing is kept in it. Its id is sealed: it holds what the
client declared, for this server and whoever opened it, so that any process can serve it and nobody else can use it. It
cannot be ended, because nothing is kept; it is over after a week.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from app.gateway.http_exchange import HttpError
from app.gateway.kernel import HANDSHAKE_PROTOCOL_VERSIONS

if TYPE_CHECKING:
    from app.gateway.http_exchange import Headers
    from app.gateway.messages import Message
    from app.gateway.sealed_state import SealedState
    from app.security.callers import Caller

HEADER: Final = "mcp-session-id"
_SECONDS: Final = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class Elicitable:
    """How a client's user can be asked: by a form, by being led to a URL (2025-11-25, "Elicitation")."""

    by_form: bool = False
    by_url: bool = False

    @classmethod
    def from_capabilities(cls, capabilities: Any) -> Elicitable:
        """Read a client's capabilities; an empty `elicitation` means forms, which were all there was before URLs."""
        if hasattr(capabilities, "model_dump"):
            capabilities = capabilities.model_dump(by_alias=True, exclude_none=True)
        declared = capabilities.get("elicitation") if isinstance(capabilities, dict) else None
        if not isinstance(declared, dict):
            return NOBODY_TO_ASK
        return cls(by_form="form" in declared or "url" not in declared, by_url="url" in declared)


NOBODY_TO_ASK: Final = Elicitable()


class Sessions:
    """Opens sessions, and tells those that are not the caller's."""

    def __init__(self, state: SealedState) -> None:
        """Seal with `state`."""
        self._state = state

    def opened(self, server: str, caller: Caller, message: Message) -> str:
        """Give the id of a session for the client of an `initialize`, "" where its user cannot be asked."""
        client = Elicitable.from_capabilities((message.params or {}).get("capabilities"))
        if client == NOBODY_TO_ASK:
            return ""
        return self._state.seal([client.by_form, client.by_url], _place(server, caller), seconds=_SECONDS)

    def check(self, server: str, caller: Caller, headers: Headers) -> Elicitable:
        """Give how the user can be asked of a client that names its session, or names none.

        Raises:
            HttpError: 404 for a session that is not there, is over, or is somebody else's.

        """
        if HEADER not in headers.named:
            return NOBODY_TO_ASK
        if headers.named.get("mcp-protocol-version") not in {None, *HANDSHAKE_PROTOCOL_VERSIONS}:
            return NOBODY_TO_ASK
        named = [value for name, value in headers.fields if name == HEADER]
        found = self._state.open(named[0], _place(server, caller)) if len(named) == 1 else None
        if found is None:
            raise HttpError(404, "You have no session of this id: send `initialize` again.")
        return Elicitable(*found)


def _place(server: str, caller: Caller) -> tuple[str, str, str]:
    return "mcp session", server, caller.subject
