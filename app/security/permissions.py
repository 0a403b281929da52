"""The one permission table: what a caller needs for each operation of the control plane. What is not listed is denied.

A caller needs one of an operation's permissions, and has to reach the namespace, server and tool that it names: to who
does not, they are not there. `docs/permissions.md` is printed from this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.security.callers import Caller, Permission


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may: whoever has one of the permissions for what the operation names, or for all of what `whole` says."""

    any_of: frozenset[Permission]
    whole: Literal["", "namespace", "gateway"] = ""

    def permits(self, caller: Caller) -> bool:
        """Tell whether a caller may, as far as it does not depend on what the operation names."""
        if not self.any_of & caller.permissions:
            return False
        if self.whole == "gateway":
            return "*" in caller.namespaces
        return not self.whole or "*" in caller.servers


_READ: Final = Rule(frozenset({"admin", "import", "call"}))
_EDIT: Final = Rule(frozenset({"admin", "import"}))
_CALL: Final = Rule(frozenset({"admin", "call"}))
_OWN: Final = Rule(frozenset({"admin"}))
_OWN_NAMESPACE: Final = Rule(frozenset({"admin"}), whole="namespace")
_OPERATE: Final = Rule(frozenset({"admin"}), whole="gateway")

OPEN: Final = frozenset({"healthz", "readyz", "protected_resource", "set_up"})
"""Operations for everybody, shown a credential or not. What sets up takes a token in its body."""

RULES: Final[Mapping[str, Rule]] = {
    "metrics": _OPERATE,
    "list_namespaces": _READ,
    "create_namespace": _OPERATE,
    "delete_namespace": _OPERATE,
    "get_quota": _OWN_NAMESPACE,
    "put_quota": _OPERATE,
    "get_issuer": _OWN_NAMESPACE,
    "put_issuer": _OWN_NAMESPACE,
    "delete_issuer": _OWN_NAMESPACE,
    "list_servers": _READ,
    "get_server": _READ,
    "create_server": _EDIT,
    "update_server": _EDIT,
    "delete_server": _OWN,
    "refresh_server": _EDIT,
    "get_declaration": _EDIT,
    "get_declared_overlay": _EDIT,
    "apply_declaration": _OWN,
    "prune_servers": _OWN_NAMESPACE,
    "get_document": _EDIT,
    "replace_document": _EDIT,
    "get_validity": _EDIT,
    "list_revisions": _EDIT,
    "get_revision": _EDIT,
    "diff_revision": _EDIT,
    "activate_revision": _EDIT,
    "list_tools": _READ,
    "get_tool": _READ,
    "update_tool": _EDIT,
    "preview_tool": _CALL,
    "call_tool": _CALL,
    "list_credentials": _OWN,
    "put_credential": _OWN,
    "delete_credential": _OWN,
    "list_headers": _OWN,
    "put_header": _OWN,
    "delete_header": _OWN,
    "list_connections": _CALL,
    "delete_connection": _CALL,
    "list_audit": _OWN,
    "export_audit": _OWN,
    "list_keys": _OWN,
    "create_key": _OWN,
    "revoke_key": _OWN,
}
"""Rule per operation of the control plane, by operationId."""


def rule_of(operation: str) -> Rule:
    """Give an operation's rule: one that nobody fits, where it is not listed."""
    return RULES.get(operation, _NOBODY)


_NOBODY: Final = Rule(frozenset())
