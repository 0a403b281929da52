"""Import a description: compile it, store it as a revision, make it live. Nothing partial is ever stored."""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from app.errors import UpstreamError
from app.outbound.documents import is_same_origin
from app.registry.errors import NamespaceNotFound
from app.registry.records import UNSET, DiagnosticRecord, NewRevision, NewTool, ServerChanges
from app.services import archives
from app.services.compile_worker import Job
from app.services.servers import InvalidServerError, check_settings
from converters import DescriptionError
from converters.naming import server_name

if TYPE_CHECKING:
    from app.outbound import DocumentFetcher
    from app.registry import Database
    from app.services.compiling import Compiler
    from app.services.events import ServerEvents

_FACTS: Final = ("title", "version", "openapi", "instructions", "security_schemes", "servers")
_MAX_DOCUMENTS: Final = 5_000
_MAX_SIZE: Final = 20 * 1024 * 1024
_FETCHES_AT_ONCE: Final = 8
_MAX_ROUNDS: Final = 20
_MAX_SECONDS: Final = 120
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a description comes from: `document` as bytes (also a zip, with its `entry`), or `url` to fetch."""

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

    def __init__(self, database: Database, compiler: Compiler, fetcher: DocumentFetcher, events: ServerEvents) -> None:
        """Work on `database`, compiling with `compiler`, fetching with `fetcher`, telling `events`."""
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
        _check_name(name)
        async with self._database.transaction(read_only=True) as registry:
            if not await registry.namespaces.exists(namespace):
                raise NamespaceNotFound(namespace)
        loaded = await self._load(source)
        compilation = await self._compile(loaded, name)
        check_settings(options.changes, compilation)
        chosen = name or server_name(compilation["title"])
        async with self._database.transaction() as registry:
            await registry.servers.create(
                namespace,
                chosen,
                title=compilation["title"],
                revision=_revision(loaded, source, compilation),
                base_url=options.base_url if isinstance(options.base_url, str) else None,
                server_variables=options.server_variables if isinstance(options.server_variables, dict) else None,
                instructions=compilation["instructions"] or None,
            )
        await self._events.changed(namespace, chosen)
        return chosen

    async def replace(self, namespace: str, name: str, *, source: Source, options: ImportOptions) -> bool:
        """Give a server a new description; tells whether that made a new revision. Raises as `create` does."""
        async with self._database.transaction(read_only=True) as registry:
            await registry.servers.get(namespace, name)
        loaded = await self._load(source)
        compilation = await self._compile(loaded, name)
        check_settings(options.changes, compilation)
        changes = replace(options.changes, title=compilation["title"])
        async with self._database.transaction() as registry:
            added = await registry.servers.add_revision(
                namespace, name, revision=_revision(loaded, source, compilation), changes=changes
            )
        await self._events.changed(namespace, name)
        return added.is_new

    async def _load(self, source: Source) -> _Loaded:
        url = None
        document = source.document
        if source.url is not None:
            document, url = await self._fetcher.fetch(source.url)
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
