"""What the owner of a server should look at: not wrong with its description, but with how it stands now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.services.tools import lost_arguments

if TYPE_CHECKING:
    from collections.abc import Sequence
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
        found.append(
            Condition(
                "override_without_tool",
                f"Overrides are kept for operations that the description does not have: {_listed(gone, ', ')}.",
                "They apply again when the operations come back; nothing has to be done.",
            )
        )
    lost = [
        f"{each.operation_key}: {sentence}"
        for each in await registry.revisions.tools_without_arguments(server.namespace, server.name)
        for sentence in lost_arguments(each)
    ]
    if lost:
        found.append(
            Condition(
                "override_without_argument",
                f"Overrides pin or hide arguments that the description does not let them: {_listed(lost, ' ')}",
                "Look whether the arguments have other names now, and change the overrides of these tools.",
            )
        )
    return tuple(found)


def _listed(items: Sequence[str], separator: str) -> str:
    more = f" and {len(items) - _NAMED} more" if len(items) > _NAMED else ""
    return separator.join(items[:_NAMED]) + more
