"""The gateway as its own first server: `default/causeway`, made of the control plane's description.

Read-only operations are enabled; the others are there, disabled, for whoever wants to let a model operate the gateway.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from app.registry.errors import ServerNotFound
from app.registry.records import ServerChanges
from app.services.import_description import ImportOptions, Source
from app.services.namespaces import ensure_namespace
from app.telemetry.records import GATEWAY, Change, acting

if TYPE_CHECKING:
    from app.registry import Database
    from app.services.import_description import ImportDescription
    from app.services.servers import Servers

NAMESPACE: Final = "default"
NAME: Final = "causeway"


class OwnServer:
    """Keeps `default/causeway` in step with the control plane."""

    def __init__(self, database: Database, importer: ImportDescription, servers: Servers) -> None:
        """Work on `database` through the use cases."""
        self._database = database
        self._importer = importer
        self._servers = servers

    async def publish(self, description: dict[str, Any], *, base_url: str) -> None:
        """Create the server on the first start, bring it up to date later; one that was deleted stays deleted."""
        document = json.dumps(_marked(description), sort_keys=True).encode()
        source = Source(document=document, media_type="application/json")
        if await ensure_namespace(self._database, NAMESPACE, by=GATEWAY):
            with acting(GATEWAY, Change("create_server", NAMESPACE, NAME)):
                await self._importer.create(NAMESPACE, NAME, source=source, options=ImportOptions(base_url=base_url))
            return
        with acting(GATEWAY, Change("replace_document", NAMESPACE, NAME)):
            await self._keep_up(source, title=description["info"]["title"], base_url=base_url)

    async def _keep_up(self, source: Source, *, title: str, base_url: str) -> None:
        try:
            stored, _ = await self._servers.document(NAMESPACE, NAME)
            server = (await self._servers.read(NAMESPACE, NAME)).server
        except ServerNotFound:
            return
        if server.title != title:
            return  # somebody else's, under the name that was free
        if stored != source.document:
            await self._importer.replace(NAMESPACE, NAME, source=source, options=ImportOptions(base_url=base_url))
        elif server.base_url != base_url:
            await self._servers.change(NAMESPACE, NAME, ServerChanges(base_url=base_url))


def _marked(description: dict[str, Any]) -> dict[str, Any]:
    """Mark what changes something as disabled."""
    paths = {
        path: {
            method: operation if method == "get" else {**operation, "x-mcp": {"enabled": False}}
            for method, operation in item.items()
        }
        for path, item in description["paths"].items()
    }
    return {**description, "paths": paths}
