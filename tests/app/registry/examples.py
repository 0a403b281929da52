"""Compilations and servers as the tests store them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.registry import Database
from app.registry.records import DiagnosticRecord, NewRevision, NewTool, ServerRecord

DIAGNOSTIC = DiagnosticRecord(
    code="security-unknown",
    severity="warning",
    pointer="/paths/~1pets/get/security/0",
    line=12,
    message="The scheme 'keys' is not declared.",
    remedy="Declare it below components.securitySchemes.",
)


def tool(name: str, operation_key: str = "", **definition: Any) -> NewTool:
    content = {"name": name, "inputSchema": {"type": "object"}, **definition}
    return NewTool(name=name, operation_key=operation_key or f"GET /{name}", definition=content)


def compilation(
    digest: str = "first",
    *,
    tools: Sequence[NewTool] = (tool("list_pets"), tool("add_pet", "POST /pets")),
    diagnostics: Sequence[DiagnosticRecord] = (),
) -> NewRevision:
    return NewRevision(
        digest=digest,
        compiler_version="1.0",
        document=f"openapi: 3.1.0 # {digest}".encode(),
        media_type="application/yaml",
        document_url=None,
        description={"title": "Pets", "version": digest},
        counts={"operations": len(tools), "tools": len(tools), "skipped": 0},
        tools=tools,
        diagnostics=diagnostics,
    )


async def publish(database: Database, *names: str, revision: NewRevision | None = None) -> tuple[ServerRecord, ...]:
    """Create servers of these names in the namespace `default`, in one transaction."""
    async with database.transaction() as registry:
        return tuple(
            [
                await registry.servers.create("default", name, title=name, revision=revision or compilation())
                for name in names
            ]
        )
