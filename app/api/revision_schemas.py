"""Bodies of the control plane about revisions: how an import is meant, what it did, what it changes for callers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from app.api.schemas import Counts, Diagnostic, Server


class ImportQuery(BaseModel):
    """How an import is meant."""

    dry_run: Annotated[bool, Field(description="Tell what would be done, and do nothing.")] = False
    fail_on_breaking: Annotated[
        bool, Field(description="Refuse a description that breaks callers (409), and say what it breaks.")
    ] = False
    create: Annotated[bool, Field(description="Make the server if it is not there.")] = False


class Revision(BaseModel):
    """One compilation of a server's description; it never changes, except for what is served and what waits."""

    number: int
    state: Literal["active", "draft", "inactive"]
    digest: str
    compiler_version: str
    document_url: str | None
    counts: Counts
    created_at: str


class RevisionList(BaseModel):
    """A page of revisions, newest first."""

    items: list[Revision]
    next_cursor: str | None


class ChangeDetail(BaseModel):
    """One difference within a tool: in its input schema (a JSON Pointer), its output schema, or one of its fields."""

    level: Literal["text only", "compatible", "breaking"]
    where: str
    what: str


class ToolChange(BaseModel):
    """What happened to one tool; `level` is that of its worst detail."""

    kind: Literal["added", "removed", "renamed", "changed"]
    level: Literal["text only", "compatible", "breaking"]
    tool: str
    operation: str
    details: list[ChangeDetail]


class Approval(BaseModel):
    """What a tool reaches that none did before: it deletes, goes to another host, or wants further scopes."""

    tool: str
    operation: str
    what: str


class SurfaceChange(BaseModel):
    """What is different for callers; `breaking` counts the tools that break them."""

    breaking: int
    changes: list[ToolChange]
    approvals: list[Approval]


class RevisionDiff(SurfaceChange):
    """What a revision changes compared with `against`, which is null where there is none before it."""

    revision: int
    against: int | None


class ImportResult(SurfaceChange):
    """What an import did, or would do: made the server, nothing, or a revision that is served or waits for a review."""

    outcome: Literal["created", "unchanged", "published", "drafted"]
    revision: Annotated[
        int | None, Field(description="The revision that holds the description; null if none does yet.")
    ]


class ImportedServer(Server):
    """A server after an import."""

    result: ImportResult


class ImportPreview(BaseModel):
    """What an import would do."""

    result: ImportResult
    counts: Counts
    diagnostics: list[Diagnostic]
