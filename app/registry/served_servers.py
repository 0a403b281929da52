"""All that serving needs, of many servers at once: a start asks for each, which one by one is eight queries each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from anyio import to_thread
from sqlalchemy import Row, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.registry.credentials import SELECT_CREDENTIALS
from app.registry.records import CredentialRecord, FormerName, ServerName, ServerRecord, ToolRecord
from app.registry.servers import SELECT_SERVERS
from app.registry.tables import CredentialRow, FormerToolNameRow, RevisionRow, ServerRow, ToolRow
from app.registry.tool_rows import select_tools, tool_records

_SELECT: Final = SELECT_SERVERS.add_columns(
    ServerRow.id.label("row_id"), RevisionRow.id.label("revision_id"), RevisionRow.document_url
)
_SELECT_FORMER: Final = select(
    FormerToolNameRow.server_id, FormerToolNameRow.name, FormerToolNameRow.operation_key, FormerToolNameRow.renamed_at
)


@dataclass(frozen=True, slots=True)
class ServedServer:
    """A server with its active revision's tools in order, its credentials by scheme, and its tools' former names."""

    server: ServerRecord
    document_url: str | None
    tools: tuple[ToolRecord, ...]
    credentials: tuple[CredentialRecord, ...]
    former_names: tuple[FormerName, ...]


class ServedServers:
    """The servers of every namespace as they are served, seen through one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        """Work inside the session's transaction; whoever opened it commits."""
        self._session = session

    async def read(self, names: Collection[ServerName]) -> tuple[ServedServer, ...]:
        """Return those of the servers that there are, in no order."""
        named = [(each.namespace, each.name) for each in names]
        query = _SELECT.where(tuple_(ServerRow.namespace, ServerRow.name).in_(named))
        found = {row.row_id: row._asdict() for row in await self._session.execute(query)}
        tools = await self._tools([each["revision_id"] for each in found.values()])
        credentials, former = await self._credentials(found), await self._former_names(found)
        return tuple(
            ServedServer(
                document_url=members.pop("document_url"),
                tools=tools.get(members.pop("revision_id"), ()),
                credentials=credentials.get(members.pop("row_id"), ()),
                former_names=former.get(row_id, ()),
                server=ServerRecord(**members),
            )
            for row_id, members in found.items()
        )

    async def _tools(self, revisions: Collection[int]) -> dict[int, tuple[ToolRecord, ...]]:
        query = select_tools(revisions).order_by(ToolRow.revision_id, ToolRow.position)
        rows = (await self._session.execute(query)).all()
        # A large server holds tens of megabytes of JSON: parsing it here would stall the event loop.
        return await to_thread.run_sync(_by_revision, rows)

    async def _credentials(self, servers: Iterable[int]) -> dict[int, tuple[CredentialRecord, ...]]:
        query = SELECT_CREDENTIALS.add_columns(CredentialRow.server_id).where(CredentialRow.server_id.in_(servers))
        rows = await self._session.execute(query.order_by(CredentialRow.server_id, CredentialRow.scheme))
        return {
            server: tuple(CredentialRecord(*row[:-1]) for row in grouped)
            for server, grouped in groupby(rows, attrgetter("server_id"))
        }

    async def _former_names(self, servers: Iterable[int]) -> dict[int, tuple[FormerName, ...]]:
        query = _SELECT_FORMER.where(FormerToolNameRow.server_id.in_(servers)).order_by(FormerToolNameRow.server_id)
        rows = await self._session.execute(query)
        return {
            server: tuple(FormerName(*row[1:]) for row in grouped)
            for server, grouped in groupby(rows, attrgetter("server_id"))
        }


def _by_revision(rows: Sequence[Row[Any]]) -> dict[int, tuple[ToolRecord, ...]]:
    grouped = groupby(rows, attrgetter("revision_id"))
    return {revision: tool_records(tuple(each)) for revision, each in grouped}
