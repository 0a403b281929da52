"""The audit of changes: written with the first change that a request makes, in the same transaction."""

from __future__ import annotations

from datetime import UTC, datetime

from app.registry.audit import Audit
from app.registry.records import AuditEntry
from app.telemetry.records import Change, current_record


async def note_change(audit: Audit) -> Change | None:
    """Add what the request at hand does to the audit, if it is one that changes something and is not in it yet.

    Gives the change, to be marked as noted once it is committed.
    """
    record = current_record()
    if audit.is_unchanged or record is None or record.change is None or record.change.is_noted:
        return None
    change = record.change
    entry = AuditEntry(
        subject=record.subject,
        action=change.action,
        at=datetime.now(UTC),
        namespace=change.namespace,
        server=change.server,
        tool=change.tool,
        target=change.target,
        request_id=record.request_id,
    )
    await audit.add([entry])
    return change
