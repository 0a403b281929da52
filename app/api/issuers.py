"""The issuer of a namespace, and what clients read to find it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.exceptions import HTTPException

from app.api.dependencies import Control, NamespaceName
from app.api.schemas import Issuer, NewIssuer, ScopeGrant
from app.security import protected_resources
from app.security.authentication import METADATA_PATH
from app.security.protected_resources import TrustedIssuer, server_at

if TYPE_CHECKING:
    from app.registry.records import IssuerRecord

router = APIRouter(tags=["issuers"])
_PATH = "/api/v1/namespaces/{namespace}/issuer"


def _shown(record: IssuerRecord) -> Issuer:
    return Issuer(
        issuer=record.issuer,
        jwks_uri=record.jwks_uri,
        algorithms=record.algorithms,
        scopes={scope: ScopeGrant(**names) for scope, names in record.scopes.items()},
        updated_at=record.updated_at.isoformat(),
    )


def _trusted(body: NewIssuer) -> TrustedIssuer:
    given: dict[str, Any] = {}
    if body.algorithms is not None:
        given["algorithms"] = tuple(body.algorithms)
    if body.scopes is not None:
        given["scopes"] = {
            scope: protected_resources.ScopeGrant(frozenset(grant.servers), frozenset(grant.tools))
            for scope, grant in body.scopes.items()
        }
    return TrustedIssuer(body.issuer, body.jwks_uri or "", **given)


@router.get(_PATH, operation_id="get_issuer", summary="Get the issuer of a namespace")
async def get_issuer(control: Control, namespace: NamespaceName) -> Issuer:
    """Give the authorization server whose access tokens open the servers of a namespace."""
    return _shown(await control.issuers.read(namespace))


@router.put(_PATH, operation_id="put_issuer", summary="Trust an issuer")
async def put_issuer(control: Control, namespace: NamespaceName, body: NewIssuer) -> Issuer:
    """Have access tokens of an authorization server open the servers of a namespace, in the place of the one before."""
    return _shown(await control.issuers.put(namespace, _trusted(body)))


@router.delete(_PATH, status_code=204, operation_id="delete_issuer", summary="Trust no issuer")
async def delete_issuer(control: Control, namespace: NamespaceName) -> None:
    """Have no access tokens open the servers of a namespace."""
    await control.issuers.delete(namespace)


@router.get(METADATA_PATH + "/mcp/{namespace}/{server}", include_in_schema=False, operation_id="protected_resource")
async def protected_resource(control: Control, namespace: str, server: str) -> dict[str, Any]:
    """Give the Protected Resource Metadata of a server (RFC 9728 section 3)."""
    named = server_at(f"/mcp/{namespace}/{server}")
    found = None if named is None else await control.resources.metadata(named)
    if found is None:
        raise HTTPException(404, "No access tokens open this server: use an API key.")
    return found
