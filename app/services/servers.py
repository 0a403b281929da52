"""Read, list, change and delete servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.errors import CausewayError
from app.outbound import tls
from app.registry.records import UNSET, ServerChanges
from app.services import archives
from app.services.conditions import Condition, conditions
from converters.request_plans import ServerUnknownError, check_base_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.registry import Database
    from app.registry.records import DiagnosticRecord, Page, ServerRecord
    from app.security.callers import Caller
    from app.services.compiling import Compiler
    from app.services.events import ServerEvents


class InvalidServerError(CausewayError):
    """A server's settings cannot be used."""

    code = "server_invalid"


@dataclass(frozen=True, slots=True)
class ServerDetails:
    """A server with the diagnostics of its active revision, and the security schemes that have a credential.

    `conditions` are what its owner should look at.
    """

    server: ServerRecord
    diagnostics: tuple[DiagnosticRecord, ...]
    supplied: frozenset[str]
    conditions: tuple[Condition, ...]


class Servers:
    """The use cases around a server that exists."""

    def __init__(self, database: Database, compiler: Compiler, events: ServerEvents) -> None:
        """Work on `database`, validating with `compiler`, telling `events` what changed."""
        self._database = database
        self._compiler = compiler
        self._events = events

    async def read(self, namespace: str, name: str) -> ServerDetails:
        """Give one server; raises `ServerNotFound`."""
        async with self._database.transaction(read_only=True) as registry:
            server = await registry.servers.get(namespace, name)
            diagnostics = await registry.revisions.diagnostics(namespace, name)
            credentials = await registry.credentials.list(namespace, name)
            found = await conditions(registry, server)
            return ServerDetails(server, diagnostics, frozenset(each.scheme for each in credentials), found)

    async def list(self, namespace: str, *, by: Caller, cursor: str | None, limit: int) -> Page[ServerRecord]:
        """Give a page of the servers that `by` reaches; raises `NamespaceNotFound` or `InvalidCursor`."""
        among = None if "*" in by.servers else by.servers
        async with self._database.transaction(read_only=True) as registry:
            return await registry.servers.list(namespace, among=among, cursor=cursor, limit=limit)

    async def change(self, namespace: str, name: str, changes: ServerChanges) -> ServerDetails:
        """Change settings; raises `ServerNotFound` or `InvalidServerError`."""
        async with self._database.transaction() as registry:
            server = await registry.servers.get(namespace, name)
            check_settings(changes, server.description)
            await registry.servers.update(namespace, name, changes=changes)
        await self._events.changed(namespace, name)
        return await self.read(namespace, name)

    async def delete(self, namespace: str, name: str) -> None:
        """Delete a server; raises `ServerNotFound`."""
        async with self._database.transaction() as registry:
            await registry.servers.delete(namespace, name)
        await self._events.changed(namespace, name)

    async def document(self, namespace: str, name: str, *, number: int | None = None) -> tuple[bytes, str]:
        """Give a revision's document as it was uploaded, and its media type."""
        async with self._database.transaction(read_only=True) as registry:
            revision = await registry.revisions.get(namespace, name, number=number)
            return await registry.revisions.document(namespace, name, number=number), revision.media_type

    async def validity(self, namespace: str, name: str) -> tuple[dict[str, Any], ...]:
        """List where the active revision's document is not valid by the letter, as `{"pointer", "message"}`.

        A split description is validated by its entry document alone.
        """
        async with self._database.transaction(read_only=True) as registry:
            revision = await registry.revisions.get(namespace, name)
            document = await registry.revisions.document(namespace, name)
        if document.startswith(archives.MAGIC):
            entry, found = archives.documents(document, entry=revision.description.get("entry"))
            document = found[entry]
        return tuple(await self._compiler.validate(document))


def check_settings(changes: ServerChanges, description: Mapping[str, Any]) -> None:
    """Refuse a base URL or server variable that cannot be used; raises `InvalidServerError`."""
    if isinstance(changes.base_url, str):
        try:
            check_base_url(changes.base_url)
        except ServerUnknownError as error:
            raise InvalidServerError(error.message) from None
    if isinstance(changes.certificate_authorities, str):
        try:
            tls.context(_public(changes.certificate_authorities))
        except ValueError:
            raise InvalidServerError("`certificate_authorities` must be certificates as PEM (RFC 7468).") from None
    if changes.server_variables is not UNSET:
        _check_variables(changes.server_variables, description)


def _public(pem: str) -> str:
    """Give what holds no key: these certificates are shown to whoever reads the server."""
    if "PRIVATE KEY" in pem:
        raise ValueError("a private key")
    return pem


def _check_variables(given: Any, description: Mapping[str, Any]) -> None:
    declared: dict[str, list[str]] = {}
    for server in description.get("servers", []):
        for name, variable in server["variables"].items():
            declared.setdefault(name, []).extend(variable["enum"])
    for name, value in given.items():
        if name not in declared:
            raise InvalidServerError(f"The description has no server variable {name!r}.")
        if declared[name] and value not in declared[name]:
            raise InvalidServerError(f"The server variable {name!r} must be one of {', '.join(declared[name])}.")
