"""Credentials: supplied per security scheme, never shown again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from app.api.credential_schemas import Credential, CredentialList, NewCredential
from app.api.dependencies import Control, NamespaceName, SchemeName, ServerName
from app.api.secret_schemas import CredentialSource

if TYPE_CHECKING:
    from app.services.credentials import CredentialInfo

router = APIRouter(prefix="/api/v1/namespaces/{namespace}/servers/{server}/credentials", tags=["credentials"])


def _shown(info: CredentialInfo) -> Credential:
    record = info.record
    source = record.details["source"]
    return Credential(
        scheme=record.scheme,
        type=info.scheme.type if info.scheme else None,
        kind=record.details["kind"],
        fingerprint=record.fingerprint,
        username=record.details.get("username"),
        client_id=record.details.get("client_id"),
        token_endpoint_auth_method=record.details.get("token_endpoint_auth_method"),
        grant_type=record.details.get("grant_type"),
        scopes=record.details.get("scopes"),
        source=CredentialSource(**source) if source else None,
        token_origins=record.details.get("token_origins"),
        origins=record.details["origins"],
        detached_origins=list(info.detached),
        is_readable=info.is_readable,
        created_at=record.created_at.isoformat(),
        updated_at=record.updated_at.isoformat(),
    )


@router.get("", operation_id="list_credentials", summary="List credentials")
async def list_credentials(control: Control, namespace: NamespaceName, server: ServerName) -> CredentialList:
    """List what may be known of a server's credentials: never a secret, only its fingerprint."""
    return CredentialList(items=[_shown(each) for each in await control.credentials.list(namespace, server)])


@router.put("/{scheme}", operation_id="put_credential", summary="Supply a credential")
async def put_credential(
    control: Control, namespace: NamespaceName, server: ServerName, scheme: SchemeName, body: NewCredential
) -> Credential:
    """Supply a credential for a security scheme that the description declares, in the place of the one there is.

    It is bound to the origins that requests with the scheme go to now.
    """
    return _shown(await control.credentials.put(namespace, server, scheme, given=body.members()))


@router.delete("/{scheme}", status_code=204, operation_id="delete_credential", summary="Remove a credential")
async def delete_credential(control: Control, namespace: NamespaceName, server: ServerName, scheme: SchemeName) -> None:
    """Remove a credential; calls that need it are refused from then on."""
    await control.credentials.delete(namespace, server, scheme)
