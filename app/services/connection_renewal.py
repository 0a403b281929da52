"""Renewing a user's tokens: by one request, whichever process makes it (RFC 6749 section 6).

The claim on the stored connection says who asks. It is taken in one transaction and given back in another, so that no
connection to the database is held while the authorization server answers, and it runs out where its holder is gone.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Final, NamedTuple

from app.errors import TokenFailedError, UpstreamError
from app.security.sealing import UnreadableSecretError
from app.services import stored_connections
from converters.authorization_code import refresh_parameters
from converters.credentials import Token
from converters.masking import Mask

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.outbound import TokenEndpoint
    from app.registry import Database
    from app.registry.connections import ConnectionKey
    from app.registry.records import ConnectionRecord
    from app.security.sealing import SecretKeys
    from app.services.stored_connections import Connection
    from converters.token_requests import TokenRequest

# Longer than asking may take, so that a claim is free again only where its holder is gone.
_CLAIM_SECONDS: Final = 30.0
_PAUSE: Final = 0.1


class Due(NamedTuple):
    """A connection with the tokens that are to be replaced, and a request that says where and as which client."""

    key: ConnectionKey
    request: TokenRequest
    connection: Connection
    authorities: str


class Renewal:
    """Renews stored connections."""

    def __init__(
        self, database: Database, keys: SecretKeys, endpoint: TokenEndpoint, *, clock: Callable[[], float]
    ) -> None:
        """Renew connections of `database`, sealed with `keys`, at `endpoint`; `clock` gives seconds since 1970."""
        self._database = database
        self._keys = keys
        self._endpoint = endpoint
        self._clock = clock

    async def renewed(self, due: Due) -> Connection | None:
        """Give the connection with other tokens than it is due with; None where it cannot be renewed any more.

        Raises:
            UpstreamError: when it cannot be renewed now.
            RegistryUnavailable: when the database is away.

        """
        key, claim = due.key, secrets.token_hex(16)
        stored, is_ours = await self._claimed(key, claim, due.connection)
        if stored is None or not is_ours:
            return stored
        try:
            renewed = await self._asked(stored, due)
        except UpstreamError:
            await self._released(key, claim, is_broken=False)
            raise
        if renewed is None:
            await self._released(key, claim, is_broken=True)
            return None
        async with self._database.transaction(is_change=False) as registry:
            sealed = stored_connections.sealed(self._keys, key, renewed)
            is_kept = await registry.connections.renew(key, claim, sealed)
            # Where the user connected anew meanwhile, or ended the connection, that is what counts.
            record = None if is_kept else await registry.connections.find(key)
        return renewed if is_kept else self._opened(key, record)

    async def _claimed(self, key: ConnectionKey, claim: str, had: Connection) -> tuple[Connection | None, bool]:
        """Give the stored connection and whether it is for us to renew it; waits for who does so now."""
        while True:
            async with self._database.transaction(is_change=False) as registry:
                claimed = await registry.connections.claim(key, claim, seconds=_CLAIM_SECONDS)
                stored = self._opened(key, None if claimed is None else claimed.record)
                is_other = stored is None or stored.access_token != had.access_token
                is_ours = claimed is not None and claimed.is_ours
                if is_other and is_ours:
                    await registry.connections.release(key, claim)
            if is_other or is_ours:
                return stored, is_ours and not is_other
            await asyncio.sleep(_PAUSE)

    def _opened(self, key: ConnectionKey, record: ConnectionRecord | None) -> Connection | None:
        if record is None or record.is_broken:
            return None
        try:
            return stored_connections.opened(self._keys, key, record)
        except UnreadableSecretError:
            return None

    async def _asked(self, stored: Connection, due: Due) -> Connection | None:
        """Ask for new tokens; None where the authorization server takes the refresh token no more, or gave none."""
        if stored.refresh_token is None:
            return None
        parameters = refresh_parameters(stored.refresh_token.reveal())
        try:
            got = await self._endpoint.ask(due.request, parameters, authorities=due.authorities, is_refresh=True)
        except TokenFailedError as error:
            if error.error == "invalid_grant":
                return None
            mask = Mask([Token(stored.access_token), Token(stored.refresh_token)])
            raise TokenFailedError(mask.text(error.message), is_transient=error.is_transient) from None
        return stored.renewed(got, self._clock())

    async def _released(self, key: ConnectionKey, claim: str, *, is_broken: bool) -> None:
        async with self._database.transaction(is_change=False) as registry:
            await registry.connections.release(key, claim, is_broken=is_broken)
