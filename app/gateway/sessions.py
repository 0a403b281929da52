"""Sessions of the handshake era (2025-11-25, "Session Management"), for clients that have said what later counts.

That is who they are, where they are given another list of tools, and how their user can be asked, where that may have
to be. Every other client gets none: a session only costs where nothing is kept in it. Its id is sealed: it holds what
the client declared, for this server and whoever opened it, so that any process can serve it and nobody else can use it.
It cannot be ended, because nothing is kept; it is over after a week.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from app.gateway.http_exchange import HttpError
from app.gateway.kernel import HANDSHAKE_PROTOCOL_VERSIONS, introduced
from converters.client_profiles import PROFILES

if TYPE_CHECKING:
    from app.gateway.http_exchange import Headers
    from app.gateway.messages import Message
    from app.gateway.sealed_state import SealedState
    from app.gateway.snapshots import ServerSnapshot
    from app.security.callers import Caller
    from converters.client_profiles import ClientProfile

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


class Session(NamedTuple):
    """What a client has said of itself; `profile` is None for one that takes what all take."""

    client: Elicitable = NOBODY_TO_ASK
    profile: ClientProfile | None = None


NO_SESSION: Final = Session()


class Sessions:
    """Opens sessions, and tells those that are not the caller's."""

    def __init__(self, state: SealedState) -> None:
        """Seal with `state`."""
        self._state = state

    def opened(self, snapshot: ServerSnapshot, caller: Caller, message: Message) -> str:
        """Give the id of a session for the client of an `initialize`, "" for one that needs none at this server."""
        said = message.params or {}
        client, profile = NOBODY_TO_ASK, introduced(said.get("clientInfo"))
        if snapshot.policies.confirm != "never":
            client = Elicitable.from_capabilities(said.get("capabilities"))
        is_other = snapshot.lists_otherwise_for(profile)
        if client == NOBODY_TO_ASK and not is_other:
            return ""
        kept = [client.by_form, client.by_url, profile.name if is_other else ""]
        return self._state.seal(kept, _place(snapshot.key, caller), seconds=_SECONDS)

    def check(self, server: str, caller: Caller, headers: Headers) -> Session:
        """Give the session that a client names, or the empty one for a client that names none.

        Raises:
            HttpError: 404 for a session that is not there, is over, or is somebody else's.

        """
        if HEADER not in headers.named:
            return NO_SESSION
        if headers.named.get("mcp-protocol-version") not in {None, *HANDSHAKE_PROTOCOL_VERSIONS}:
            return NO_SESSION
        named = [value for name, value in headers.fields if name == HEADER]
        found = self._state.open(named[0], _place(server, caller)) if len(named) == 1 else None
        if found is None:
            raise HttpError(404, "You have no session of this id: send `initialize` again.")
        by_form, by_url, *rest = found
        return Session(Elicitable(by_form, by_url), PROFILES.get(rest[0]) if rest else None)


def _place(server: str, caller: Caller) -> tuple[str, str, str]:
    return "mcp session", server, caller.subject
