"""Access tokens shared by the instances of one database: one of them asks, and all of them use what it got.

Who asks has a lease in the database and holds no connection to it meanwhile; who finds a lease waits for the token, or
for the lease's end. Tokens are sealed like credentials, for the server and everything they were asked for with. While
the database is away each instance asks for itself.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from app.registry.errors import RegistryUnavailable, ServerNotFound
from app.security.namespace_keys import NamespaceKeysError
from app.security.sealing import Sealed, UnreadableSecretError
from converters.credentials import Secret
from converters.token_requests import AccessToken

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from app.registry import Database
    from app.registry.records import SharedToken
    from app.security.sealing import SecretKeys
    from converters.token_requests import TokenRequest

    Ask = Callable[[], Awaitable[AccessToken]]

# Longer than a request to a token endpoint may take, so that a lease outlives it unless its holder is gone.
_LEASE_SECONDS: Final = 15.0
_WAIT_SECONDS: Final = 0.1
# A token with less than this is not worth handing on.
_MIN_SECONDS: Final = 2.0
_UNKNOWN_LIFETIME: Final = 3600.0
_MAX_SECONDS: Final = 366 * 24 * 3600.0


class SharedTokens:
    """The tokens of a database's instances, as one instance has to do with them."""

    def __init__(self, database: Database, keys: SecretKeys) -> None:
        """Keep tokens in `database` under `keys`."""
        self._database = database
        self._keys = keys
        self._asker = secrets.token_hex(8)

    async def obtained(
        self, server: str, request: TokenRequest, *, useless: Collection[Secret], ask: Ask
    ) -> AccessToken:
        """Give the token another instance got, else what `ask` gives, which is then kept for the others.

        `server` is "namespace/name"; `useless` are tokens that are refused or about to expire.
        Raises what `ask` raises.
        """
        try:
            place = _Place(self._keys, server, request)
            found = await self._found_or_leased(place, useless)
        except (RegistryUnavailable, ServerNotFound, NamespaceKeysError):
            return await ask()
        if isinstance(found, AccessToken):
            return found
        try:
            got = await ask()
        except BaseException:
            # Also where this process stops: the others need not wait for it.
            await asyncio.shield(self._kept(place, None))
            raise
        await self._kept(place, got)
        return got

    async def _found_or_leased(self, place: _Place, useless: Collection[Secret]) -> AccessToken | None:
        """Give a token that may be used, or None once this instance has the lease to ask for one."""
        while True:
            async with self._database.transaction(is_change=False) as registry:
                row = await registry.shared_tokens.hold(place.namespace, place.server, name=place.name)
                token = place.opened(row)
                if token is not None and token.value not in useless:
                    return token
                if row.asked_by is None or row.asked_until is None or row.asked_until <= datetime.now(UTC):
                    await registry.shared_tokens.lease(row, asker=self._asker, seconds=_LEASE_SECONDS)
                    return None
            await asyncio.sleep(_WAIT_SECONDS)

    async def _kept(self, place: _Place, got: AccessToken | None) -> None:
        """Store what was got, and end the lease unless it was given up on."""
        try:
            async with self._database.transaction(is_change=False) as registry:
                row = await registry.shared_tokens.hold(place.namespace, place.server, name=place.name)
                if row.asked_by != self._asker:
                    return
                if got is None:
                    await registry.shared_tokens.release(row)
                    return
                sealed, expires_at = place.sealed(got)
                await registry.shared_tokens.store(
                    row, key_id=sealed.key_id, content=sealed.content, expires_at=expires_at
                )
        except (RegistryUnavailable, ServerNotFound, NamespaceKeysError):
            return


class _Place:
    """Where a token belongs: what it is sealed for, and the name of its row, which tells nothing of a secret."""

    def __init__(self, keys: SecretKeys, server: str, request: TokenRequest) -> None:
        self.namespace, _, self.server = server.partition("/")
        self._keys = keys
        client = request.client
        secret = "" if client.client_secret is None else client.client_secret.reveal()
        subject = "" if request.subject_token is None else request.subject_token.reveal()
        self._sealed_for = (
            "access token",
            self.namespace,
            self.server,
            request.scheme,
            list(request.endpoints),
            client.client_id,
            client.token_endpoint_auth_method,
            client.grant_type,
            list(request.scopes),
            keys.fingerprint(secret.encode(), self.namespace),
            keys.fingerprint(subject.encode(), self.namespace),
        )
        self.name = hashlib.sha256(json.dumps(self._sealed_for).encode()).hexdigest()

    def opened(self, row: SharedToken) -> AccessToken | None:
        """Give the token of a row that still lives for a while; None where there is none that can be read."""
        if row.content is None or row.key_id is None or row.expires_at is None:
            return None
        lifetime = (row.expires_at - datetime.now(UTC)).total_seconds()
        try:
            sealed = Sealed(row.key_id, row.content)
            secret = self._keys.open(sealed, self._sealed_for, namespace=self.namespace).decode()
        except UnreadableSecretError:
            return None
        return AccessToken(Secret(secret), lifetime) if lifetime > _MIN_SECONDS else None

    def sealed(self, got: AccessToken) -> tuple[Sealed, datetime]:
        """Seal a token, and say when it expires."""
        lifetime = _UNKNOWN_LIFETIME if got.lifetime is None else got.lifetime
        expires_at = datetime.now(UTC) + timedelta(seconds=min(lifetime, _MAX_SECONDS))
        sealed = self._keys.seal(got.value.reveal().encode(), self._sealed_for, namespace=self.namespace)
        return sealed, expires_at
