"""What becomes of a new revision: it is served, it waits for a review, or it is refused (policy `review`)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from app.errors import CausewayError
from app.registry.records import ServerChanges, present
from app.services.surfaces import SurfaceChange, changed, surface, with_overrides

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.registry import Registry
    from app.registry.records import DiagnosticRecord, NewRevision, ServerRecord, ToolRecord

Outcome = Literal["created", "unchanged", "published", "drafted"]


class BreakingChangeError(CausewayError):
    """An import that was not to break callers would."""

    code = "breaking_change"

    def __init__(self, change: SurfaceChange) -> None:
        """Keep what would change."""
        count = change.breaking
        super().__init__(
            f"The description breaks callers in {count} {'tool' if count == 1 else 'tools'}; nothing was changed."
        )
        self.change = change


class ServerFrozenError(CausewayError):
    """The server's policy lets no new revision in."""

    code = "server_frozen"

    def __init__(self, name: str, change: SurfaceChange) -> None:
        """Say what to do, and keep what would change."""
        super().__init__(
            f"The server {name!r} is frozen, so the new description was not taken: set its policy `review` to "
            "`auto` or `review` first."
        )
        self.change = change


@dataclass(frozen=True, slots=True)
class ImportMode:
    """How an import is meant: `dry_run` stores nothing, `fail_on_breaking` refuses what breaks callers.

    With `create`, a server that is not there is made.
    """

    dry_run: bool = False
    fail_on_breaking: bool = False
    create: bool = False


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, or with `dry_run` would do; `revision` is the number that holds the description."""

    outcome: Outcome
    compiled: NewRevision
    revision: int | None = None
    change: SurfaceChange = field(default_factory=SurfaceChange)

    @property
    def diagnostics(self) -> Sequence[DiagnosticRecord]:
        """What the compiler remarked."""
        return self.compiled.diagnostics


async def judged(registry: Registry, server: ServerRecord, new: NewRevision, *, mode: ImportMode) -> Imported:
    """Tell what is to become of a new description, without changing anything.

    Raises:
        BreakingChangeError: when it breaks callers, and `mode` or the server's policy says no.
        ServerFrozenError: when the server's policy takes none.

    """
    active = await registry.revisions.get(server.namespace, server.name)
    if active.digest == new.digest:
        return Imported("unchanged", new, active.number)
    tools = await registry.revisions.tools(server.namespace, server.name)
    overrides = await registry.revisions.overrides(server.namespace, server.name)

    def compare() -> SurfaceChange:
        old = surface(tools, server, document_url=active.document_url)
        return changed(old, surface(with_overrides(new.tools, overrides), server, document_url=new.document_url))

    change = await asyncio.to_thread(compare)
    review = (server.policies or {}).get("review")
    if review == "freeze":
        raise ServerFrozenError(server.name, change)
    if mode.fail_on_breaking and change.breaking:
        raise BreakingChangeError(change)
    if review != "review" or not change.needs_review:
        return Imported("published", new, None, change)
    draft = server.draft_revision
    if draft is not None:
        waiting = await registry.revisions.get(server.namespace, server.name, number=draft)
        if waiting.digest == new.digest:
            return Imported("drafted", new, draft, change)
    return Imported("drafted", new, None, change)


async def stored(
    registry: Registry, server: ServerRecord, new: NewRevision, *, changes: ServerChanges, mode: ImportMode
) -> Imported:
    """Store a new description and serve it, or have it wait; raises as `judged` does, having changed nothing.

    `changes` apply at once. `server` is held, so that what is judged is what is stored.
    """
    namespace, name = server.namespace, server.name
    found = await judged(registry, server, new, mode=mode)
    is_draft = found.outcome == "drafted"
    is_there = found.revision is not None and (is_draft or server.draft_revision is None)
    if is_there and not present(changes):
        registry.audit.nothing_changed()
        return found
    titled = changes if is_draft else replace(changes, title=new.description["title"])
    added = await registry.servers.add_revision(namespace, name, revision=new, changes=titled, is_draft=is_draft)
    if not is_draft:
        await registry.revisions.keep_former_names(namespace, name, names=dict(found.change.former_names))
    return replace(found, revision=added.number)


async def activated(registry: Registry, server: ServerRecord, *, number: int) -> None:
    """Serve another revision; the names that its tools had stay callable for a while.

    Raises `RevisionNotFound`.
    """
    namespace, name = server.namespace, server.name
    change = await between(registry, server, old=server.revision, new=number)
    now = await registry.servers.activate_revision(namespace, name, number=number)
    await registry.servers.update(namespace, name, changes=ServerChanges(title=now.description["title"]))
    await registry.revisions.keep_former_names(namespace, name, names=dict(change.former_names))


async def between(registry: Registry, server: ServerRecord, *, old: int | None, new: int) -> SurfaceChange:
    """Compare two revisions of a server, None standing for one without tools; raises `RevisionNotFound`."""
    new_tools, new_url = await _stored(registry, server, new)
    old_tools, old_url = ((), None) if old is None else await _stored(registry, server, old)

    def compare() -> SurfaceChange:
        return changed(
            surface(old_tools, server, document_url=old_url), surface(new_tools, server, document_url=new_url)
        )

    return await asyncio.to_thread(compare)


async def _stored(registry: Registry, server: ServerRecord, number: int) -> tuple[tuple[ToolRecord, ...], str | None]:
    revision = await registry.revisions.get(server.namespace, server.name, number=number)
    tools = await registry.revisions.tools(server.namespace, server.name, number=number)
    return tools, revision.document_url
