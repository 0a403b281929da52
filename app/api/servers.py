"""Servers: import, list, read, change, delete, and their revisions."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from app.api.changes import change_members
from app.api.dependencies import Control, Cursor, Limit, NamespaceName, ServerName, Who
from app.api.permissions import check_new_server
from app.api.revision_schemas import ImportedServer, ImportPreview, ImportQuery, ImportResult
from app.api.schemas import (
    Condition,
    Counts,
    Diagnostic,
    Endpoints,
    Policies,
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
from app.services.publishing import ImportMode

if TYPE_CHECKING:
    from app.api.dependencies import ControlPlane
    from app.registry.records import ServerRecord
    from app.services import conditions
    from app.services.servers import ServerDetails

router = APIRouter(prefix="/api/v1/namespaces/{namespace}/servers", tags=["servers"])


def _endpoints(control: ControlPlane, server: ServerRecord) -> Endpoints:
    url = f"{control.public_url}/mcp/{server.namespace}/{server.name}"
    return Endpoints(streamable_http=url, sse=f"{url}/sse")


def shown(control: ControlPlane, details: ServerDetails) -> Server:
    """Give a server as the control plane answers it."""
    return Server(**_members(control, details))


def _members(control: ControlPlane, details: ServerDetails) -> dict[str, Any]:
    server = details.server
    schemes: dict[str, Any] = server.description.get("security_schemes", {})
    return {
        "namespace": server.namespace,
        "name": server.name,
        "title": server.title,
        "kind": server.kind,
        "revision": server.revision,
        "draft_revision": server.draft_revision,
        "conditions": [_condition(each) for each in details.conditions],
        "counts": Counts(**server.counts),
        "diagnostics": [Diagnostic(**asdict(each)) for each in details.diagnostics],
        "endpoints": _endpoints(control, server),
        "security_schemes": [
            _scheme(name, scheme, has_credential=name in details.supplied) for name, scheme in schemes.items()
        ],
        "enabled": server.enabled,
        "base_url": server.base_url,
        "server_variables": server.server_variables,
        "instructions": server.instructions,
        "certificate_authorities": server.certificate_authorities,
        "policies": Policies(**(server.policies or {})),
        "openapi": str(server.description.get("openapi", "")),
        "created_at": server.created_at.isoformat(),
        "updated_at": server.updated_at.isoformat(),
    }


def _condition(found: conditions.Condition) -> Condition:
    since = None if found.since is None else found.since.isoformat()
    return Condition(code=found.code, message=found.message, remedy=found.remedy, since=since)


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


@router.post(
    "", status_code=201, operation_id="create_server", summary="Import a description", openapi_extra=REQUEST_BODY
)
async def create_server(control: Control, who: Who, namespace: NamespaceName, request: Request) -> Server:
    """Compile an OpenAPI description and serve it as a new MCP server."""
    upload = await read_upload(request)
    check_new_server(who, namespace, upload.name)
    name = await control.importer.create(namespace, upload.name, source=upload.source, options=upload.options)
    return shown(control, await control.servers.read(namespace, name))


@router.get("", operation_id="list_servers", summary="List servers")
async def list_servers(
    control: Control, who: Who, namespace: NamespaceName, cursor: Cursor = None, limit: Limit = 50
) -> ServerList:
    """List the servers of a namespace that you reach, by name."""
    page = await control.servers.list(namespace, by=who, cursor=cursor, limit=limit)
    return ServerList(items=[_summary(control, each) for each in page.items], next_cursor=page.next_cursor)


@router.get("/{server}", operation_id="get_server", summary="Read a server")
async def get_server(control: Control, namespace: NamespaceName, server: ServerName) -> Server:
    """Read one server with the diagnostics of its active revision."""
    return shown(control, await control.servers.read(namespace, server))


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
    return shown(control, await control.servers.change(namespace, server, ServerChanges(**given)))


@router.delete("/{server}", status_code=204, operation_id="delete_server", summary="Delete a server")
async def delete_server(control: Control, namespace: NamespaceName, server: ServerName) -> None:
    """Delete a server with its revisions; its URL answers 404 from then on."""
    await control.servers.delete(namespace, server)


@router.put(
    "/{server}/document", operation_id="replace_document", summary="Replace a description", openapi_extra=REQUEST_BODY
)
async def replace_document(
    control: Control,
    namespace: NamespaceName,
    server: ServerName,
    request: Request,
    wanted: Annotated[ImportQuery, Query()],
) -> ImportedServer | ImportPreview:
    """Compile a new description for a server; an identical one keeps the revision it has.

    By the server's policy `review`, one that breaks callers or reaches further waits until it is activated
    (`review`), or none is taken (`freeze`). What is decided and what is stored are one transaction.
    """
    upload = await read_upload(request)
    mode = ImportMode(**wanted.model_dump())
    done = await control.importer.put(namespace, server, source=upload.source, options=upload.options, mode=mode)
    result = ImportResult(outcome=done.outcome, revision=done.revision, **change_members(done.change))
    if wanted.dry_run:
        diagnostics = [Diagnostic(**asdict(each)) for each in done.diagnostics]
        return ImportPreview(result=result, counts=Counts(**done.compiled.counts), diagnostics=diagnostics)
    return ImportedServer(result=result, **_members(control, await control.servers.read(namespace, server)))


@router.post("/{server}/refresh", operation_id="refresh_server", summary="Fetch the description again")
async def refresh_server(control: Control, namespace: NamespaceName, server: ServerName) -> ImportedServer:
    """Fetch the description again from where it came, and import it as a new document is: a webhook for its source."""
    done = await control.refreshing.refresh(namespace, server)
    result = ImportResult(outcome=done.outcome, revision=done.revision, **change_members(done.change))
    return ImportedServer(result=result, **_members(control, await control.servers.read(namespace, server)))


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
