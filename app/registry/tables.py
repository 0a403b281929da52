"""The tables, as SQLAlchemy sees them; `migrations/` creates them and a test holds the two together.

Text is `Text` without a length everywhere, so that SQLite and PostgreSQL accept the same values.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

NAMING: Final = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class StorableText(TypeDecorator[str]):
    """Text from documents, where NUL and lone surrogates occur: no database stores them, so U+FFFD stands in."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 (the interface)
        """Replace what cannot be stored, in values written and values compared alike."""
        # What is printable has neither, as nearly every text; that is found out four times as fast.
        return value if value is None or value.isprintable() else _UNSTORABLE.sub("\ufffd", value)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC. SQLite has no time zones: its values are written and read as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 (the interface)
        """Convert to UTC before SQLite drops the offset."""
        return value if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 (the interface)
        """Give back what SQLite dropped."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# Names page and sort by code point on both databases; a locale's order would differ and can change under an index.
NAME: Final = StorableText().with_variant(StorableText(collation="C"), "postgresql")
# SQLite numbers rows by itself only in a column that is exactly INTEGER.
ID: Final = BigInteger().with_variant(Integer(), "sqlite")


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """The registry's declarative base."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: StorableText(),
        datetime: UtcDateTime(),
        bytes: LargeBinary(),
        dict[str, Any]: JSON(none_as_null=True),
        list[str]: JSON(none_as_null=True),
    }


class NamespaceRow(Base):
    """A tenant."""

    __tablename__ = "namespaces"

    name: Mapped[str] = mapped_column(NAME, primary_key=True)
    quota: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(default=now)


class IssuerRow(Base):
    """The authorization server whose access tokens open a namespace's servers, and what its scopes permit there."""

    __tablename__ = "issuers"

    namespace: Mapped[str] = mapped_column(NAME, ForeignKey("namespaces.name", ondelete="CASCADE"), primary_key=True)
    issuer: Mapped[str]
    jwks_uri: Mapped[str | None]
    algorithms: Mapped[list[str]] = mapped_column(JSON)
    scopes: Mapped[dict[str, Any]]
    updated_at: Mapped[datetime] = mapped_column(default=now)


class ServerRow(Base):
    """A published server and the settings that outlive its revisions."""

    __tablename__ = "servers"
    __table_args__ = (UniqueConstraint("namespace", "name"),)

    id: Mapped[int] = mapped_column(ID, primary_key=True)
    namespace: Mapped[str] = mapped_column(NAME, ForeignKey("namespaces.name", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(NAME)
    title: Mapped[str]
    kind: Mapped[str]
    base_url: Mapped[str | None]
    server_variables: Mapped[dict[str, Any]]
    instructions: Mapped[str | None]
    policies: Mapped[dict[str, Any] | None]
    certificate_authorities: Mapped[str | None]
    enabled: Mapped[bool] = mapped_column(default=True)
    active_revision: Mapped[int]
    draft_revision: Mapped[int | None]
    declared_by: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)


class RevisionRow(Base):
    """One compilation. Triggers refuse every UPDATE of it, of its tools and of its diagnostics."""

    __tablename__ = "revisions"
    __table_args__ = (UniqueConstraint("server_id", "number"),)

    id: Mapped[int] = mapped_column(ID, primary_key=True)
    server_id: Mapped[int] = mapped_column(ID, ForeignKey("servers.id", ondelete="CASCADE"))
    number: Mapped[int]
    digest: Mapped[str]
    compiler_version: Mapped[str]
    document: Mapped[bytes]
    media_type: Mapped[str]
    document_url: Mapped[str | None]
    description: Mapped[dict[str, Any]]
    counts: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=now)


class ServedRevisionRow(Base):
    """A revision that was served, until then, and is not any more."""

    __tablename__ = "served_revisions"

    revision_id: Mapped[int] = mapped_column(ID, ForeignKey("revisions.id", ondelete="CASCADE"), primary_key=True)
    until: Mapped[datetime]


class ToolRow(Base):
    """A compiled tool. `definition` is compact JSON in plain text, parsed only when a reader wants it."""

    __tablename__ = "tools"
    __table_args__ = (UniqueConstraint("revision_id", "name"),)

    revision_id: Mapped[int] = mapped_column(ID, ForeignKey("revisions.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(NAME)
    operation_key: Mapped[str]
    definition: Mapped[str] = mapped_column(Text)


class DiagnosticRow(Base):
    """One remark of the compiler."""

    __tablename__ = "diagnostics"

    revision_id: Mapped[int] = mapped_column(ID, ForeignKey("revisions.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    code: Mapped[str]
    severity: Mapped[str]
    pointer: Mapped[str]
    line: Mapped[int | None]
    message: Mapped[str]
    remedy: Mapped[str]
    document: Mapped[str] = mapped_column(server_default=text("''"))


class ToolOverrideRow(Base):
    """An operator's change to a tool, keyed by operation so that it survives the next import."""

    __tablename__ = "tool_overrides"

    server_id: Mapped[int] = mapped_column(ID, ForeignKey("servers.id", ondelete="CASCADE"), primary_key=True)
    operation_key: Mapped[str] = mapped_column(primary_key=True)
    enabled: Mapped[bool | None]
    name: Mapped[str | None]
    description: Mapped[str | None]
    annotations: Mapped[dict[str, Any] | None]
    pinned: Mapped[dict[str, Any] | None]
    hidden: Mapped[list[str] | None]


class ConditionRow(Base):
    """Something that the owner of a server should look at, told by what went wrong."""

    __tablename__ = "conditions"

    server_id: Mapped[int] = mapped_column(ID, ForeignKey("servers.id", ondelete="CASCADE"), primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    message: Mapped[str]
    remedy: Mapped[str]
    since: Mapped[datetime] = mapped_column(default=now)


class SourceCheckRow(Base):
    """What was at the source of a server when it was looked at, and when it is to be looked at again."""

    __tablename__ = "source_checks"

    server_id: Mapped[int] = mapped_column(ID, ForeignKey("servers.id", ondelete="CASCADE"), primary_key=True)
    url: Mapped[str | None]
    etag: Mapped[str | None]
    last_modified: Mapped[str | None]
    content_digest: Mapped[str | None]
    due_at: Mapped[datetime]


class FormerToolNameRow(Base):
    """A name that an operation's tool had; who still calls it by that name is answered for a while."""

    __tablename__ = "former_tool_names"

    server_id: Mapped[int] = mapped_column(ID, ForeignKey("servers.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(NAME, primary_key=True)
    operation_key: Mapped[str]
    renamed_at: Mapped[datetime] = mapped_column(default=now)


class CredentialRow(Base):
    """A sealed credential; `details`, which are no secret, are part of what it is sealed for."""

    __tablename__ = "credentials"

    server_id: Mapped[int] = mapped_column(ID, ForeignKey("servers.id", ondelete="CASCADE"), primary_key=True)
    scheme: Mapped[str] = mapped_column(NAME, primary_key=True)
    details: Mapped[dict[str, Any]]
    fingerprint: Mapped[str]
    key_id: Mapped[str]
    content: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class SharedTokenRow(Base):
    """A sealed access token of a server, shared between instances, and who asks for the next one until when."""

    __tablename__ = "shared_tokens"

    server_id: Mapped[int] = mapped_column(ID, ForeignKey("servers.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(NAME, primary_key=True)
    key_id: Mapped[str | None]
    content: Mapped[bytes | None]
    expires_at: Mapped[datetime | None]
    asked_by: Mapped[str | None]
    asked_until: Mapped[datetime | None]


class ConnectionRow(Base):
    """A user's tokens for a security scheme, sealed; `claim` is held by who renews them, until `claimed_until`."""

    __tablename__ = "connections"

    server_id: Mapped[int] = mapped_column(ID, ForeignKey("servers.id", ondelete="CASCADE"), primary_key=True)
    scheme: Mapped[str] = mapped_column(NAME, primary_key=True)
    subject: Mapped[str] = mapped_column(NAME, primary_key=True)
    details: Mapped[dict[str, Any]]
    key_id: Mapped[str]
    content: Mapped[bytes]
    is_broken: Mapped[bool] = mapped_column(default=False)
    claim: Mapped[str | None]
    claimed_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class ConnectionAttemptRow(Base):
    """A user who was sent to an authorization server and may come back once; `state` is a digest."""

    __tablename__ = "connection_attempts"

    state: Mapped[str] = mapped_column(primary_key=True)
    server_id: Mapped[int] = mapped_column(ID, ForeignKey("servers.id", ondelete="CASCADE"))
    key_id: Mapped[str]
    content: Mapped[bytes]
    expires_at: Mapped[datetime]


class ApiKeyRow(Base):
    """An API key, of which only the digest is kept; `namespace`, `servers` and `tools` name what it is for, "*" all."""

    __tablename__ = "api_keys"
    __table_args__ = (UniqueConstraint("id"), UniqueConstraint("digest"), {"sqlite_autoincrement": True})

    number: Mapped[int] = mapped_column(ID, primary_key=True)
    id: Mapped[str]
    digest: Mapped[bytes]
    prefix: Mapped[str]
    name: Mapped[str]
    namespace: Mapped[str] = mapped_column(NAME)
    scopes: Mapped[list[str]]
    servers: Mapped[list[str]]
    tools: Mapped[list[str]]
    limits: Mapped[dict[str, Any]]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class SetupRow(Base):
    """The token that makes the first key, of which only the digest is kept; there is one row at most."""

    __tablename__ = "setup"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(default=now)
    used_at: Mapped[datetime | None]


class IdempotencyKeyRow(Base):
    """A request that is under way until `claimed_until`, or was answered; `fingerprint` tells it from others.

    `owner` stands for the caller and the namespace. `body` is None for an answer that is not kept.
    """

    __tablename__ = "idempotency_keys"

    owner: Mapped[str] = mapped_column(NAME, primary_key=True)
    key: Mapped[str] = mapped_column(NAME, primary_key=True)
    namespace: Mapped[str] = mapped_column(NAME, index=True)
    fingerprint: Mapped[str]
    claim: Mapped[str]
    claimed_until: Mapped[datetime | None]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    status: Mapped[int | None]
    headers: Mapped[dict[str, Any] | None]
    body: Mapped[bytes | None]


class SpentStateRow(Base):
    """A state that a client brought back, which counts once; after `expires_at` it would not count for its age."""

    __tablename__ = "spent_states"

    state: Mapped[str] = mapped_column(NAME, primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class AuditRow(Base):
    """Somebody changed or called something. Triggers refuse every UPDATE, and to DELETE what is younger than a week."""

    __tablename__ = "audit"
    __table_args__ = (
        Index(None, "at"),
        Index("ix_audit_namespace_number", "namespace", "number"),
        {"sqlite_autoincrement": True},
    )

    number: Mapped[int] = mapped_column(ID, primary_key=True)
    at: Mapped[datetime] = mapped_column(default=now)
    subject: Mapped[str]
    action: Mapped[str]
    namespace: Mapped[str] = mapped_column(NAME)
    server: Mapped[str] = mapped_column(NAME)
    tool: Mapped[str]
    target: Mapped[str]
    revision: Mapped[int | None]
    code: Mapped[str]
    request_id: Mapped[str]
