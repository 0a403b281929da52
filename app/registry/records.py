"""What goes into the registry and what comes out: frozen values, never database rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import Enum
from typing import Any, Final, Generic, TypeAlias, TypeVar

T = TypeVar("T")

JsonObject: TypeAlias = "dict[str, Any]"


class Unset(Enum):
    """The type of `UNSET`."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET
"""A field of a change that stays as it is. `None` is a value: it clears the field."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A slice of a list. `next_cursor` fetches the slice after it and is `None` on the last."""

    items: tuple[T, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class NamespaceRecord:
    """A tenant: the first segment of its servers' URLs."""

    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Quota:
    """How much a namespace may hold, None for any number: servers, tools of them, bytes of all revisions' documents."""

    servers: int | None = None
    tools: int | None = None
    document_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """How much a namespace holds, of what a `Quota` bounds."""

    servers: int
    tools: int
    document_bytes: int


@dataclass(frozen=True, slots=True)
class QuotaRecord:
    """What holds for a namespace, of its own quota and the gateway's the lower numbers, and how much of it is used."""

    limits: Quota
    used: Usage


@dataclass(frozen=True, slots=True)
class IssuerRecord:
    """The authorization server of a namespace; `scopes` maps scopes to their `servers` and `tools`, as lists."""

    namespace: str
    issuer: str
    jwks_uri: str | None
    algorithms: list[str]
    scopes: dict[str, dict[str, list[str]]]
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class KeyGrant:
    """What a key permits: scopes, a namespace, servers and tools in it, "*" for every one, and lower limits."""

    scopes: tuple[str, ...]
    namespace: str
    servers: tuple[str, ...]
    tools: tuple[str, ...]
    limits: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key to store: its secret's digest, the beginning that may be shown, and what it permits."""

    id: str
    digest: bytes
    prefix: str
    name: str
    grant: KeyGrant
    created_by: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class ApiKeyRecord:
    """A stored key; `last_used_at` is coarse, some minutes behind."""

    id: str
    digest: bytes
    prefix: str
    name: str
    grant: KeyGrant
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class ServerName:
    """The two names that identify a server."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class ServerVersion:
    """What tells a server from the same server at another time: every change of it moves `updated_at`."""

    revision: int
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ServerRecord:
    """A published MCP server; `counts` and `description` are those of its active revision, number `revision`.

    `draft_revision` is the number of a revision that waits for a review, or None; `declared_by` says who declares the
    server in files, or is None.
    """

    namespace: str
    name: str
    title: str
    kind: str
    base_url: str | None
    server_variables: dict[str, str]
    instructions: str | None
    certificate_authorities: str | None
    policies: JsonObject | None
    enabled: bool
    revision: int
    draft_revision: int | None
    declared_by: str | None
    counts: dict[str, int]
    description: JsonObject
    created_at: datetime
    updated_at: datetime

    @property
    def version(self) -> ServerVersion:
        """The version of the server that this is."""
        return ServerVersion(self.revision, self.updated_at)


@dataclass(frozen=True, slots=True)
class RevisionRecord:
    """One compilation of a server's description. It never changes."""

    number: int
    digest: str
    compiler_version: str
    media_type: str
    document_url: str | None
    counts: dict[str, int]
    description: JsonObject
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ToolOverride:
    """What an operator changed about one operation's tool. `None` keeps what the description says."""

    operation_key: str
    enabled: bool | None
    name: str | None
    description: str | None
    annotations: JsonObject | None
    pinned: JsonObject | None = None
    hidden: list[str] | None = None


@dataclass(frozen=True, slots=True)
class ToolRecord:
    """A compiled tool: `name` and `definition` as compiled, the operator's override beside them, not applied."""

    name: str
    operation_key: str
    definition: JsonObject
    override: ToolOverride | None


@dataclass(frozen=True, slots=True)
class ConditionRecord:
    """Something that the owner of a server should look at, since it was first told in these words."""

    code: str
    message: str
    remedy: str
    since: datetime


@dataclass(frozen=True, slots=True)
class SourceState:
    """What was at `url`: its validators (RFC 9110 section 8.8), and the SHA-256 of the document."""

    url: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    content_digest: str | None = None


@dataclass(frozen=True, slots=True)
class FormerName:
    """A name that an operation's tool had until `renamed_at`."""

    name: str
    operation_key: str
    renamed_at: datetime


@dataclass(frozen=True, slots=True)
class DiagnosticRecord:
    """One remark of the compiler; `pointer` is a JSON Pointer into `document`, which is "" for the entry document."""

    code: str
    severity: str
    pointer: str
    line: int | None
    message: str
    remedy: str
    document: str = ""


@dataclass(frozen=True, slots=True)
class NewTool:
    """A tool about to be stored. `operation_key` is `"METHOD /path"`."""

    name: str
    operation_key: str
    definition: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NewRevision:
    """A compilation about to be stored; the order of tools and diagnostics is kept.

    `digest` is the SHA-256 of the document and the options it was imported with: equal digests mean there is
    nothing to store. `counts` holds `operations`, `tools` and `skipped`.
    """

    digest: str
    compiler_version: str
    document: bytes
    media_type: str
    document_url: str | None
    description: Mapping[str, Any]
    counts: Mapping[str, int]
    tools: Sequence[NewTool]
    diagnostics: Sequence[DiagnosticRecord]


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A sealed credential about to be stored; `content` is ciphertext under the key `key_id`."""

    details: Mapping[str, Any]
    fingerprint: str
    key_id: str
    content: bytes


@dataclass(frozen=True, slots=True)
class CredentialRecord:
    """A stored credential of a server's security scheme: what is known of it, and its sealed content."""

    namespace: str
    server: str
    scheme: str
    details: JsonObject
    fingerprint: str
    key_id: str
    content: bytes
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """A request with an idempotency key, told from others by `fingerprint`; `owner` is who may repeat it."""

    owner: str
    key: str
    namespace: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What a request was answered with; `body` is None where it is not kept."""

    status: int
    headers: dict[str, str]
    body: bytes | None


@dataclass(frozen=True, slots=True)
class SharedToken:
    """A token that instances share: `content` is ciphertext under `key_id`, or None where there is no token yet.

    `asked_by` asks for the next one, and is given up on at `asked_until`.
    """

    server_id: int
    name: str
    key_id: str | None
    content: bytes | None
    expires_at: datetime | None
    asked_by: str | None
    asked_until: datetime | None


@dataclass(frozen=True, slots=True)
class ConnectionRecord:
    """A user's sealed tokens for a security scheme; `is_broken` says that they cannot be renewed."""

    namespace: str
    server: str
    scheme: str
    subject: str
    details: JsonObject
    key_id: str
    content: bytes
    is_broken: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class NewConnection:
    """A user's tokens to store, sealed."""

    details: Mapping[str, Any]
    key_id: str
    content: bytes


@dataclass(frozen=True, slots=True)
class ConnectionAttempt:
    """A user on the way to an authorization server, sealed."""

    namespace: str
    server: str
    key_id: str
    content: bytes


@dataclass(frozen=True, slots=True)
class AddedRevision:
    """The server after an import, and the number of the revision that holds what was imported.

    `is_new` is false when the active revision, or the one that waits, already had the same digest.
    """

    server: ServerRecord
    number: int
    is_new: bool


@dataclass(frozen=True, slots=True)
class ServerChanges:
    """Settings of a server to change; absent ones stay."""

    title: str | Unset = UNSET
    base_url: str | Unset | None = UNSET
    server_variables: Mapping[str, str] | Unset = UNSET
    instructions: str | Unset | None = UNSET
    policies: Mapping[str, Any] | Unset = UNSET
    enabled: bool | Unset = UNSET
    certificate_authorities: str | Unset | None = UNSET
    declared_by: str | Unset | None = UNSET


@dataclass(frozen=True, slots=True)
class ToolOverrideChanges:
    """Fields of a tool override to change; absent ones stay, `None` gives back what the description says."""

    enabled: bool | Unset | None = UNSET
    name: str | Unset | None = UNSET
    description: str | Unset | None = UNSET
    annotations: Mapping[str, Any] | Unset | None = UNSET
    pinned: Mapping[str, Any] | Unset | None = UNSET
    hidden: Sequence[str] | Unset | None = UNSET


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what, and what became of it; `target` is what was changed where that is no server and no tool."""

    subject: str
    action: str
    at: datetime
    namespace: str = ""
    server: str = ""
    tool: str = ""
    target: str = ""
    revision: int | None = None
    code: str = "ok"
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class AuditRecord(AuditEntry):
    """An entry of the audit, by its number."""

    number: int = 0


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries: those of these names, all where it is None; `namespaces` and `servers` are those one reaches."""

    namespaces: frozenset[str] | None = None
    servers: frozenset[str] | None = None
    namespace: str | None = None
    server: str | None = None
    subject: str | None = None
    action: str | None = None
    code: str | None = None
    request_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def present(changes: ServerChanges | ToolOverrideChanges) -> dict[str, Any]:
    """Return the fields of `changes` that are set, by name, mappings as plain dicts."""
    values = {field.name: getattr(changes, field.name) for field in fields(changes)}
    return {
        name: dict(value) if isinstance(value, Mapping) else value
        for name, value in values.items()
        if value is not UNSET
    }
