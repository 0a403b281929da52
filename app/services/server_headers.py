"""Header fields of a server: supplied by an owner for every request, and kept, bound and sealed as credentials are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.errors import CausewayError
from app.registry.errors import CredentialNotFound
from app.services import stored_credentials
from app.services.credential_targets import read_targets
from app.services.credentials import SOURCE_MEMBERS, CredentialUnboundError
from converters.credentials import CredentialError, read_field_value
from converters.server_headers import check_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.registry import Database
    from app.registry.records import CredentialRecord, NewCredential
    from app.security.operator_secrets import OperatorSecrets
    from app.security.sealing import SecretKeys
    from app.services.credential_targets import Targets
    from app.services.credentials import Credentials
    from app.services.events import ServerEvents
    from converters.credentials import Secret
    from converters.security import SecurityScheme


class HeaderNotFoundError(CausewayError):
    """The server adds no such header field."""

    code = "header_not_found"

    def __init__(self, server: str, name: str) -> None:
        """Name the server and the field."""
        super().__init__(f"The server {server!r} has no header field {name[:200]!r}.")


@dataclass(frozen=True, slots=True)
class SuppliedHeader:
    """A header field that may be sent; `source` is where its value is kept, {} for here."""

    name: str
    value: Secret
    source: Mapping[str, str]
    is_secret: bool


@dataclass(frozen=True, slots=True)
class HeaderInfo:
    """What may be known of a header field; `detached` lists origins that requests go to and it does not."""

    record: CredentialRecord
    detached: tuple[str, ...]
    is_readable: bool


class ServerHeaders:
    """The use cases around the header fields of servers."""

    def __init__(
        self,
        database: Database,
        keys: SecretKeys,
        sources: OperatorSecrets,
        events: ServerEvents,
        *,
        credentials: Credentials,
    ) -> None:
        """Keep values in `database` under `keys`, or in `sources`; tell `events` what changed."""
        self._database = database
        self._keys = keys
        self._sources = sources
        self._events = events
        self._credentials = credentials

    async def list(self, namespace: str, server: str) -> tuple[HeaderInfo, ...]:
        """Describe a server's header fields, by name; raises `ServerNotFound`."""
        async with self._database.transaction(read_only=True) as registry:
            records = await registry.credentials.list(namespace, server)
            targets = await read_targets(registry, namespace, server) if records else None
        found = [each for each in records if stored_credentials.is_header(each)]
        return tuple([await self._described(each, targets) for each in found if targets is not None])

    async def put(self, namespace: str, server: str, name: str, *, given: Mapping[str, Any]) -> HeaderInfo:
        """Store a header field in the place of the one of that name, bound to where the server's requests go now.

        `given` is `{"value", "is_secret"}`, or what `OperatorSecrets.read` takes in the place of the value.

        Raises:
            ServerNotFound, CredentialUnboundError, SecretSourceError: as they say.
            CredentialError: when the name or the value cannot be sent.

        """
        async with self._database.transaction(read_only=True) as registry:
            targets = await read_targets(registry, namespace, server)
        supplied = await self.check(name, given, schemes=targets.schemes.values())
        new = self.bound(targets, supplied, place=(namespace, server))
        place = stored_credentials.header_place(name)
        async with self._database.transaction() as registry:
            record = await registry.credentials.put(namespace, server, scheme=place, new=new)
        await self._events.changed(namespace, server)
        return await self._described(record, targets)

    async def check(self, name: str, given: Mapping[str, Any], *, schemes: Iterable[SecurityScheme]) -> SuppliedHeader:
        """Read what `put` takes, beside the `schemes` that are declared; raises as `put` does."""
        check_name(name, schemes)
        source = {member: given[member] for member in SOURCE_MEMBERS if given.get(member) is not None}
        if source and given.get("value") is not None:
            raise CredentialError("Send `value` or a source, not both.", pointer="/value")
        value = await self._sources.read(source, is_fresh=True) if source else given.get("value")
        return SuppliedHeader(name, read_field_value(value), source, is_secret=given.get("is_secret") is not False)

    def bound(self, targets: Targets, supplied: SuppliedHeader, *, place: tuple[str, str]) -> NewCredential:
        """Seal a header field for `place` (namespace, server), bound to where the server's requests go.

        Raises `CredentialUnboundError`.
        """
        name = stored_credentials.header_place(supplied.name)
        origins = targets.origins(name)
        if not origins:
            raise CredentialUnboundError
        details = stored_credentials.header_details(
            supplied.name, is_secret=supplied.is_secret, origins=origins, source=supplied.source or None
        )
        return stored_credentials.sealed(self._keys, (*place, name), details, supplied.value.reveal())

    async def delete(self, namespace: str, server: str, name: str) -> None:
        """Remove a header field; raises `ServerNotFound` or `HeaderNotFoundError`."""
        try:
            async with self._database.transaction() as registry:
                await registry.credentials.delete(namespace, server, scheme=stored_credentials.header_place(name))
        except CredentialNotFound:
            raise HeaderNotFoundError(server, name) from None
        await self._events.changed(namespace, server)

    async def _described(self, record: CredentialRecord, targets: Targets) -> HeaderInfo:
        return HeaderInfo(
            record=record,
            detached=tuple(sorted(targets.origins(record.scheme) - set(record.details["origins"]))),
            is_readable=await self._credentials.opened(record, {}) is not None,
        )
