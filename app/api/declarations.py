"""Servers as files declare them: applied whole, and given back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from app.api.changes import change_members
from app.api.declaration_schemas import DeclarationResult, Prune, Pruned, ServerDeclaration, declaration_of, declared
from app.api.dependencies import Control, NamespaceName, ServerName
from app.api.revision_schemas import ImportResult
from app.api.uploads import read_form
from app.services.import_description import Source

if TYPE_CHECKING:
    from app.services.declared_servers import Applied

router = APIRouter(prefix="/api/v1/namespaces/{namespace}", tags=["declarations"])
BY: Final = "apply"
DryRun = Annotated[bool, Query(description="Tell what would be done, and do nothing.")]

_REQUEST_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["declaration"],
                    "properties": {
                        "declaration": {"type": "string", "description": "The declaration, as a JSON object."},
                        "document": {
                            "type": "string",
                            "format": "binary",
                            "description": "What `source.file` stands for: a document, or a zip.",
                        },
                        "overlay": {
                            "type": "string",
                            "format": "binary",
                            "description": "What `source.overlays` stands for, a part each.",
                        },
                    },
                }
            }
        },
    }
}


@router.get(
    "/servers/{server}/declaration",
    operation_id="get_declaration",
    summary="Export a server",
    response_model_exclude_defaults=True,
)
async def get_declaration(control: Control, namespace: NamespaceName, server: ServerName) -> ServerDeclaration:
    """Give a server as a file would declare it: secrets by reference only, what is as usual left out."""
    return declared(await control.declared.read(namespace, server))


@router.get(
    "/servers/{server}/declaration/overlays/{number}",
    operation_id="get_declared_overlay",
    summary="Download an overlay",
)
async def get_declared_overlay(
    control: Control, namespace: NamespaceName, server: ServerName, number: Annotated[int, Path(ge=1)]
) -> Response:
    """Download an overlay that the description was imported with, counted from 1."""
    overlays = (await control.declared.read(namespace, server)).revision.description["overlays"]
    if number > len(overlays):
        raise HTTPException(404, f"The description was imported with {len(overlays)} overlays.")
    headers = {"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff"}
    return Response(overlays[number - 1], media_type="application/octet-stream", headers=headers)


@router.put(
    "/servers/{server}/declaration",
    operation_id="apply_declaration",
    summary="Apply a declaration",
    openapi_extra=_REQUEST_BODY,
)
async def apply_declaration(
    control: Control, namespace: NamespaceName, server: ServerName, request: Request, *, dry_run: DryRun = False
) -> DeclarationResult:
    """Make a server what a declaration says, all of it or nothing; what is so already stays untouched.

    Credentials that it does not name stay.
    """
    form = await read_form(request)
    wanted = _checked(form.fields.get("declaration", ""))
    if (wanted.namespace, wanted.name) != (namespace, server):
        raise HTTPException(422, f"The declaration is of {wanted.namespace}/{wanted.name}, which the URL is not.")
    if wanted.source.file is not None and form.document is None:
        raise HTTPException(422, "The part `document` is missing, which `source.file` stands for.")
    if wanted.source.url is not None:
        source = Source(url=wanted.source.url)
    else:
        source = Source(form.document, entry=wanted.source.entry, overlays=form.overlays, media_type=form.media_type)
    applied = await control.declared.apply(declaration_of(wanted, source), by=BY, dry_run=dry_run)
    return result_of(applied)


@router.post("/prune", operation_id="prune_servers", summary="Delete what is declared no more")
async def prune_servers(control: Control, namespace: NamespaceName, body: Prune, *, dry_run: DryRun = False) -> Pruned:
    """Delete the servers of a namespace that a declaration made, and that are not among those to keep."""
    gone = await control.declared.prune(namespace, kept=frozenset(body.keep), by=BY, dry_run=dry_run)
    return Pruned(items=list(gone))


def result_of(applied: Applied) -> DeclarationResult:
    """Give what applying a declaration did, as it is answered."""
    imported = applied.imported
    description = ImportResult(outcome=imported.outcome, revision=imported.revision, **change_members(imported.change))
    is_same = imported.outcome == "unchanged" and not applied.differences
    outcome: Any = "created" if imported.outcome == "created" else "unchanged" if is_same else "changed"
    return DeclarationResult(outcome=outcome, differences=list(applied.differences), description=description)


def _checked(text: str) -> ServerDeclaration:
    try:
        return ServerDeclaration.model_validate(json.loads(text))
    except (ValueError, RecursionError) as error:
        if not isinstance(error, ValidationError):
            raise HTTPException(400, "The part `declaration` is not valid JSON.") from None
        errors = [{**each, "loc": ("body", *each["loc"])} for each in error.errors(include_url=False)]
        raise RequestValidationError(errors) from None
