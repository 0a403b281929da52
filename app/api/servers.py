"""Servers: import, list, read, change, delete, and their revisions."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from app.api.dependencies import Control, Cursor, Limit, NamespaceName, ServerName
from app.api.schemas import (
    Counts,
    Diagnostic,
    Endpoints,
    Policies,
    Revision,
    RevisionList,
    SecurityScheme,
    Server,
    ServerList,
    ServerPatch,
    ServerSummary,
    Validity,
    ValidityProblem,
)
from app.api.uploads import REQUEST_BODY, read_upload
from app.registry.records import ServerChanges

if TYPE_CHECKING:
    from app.api.dependencies import ControlPlane
    from app.registry.records import RevisionRecord, ServerRecord
    from app.services.servers import ServerDetails

router = APIRouter(prefix="/api/v1/namespaces/{namespace}/servers", tags=["servers"])
RevisionNumber = Annotated[int, Path(alias="revision", ge=1, description="Number of the revision.")]


def _endpoints(control: ControlPlane, server: ServerRecord) -> Endpoints:
    url = f"{control.public_url}/mcp/{server.namespace}/{server.name}"
    return Endpoints(streamable_http=url, sse=f"{url}/sse")


def _shown(control: ControlPlane, details: ServerDetails) -> Server:
    server = details.server
    schemes: dict[str, Any] = server.description.get("security_schemes", {})
    return Server(
        namespace=server.namespace,
        name=server.name,
        title=server.title,
        kind=server.kind,
        revision=server.revision,
        counts=Counts(**server.counts),
        diagnostics=[Diagnostic(**asdict(each)) for each in details.diagnostics],
        endpoints=_endpoints(control, server),
        security_schemes=[
            _scheme(name, scheme, has_credential=name in details.supplied) for name, scheme in schemes.items()
        ],
        enabled=server.enabled,
        base_url=server.base_url,
        server_variables=server.server_variables,
        instructions=server.instructions,
        certificate_authorities=server.certificate_authorities,
        policies=Policies(**(server.policies or {})),
        openapi=str(server.description.get("openapi", "")),
        created_at=server.created_at.isoformat(),
        updated_at=server.updated_at.isoformat(),
    )


def _scheme(name: str, scheme: dict[str, Any], *, has_credential: bool) -> SecurityScheme:
    return SecurityScheme.model_validate(
        {
            "name": name,
            "type": str(scheme.get("type", "")),
            "scheme": scheme.get("scheme"),
            "in": scheme.get("in"),
            "has_credential": has_credential,
        }
    )


def _summary(control: ControlPlane, server: ServerRecord) -> ServerSummary:
    return ServerSummary(
        namespace=server.namespace,
        name=server.name,
        title=server.title,
        kind=server.kind,
        revision=server.revision,
        counts=Counts(**server.counts),
        endpoints=_endpoints(control, server),
        enabled=server.enabled,
    )


def _revision(record: RevisionRecord) -> Revision:
    return Revision(
        number=record.number,
        digest=record.digest,
        compiler_version=record.compiler_version,
        document_url=record.document_url,
        counts=Counts(**record.counts),
        created_at=record.created_at.isoformat(),
    )


@router.post(
    "", status_code=201, operation_id="create_server", summary="Import a description", openapi_extra=REQUEST_BODY
)
async def create_server(control: Control, namespace: NamespaceName, request: Request) -> Server:
    """Compile an OpenAPI description and serve it as a new MCP server."""
    upload = await read_upload(request)
    name = await control.importer.create(namespace, upload.name, source=upload.source, options=upload.options)
    return _shown(control, await control.servers.read(namespace, name))


@router.get("", operation_id="list_servers", summary="List servers")
async def list_servers(
    control: Control, namespace: NamespaceName, cursor: Cursor = None, limit: Limit = 50
) -> ServerList:
    """List the servers of a namespace by name."""
    page = await control.servers.list(namespace, cursor=cursor, limit=limit)
    return ServerList(items=[_summary(control, each) for each in page.items], next_cursor=page.next_cursor)


@router.get("/{server}", operation_id="get_server", summary="Read a server")
async def get_server(control: Control, namespace: NamespaceName, server: ServerName) -> Server:
    """Read one server with the diagnostics of its active revision."""
    return _shown(control, await control.servers.read(namespace, server))


@router.patch("/{server}", operation_id="update_server", summary="Change a server")
async def update_server(control: Control, namespace: NamespaceName, server: ServerName, body: ServerPatch) -> Server:
    """Change settings of a server; what the body leaves out stays."""
    given = body.model_dump(exclude_unset=True)
    if given.get("enabled", True) is None:
        del given["enabled"]
    if given.get("server_variables", {}) is None:
        given["server_variables"] = {}
    if "policies" in given:
        policies = given["policies"] or {}
        given["policies"] = {name: value for name, value in policies.items() if value is not None}
    return _shown(control, await control.servers.change(namespace, server, ServerChanges(**given)))


@router.delete("/{server}", status_code=204, operation_id="delete_server", summary="Delete a server")
async def delete_server(control: Control, namespace: NamespaceName, server: ServerName) -> None:
    """Delete a server with its revisions; its URL answers 404 from then on."""
    await control.servers.delete(namespace, server)


@router.put(
    "/{server}/document", operation_id="replace_document", summary="Replace a description", openapi_extra=REQUEST_BODY
)
async def replace_document(control: Control, namespace: NamespaceName, server: ServerName, request: Request) -> Server:
    """Compile a new description for a server; an identical one keeps the revision it has."""
    upload = await read_upload(request)
    await control.importer.replace(namespace, server, source=upload.source, options=upload.options)
    return _shown(control, await control.servers.read(namespace, server))


@router.get("/{server}/document", operation_id="get_document", summary="Download the description")
async def get_document(control: Control, namespace: NamespaceName, server: ServerName) -> Response:
    """Download the active revision's document, byte for byte as it was uploaded."""
    document, _ = await control.servers.document(namespace, server)
    headers = {"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff"}
    return Response(document, media_type="application/octet-stream", headers=headers)


@router.get("/{server}/validity", operation_id="get_validity", summary="Validate the description")
async def get_validity(control: Control, namespace: NamespaceName, server: ServerName) -> Validity:
    """List where the description breaks the OpenAPI specification, at most 50 problems; it is served all the same."""
    found = await control.servers.validity(namespace, server)
    return Validity(valid=not found, problems=[ValidityProblem(**each) for each in found])


@router.get("/{server}/revisions", operation_id="list_revisions", summary="List revisions")
async def list_revisions(
    control: Control, namespace: NamespaceName, server: ServerName, cursor: Cursor = None, limit: Limit = 50
) -> RevisionList:
    """List the revisions of a server, newest first."""
    page = await control.servers.revisions(namespace, server, cursor=cursor, limit=limit)
    return RevisionList(items=[_revision(each) for each in page.items], next_cursor=page.next_cursor)


@router.get("/{server}/revisions/{revision}", operation_id="get_revision", summary="Read a revision")
async def get_revision(
    control: Control, namespace: NamespaceName, server: ServerName, revision: RevisionNumber
) -> Revision:
    """Read one revision."""
    return _revision(await control.servers.revision(namespace, server, number=revision))


@router.post("/{server}/revisions/{revision}/activate", operation_id="activate_revision", summary="Activate a revision")
async def activate_revision(
    control: Control, namespace: NamespaceName, server: ServerName, revision: RevisionNumber
) -> Server:
    """Make another revision the one that is served."""
    return _shown(control, await control.servers.activate(namespace, server, number=revision))
