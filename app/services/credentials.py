"""Credentials: supplied once by an owner, held in memory for the calls, shown to nobody.

A credential is bound to the origins that requests with it go to when it is supplied: when a later import or base URL
sends an operation elsewhere, it does not go along until it is supplied again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from app.errors import CausewayError
from app.outbound import tls
from app.outbound.client_authentication import signing_key
from app.security.operator_secrets import SecretSourceError
from app.security.sealing import UnreadableSecretError
from app.services import stored_credentials
from app.services.credential_targets import base_of, declared_schemes, read_targets
from converters.authorization import NO_CREDENTIALS, Authorization, HeldCredentials, authorize, with_headers
from converters.credentials import (
    ClientCertificate,
    ClientCredentials,
    CredentialError,
    Token,
    check_obtainable,
    read_credential,
    read_field_value,
)
from converters.origins import origin
from converters.tool_definitions import security_from_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from app.registry import Database
    from app.registry.records import CredentialRecord, NewCredential, ServerRecord
    from app.security.operator_secrets import OperatorSecrets
    from app.security.sealing import SecretKeys
    from app.services.credential_targets import Targets
    from app.services.events import ServerEvents
    from converters.authorization import Refusal
    from converters.credentials import Credential
    from converters.security import SecurityScheme


SOURCE_MEMBERS: Final = frozenset({"source", "name", "path", "field"})


class SchemeNotDeclaredError(CausewayError):
    """The active revision's description declares no such security scheme."""

    code = "security_scheme_not_found"

    def __init__(self, scheme: str, declared: Iterable[str]) -> None:
        """Name the scheme that was asked for and those that there are."""
        names = ", ".join(sorted(declared)[:20]) or "none"
        super().__init__(
            f"The description does not declare the security scheme {scheme[:200]!r}; it declares: {names}."
        )


class CredentialUnboundError(CausewayError):
    """It is not known where requests with the credential go."""

    code = "credential_unbound"

    def __init__(self) -> None:
        """Say what to do first."""
        super().__init__("It is not known where the API is, so no credential can be bound to it: set `base_url` first.")


@dataclass(frozen=True, slots=True)
class CredentialInfo:
    """What may be known of a stored credential.

    `details` are those of `stored_credentials.details_of`; `detached` lists origins that requests with the scheme go to
    and the credential does not; `is_readable` says whether it can be used at all.
    """

    record: CredentialRecord
    scheme: SecurityScheme | None
    detached: tuple[str, ...]
    is_readable: bool


@dataclass(frozen=True, slots=True)
class ToolAuthorization:
    """What a call of a tool would carry now, and what is needed to explain it.

    That is the schemes, the origin the call would go to, and the path under which credentials are put.
    """

    outcome: Authorization | Refusal
    schemes: Mapping[str, SecurityScheme]
    origin: str
    place: str


class Credentials:
    """The use cases around credentials, and the source of credentials for the calls."""

    def __init__(self, database: Database, keys: SecretKeys, sources: OperatorSecrets, events: ServerEvents) -> None:
        """Keep credentials in `database` under `keys`, or in `sources`; tell `events` what changed."""
        self._database = database
        self._keys = keys
        self._sources = sources
        self._events = events
        self._held: dict[tuple[str, str], HeldCredentials] = {}
        self._stored: dict[tuple[str, str], tuple[ServerRecord, Sequence[CredentialRecord]]] = {}

    # --- for the calls

    def held(self, namespace: str, server: str) -> HeldCredentials:
        """Give the credentials of a server that is live."""
        return self._held.get((namespace, server), NO_CREDENTIALS)

    async def hold(self, server: ServerRecord, records: Sequence[CredentialRecord]) -> None:
        """Open a server's credentials and keep them in memory."""
        place = (server.namespace, server.name)
        self._held[place] = await self._opened(server, records)
        self._stored[place] = server, records

    def drop(self, namespace: str, server: str) -> None:
        """Forget the credentials of a server."""
        self._held.pop((namespace, server), None)
        self._stored.pop((namespace, server), None)

    async def _load(self, namespace: str, server: str) -> HeldCredentials:
        async with self._database.transaction(read_only=True) as registry:
            records = await registry.credentials.list(namespace, server)
            record = await registry.servers.get(namespace, server)
        return await self._opened(record, records)

    async def _opened(self, server: ServerRecord, records: Sequence[CredentialRecord]) -> HeldCredentials:
        schemes = declared_schemes(server) if records else {}
        read = [(each, await self.opened(each, schemes)) for each in records]
        return HeldCredentials(
            {
                each.scheme: stored_credentials.held(each.details, credential)
                for each, credential in read
                if not stored_credentials.is_header(each)
            },
            tuple(
                stored_credentials.held_header(each.details, credential)
                for each, credential in read
                if stored_credentials.is_header(each)
            ),
        )

    async def refresh(self) -> None:
        """Read again what is kept elsewhere, for every server that is live: the operator may have changed it there."""
        for place, stored in list(self._stored.items()):
            server, records = stored
            if not any(each.details["source"] for each in records):
                continue
            opened = await self._opened(server, records)
            # What was supplied or dropped meanwhile is newer.
            if self._stored.get(place) is stored and not opened.is_same(self._held[place]):
                self._held[place] = opened

    async def opened(self, record: CredentialRecord, schemes: Mapping[str, SecurityScheme]) -> Credential | None:
        """Open a stored credential, or fetch it where it is kept; None where that cannot be done."""
        try:
            secret = stored_credentials.opened(self._keys, record)
            if not record.details["source"]:
                return stored_credentials.joined(record.details, secret)
            fetched = stored_credentials.joined(record.details, await self._sources.read(record.details["source"]))
            if stored_credentials.is_header(record):
                return Token(read_field_value(stored_credentials.secret_of(fetched)))
            scheme = schemes.get(record.scheme)
            return None if scheme is None else read_credential(scheme, _members(scheme, fetched))
        except (UnreadableSecretError, SecretSourceError, CredentialError):
            return None

    # --- for owners

    async def list(self, namespace: str, server: str) -> tuple[CredentialInfo, ...]:
        """Describe a server's credentials; raises `ServerNotFound`."""
        async with self._database.transaction(read_only=True) as registry:
            records = await registry.credentials.list(namespace, server)
            targets = await read_targets(registry, namespace, server) if records else None
        described = [each for each in records if not stored_credentials.is_header(each)]
        return tuple([await self._described(each, targets) for each in described if targets is not None])

    async def put(self, namespace: str, server: str, scheme: str, *, given: Mapping[str, Any]) -> CredentialInfo:
        """Store a credential for a scheme and bind it to where requests with it go now.

        `given` is what the contract's `PUT .../credentials/{scheme}` takes, or what `OperatorSecrets.read` takes in the
        place of the secret.

        Raises:
            ServerNotFound, SchemeNotDeclaredError, CredentialUnboundError, SecretSourceError: as they say.
            CredentialError: when what was given does not fit the scheme.

        """
        async with self._database.transaction(read_only=True) as registry:
            targets = await read_targets(registry, namespace, server)
        found = targets.schemes.get(scheme)
        if found is None:
            raise SchemeNotDeclaredError(scheme, targets.schemes)
        credential, source = await self.check(found, given)
        new = self.bound(targets, credential, place=(namespace, server, scheme), source=source)
        async with self._database.transaction() as registry:
            record = await registry.credentials.put(namespace, server, scheme=scheme, new=new)
        await self._events.changed(namespace, server)
        return await self._described(record, targets)

    async def check(self, scheme: SecurityScheme, given: Mapping[str, Any]) -> tuple[Credential, dict[str, str]]:
        """Read what `put` takes: the credential, and where its secret is kept, {} for here; raises as `put` does."""
        source = {name: given[name] for name in SOURCE_MEMBERS if given.get(name) is not None}
        members = {name: value for name, value in given.items() if name not in SOURCE_MEMBERS}
        if source:
            members[_secret_member(scheme, members)] = await self._sources.read(source, is_fresh=True)
        credential = read_credential(scheme, members)
        check_obtainable(scheme, credential)
        _check_keys(credential)
        return credential, source

    def bound(
        self, targets: Targets, credential: Credential, *, place: tuple[str, str, str], source: Mapping[str, str]
    ) -> NewCredential:
        """Seal a credential for `place` (namespace, server, scheme), bound to where requests with the scheme go.

        `source` is where its secret is kept, {} for here. Raises `CredentialUnboundError`.
        """
        *_, scheme = place
        origins = targets.origins(scheme)
        if not origins:
            raise CredentialUnboundError
        grant = credential.grant_type if isinstance(credential, ClientCredentials) else ""
        details = stored_credentials.details_of(
            credential,
            origins=origins,
            source=source or None,
            token_origins=targets.token_origins(targets.schemes[scheme], grant) if grant else (),
        )
        return stored_credentials.sealed(self._keys, place, details, stored_credentials.secret_of(credential))

    def is_as(self, record: CredentialRecord, new: NewCredential) -> bool:
        """Tell whether a stored credential can be opened, and all that may be shown of it is as that of `new`."""
        try:
            stored_credentials.opened(self._keys, record)
        except UnreadableSecretError:
            return False
        return record.details == new.details

    async def delete(self, namespace: str, server: str, scheme: str) -> None:
        """Remove a credential; raises `ServerNotFound` or `CredentialNotFound`."""
        async with self._database.transaction() as registry:
            await registry.credentials.delete(namespace, server, scheme=scheme)
        await self._events.changed(namespace, server)

    async def authorization(self, namespace: str, server: str, definition: Mapping[str, Any]) -> ToolAuthorization:
        """Tell what a call of a tool would carry now; `definition` is the tool's as stored."""
        held = self._held.get((namespace, server)) or await self._load(namespace, server)
        async with self._database.transaction(read_only=True) as registry:
            record = await registry.servers.get(namespace, server)
            document_url = (await registry.revisions.get(namespace, server)).document_url
        base = base_of(definition, record, document_url) or ""
        schemes = declared_schemes(record)
        outcome = authorize(security_from_json(definition["security"]), schemes, held.by_scheme, base)
        outcome = with_headers(outcome, held.headers, base)
        return ToolAuthorization(outcome, schemes, origin(base) if base else "", credentials_path(namespace, server))

    async def _described(self, record: CredentialRecord, targets: Targets) -> CredentialInfo:
        scheme = targets.schemes.get(record.scheme)
        detached = targets.origins(record.scheme) - set(record.details["origins"])
        if scheme is not None and record.details["kind"] == "client":
            grant = stored_credentials.grant_type(record.details)
            detached |= targets.token_origins(scheme, grant) - set(record.details.get("token_origins", ()))
        return CredentialInfo(
            record=record,
            scheme=scheme,
            detached=tuple(sorted(detached)),
            is_readable=await self.opened(record, targets.schemes) is not None,
        )

    # --- keys

    async def has_all_keys(self) -> bool:
        """Tell whether there is a key for everything that is stored."""
        async with self._database.transaction(read_only=True) as registry:
            used = await registry.credentials.key_ids() | await registry.connections.key_ids()
        return self._keys.can_read(used)


def _check_keys(credential: Credential) -> None:
    """Check that what is used with cryptography can be: a certificate with its key, a key that signs."""
    try:
        if isinstance(credential, ClientCertificate):
            tls.context("", credential)
    except ValueError:
        sentence = "The certificate and the private key cannot be used together."
        raise CredentialError(sentence, pointer="/certificate") from None
    try:
        if isinstance(credential, ClientCredentials) and credential.has_private_key:
            signing_key(stored_credentials.secret_of(credential))
    except ValueError:
        sentence = "The private key cannot sign: it must be an RSA key or one on the curve P-256, P-384 or P-521."
        raise CredentialError(sentence, pointer="/private_key") from None


def credentials_path(namespace: str, server: str) -> str:
    """Give the path of the control plane under which a server's credentials are put, by scheme."""
    return f"/api/v1/namespaces/{namespace}/servers/{server}/credentials/"


def _secret_member(scheme: SecurityScheme, members: Mapping[str, Any]) -> str:
    if scheme.type == "mutualTLS":
        return "private_key"
    if scheme.type == "http" and scheme.http_name in {"basic", "digest"}:
        return "password"
    if members.get("client_id") is None:
        return "value"
    return "private_key" if members.get("token_endpoint_auth_method") == "private_key_jwt" else "client_secret"


def _members(scheme: SecurityScheme, credential: Credential) -> dict[str, Any]:
    """Give a credential as an owner would supply it."""
    details = stored_credentials.details_of(credential, origins=(), source=None)
    ours = {"origins", "token_origins", "source", "kind"}
    supplied = {name: value for name, value in details.items() if name not in ours}
    return {**supplied, _secret_member(scheme, supplied): stored_credentials.secret_of(credential) or None}
