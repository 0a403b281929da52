"""Which authorization server's access tokens open the servers of a namespace."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from app.errors import CausewayError
from app.registry.errors import RegistryUnavailable
from app.registry.records import IssuerRecord
from app.security.issuer_keys import KeysUnavailableError, is_safe_url
from app.security.protected_resources import ScopeGrant, TrustedIssuer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.registry import Database
    from app.services.access_files import AccessFile

SECONDS: Final = 5.0
"""How long what was read is good for: so soon a change reaches every process."""
_NEVER: Final = float("-inf")
_UNKNOWN: Final = datetime.min.replace(tzinfo=UTC)


class InvalidIssuerError(CausewayError):
    """An issuer cannot be trusted as it was given."""

    code = "issuer_invalid"


class Issuers:
    """The use cases around issuers, and the source of them for whoever checks tokens."""

    def __init__(
        self, database: Database, *, file: AccessFile | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Keep issuers in `database`, and what was read of them in `file`, for starts without it."""
        self._file = file
        self._database = database
        self._clock = clock
        self._known: Mapping[str, TrustedIssuer] = {}
        self._until = _NEVER

    async def read(self, namespace: str) -> IssuerRecord:
        """Give the issuer of a namespace; raises `IssuerNotFound`."""
        async with self._database.transaction(read_only=True) as registry:
            return await registry.issuers.get(namespace)

    async def put(self, namespace: str, trusted: TrustedIssuer) -> IssuerRecord:
        """Trust an issuer in the place of the one before; raises `NamespaceNotFound` and `InvalidIssuerError`."""
        for member, url in (("issuer", trusted.issuer), ("jwks_uri", trusted.jwks_uri or trusted.issuer)):
            if not is_safe_url(url):
                text = f"`{member}` must be a URL with https (http for this machine alone), without query or fragment."
                raise InvalidIssuerError(text)
        async with self._database.transaction() as registry:
            stored = await registry.issuers.put(
                namespace,
                issuer=trusted.issuer,
                jwks_uri=trusted.jwks_uri or None,
                algorithms=list(trusted.algorithms),
                scopes={scope: _names(grant) for scope, grant in trusted.scopes.items()},
            )
        await self._load()
        return stored

    async def delete(self, namespace: str) -> None:
        """Trust no issuer any more; raises `IssuerNotFound`."""
        async with self._database.transaction() as registry:
            await registry.issuers.delete(namespace)
        await self._load()

    async def trusted(self, namespace: str) -> TrustedIssuer | None:
        """Give the issuer of a namespace as it was a few seconds ago; while the database is away, as it last was.

        Raises:
            KeysUnavailableError: where it never was read.

        """
        if self._clock() >= self._until:
            await self._load()
        return self._known.get(namespace)

    async def _load(self) -> None:
        """Read all of them at once: who asks has shown nothing yet, and may ask for any name."""
        until = self._clock() + SECONDS
        try:
            async with self._database.transaction(read_only=True) as registry:
                records = await registry.issuers.list()
        except RegistryUnavailable:
            if self._until == _NEVER:
                self._known = await self._restored()
        else:
            if self._file is not None:
                await self._file.write([_written(each) for each in records])
            # The same object as long as nothing changed: tokens that were checked stay checked.
            found = {record.namespace: _trusted(record) for record in records}
            self._known = {
                name: self._known[name] if self._known.get(name) == trusted else trusted
                for name, trusted in found.items()
            }
        self._until = until

    async def _restored(self) -> Mapping[str, TrustedIssuer]:
        kept = None if self._file is None else await self._file.read()
        if kept is None:
            raise KeysUnavailableError("It is not known now which issuer is trusted.")
        records = [IssuerRecord(**each, updated_at=_UNKNOWN) for each in kept]
        return {record.namespace: _trusted(record) for record in records}


def _names(grant: ScopeGrant) -> dict[str, list[str]]:
    return {"servers": sorted(grant.servers), "tools": sorted(grant.tools)}


def _trusted(record: IssuerRecord) -> TrustedIssuer:
    scopes: Mapping[str, ScopeGrant] = {
        scope: ScopeGrant(frozenset(names["servers"]), frozenset(names["tools"]))
        for scope, names in record.scopes.items()
    }
    return TrustedIssuer(record.issuer, record.jwks_uri or "", tuple(record.algorithms), scopes)


def _written(record: IssuerRecord) -> dict[str, Any]:
    return {name: value for name, value in asdict(record).items() if name != "updated_at"}
