"""Read tools and override what the description says of them; overrides survive re-imports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from app.errors import CausewayError
from converters.arguments import ArgumentChecker
from converters.extensions import overridden_arguments
from converters.naming import is_legal

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from app.registry import Database
    from app.registry.records import (
        CredentialRecord,
        FormerName,
        ServerName,
        ServerRecord,
        ToolOverride,
        ToolOverrideChanges,
        ToolRecord,
    )
    from app.registry.served_servers import ServedServer
    from app.services.events import ServerEvents


DEFAULT_GRACE: Final = timedelta(days=7)
"""How long a tool that was renamed is answered under its former name, where no policy says."""


class InvalidToolError(CausewayError):
    """An override cannot be used."""

    code = "tool_invalid"


@dataclass(frozen=True, slots=True)
class LoadedServer:
    """All that is needed to serve a server: its settings, the definitions of its enabled tools, sealed credentials.

    `former_names` are the names that tools had: the name each has now, and until when the former one is answered,
    in seconds since the epoch.
    """

    server: ServerRecord
    definitions: tuple[dict[str, Any], ...]
    document_url: str | None
    former_names: Mapping[str, tuple[str, float]]
    credentials: tuple[CredentialRecord, ...]


class Tools:
    """The use cases around the tools of a server."""

    def __init__(self, database: Database, events: ServerEvents) -> None:
        """Work on `database`, telling `events` what changed."""
        self._database = database
        self._events = events

    async def list(self, namespace: str, server: str) -> tuple[dict[str, Any], ...]:
        """Give the definitions of all tools with overrides applied, disabled ones included."""
        async with self._database.transaction(read_only=True) as registry:
            return published(await registry.revisions.tools(namespace, server))

    async def read(self, namespace: str, server: str, tool: str) -> dict[str, Any]:
        """Give one tool's definition with its override applied; raises `ToolNotFound`."""
        async with self._database.transaction(read_only=True) as registry:
            return overridden(await registry.revisions.tool(namespace, server, tool_name=tool))

    async def change(self, namespace: str, server: str, tool: str, *, changes: ToolOverrideChanges) -> dict[str, Any]:
        """Override parts of a tool; raises `ToolNotFound` or `InvalidToolError`.

        `ArgumentsError` where what is pinned does not fit the arguments.
        """
        async with self._database.transaction() as registry:
            record = await registry.revisions.tool(namespace, server, tool_name=tool)
            if isinstance(changes.name, str):
                _check_name(changes.name, record, await registry.revisions.tools(namespace, server))
            if isinstance(changes.pinned, Mapping):
                _check_pinned(changes.pinned, record.definition)
            before = overridden(record)["name"]
            before_lost = lost_arguments(record)
            record = await registry.revisions.set_override(
                namespace, server, operation_key=record.operation_key, changes=changes
            )
            if not {*lost_arguments(record)} <= {*before_lost}:
                raise InvalidToolError(" ".join(lost_arguments(record)))
            if overridden(record)["name"] != before:
                names = {before: record.operation_key}
                await registry.revisions.keep_former_names(namespace, server, names=names)
        await self._events.changed(namespace, server)
        return overridden(record)

    async def load(self, servers: Collection[ServerName]) -> tuple[LoadedServer, ...]:
        """Load servers as they are at one moment, those of them that there are."""
        async with self._database.transaction(read_only=True) as registry:
            found = await registry.served.read(servers)
        return tuple(_loaded(each) for each in found)


def _loaded(served: ServedServer) -> LoadedServer:
    enabled = tuple(each for each in published(served.tools) if each["enabled"])
    names = _answered(served.former_names, enabled, served.server)
    return LoadedServer(served.server, enabled, served.document_url, names, served.credentials)


def _answered(
    former: Sequence[FormerName], tools: Sequence[Mapping[str, Any]], server: ServerRecord
) -> dict[str, tuple[str, float]]:
    days = (server.policies or {}).get("rename_grace_days")
    grace = DEFAULT_GRACE if days is None else timedelta(days=days)
    names = {each["operation_key"]: each["name"] for each in tools}
    return {
        each.name: (names[each.operation_key], (each.renamed_at + grace).timestamp())
        for each in former
        if each.operation_key in names
    }


def published(records: Sequence[ToolRecord]) -> tuple[dict[str, Any], ...]:
    """Apply all overrides; a name given by hand gives way where a later import brought a tool of that name."""
    definitions = [overridden(each) for each in records]
    taken = Counter(each["name"].lower() for each in definitions)
    return tuple(
        {**each, "name": record.name} if record.name != each["name"] and taken[each["name"].lower()] > 1 else each
        for record, each in zip(records, definitions, strict=True)
    )


def overridden(record: ToolRecord) -> dict[str, Any]:
    """Apply a tool's override to its definition."""
    override = record.override
    if override is None:
        return record.definition
    changed = {
        field: getattr(override, field)
        for field in ("enabled", "name", "description")
        if getattr(override, field) is not None
    }
    annotations = {**record.definition["annotations"], **(override.annotations or {})}
    definition, _ = _with_arguments(record.definition, override)
    return {**definition, **changed, "annotations": annotations}


def lost_arguments(record: ToolRecord) -> tuple[str, ...]:
    """Tell, in sentences, which arguments a tool's override pins or hides and cannot."""
    return _with_arguments(record.definition, record.override)[1] if record.override else ()


def _with_arguments(definition: dict[str, Any], override: ToolOverride) -> tuple[dict[str, Any], tuple[str, ...]]:
    if override.pinned is None and override.hidden is None:
        return definition, ()
    return overridden_arguments(definition, override.pinned or {}, override.hidden or ())


def _check_pinned(pinned: Mapping[str, Any], definition: Mapping[str, Any]) -> None:
    """Check values by the arguments' own schemas; raises `ArgumentsError`. Which there are is another question."""
    schema = {name: value for name, value in definition["input_schema"].items() if name != "required"}
    values = {name: value for name, value in pinned.items() if name in schema["properties"]}
    if ArgumentChecker({**schema, "dependentRequired": {}}).check(values).repairs:
        raise InvalidToolError("A pinned value is not of the argument's type, such as a text that spells a number.")


def _check_name(name: str, record: ToolRecord, tools: Sequence[ToolRecord]) -> None:
    if not is_legal(name):
        raise InvalidToolError(f"The tool name {name[:80]!r} must be letters, digits, '_' and '-', at most 64.")
    for other in tools:
        if other.operation_key != record.operation_key and overridden(other)["name"].lower() == name.lower():
            raise InvalidToolError(f"The tool name {name!r} is taken by {other.operation_key}.")
