"""What the registry refuses, and why: one class per answer a caller can act on."""

from __future__ import annotations

from typing import ClassVar

from app.errors import CausewayError


class RegistryError(CausewayError):
    """Base of every error the registry raises on purpose."""

    code: ClassVar[str] = "registry"


class NamespaceNotFound(RegistryError):
    """No namespace has this name."""

    code: ClassVar[str] = "namespace_not_found"

    def __init__(self, name: str) -> None:
        """Name the namespace that was asked for."""
        super().__init__(f"There is no namespace {name!r}.")


class NamespaceExists(RegistryError):
    """A namespace of this name is already there."""

    code: ClassVar[str] = "namespace_exists"

    def __init__(self, name: str) -> None:
        """Name the namespace that is in the way."""
        super().__init__(f"The namespace {name!r} already exists.")


class QuotaExceeded(RegistryError):
    """A namespace would hold more than it may; nothing was stored."""

    code: ClassVar[str] = "quota_exceeded"

    def __init__(self, namespace: str, what: str, *, most: int, wanted: int) -> None:
        """Say of what it would be too much, and what to do."""
        super().__init__(
            f"The namespace {namespace!r} may hold {most:,} {what} and would hold {wanted:,}; nothing was changed. "
            "Delete servers of it, or ask the gateway's operator for a higher quota."
        )


class IssuerNotFound(RegistryError):
    """The namespace has no issuer, or there is no such namespace."""

    code: ClassVar[str] = "issuer_not_found"

    def __init__(self, namespace: str) -> None:
        """Name the namespace that was asked for."""
        super().__init__(f"The namespace {namespace!r} has no issuer of access tokens.")


class ServerNotFound(RegistryError):
    """The namespace holds no server of this name, or there is no such namespace."""

    code: ClassVar[str] = "server_not_found"

    def __init__(self, namespace: str, name: str) -> None:
        """Name the server that was asked for."""
        super().__init__(f"There is no server {name!r} in the namespace {namespace!r}.")


class IdempotencyKeyReused(RegistryError):
    """An idempotency key comes with another request than before."""

    code: ClassVar[str] = "idempotency_key_reused"

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("This Idempotency-Key was used for another request: take a new key for a new request.")


class IdempotentRequestRunning(RegistryError):
    """The same request is under way."""

    code: ClassVar[str] = "idempotency_in_progress"

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("A request with this Idempotency-Key is under way: send it again in a few seconds.")


class ServerExists(RegistryError):
    """A server of this name is already in the namespace."""

    code: ClassVar[str] = "server_exists"

    def __init__(self, namespace: str, name: str) -> None:
        """Name the server that is in the way."""
        super().__init__(f"The server {name!r} already exists in the namespace {namespace!r}.")
        self.name = name


class RevisionNotFound(RegistryError):
    """The server has no revision of this number."""

    code: ClassVar[str] = "revision_not_found"

    def __init__(self, server: str, number: int) -> None:
        """Name the server and the revision that was asked for."""
        super().__init__(f"The server {server!r} has no revision {number}.")


class ToolNotFound(RegistryError):
    """The server's active revision has no such tool or operation."""

    code: ClassVar[str] = "tool_not_found"

    def __init__(self, server: str, tool: str) -> None:
        """Name the server and the tool, or its operation, that was asked for."""
        super().__init__(f"The server {server!r} has no tool {tool!r}.")


class CredentialNotFound(RegistryError):
    """The server has no credential for this security scheme."""

    code: ClassVar[str] = "credential_not_found"

    def __init__(self, server: str, scheme: str) -> None:
        """Name the server and the scheme."""
        super().__init__(f"The server {server!r} has no credential for the security scheme {scheme[:200]!r}.")


class ConnectionNotFound(RegistryError):
    """The user has no connection for this security scheme."""

    code: ClassVar[str] = "connection_not_found"

    def __init__(self, server: str, scheme: str) -> None:
        """Name the server and the scheme."""
        super().__init__(f"The server {server!r} has no such connection for the security scheme {scheme[:200]!r}.")


class KeyNotFound(RegistryError):
    """There is no API key of this id."""

    code: ClassVar[str] = "key_not_found"

    def __init__(self, key_id: str) -> None:
        """Name the id that was asked for."""
        super().__init__(f"There is no key {key_id[:80]!r}.")


class InvalidCursor(RegistryError):
    """The cursor was not made by the list it was given to."""

    code: ClassVar[str] = "invalid_cursor"

    def __init__(self) -> None:
        """Say what to send instead."""
        super().__init__("The cursor is not valid: send the one the previous page returned, or none.")


class InvalidDatabaseUrl(RegistryError):
    """The database URL names nothing the registry can open."""

    code: ClassVar[str] = "invalid_database_url"


class RegistryUnavailable(RegistryError):
    """The database is unreachable, locked, overloaded or did not answer in time; trying again later may work."""

    code: ClassVar[str] = "registry_unavailable"

    def __init__(self) -> None:
        """Say so without naming a host, a path or a user."""
        super().__init__("The registry's database cannot be reached or did not answer in time.")


class RegistryTooNew(RegistryError):
    """The database was migrated by a newer release, which this one cannot read."""

    code: ClassVar[str] = "registry_too_new"

    def __init__(self) -> None:
        """Name the way out."""
        super().__init__("The registry's database belongs to a newer release of Causeway: start that release.")
