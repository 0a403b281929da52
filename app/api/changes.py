"""What is different for callers, as the control plane shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.services.surfaces import SurfaceChange


def change_members(change: SurfaceChange) -> dict[str, Any]:
    """Give a change as the members of `revision_schemas.SurfaceChange`."""
    return {
        "breaking": change.breaking,
        "changes": [
            {
                "kind": each.kind,
                "level": each.level.label,
                "tool": each.name,
                "operation": each.operation_key,
                "details": [
                    {"level": detail.level.label, "where": detail.where, "what": detail.what} for detail in each.details
                ],
            }
            for each in change.changes
        ],
        "approvals": [
            {"tool": each.name, "operation": each.operation_key, "what": each.what} for each in change.approvals
        ],
    }
