"""Connections as they are stored: details that may be shown, and the tokens, sealed for whom and what they are.

What tokens are sealed for is namespace, server, scheme, subject and the details: in another user's row, or with another
origin beside them, they do not open.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from app.registry.connections import ConnectionKey
from app.registry.records import NewConnection
from app.security.sealing import Sealed
from converters.credentials import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.registry.records import ConnectionRecord
    from app.security.sealing import SecretKeys
    from converters.token_requests import AccessToken, TokenRequest

_PURPOSE: Final = "connection"
# As for tokens of a client: renewed when a tenth of the life is left, at most so many seconds before the end.
_MAX_SKEW: Final = 30.0
_SKEW_SHARE: Final = 0.1
# Where the server does not say how long a token lives, the API says so by a 401.
_UNKNOWN_LIFETIME: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Connection:
    """A user's tokens; times are in seconds since 1970.

    `details` are the client and the token endpoint that they came from, the origins that they may be sent to, the
    `scopes` that were asked for and those `granted`.
    """

    details: Mapping[str, Any]
    access_token: Secret
    refresh_token: Secret | None
    obtained_at: float
    renew_at: float
    expires_at: float

    @property
    def due_at(self) -> float:
        """When the token is to be replaced: before it expires, where it can be renewed."""
        return self.expires_at if self.refresh_token is None else self.renew_at

    @property
    def tokens(self) -> dict[str, Secret]:
        """The tokens by their types (RFC 7009 section 2.1), the one that renews the other first."""
        renewing = {} if self.refresh_token is None else {"refresh_token": self.refresh_token}
        return {**renewing, "access_token": self.access_token}

    def serves(self, request: TokenRequest) -> bool:
        """Tell whether the tokens are for what is asked: this client and endpoint, the API's origin and the scopes.

        A server may grant other names than were asked for, so what was asked for is what counts.
        """
        is_there = request.origin in self.details["origins"]
        return self.is_of(request) and is_there and set(request.scopes) <= set(self.details["scopes"])

    def is_of(self, request: TokenRequest) -> bool:
        """Tell whether the tokens came from this client and endpoint."""
        return (self.details["client_id"], self.details["endpoint"]) == (request.client.client_id, request.url)

    def widening(self, request: TokenRequest) -> TokenRequest:
        """Give the request with the scopes that are had already, so that asking for others does not lose them.

        Where the owner named the scopes, no others are asked for.
        """
        if request.client.scopes is not None or not self.is_of(request):
            return request
        return replace(request, scopes=tuple(sorted({*request.scopes, *self.details["scopes"]})))

    def renewed(self, got: AccessToken, now: float) -> Connection:
        """Give the connection with new tokens; a refresh token that is not replaced stays (RFC 6749 section 6)."""
        granted = self.details["granted"] if got.scopes is None else list(got.scopes)
        made = _made({**self.details, "granted": granted}, got, now)
        return replace(made, refresh_token=got.refresh_token or self.refresh_token)


def connection(request: TokenRequest, got: AccessToken, *, origins: Iterable[str], now: float) -> Connection:
    """Make a connection of the tokens that a user's agreement gave."""
    details = {
        "client_id": request.client.client_id,
        "endpoint": request.url,
        "origins": sorted(origins),
        "scopes": sorted(request.scopes),
        "granted": sorted(request.scopes) if got.scopes is None else list(got.scopes),
    }
    return _made(details, got, now)


def _made(details: Mapping[str, Any], got: AccessToken, now: float) -> Connection:
    lifetime = _UNKNOWN_LIFETIME if got.lifetime is None else got.lifetime
    expires_at = now + lifetime
    renew_at = expires_at - min(lifetime * _SKEW_SHARE, _MAX_SKEW)
    return Connection(details, got.value, got.refresh_token, now, renew_at, expires_at)


def sealed(keys: SecretKeys, key: ConnectionKey, made: Connection) -> NewConnection:
    """Seal a connection for its place."""
    content = {
        "access_token": made.access_token.reveal(),
        "refresh_token": None if made.refresh_token is None else made.refresh_token.reveal(),
        "times": [made.obtained_at, made.renew_at, made.expires_at],
    }
    closed = keys.seal(json.dumps(content).encode(), (_PURPOSE, *key, made.details), namespace=key.namespace)
    return NewConnection(made.details, closed.key_id, closed.content)


def opened(keys: SecretKeys, key: ConnectionKey, record: ConnectionRecord) -> Connection:
    """Open the connection of a record that is to be `key`'s; raises `UnreadableSecretError`."""
    sealed_for = (_PURPOSE, *key, record.details)
    content = json.loads(keys.open(Sealed(record.key_id, record.content), sealed_for, namespace=key.namespace))
    refresh = content["refresh_token"]
    return Connection(
        record.details, Secret(content["access_token"]), None if refresh is None else Secret(refresh), *content["times"]
    )


def resealed(keys: SecretKeys, record: ConnectionRecord) -> NewConnection:
    """Seal a record's tokens under the current key; raises `UnreadableSecretError`."""
    key = ConnectionKey(record.namespace, record.server, record.scheme, record.subject)
    return sealed(keys, key, opened(keys, key, record))
