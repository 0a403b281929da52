"""Storing a compilation as a revision."""

from __future__ import annotations

import json
from typing import Any

from anyio import to_thread
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.registry.records import NewRevision
from app.registry.tables import DiagnosticRow, RevisionRow, ToolRow


async def insert_revision(session: AsyncSession, server_id: int, *, number: int, revision: NewRevision) -> None:
    """Store a compilation as revision `number` of a server, in three statements whatever its size."""
    statement = insert(RevisionRow).values(
        server_id=server_id,
        number=number,
        digest=revision.digest,
        compiler_version=revision.compiler_version,
        document=revision.document,
        media_type=revision.media_type,
        document_url=revision.document_url,
        description=dict(revision.description),
        counts=dict(revision.counts),
    )
    stored = (await session.execute(statement.returning(RevisionRow.id))).scalar_one()
    tools = await to_thread.run_sync(_tool_rows, stored, revision)
    if tools:
        await session.execute(insert(ToolRow), tools)
    if revision.diagnostics:
        await session.execute(insert(DiagnosticRow), _diagnostic_rows(stored, revision))


def _tool_rows(revision: int, compilation: NewRevision) -> list[dict[str, Any]]:
    return [
        {
            "revision_id": revision,
            "position": index,
            "name": tool.name,
            "operation_key": tool.operation_key,
            # ASCII only: NUL and lone surrogates stay escaped, so every definition can be stored unchanged.
            "definition": json.dumps(dict(tool.definition), separators=(",", ":")),
        }
        for index, tool in enumerate(compilation.tools)
    ]


def _diagnostic_rows(revision: int, compilation: NewRevision) -> list[dict[str, Any]]:
    return [
        {
            "revision_id": revision,
            "position": index,
            "code": diagnostic.code,
            "severity": diagnostic.severity,
            "pointer": diagnostic.pointer,
            "line": diagnostic.line,
            "message": diagnostic.message,
            "remedy": diagnostic.remedy,
            "document": diagnostic.document,
        }
        for index, diagnostic in enumerate(compilation.diagnostics)
    ]
