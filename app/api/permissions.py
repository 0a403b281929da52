"""Where the permission table is enforced: before every route, whatever it does.

What a caller does not reach is answered like what is not there, before the registry is asked for it: neither the words
nor the time tell one from the other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from fastapi import Request

from app.errors import CausewayError
from app.registry.errors import NamespaceNotFound, ServerNotFound, ToolNotFound
from app.security.callers import Caller, caller_of
from app.security.permissions import OPEN, Rule, rule_of
from app.telemetry.records import Change, note_change, note_route


class InsufficientScopeError(CausewayError):
    """The caller is known, and may not do this; `scopes` are those of which one is needed (RFC 6750 section 3.1)."""

    code = "insufficient_scope"

    def __init__(self, message: str, scopes: frozenset[str]) -> None:
        """Keep the sentence and the scopes."""
        super().__init__(message)
        self.scopes = scopes

    @property
    def challenge(self) -> str:
        """The `WWW-Authenticate` of the answer."""
        return f'Bearer realm="causeway", error="insufficient_scope", scope="{" ".join(sorted(self.scopes))}"'


_EDIT_SCOPES: Final = rule_of("create_server").any_of


async def permitted(request: Request) -> AsyncIterator[None]:
    """Let a request through to its route, or raise what it is refused with."""
    route = request.scope["route"]
    note_route(route.path)
    operation = getattr(route, "operation_id", None) or ""
    if operation not in OPEN:
        _check(request, operation)
    try:
        yield
    except Exception:
        # What is refused changes nothing, whatever is written because of the refusal.
        note_change(None)
        raise


def _check(request: Request, operation: str) -> None:
    caller, rule, names = caller_of(request.scope), rule_of(operation), request.path_params
    _check_reach(caller, **{name: names.get(name) for name in _NAMED})
    if not rule.permits(caller):
        raise InsufficientScopeError(_explained(caller, rule), rule.any_of)
    if request.method not in _READING and operation not in _CALLS:
        target = ", ".join(str(value) for name, value in names.items() if name not in _NAMED)
        note_change(Change(operation, **{name: names[name] for name in _NAMED if name in names}, target=target))


_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_CALLS: Final = frozenset({"call_tool", "preview_tool"})
"""What changes nothing; calls are told of by themselves."""
_NAMED: Final = ("namespace", "server", "tool")


def check_new_server(caller: Caller, namespace: str, name: str | None) -> None:
    """Refuse to create a server that its creator would not reach, for which the name has to be told."""
    if not (caller.reaches(namespace, name) if name else "*" in caller.servers):
        raise InsufficientScopeError("This key is for other servers: it cannot create one of that name.", _EDIT_SCOPES)


def _check_reach(caller: Caller, *, namespace: str | None, server: str | None, tool: str | None) -> None:
    if namespace is None:
        return
    if server is None:
        if not caller.reaches(namespace):
            raise NamespaceNotFound(namespace)
    elif not caller.reaches(namespace, server):
        raise ServerNotFound(namespace, server)
    elif tool is not None and not caller.reaches_tool(namespace, server, tool):
        raise ToolNotFound(server, tool)


def _explained(caller: Caller, rule: Rule) -> str:
    if rule.any_of & caller.permissions:
        return f"This needs a key for every {'server of the namespace' if rule.whole == 'namespace' else 'namespace'}."
    return f"This needs a key with the scope {' or '.join(sorted(rule.any_of)) or 'of nobody'}."
