"""Servers as files declare them: all of a server's configuration as one value, applied and given back.

A declaration is the whole truth of a server except for credentials that it does not name: those stay. Secrets are never
part of it, only where they are kept.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Final

from app.errors import CausewayError
from app.registry.errors import ServerNotFound
from app.registry.records import ServerChanges, ToolOverride, ToolRecord, present
from app.services.credentials import SOURCE_MEMBERS
from app.services.import_description import ImportOptions
from app.services.publishing import Imported, ImportMode, judged, stored
from app.services.servers import check_settings
from app.services.surfaces import with_overrides
from app.services.tools import lost_arguments, overridden
from app.telemetry.records import note_target
from converters import ConverterError
from converters.naming import is_legal
from converters.security import read_schemes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.registry import Database, Registry
    from app.registry.records import NewRevision, RevisionRecord, ServerRecord
    from app.services.credentials import CredentialInfo, Credentials
    from app.services.events import ServerEvents
    from app.services.import_description import ImportDescription, Source

STORED: Final = {"source": "stored"}
"""Where a secret is kept that was supplied to the gateway itself."""
_PLAIN: Final = ImportMode()


class DeclarationError(CausewayError):
    """A part of a declaration cannot be used; nothing was changed."""

    code = "declaration_invalid"

    def __init__(self, message: str, *, pointer: str) -> None:
        """Say what is wrong, and where in the declaration."""
        super().__init__(message)
        self.pointer = pointer


@dataclass(frozen=True, slots=True)
class Declaration:
    """All of a server: its description's source, settings, overrides by operation, and credentials by scheme.

    A credential is what `PUT .../credentials/{scheme}` takes, with the source of its secret and never a secret.
    """

    namespace: str
    name: str
    source: Source
    settings: ServerChanges
    overrides: Sequence[ToolOverride] = ()
    credentials: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Applied:
    """What applying a declaration did, or would do: to the description, and which other parts are different.

    `differences` are "base_url", "tools", "credentials/key" and so on; a server that is made has none.
    """

    imported: Imported
    differences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Declared:
    """A server as it could be declared, with the revision that its description is in."""

    server: ServerRecord
    revision: RevisionRecord
    overrides: tuple[ToolOverride, ...]
    credentials: tuple[CredentialInfo, ...]


class DeclaredServers:
    """Applies declarations, and gives them back."""

    def __init__(
        self, database: Database, importer: ImportDescription, credentials: Credentials, events: ServerEvents
    ) -> None:
        """Work on `database`, compiling by `importer`, putting `credentials`, telling `events` what changed."""
        self._database = database
        self._importer = importer
        self._credentials = credentials
        self._events = events

    async def read(self, namespace: str, name: str) -> Declared:
        """Give a server as it could be declared; raises `ServerNotFound`."""
        async with self._database.transaction(read_only=True) as registry:
            server = await registry.servers.get(namespace, name)
            revision = await registry.revisions.get(namespace, name)
            overrides = await registry.revisions.overrides(namespace, name)
        return Declared(server, revision, overrides, await self._credentials.list(namespace, name))

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
        changed = await self._check_credentials(declaration, new)
        async with self._database.transaction(read_only=dry_run) as registry:
            server = await _held(registry, namespace, name, is_read_only=dry_run)
            if server is None:
                applied = Applied(Imported("created", new))
                if not dry_run:
                    await self._create(registry, declaration, new, by=by)
            else:
                applied = await self._change(registry, server, declaration, new=new, by=None if dry_run else by)
        if dry_run:
            return _with_credentials(applied, changed)
        if applied.differences or applied.imported.outcome != "unchanged":
            await self._events.changed(namespace, name)
        for scheme in changed:
            await self._credentials.put(namespace, name, scheme, given=declaration.credentials[scheme])
        return _with_credentials(applied, changed)

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
        if by is None or (is_as_declared and server.declared_by == by):
            registry.audit.nothing_changed()
            return Applied(found, differences)
        before = await registry.revisions.tools(server.namespace, server.name)
        imported = await stored(registry, wanted, new, changes=settings, mode=_PLAIN)
        if is_overridden:
            await registry.revisions.replace_overrides(server.namespace, server.name, overrides=declaration.overrides)
            names = _renamed(before, await registry.revisions.tools(server.namespace, server.name))
            await registry.revisions.keep_former_names(server.namespace, server.name, names=names)
        return Applied(imported, differences)

    async def _check_credentials(self, declaration: Declaration, new: NewRevision) -> tuple[str, ...]:
        """Check every credential, and tell which are to be put."""
        if not declaration.credentials:
            return ()
        try:
            known = await self._credentials.list(declaration.namespace, declaration.name)
        except ServerNotFound:
            known = ()
        there = {each.record.scheme: each for each in known}
        schemes = read_schemes(new.description["security_schemes"], str(new.description["openapi"]))
        changed = []
        for scheme, given in declaration.credentials.items():
            pointer = f"/credentials/{scheme.replace('~', '~0').replace('/', '~1')}"
            if scheme not in schemes:
                declared = ", ".join(sorted(schemes)) or "none"
                sentence = (
                    f"The description does not declare the security scheme {scheme[:200]!r}; it declares: {declared}."
                )
                raise DeclarationError(sentence, pointer=pointer)
            if given.get("source") == STORED["source"]:
                _check_stored(scheme, there.get(scheme), pointer=f"{pointer}/secretRef")
                continue
            try:
                await self._credentials.check(schemes[scheme], given)
            except (CausewayError, ConverterError) as error:
                raise DeclarationError(error.message, pointer=f"{pointer}/secretRef") from None
            if not _is_the_same(there.get(scheme), given):
                changed.append(scheme)
        return tuple(changed)


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


def _check_stored(scheme: str, info: CredentialInfo | None, *, pointer: str) -> None:
    if info is None:
        raise DeclarationError(
            f"The secret for {scheme!r} was kept by the gateway that this declaration is from, and this one has none: "
            "supply the credential here first, or refer to where the operator keeps it.",
            pointer=pointer,
        )


def _is_the_same(info: CredentialInfo | None, given: Mapping[str, Any]) -> bool:
    """Tell whether a credential is as declared, and goes where requests go."""
    if info is None or info.detached or not info.is_readable:
        return False
    details = info.record.details
    source = {name: given[name] for name in SOURCE_MEMBERS if given.get(name) is not None}
    members = {name: value for name, value in given.items() if name not in source and value is not None}
    return details["source"] == source and all(
        _comparable(details.get(name)) == _comparable(value) for name, value in members.items()
    )


def _comparable(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) else value


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


def _with_credentials(applied: Applied, schemes: tuple[str, ...]) -> Applied:
    named = tuple(f"credentials/{each}" for each in schemes)
    return Applied(applied.imported, (*applied.differences, *named))


async def _held(registry: Registry, namespace: str, name: str, *, is_read_only: bool) -> ServerRecord | None:
    try:
        if is_read_only:
            return await registry.servers.get(namespace, name)
        return await registry.servers.hold(namespace, name)
    except ServerNotFound:
        return None
