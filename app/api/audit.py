"""The audit: who changed and called what."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, Field

from app.api.dependencies import Control, Cursor, Limit, Who
from app.registry.records import AuditFilter
from app.services.audit import reached

if TYPE_CHECKING:
    from app.registry.records import AuditRecord

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])
_Text = Annotated[str | None, Query(max_length=1000)]


class AuditEvent(BaseModel):
    """Something that was changed or called. No argument and no secret is in it."""

    number: Annotated[int, Field(description="Numbers grow, and none is used twice.")]
    at: str
    subject: Annotated[str, Field(description='Who: "local", "admin", "key:" and its id, or issuer and subject.')]
    action: Annotated[str, Field(description='The operation of the control plane, or "tools/call".')]
    namespace: str
    server: str
    tool: str
    target: Annotated[str, Field(description="What was changed, where that is no server and no tool.")]
    revision: Annotated[int | None, Field(description="The revision that was called.")]
    code: Annotated[str, Field(description='"ok", or the stable code of the error.')]
    request_id: str


class AuditEventList(BaseModel):
    """A page of the audit."""

    items: list[AuditEvent]
    next_cursor: str | None


def _wanted(
    who: Who,
    *,
    namespace: _Text = None,
    server: _Text = None,
    subject: _Text = None,
    action: _Text = None,
    code: _Text = None,
    request_id: _Text = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
) -> AuditFilter:
    wanted = AuditFilter(
        namespace=namespace,
        server=server,
        subject=subject,
        action=action,
        code=code,
        request_id=request_id,
        since=since,
        until=until,
    )
    return reached(wanted, who)


Wanted = Annotated[AuditFilter, Depends(_wanted)]


def _shown(record: AuditRecord) -> dict[str, object]:
    return {**asdict(record), "at": record.at.isoformat()}


@router.get("", operation_id="list_audit", summary="List the audit")
async def list_audit(control: Control, wanted: Wanted, cursor: Cursor = None, limit: Limit = 50) -> AuditEventList:
    """List what was changed and called in the namespaces that you reach, newest first."""
    page = await control.audit.list(wanted, cursor=cursor, limit=limit)
    return AuditEventList.model_validate({"items": list(map(_shown, page.items)), "next_cursor": page.next_cursor})


@router.get(
    "/export",
    operation_id="export_audit",
    summary="Export the audit",
    response_class=StreamingResponse,
    responses={200: {"description": "An object per line.", "content": {"application/jsonl": {}}}},
)
async def export_audit(control: Control, wanted: Wanted) -> StreamingResponse:
    """Give all of it as JSON Lines, newest first."""

    async def lines() -> AsyncIterator[str]:
        async for part in control.audit.export(wanted):
            yield "".join(json.dumps(_shown(each), ensure_ascii=False) + "\n" for each in part)

    return StreamingResponse(lines(), media_type="application/jsonl")
