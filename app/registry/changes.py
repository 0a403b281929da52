"""The audit of changes: written with the first change that a request makes, in the same transaction."""

from __future__ import annotations

from datetime import UTC, datetime

from app.registry.audit import Audit
from app.registry.records import AuditEntry
from app.telemetry.records import current_record


async def note_change(audit: Audit) -> None:
    """Add what the request at hand does to the audit, if it is one that changes something and is not in it yet."""
    record = current_record()
    if record is None or record.change is None or record.change.is_noted:
        return
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
    change.is_noted = True
