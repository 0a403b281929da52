"""Import a description: compile it, store it as a revision, make it live. Nothing partial is ever stored."""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from app.errors import UpstreamError
from app.outbound.documents import is_same_origin
from app.registry.errors import NamespaceNotFound, ServerExists, ServerNotFound
from app.registry.records import UNSET, DiagnosticRecord, NewRevision, NewTool, ServerChanges
from app.services import archives
from app.services.compile_worker import Job
from app.services.publishing import Imported, ImportMode, judged, stored
from app.services.servers import InvalidServerError, check_settings
from app.telemetry.records import note_target
from converters import DescriptionError
from converters.naming import server_name

if TYPE_CHECKING:
    from app.outbound import DocumentFetcher
    from app.registry import Database
    from app.services.compiling import Compiler
    from app.services.events import ServerEvents
    from app.services.import_turns import ImportTurns

_FACTS: Final = ("title", "version", "openapi", "instructions", "security_schemes", "servers")
_MAX_DOCUMENTS: Final = 5_000
_MAX_SIZE: Final = 20 * 1024 * 1024
_FETCHES_AT_ONCE: Final = 8
_MAX_ROUNDS: Final = 20
_MAX_SECONDS: Final = 120
_PLAIN: Final = ImportMode()
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a description comes from: `document` as bytes (also a zip, with its `entry`), or `url` to fetch.

    With both, `document` is what was fetched there.
    """

    document: bytes | None = None
    url: str | None = None
    entry: str | None = None
    overlays: tuple[bytes, ...] = ()
    media_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """Settings that come with an import; what is UNSET stays as it is."""

    base_url: Any = UNSET
    server_variables: Any = UNSET

    @property
    def changes(self) -> ServerChanges:
        """The settings as changes to a server."""
        return ServerChanges(base_url=self.base_url, server_variables=self.server_variables)


@dataclass(frozen=True, slots=True)
class _Loaded:
    document: bytes
    original: bytes
    url: str | None
    uri: str
    further: dict[str, bytes] = field(default_factory=dict)
    overlays: tuple[bytes, ...] = ()


class ImportDescription:
    """Creates servers from descriptions, and gives servers new descriptions."""

    def __init__(
        self,
        database: Database,
        compiler: Compiler,
        fetcher: DocumentFetcher,
        events: ServerEvents,
        *,
        turns: ImportTurns,
    ) -> None:
        """Work on `database`, compiling with `compiler`, fetching with `fetcher`, telling `events`, by `turns`."""
        self._turns = turns
        self._database = database
        self._compiler = compiler
        self._fetcher = fetcher
        self._events = events

    async def create(self, namespace: str, name: str | None, *, source: Source, options: ImportOptions) -> str:
        """Create a server; gives its name, made from the description's title where `name` is None.

        Raises:
            DescriptionError: when the description cannot be used.
            NamespaceNotFound, ServerExists, InvalidServerError, UpstreamError: as they say.

        """
        chosen, _ = await self._create(namespace, name, source=source, options=options)
        return chosen

    async def _create(
        self, namespace: str, name: str | None, *, source: Source, options: ImportOptions
    ) -> tuple[str, NewRevision]:
        revision = await self.checked_new(namespace, name, source=source, options=options)
        chosen = name or server_name(revision.description["title"])
        async with self._database.transaction() as registry:
            await registry.servers.create(
                namespace,
                chosen,
                title=revision.description["title"],
                revision=revision,
                base_url=options.base_url if isinstance(options.base_url, str) else None,
                server_variables=options.server_variables if isinstance(options.server_variables, dict) else None,
                instructions=revision.description["instructions"] or None,
            )
            note_target(server=chosen)
        await self._events.changed(namespace, chosen)
        return chosen, revision

    async def put(
        self, namespace: str, name: str, *, source: Source, options: ImportOptions, mode: ImportMode
    ) -> Imported:
        """Give a server a new description, or with `mode.create` make the server; raises as `replace` and `create`."""
        try:
            return await self.replace(namespace, name, source=source, options=options, mode=mode)
        except ServerNotFound:
            if not mode.create:
                raise
        if mode.dry_run:
            return Imported("created", await self.checked_new(namespace, name, source=source, options=options))
        try:
            _, created = await self._create(namespace, name, source=source, options=options)
        except ServerExists:  # made a moment ago by somebody else
            return await self.replace(namespace, name, source=source, options=options, mode=mode)
        return Imported("created", created, 1)

    async def replace(
        self, namespace: str, name: str, *, source: Source, options: ImportOptions, mode: ImportMode = _PLAIN
    ) -> Imported:
        """Give a server a new description, as far as `mode` and the server's review policy let it; tells what it did.

        What is judged is what is stored: both are one transaction. Settings apply at once, also where the description
        waits for a review.

        Raises:
            BreakingChangeError, ServerFrozenError: when it is not taken, and nothing was changed.
            ServerNotFound, DescriptionError, InvalidServerError, UpstreamError: as they say.

        """
        async with self._database.transaction(read_only=True) as registry:
            await registry.servers.get(namespace, name)
        revision = await self.compiled(namespace, source, options, name=name)
        if mode.dry_run:
            async with self._database.transaction(read_only=True) as registry:
                return await judged(registry, await registry.servers.get(namespace, name), revision, mode=mode)
        async with self._database.transaction() as registry:
            server = await registry.servers.hold(namespace, name)
            done = await stored(registry, server, revision, changes=options.changes, mode=mode)
        await self._events.changed(namespace, name)
        return done

    async def checked_new(
        self, namespace: str, name: str | None, *, source: Source, options: ImportOptions
    ) -> NewRevision:
        """Compile the description of a server that may be new; raises as `create` does, and nothing is stored."""
        _check_name(name)
        async with self._database.transaction(read_only=True) as registry:
            if not await registry.namespaces.exists(namespace):
                raise NamespaceNotFound(namespace)
        return await self.compiled(namespace, source, options, name=name)

    async def compiled(
        self, namespace: str, source: Source, options: ImportOptions, *, name: str | None
    ) -> NewRevision:
        """Compile a description and check the settings that come with it; nothing is stored.

        Raises `DescriptionError`, `InvalidServerError` or `UpstreamError`; `TooManyRequestsError` where too many wait.
        """
        async with self._turns.of(namespace):
            loaded = await self._load(source)
            compilation = await self._compile(loaded, name)
        check_settings(options.changes, compilation)
        return _revision(loaded, source, compilation)

    async def _load(self, source: Source) -> _Loaded:
        url = None
        document = source.document
        if source.url is not None:
            url = source.url
            if document is None:
                document, url = await self._fetcher.fetch(url)
        if document is None:
            raise DescriptionError(
                "spec_missing", "No document was given.", remedy="Send `document` or `document_url`."
            )
        if not document.startswith(archives.MAGIC):
            return _Loaded(document, document, url, url or "", overlays=source.overlays)
        entry, found = archives.documents(document, entry=source.entry)
        content = found.pop(entry)
        return _Loaded(content, document, url, entry, found, source.overlays)

    async def _compile(self, loaded: _Loaded, name: str | None) -> dict[str, Any]:
        """Compile; for a description from a URL, fetch what it refers to on its own origin, within bounds."""
        tried: set[str] = set()
        try:
            async with asyncio.timeout(_MAX_SECONDS):
                for _ in range(_MAX_ROUNDS):
                    compilation = await self._compile_once(loaded, name)
                    missing = [uri for uri in compilation["missing"] if is_same_origin(uri, loaded.url)]
                    wanted = [uri for uri in missing if uri not in tried]
                    if not wanted:
                        return compilation
                    tried.update(wanted)
                    if len(tried) > _MAX_DOCUMENTS:
                        raise _too_large(f"The description consists of more than {_MAX_DOCUMENTS:,} documents.")
                    await self._fetch_all(wanted, into=loaded.further)
        except TimeoutError:
            raise _too_large(f"Importing the description took longer than {_MAX_SECONDS} seconds.") from None
        raise _too_large(f"The description's documents refer to each other more than {_MAX_ROUNDS} levels deep.")

    async def _compile_once(self, loaded: _Loaded, name: str | None) -> dict[str, Any]:
        job = Job(
            loaded.document,
            uri=loaded.uri,
            server_name=name or "",
            further=loaded.further,
            overlays=loaded.overlays,
        )
        return await self._compiler.compile(job)

    async def _fetch_all(self, uris: list[str], *, into: dict[str, bytes]) -> None:
        """Fetch documents, a few at a time; one that cannot be had is a diagnostic where it is referred to."""
        free = asyncio.Semaphore(_FETCHES_AT_ONCE)
        size = sum(map(len, into.values()))

        async def fetch(uri: str) -> None:
            nonlocal size
            async with free:
                if size > _MAX_SIZE:
                    return
                try:
                    content, _ = await self._fetcher.fetch(uri)
                except UpstreamError:
                    return
                size += len(content)
                into[uri] = content

        await asyncio.gather(*(fetch(uri) for uri in uris))
        if size > _MAX_SIZE:
            raise _too_large(f"The documents are larger than {_MAX_SIZE:,} bytes.")


def _too_large(message: str) -> DescriptionError:
    return DescriptionError("spec_too_large", message, remedy="Upload the description as a zip, or split it.")


def _check_name(name: str | None) -> None:
    if name is not None and not _NAME.fullmatch(name):
        raise InvalidServerError(
            f"The server name {name[:80]!r} must be letters, digits, '.', '_' and '-', at most 63, starting with a "
            "letter or digit."
        )


def _revision(loaded: _Loaded, source: Source, compilation: dict[str, Any]) -> NewRevision:
    digest = hashlib.sha256(f"{compilation['compiler_version']}\0{compilation['digest']}".encode()).hexdigest()
    return NewRevision(
        digest=digest,
        compiler_version=compilation["compiler_version"],
        document=loaded.original,
        media_type=source.media_type,
        document_url=loaded.url,
        description={
            **{key: compilation[key] for key in _FACTS},
            "entry": loaded.uri if loaded.original is not loaded.document else None,
            "is_split": bool(loaded.further),
            "overlays": [overlay.decode("utf-8", "replace") for overlay in loaded.overlays],
        },
        counts=compilation["counts"],
        tools=[NewTool(each["name"], each["operation_key"], each) for each in compilation["tools"]],
        diagnostics=[
            DiagnosticRecord(
                code=each["code"],
                severity=each["severity"],
                pointer=each["pointer"],
                line=each["line"],
                message=each["message"],
                remedy=each["remedy"],
                document=each["document"],
            )
            for each in compilation["diagnostics"]
        ],
    )
