"""The accounts that users connected, for users and owners: what is known of them, and ending one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.registry.connections import ConnectionKey

if TYPE_CHECKING:
    from app.registry import Database
    from app.registry.records import ConnectionRecord
    from app.security.callers import Caller
    from app.services.revoking import Revocations
    from app.services.user_tokens import UserTokens


@dataclass(frozen=True, slots=True)
class Connections:
    """The use cases around connections: an administrator sees all of a server, anybody else their own."""

    database: Database
    tokens: UserTokens
    revocations: Revocations

    async def list(self, namespace: str, server: str, *, caller: Caller) -> tuple[ConnectionRecord, ...]:
        """List the connections that `caller` may see; raises `ServerNotFound`."""
        subject = None if caller.may("admin") else caller.subject
        async with self.database.transaction(read_only=True) as registry:
            return await registry.connections.list(namespace, server, subject=subject)

    async def delete(
        self, namespace: str, server: str, scheme: str, *, caller: Caller, subject: str | None = None
    ) -> None:
        """End a connection, by default `caller`'s own; the authorization server is asked to revoke its tokens.

        Raises:
            ServerNotFound, ConnectionNotFound: also where it is somebody else's, unless `caller` is an administrator.

        """
        whose = subject if subject is not None and caller.may("admin") else caller.subject
        key = ConnectionKey(namespace, server, scheme, whose)
        async with self.database.transaction() as registry:
            record = await registry.connections.find(key)
            await registry.connections.delete(key)
        self.tokens.forget(key)
        if record is not None:
            await self.revocations.revoke(key, record)
