"""Who calls: the identity that the guard establishes and everything behind it works with.

Absence never grants: a set of names that is empty reaches nothing, and only `EVERY` reaches everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

    from converters.credentials import Secret

Permission = Literal["admin", "import", "call"]

EVERY: Final = frozenset({"*"})
"""Names no namespace, server or tool can have: all of them."""

SCOPES: Final[Mapping[str, frozenset[Permission]]] = {
    "admin": frozenset({"admin", "import", "call"}),
    "import": frozenset({"import"}),
    "call": frozenset({"call"}),
}
"""What each scope of a key permits."""

_IN_SCOPE: Final = "causeway.caller"


@dataclass(frozen=True, slots=True)
class CallerLimits:
    """What one caller may ask for at once and in a minute; None is the gateway's own limit, and never exceeds it."""

    calls_per_minute: int | None = None
    concurrent_calls: int | None = None
    streams: int | None = None


NO_LIMITS: Final = CallerLimits()


@dataclass(frozen=True, slots=True)
class Caller:
    """Someone who may do something.

    `subject` names them, the same at each request: "local", "admin", "key:" and the key's id, or the issuer and subject
    of an access token. `permissions` are what they may do; `namespaces`, `servers` and `tools` are the names that they
    may do it with, `servers` and `tools` within the namespaces. `token` is the access token that they showed, where it
    was one: it goes nowhere but to a token endpoint that the owner of a server named for that (RFC 8693). `fields` are
    the header fields of the request at hand, names in lower case; they are no part of who it is. No limits hold for the
    operator.
    """

    subject: str
    permissions: frozenset[Permission] = frozenset()
    namespaces: frozenset[str] = frozenset()
    servers: frozenset[str] = EVERY
    tools: frozenset[str] = EVERY
    limits: CallerLimits = NO_LIMITS
    is_operator: bool = False
    token: Secret | None = field(default=None, repr=False, compare=False)
    fields: Sequence[tuple[bytes, bytes]] = field(default=(), compare=False, repr=False)

    def may(self, permission: Permission) -> bool:
        """Tell whether the caller has a permission."""
        return permission in self.permissions

    def reaches(self, namespace: str, server: str | None = None) -> bool:
        """Tell whether a namespace, or a server in it, exists for the caller."""
        return _among(namespace, self.namespaces) and (server is None or _among(server, self.servers))

    def may_call(self, namespace: str, server: str, tool: str) -> bool:
        """Tell whether the caller may call a tool."""
        return self.may("call") and self.reaches_tool(namespace, server, tool)

    def reaches_tool(self, namespace: str, server: str, tool: str) -> bool:
        """Tell whether a tool exists for the caller."""
        return self.reaches(namespace, server) and _among(tool, self.tools)

    def with_fields(self, fields: Sequence[tuple[bytes, bytes]]) -> Caller:
        """Give the caller of a request that has these header fields."""
        # By position and not by `replace`, which takes three times as long, at each request.
        return Caller(
            self.subject,
            self.permissions,
            self.namespaces,
            self.servers,
            self.tools,
            self.limits,
            self.is_operator,
            self.token,
            fields,
        )

    def covers(self, other: Caller) -> bool:
        """Tell whether the caller may do everything that another one may."""
        return (
            other.permissions <= self.permissions
            and _cover(self.namespaces, other.namespaces)
            and _cover(self.servers, other.servers)
            and _cover(self.tools, other.tools)
        )


def _among(name: str, names: frozenset[str]) -> bool:
    return names is EVERY or name in names or "*" in names


def _cover(names: frozenset[str], others: frozenset[str]) -> bool:
    return "*" in names or others <= names


LOCAL: Final = Caller("local", SCOPES["admin"], EVERY, is_operator=True)
"""Whoever is on this machine, in local mode."""
ADMIN: Final = Caller("admin", SCOPES["admin"], EVERY, is_operator=True)
"""Who has the operator's key."""
NOBODY: Final = Caller("")
"""Who has shown nothing."""


def caller_of(scope: Mapping[str, Any]) -> Caller:
    """Give who sent an HTTP request, by its ASGI scope; who the guard has not let through is nobody."""
    caller = scope.get(_IN_SCOPE, NOBODY)
    return caller if isinstance(caller, Caller) else NOBODY


def set_caller(scope: MutableMapping[str, Any], caller: Caller) -> None:
    """Tell what follows who sent an HTTP request, with its header fields."""
    scope[_IN_SCOPE] = caller.with_fields(scope.get("headers", ()))
