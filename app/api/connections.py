"""The accounts that users connected: metadata only; `/connect/` is where they do it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.api.dependencies import Control, NamespaceName, SchemeName, ServerName, Who

if TYPE_CHECKING:
    from app.registry.records import ConnectionRecord

router = APIRouter(prefix="/api/v1/namespaces/{namespace}/servers/{server}/connections", tags=["connections"])


class Connection(BaseModel):
    """What may be known of an account that a user connected; the tokens themselves are never shown."""

    scheme: str
    subject: Annotated[str, Field(description="Who connected it.")]
    client_id: str
    scopes: Annotated[list[str], Field(description="What the user was asked for.")]
    granted_scopes: Annotated[list[str], Field(description="What the authorization server says it granted.")]
    origins: Annotated[list[str], Field(description="Where the tokens may be sent.")]
    needs_reconnect: Annotated[bool, Field(description="True where the authorization server does not renew it.")]
    created_at: str
    updated_at: str


class ConnectionList(BaseModel):
    """The connections of a server, by scheme and user."""

    items: list[Connection]
    next_cursor: str | None = None


def _shown(record: ConnectionRecord) -> Connection:
    return Connection(
        scheme=record.scheme,
        subject=record.subject,
        client_id=record.details["client_id"],
        scopes=record.details["scopes"],
        granted_scopes=record.details["granted"],
        origins=record.details["origins"],
        needs_reconnect=record.is_broken,
        created_at=record.created_at.isoformat(),
        updated_at=record.updated_at.isoformat(),
    )


@router.get("", operation_id="list_connections", summary="List connections")
async def list_connections(control: Control, namespace: NamespaceName, server: ServerName, who: Who) -> ConnectionList:
    """List the accounts that users connected for a server's security schemes: your own, or all for an administrator."""
    found = await control.connections.list(namespace, server, caller=who)
    return ConnectionList(items=[_shown(each) for each in found])


@router.delete("/{scheme}", status_code=204, operation_id="delete_connection", summary="End a connection")
async def delete_connection(
    control: Control,
    namespace: NamespaceName,
    server: ServerName,
    scheme: SchemeName,
    who: Who,
    subject: Annotated[str | None, Query(description="Whose connection, for an administrator; else your own.")] = None,
) -> None:
    """End a connection; the user's next call answers with a link to connect again."""
    await control.connections.delete(namespace, server, scheme, caller=who, subject=subject)
