"""Servers as files declare them: all of a server's configuration as one value, applied and given back.

A declaration is the whole truth of a server except for credentials that it does not name: those stay. Secrets are never
part of it, only where they are kept.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final

from app.registry.errors import ServerNotFound
from app.registry.records import ServerChanges, ToolOverride, ToolRecord, present
from app.services.credential_targets import Location, read_targets, targets_of
from app.services.declarations import DeclarationError
from app.services.declared_secrets import DeclaredSecrets
from app.services.import_description import ImportOptions
from app.services.publishing import Imported, ImportMode, judged, stored
from app.services.servers import check_settings
from app.services.surfaces import with_overrides
from app.services.tools import lost_arguments, overridden
from app.telemetry.records import note_target
from converters.naming import is_legal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.registry import Database, Registry
    from app.registry.records import NewRevision, RevisionRecord, ServerRecord
    from app.services.credential_targets import Targets
    from app.services.credentials import CredentialInfo, Credentials
    from app.services.declarations import Declaration
    from app.services.events import ServerEvents
    from app.services.import_description import ImportDescription
    from app.services.server_headers import HeaderInfo, ServerHeaders

_PLAIN: Final = ImportMode()


@dataclass(frozen=True, slots=True)
class Applied:
    """What applying a declaration did, or would do: to the description, and which other parts are different.

    `differences` are "base_url", "tools", "credentials/key" and so on; of a server that is made, only secrets. What
    is `is_as_declared` was so before, and who declared it too.
    """

    imported: Imported
    differences: tuple[str, ...] = ()
    is_as_declared: bool = False


@dataclass(frozen=True, slots=True)
class Declared:
    """A server as it could be declared, with the revision that its description is in."""

    server: ServerRecord
    revision: RevisionRecord
    overrides: tuple[ToolOverride, ...]
    credentials: tuple[CredentialInfo, ...]
    headers: tuple[HeaderInfo, ...]


class DeclaredServers:
    """Applies declarations, and gives them back."""

    def __init__(
        self,
        database: Database,
        importer: ImportDescription,
        events: ServerEvents,
        *,
        credentials: Credentials,
        headers: ServerHeaders,
    ) -> None:
        """Work on `database`, compiling by `importer`, telling `events` what changed."""
        self._database = database
        self._importer = importer
        self._credentials = credentials
        self._headers = headers
        self._secrets = DeclaredSecrets(credentials, headers)
        self._events = events

    async def read(self, namespace: str, name: str) -> Declared:
        """Give a server as it could be declared; raises `ServerNotFound`."""
        async with self._database.transaction(read_only=True) as registry:
            server = await registry.servers.get(namespace, name)
            revision = await registry.revisions.get(namespace, name)
            overrides = await registry.revisions.overrides(namespace, name)
        credentials = await self._credentials.list(namespace, name)
        return Declared(server, revision, overrides, credentials, await self._headers.list(namespace, name))

    async def apply(self, declaration: Declaration, *, by: str, dry_run: bool = False) -> Applied:
        """Make a server what a declaration says, all of it or nothing; what is so already stays untouched.

        `by` says who declares it.

        Raises:
            DeclarationError: with the place in the declaration.
            DescriptionError, InvalidServerError, ServerFrozenError, UpstreamError: as they say.

        """
        namespace, name = declaration.namespace, declaration.name
        new = await self._importer.checked_new(
            namespace, name, source=declaration.source, options=ImportOptions(declaration.settings.base_url)
        )
        _check(declaration, new)
        # Before the transaction: what is kept in a vault is some milliseconds away.
        secrets = await self._secrets.read(declaration, new)
        async with self._database.transaction(read_only=dry_run) as registry:
            server = await _held(registry, namespace, name, is_read_only=dry_run)
            if server is None:
                applied = Applied(Imported("created", new))
                if not dry_run:
                    await self._create(registry, declaration, new, by=by)
            else:
                applied = await self._change(registry, server, declaration, new=new, by=None if dry_run else by)
            is_draft = applied.imported.outcome == "drafted"
            targets = await _targets(registry, declaration, new, is_draft=is_draft)
            put = await self._secrets.put(registry, declaration, secrets, targets=targets, dry_run=dry_run)
            if applied.is_as_declared and not put:
                registry.audit.nothing_changed()
        applied = replace(applied, differences=(*applied.differences, *put))
        if not dry_run and (applied.differences or applied.imported.outcome != "unchanged"):
            await self._events.changed(namespace, name)
        return applied

    async def prune(self, namespace: str, *, kept: frozenset[str], by: str, dry_run: bool = False) -> tuple[str, ...]:
        """Delete the servers of a namespace that `by` declared before and does not any more; gives their names."""
        async with self._database.transaction(read_only=dry_run) as registry:
            gone = tuple(each for each in await registry.servers.declared(namespace, by=by) if each not in kept)
            if not gone:
                registry.audit.nothing_changed()
            elif not dry_run:
                note_target(target=", ".join(gone))
                for name in gone:
                    await registry.servers.delete(namespace, name)
        if not dry_run:
            for name in gone:
                await self._events.changed(namespace, name)
        return gone

    async def _create(self, registry: Registry, declaration: Declaration, new: NewRevision, *, by: str) -> None:
        namespace, name = declaration.namespace, declaration.name
        await registry.servers.create(namespace, name, title=new.description["title"], revision=new)
        await registry.servers.update(namespace, name, changes=_settings(declaration, new, by))
        if declaration.overrides:
            await registry.revisions.replace_overrides(namespace, name, overrides=declaration.overrides)

    async def _change(
        self, registry: Registry, server: ServerRecord, declaration: Declaration, *, new: NewRevision, by: str | None
    ) -> Applied:
        """Change a server, or with no `by` only tell what would be changed."""
        settings = _settings(declaration, new, by or server.declared_by or "")
        overrides = await registry.revisions.overrides(server.namespace, server.name)
        is_overridden = sorted(overrides, key=_key) != sorted(declaration.overrides, key=_key)
        differences = (*_different(settings, server), *(["tools"] if is_overridden else []))
        wanted = _as_changed(server, settings)
        found = await judged(registry, wanted, new, mode=_PLAIN)
        is_as_declared = found.outcome == "unchanged" and not differences and server.draft_revision is None
        is_as_declared = is_as_declared and server.declared_by == by
        if by is None or is_as_declared:
            return Applied(found, differences, is_as_declared=is_as_declared)
        before = await registry.revisions.tools(server.namespace, server.name)
        imported = await stored(registry, wanted, new, changes=settings, mode=_PLAIN)
        if is_overridden:
            await registry.revisions.replace_overrides(server.namespace, server.name, overrides=declaration.overrides)
            names = _renamed(before, await registry.revisions.tools(server.namespace, server.name))
            await registry.revisions.keep_former_names(server.namespace, server.name, names=names)
        return Applied(imported, differences)


def _check(declaration: Declaration, new: NewRevision) -> None:
    check_settings(declaration.settings, new.description)
    records = with_overrides(new.tools, declaration.overrides)
    names = Counter(overridden(each)["name"].lower() for each in records)
    for record in records:
        lost = lost_arguments(record)
        if lost:
            raise DeclarationError(" ".join(lost), pointer=_tool_pointer(record.operation_key))
    for override in declaration.overrides:
        if override.name is None:
            continue
        pointer = f"{_tool_pointer(override.operation_key)}/name"
        if not is_legal(override.name):
            sentence = f"The tool name {override.name[:80]!r} must be letters, digits, '_' and '-', at most 64."
            raise DeclarationError(sentence, pointer=pointer)
        if names[override.name.lower()] > 1:
            raise DeclarationError(f"Two tools would have the name {override.name!r}.", pointer=pointer)


def _tool_pointer(operation_key: str) -> str:
    return f"/tools/{operation_key.replace('~', '~0').replace('/', '~1')}"


def _settings(declaration: Declaration, new: NewRevision, by: str) -> ServerChanges:
    """Give the settings as declared; instructions that are not are the description's."""
    instructions = declaration.settings.instructions or new.description["instructions"] or None
    given = {each.name: getattr(declaration.settings, each.name) for each in fields(ServerChanges)}
    return ServerChanges(**{**given, "instructions": instructions, "declared_by": by})


def _different(settings: ServerChanges, server: ServerRecord) -> tuple[str, ...]:
    return tuple(
        each.name
        for each in fields(ServerChanges)
        if each.name not in {"title", "declared_by"}
        and (getattr(settings, each.name) or None) != (getattr(server, each.name) or None)
    )


def _as_changed(server: ServerRecord, settings: ServerChanges) -> ServerRecord:
    """Give a server with its new settings, by which its description is judged."""
    given = {name: value for name, value in present(settings).items() if name != "title"}
    return replace(server, **given)


def _renamed(before: Sequence[ToolRecord], after: Sequence[ToolRecord]) -> dict[str, str]:
    now = {each.operation_key: overridden(each)["name"] for each in after}
    names = {overridden(each)["name"]: each.operation_key for each in before}
    return {name: key for name, key in names.items() if now.get(key, name) != name}


def _key(override: ToolOverride) -> str:
    return override.operation_key


async def _targets(registry: Registry, declaration: Declaration, new: NewRevision, *, is_draft: bool) -> Targets:
    """Give where the requests of a server go once it is as declared: of a draft, nothing is served yet."""
    base_url, variables = declaration.settings.base_url, declaration.settings.server_variables
    location = Location(
        base_url if isinstance(base_url, str) else None, variables if isinstance(variables, dict) else {}
    )
    if is_draft:
        return replace(await read_targets(registry, declaration.namespace, declaration.name), server=location)
    return targets_of(new, location)


async def _held(registry: Registry, namespace: str, name: str, *, is_read_only: bool) -> ServerRecord | None:
    try:
        if is_read_only:
            return await registry.servers.get(namespace, name)
        return await registry.servers.hold(namespace, name)
    except ServerNotFound:
        return None
