"""What callers see of a server at a revision, and what changes for them from one to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.registry.records import ToolRecord
from app.services.tools import published
from converters import ToolDefinition
from converters.approvals import Surface, approvals
from converters.diff import Level, compare

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from app.registry.records import NewTool, ServerRecord, ToolOverride
    from converters.approvals import Approval
    from converters.diff import ToolChange


@dataclass(frozen=True, slots=True)
class SurfaceChange:
    """What is different for callers, what is reached that was not before, and the names that tools had.

    `former_names` are operations by the names under which they are no longer listed.
    """

    changes: tuple[ToolChange, ...] = ()
    approvals: tuple[Approval, ...] = ()
    former_names: tuple[tuple[str, str], ...] = ()

    @property
    def breaking(self) -> int:
        """How many of the changes break callers."""
        return sum(each.level is Level.BREAKING for each in self.changes)

    @property
    def needs_review(self) -> bool:
        """Whether somebody should look at it before it is served."""
        return bool(self.breaking or self.approvals)


def surface(records: Sequence[ToolRecord], server: ServerRecord, *, document_url: str | None) -> Surface:
    """Give the tools that are listed, overrides applied, and where their requests go by the server's settings."""
    tools = tuple(ToolDefinition.from_json(each) for each in published(records) if each["enabled"])
    return Surface(tools, server.base_url, server.server_variables, document_url)


def with_overrides(tools: Iterable[NewTool], overrides: Iterable[ToolOverride]) -> tuple[ToolRecord, ...]:
    """Give tools that are not stored as those that are, with the overrides they would have."""
    by_key: Mapping[str, ToolOverride] = {each.operation_key: each for each in overrides}
    return tuple(
        ToolRecord(each.name, each.operation_key, dict(each.definition), by_key.get(each.operation_key))
        for each in tools
    )


def changed(old: Surface, new: Surface) -> SurfaceChange:
    """Compare two surfaces."""
    return SurfaceChange(compare(old.tools, new.tools), approvals(old, new), _former_names(old, new))


def _former_names(old: Surface, new: Surface) -> tuple[tuple[str, str], ...]:
    now = {tool.operation_key: tool.name for tool in new.tools}
    return tuple(
        (tool.name, tool.operation_key) for tool in old.tools if now.get(tool.operation_key, tool.name) != tool.name
    )
