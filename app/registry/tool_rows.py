"""Tools as they lie in the tables, with the overrides that lie over them."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import Row, Select, and_, select

from app.registry.records import ToolOverride, ToolRecord
from app.registry.tables import RevisionRow, ToolOverrideRow, ToolRow

_SELECT: Final = (
    select(
        ToolRow.revision_id,
        ToolRow.name,
        ToolRow.operation_key,
        ToolRow.definition,
        ToolOverrideRow.operation_key.label("overridden"),
        ToolOverrideRow.enabled.label("override_enabled"),
        ToolOverrideRow.name.label("override_name"),
        ToolOverrideRow.description.label("override_description"),
        ToolOverrideRow.annotations.label("override_annotations"),
        ToolOverrideRow.pinned.label("override_pinned"),
        ToolOverrideRow.hidden.label("override_hidden"),
    )
    .join(RevisionRow, RevisionRow.id == ToolRow.revision_id)
    .outerjoin(
        ToolOverrideRow,
        and_(
            ToolOverrideRow.server_id == RevisionRow.server_id, ToolOverrideRow.operation_key == ToolRow.operation_key
        ),
    )
)


def select_tools(revisions: Collection[int]) -> Select[Any]:
    """Select the tools of revisions by their row numbers, in no order."""
    return _SELECT.where(ToolRow.revision_id.in_(revisions))


def tool_records(rows: Sequence[Row[Any]]) -> tuple[ToolRecord, ...]:
    """Read rows; a large server's take a while."""
    return tuple(tool_record(row) for row in rows)


def tool_record(row: Row[Any]) -> ToolRecord:
    """Read a row."""
    return ToolRecord(
        name=row.name,
        operation_key=row.operation_key,
        definition=json.loads(row.definition),
        override=None if row.overridden is None else ToolOverride(row.operation_key, **override_values(row)),
    )


def override_values(row: Row[Any]) -> dict[str, Any]:
    """Give what the override of a row's tool says, by name."""
    return {
        "enabled": row.override_enabled,
        "name": row.override_name,
        "description": row.override_description,
        "annotations": row.override_annotations,
        "pinned": row.override_pinned,
        "hidden": row.override_hidden,
    }
