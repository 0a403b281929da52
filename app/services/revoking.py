"""Tokens of a connection that has ended are revoked at the authorization server, where it can be asked to (RFC 7009).

Best effort, and once: the connection is gone here whatever comes of it, and whoever ends it waits for some seconds at
most.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from app.errors import UpstreamError
from app.registry.errors import RegistryError
from app.security.sealing import UnreadableSecretError
from app.services import stored_connections
from app.services.credential_targets import read_targets
from converters.credentials import USER_GRANTS, ClientCredentials
from converters.origins import origin
from converters.token_requests import TokenRequest

if TYPE_CHECKING:
    from app.outbound import TokenEndpoint
    from app.registry import Database
    from app.registry.connections import ConnectionKey
    from app.registry.records import ConnectionRecord
    from app.security.sealing import SecretKeys
    from app.services.credentials import Credentials
    from app.services.stored_connections import Connection

_log: Final = logging.getLogger(__name__)


class Revocations:
    """Revokes the tokens of connections."""

    def __init__(
        self, database: Database, keys: SecretKeys, credentials: Credentials, *, endpoint: TokenEndpoint
    ) -> None:
        """Open what `database` held with `keys`; ask by `endpoint` as the client among `credentials`."""
        self._database = database
        self._keys = keys
        self._credentials = credentials
        self._endpoint = endpoint

    async def revoke(self, key: ConnectionKey, record: ConnectionRecord) -> None:
        """Revoke the tokens of a connection that was ended, the one that renews them first; what fails is logged."""
        try:
            connection = stored_connections.opened(self._keys, key, record)
            await self._revoke(key, connection)
        except (UnreadableSecretError, UpstreamError, RegistryError) as error:
            # Without its sentence, in which an authorization server may repeat what it was sent.
            _log.warning(
                "the tokens of an ended connection of %s/%s were not revoked: %s",
                key.namespace,
                key.server,
                getattr(error, "code", "unreadable"),
            )

    async def _revoke(self, key: ConnectionKey, connection: Connection) -> None:
        held = self._credentials.held(key.namespace, key.server).by_scheme.get(key.scheme)
        if held is None or not isinstance(held.credential, ClientCredentials):
            return
        async with self._database.transaction(read_only=True) as registry:
            targets = await read_targets(registry, key.namespace, key.server)
            authorities = (await registry.servers.get(key.namespace, key.server)).certificate_authorities or ""
        client = held.credential
        for endpoints in targets.endpoints(key.scheme, client.grant_type):
            request = TokenRequest(key.scheme, endpoints, client, (), "")
            is_bound = {origin(each) for each in endpoints.secret} <= held.token_origins
            if client.grant_type in USER_GRANTS and is_bound and connection.is_of(request):
                # A declared token endpoint is what the owner bound the client to, and not whatever metadata name.
                where = held.token_origins if endpoints.token else None
                await self._endpoint.revoke(request, connection.tokens, origins=where, authorities=authorities)
                return
