"""Revisions of a server: history, what changed, and serving another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Query

from app.api.changes import change_members
from app.api.dependencies import Control, Cursor, Limit, NamespaceName, ServerName
from app.api.revision_schemas import Revision, RevisionDiff, RevisionList
from app.api.schemas import Counts, Server
from app.api.servers import shown

if TYPE_CHECKING:
    from app.registry.records import RevisionRecord, ServerRecord

router = APIRouter(prefix="/api/v1/namespaces/{namespace}/servers/{server}/revisions", tags=["revisions"])
RevisionNumber = Annotated[int, Path(alias="revision", ge=1, description="Number of the revision.")]
Against = Annotated[
    int | None,
    Query(ge=1, description="Number of the revision to compare with; the active one, or for that the one before it."),
]


def _shown(record: RevisionRecord, server: ServerRecord) -> Revision:
    return Revision(
        number=record.number,
        state=_state(record.number, server),
        digest=record.digest,
        compiler_version=record.compiler_version,
        document_url=record.document_url,
        counts=Counts(**record.counts),
        created_at=record.created_at.isoformat(),
    )


def _state(number: int, server: ServerRecord) -> Any:
    return {server.draft_revision: "draft", server.revision: "active"}.get(number, "inactive")


@router.get("", operation_id="list_revisions", summary="List revisions")
async def list_revisions(
    control: Control, namespace: NamespaceName, server: ServerName, cursor: Cursor = None, limit: Limit = 50
) -> RevisionList:
    """List the revisions of a server, newest first."""
    record, page = await control.revisions.list(namespace, server, cursor=cursor, limit=limit)
    return RevisionList(items=[_shown(each, record) for each in page.items], next_cursor=page.next_cursor)


@router.get("/{revision}", operation_id="get_revision", summary="Read a revision")
async def get_revision(
    control: Control, namespace: NamespaceName, server: ServerName, revision: RevisionNumber
) -> Revision:
    """Read one revision."""
    details = await control.revisions.read(namespace, server, number=revision)
    return _shown(details.revision, details.server)


@router.get("/{revision}/diff", operation_id="diff_revision", summary="Compare revisions")
async def diff_revision(
    control: Control,
    namespace: NamespaceName,
    server: ServerName,
    revision: RevisionNumber,
    against: Against = None,
) -> RevisionDiff:
    """Tell what a revision changes for callers, compared with another one; today's overrides lie over both."""
    found = await control.revisions.diff(namespace, server, number=revision, against=against)
    return RevisionDiff(revision=revision, against=found.against, **change_members(found.change))


@router.post("/{revision}/activate", operation_id="activate_revision", summary="Activate a revision")
async def activate_revision(
    control: Control, namespace: NamespaceName, server: ServerName, revision: RevisionNumber
) -> Server:
    """Serve another revision: an earlier one, or one that waits for a review. None waits afterwards."""
    await control.revisions.activate(namespace, server, number=revision)
    return shown(control, await control.servers.read(namespace, server))
