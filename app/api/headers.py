"""Header fields that go with every request of a server: supplied once, never shown again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from app.api.dependencies import Control, HeaderName, NamespaceName, ServerName
from app.api.header_schemas import Header, HeaderList, NewHeader
from app.api.secret_schemas import CredentialSource

if TYPE_CHECKING:
    from app.services.server_headers import HeaderInfo

router = APIRouter(prefix="/api/v1/namespaces/{namespace}/servers/{server}/headers", tags=["credentials"])


def _shown(info: HeaderInfo) -> Header:
    record = info.record
    source = record.details["source"]
    return Header(
        name=record.details["name"],
        is_secret=record.details["is_secret"],
        fingerprint=record.fingerprint,
        source=CredentialSource(**source) if source else None,
        origins=record.details["origins"],
        detached_origins=list(info.detached),
        is_readable=info.is_readable,
        created_at=record.created_at.isoformat(),
        updated_at=record.updated_at.isoformat(),
    )


@router.get("", operation_id="list_headers", summary="List header fields")
async def list_headers(control: Control, namespace: NamespaceName, server: ServerName) -> HeaderList:
    """List what may be known of the header fields that a server's requests carry: never a value."""
    return HeaderList(items=[_shown(each) for each in await control.headers.list(namespace, server)])


@router.put("/{header}", operation_id="put_header", summary="Supply a header field")
async def put_header(
    control: Control, namespace: NamespaceName, server: ServerName, header: HeaderName, body: NewHeader
) -> Header:
    """Supply a header field for every request of a server, in the place of the one of that name.

    It is bound to the origins that the server's requests go to now.
    """
    return _shown(await control.headers.put(namespace, server, header, given=body.members()))


@router.delete("/{header}", status_code=204, operation_id="delete_header", summary="Remove a header field")
async def delete_header(control: Control, namespace: NamespaceName, server: ServerName, header: HeaderName) -> None:
    """Remove a header field; requests are sent without it from then on."""
    await control.headers.delete(namespace, server, header)
