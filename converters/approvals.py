"""Two tool surfaces -> what the new one reaches that the old one did not, which somebody should approve.

Callers break by none of it: a DELETE that is new, requests to an origin that got none before, and scopes that a
credential did not need before (RFC 6749 section 3.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from converters.origins import origin
from converters.request_plans import ServerUnknownError, base_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from converters.tool_definitions import ToolDefinition


@dataclass(frozen=True, slots=True)
class Surface:
    """The tools that callers see, and what else decides where their requests go."""

    tools: Sequence[ToolDefinition]
    base_url: str | None = None
    server_variables: Mapping[str, str] | None = None
    document_url: str | None = None

    def origin(self, tool: ToolDefinition) -> str:
        """Give the origin of a tool's requests, "" where it is not known."""
        variables = self.server_variables or {}
        try:
            base = base_url(tool.servers, override=self.base_url, variables=variables, document_url=self.document_url)
        except ServerUnknownError:
            return ""
        return origin(base)


@dataclass(frozen=True, slots=True)
class Approval:
    """What one tool of the new surface reaches."""

    name: str
    operation_key: str
    what: str


def approvals(old: Surface, new: Surface) -> tuple[Approval, ...]:
    """List what is to be approved, in the order of the new tools; a new origin once."""
    before = {tool.operation_key: tool for tool in old.tools}
    return tuple(
        Approval(tool.name, tool.operation_key, what)
        for tool, what in (
            *((tool, "it deletes, and is new") for tool in new.tools if _is_new_delete(tool, before)),
            *_new_origins(old, new),
            *_wider_scopes(old, new.tools),
        )
    )


def _is_new_delete(tool: ToolDefinition, before: Mapping[str, ToolDefinition]) -> bool:
    return tool.method.upper() == "DELETE" and tool.operation_key not in before


def _new_origins(old: Surface, new: Surface) -> Iterator[tuple[ToolDefinition, str]]:
    known = {old.origin(tool) for tool in old.tools} | {""}
    for tool in new.tools:
        found = new.origin(tool)
        if found not in known:
            known.add(found)
            yield tool, f"requests go to {found}"


def _wider_scopes(old: Surface, tools: Sequence[ToolDefinition]) -> Iterator[tuple[ToolDefinition, str]]:
    """Compare a tool with itself, a new one with all there were."""
    before = {tool.operation_key: _scopes(tool) for tool in old.tools}
    anywhere = frozenset[tuple[str, str]]().union(*before.values())
    for tool in tools:
        wider = _scopes(tool) - before.get(tool.operation_key, anywhere)
        if wider:
            yield tool, "it asks for " + ", ".join(f"{scope} of {scheme}" for scheme, scope in sorted(wider))


def _scopes(tool: ToolDefinition) -> frozenset[tuple[str, str]]:
    return frozenset((scheme, scope) for each in tool.security for scheme, scopes in each.schemes for scope in scopes)
