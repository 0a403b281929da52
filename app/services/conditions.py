"""What the owner of a server should look at: not wrong with its description, but with how it stands now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    from app.registry import Registry
    from app.registry.records import ServerRecord

_NAMED: Final = 20


@dataclass(frozen=True, slots=True)
class Condition:
    """Something to look at, by a stable code, in words, and what to do; `since` where it went wrong at some time."""

    code: str
    message: str
    remedy: str
    since: datetime | None = None


async def conditions(registry: Registry, server: ServerRecord) -> tuple[Condition, ...]:
    """List what is to be looked at."""
    stored = await registry.conditions.list(server.namespace, server.name)
    found = [Condition(each.code, each.message, each.remedy, each.since) for each in stored]
    if server.draft_revision is not None:
        found.append(
            Condition(
                "revision_waits",
                f"Revision {server.draft_revision} waits for a review; revision {server.revision} is served.",
                "Look at its diff, then activate it, or activate the one that is served to drop it.",
            )
        )
    gone = await registry.revisions.stale_overrides(server.namespace, server.name)
    if gone:
        named = ", ".join(gone[:_NAMED]) + (f" and {len(gone) - _NAMED} more" if len(gone) > _NAMED else "")
        found.append(
            Condition(
                "override_without_tool",
                f"Overrides are kept for operations that the description does not have: {named}.",
                "They apply again when the operations come back; nothing has to be done.",
            )
        )
    return tuple(found)
