"""Links by which a user connects an account: each holds a ticket that says who connects what.

A browser has no login here, so the ticket is what tells who it is: it is sealed, so that nobody can write one or read
the subject from it, works for a quarter of an hour, and only at the address that it was made for.
"""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from app.errors import CausewayError
from app.registry.connections import ConnectionKey
from app.security.sealing import Sealed, UnreadableSecretError
from converters.token_requests import Endpoints

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.security.sealing import SecretKeys
    from converters.token_requests import TokenRequest

_PURPOSE: Final = "connect ticket"
_SECONDS: Final = 900.0
_MAX_TICKET: Final = 16 * 1024


class ConnectRefusedError(CausewayError):
    """A browser's step on the way to an account is refused; the sentence is fit for whoever looks at it."""

    code = "connect_refused"


@dataclass(frozen=True, slots=True)
class Ticket:
    """Who connects to what, for which scopes and for calls of which origin."""

    key: ConnectionKey
    scopes: tuple[str, ...]
    origin: str
    endpoints: Endpoints

    def to_json(self) -> dict[str, Any]:
        """Write what is not in the link itself."""
        endpoints = {name: url for name, url in self.endpoints._asdict().items() if url}
        return {"sub": self.key.subject, "scopes": self.scopes, "origin": self.origin, "endpoints": endpoints}

    @classmethod
    def from_json(cls, namespace: str, server: str, scheme: str, *, given: dict[str, Any]) -> Ticket:
        """Read what `to_json` wrote."""
        key = ConnectionKey(namespace, server, scheme, given["sub"])
        return cls(key, tuple(given["scopes"]), given["origin"], Endpoints(**given["endpoints"]))


class ConnectLinks:
    """Makes links and reads their tickets."""

    def __init__(self, keys: SecretKeys, public_url: str, *, clock: Callable[[], float] = time.time) -> None:
        """Make links below `public_url`; `clock` gives seconds since 1970."""
        self.public_url = public_url
        self._keys = keys
        self._clock = clock

    @property
    def redirect_uri(self) -> str:
        """Where authorization servers send browsers back to: one address, to be registered exactly so."""
        return f"{self.public_url}/connect/callback"

    def link(self, key: ConnectionKey, request: TokenRequest) -> str:
        """Make the link by which a user connects an account for a request for a token."""
        content = {
            **Ticket(key, request.scopes, request.origin, request.endpoints).to_json(),
            "exp": self._clock() + _SECONDS,
        }
        sealed = self._keys.seal(json.dumps(content).encode(), (_PURPOSE, *key[:3]))
        written = base64.urlsafe_b64encode(sealed.content).rstrip(b"=").decode()
        path = "/".join(quote(each, safe="") for each in key[:3])
        return f"{self.public_url}/connect/{path}?ticket={sealed.key_id}.{written}"

    def read(self, namespace: str, server: str, scheme: str, *, ticket: str) -> Ticket:
        """Read the ticket of a link; raises `ConnectRefusedError` for one that is not ours, of another, or too old."""
        key_id, _, written = ticket[:_MAX_TICKET].partition(".")
        try:
            content = base64.urlsafe_b64decode(written + "=" * (-len(written) % 4))
            opened = self._keys.open(Sealed(key_id, content), (_PURPOSE, namespace, server, scheme))
        except (UnreadableSecretError, ValueError):
            raise ConnectRefusedError(
                "This link is not valid. Call the tool again: it answers with a new one."
            ) from None
        given = json.loads(opened)
        if given["exp"] < self._clock():
            raise ConnectRefusedError("This link has expired. Call the tool again: it answers with a new one.")
        return Ticket.from_json(namespace, server, scheme, given=given)
