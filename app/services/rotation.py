"""Sealing everything anew under the current key, while calls go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.security.sealing import UnreadableSecretError
from app.services import stored_connections, stored_credentials

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from app.registry import Database, Registry
    from app.security.sealing import SecretKeys


@dataclass(frozen=True, slots=True)
class Rotation:
    """How many secrets were sealed anew, and how many could not be read."""

    resealed: int
    unreadable: int


async def rotate(database: Database, keys: SecretKeys) -> Rotation:
    """Seal everything under the current key, one secret per transaction, so that nobody waits.

    That is the credentials of owners and the tokens of users. What is changed meanwhile stays as it was changed; what
    cannot be read is left.
    """
    outcomes = [each async for each in _outcomes(database, keys)]
    return Rotation(outcomes.count(True), outcomes.count(None))


async def _outcomes(database: Database, keys: SecretKeys) -> AsyncIterator[bool | None]:
    """Give for each secret whether it was sealed anew, None where it could not be read."""
    async with database.transaction(read_only=True) as registry:
        used = await registry.credentials.key_ids() | await registry.connections.key_ids()
        former = {each for each in used if not keys.is_current(each)}
        credentials = await registry.credentials.sealed_with(former)
        connections = await registry.connections.sealed_with(former)
    for credential in credentials:
        try:
            new = stored_credentials.resealed(keys, credential)
        except UnreadableSecretError:
            yield None
            continue
        async with database.transaction() as registry:
            yield await _done(registry, registry.credentials.reseal(credential, new))
    for connection in connections:
        try:
            tokens = stored_connections.resealed(keys, connection)
        except UnreadableSecretError:
            yield None
            continue
        async with database.transaction() as registry:
            yield await _done(registry, registry.connections.reseal(connection, tokens))


async def _done(registry: Registry, resealing: Awaitable[bool]) -> bool:
    """Tell whether a secret was sealed anew, and not changed by somebody else meanwhile."""
    is_done = await resealing
    if not is_done:
        registry.audit.nothing_changed()
    return is_done
