"""Tools: list, read, override, preview a request, try a call."""

from __future__ import annotations

import base64
from typing import Any, Literal

from fastapi import APIRouter

from app.api.dependencies import NOT_STORED, Control, ControlPlane, NamespaceName, ServerName, ToolName, Who
from app.api.exact_json import ExactJsonRoute
from app.api.schemas import (
    Authorization,
    CallResult,
    Preview,
    RequestPiece,
    Tool,
    ToolArguments,
    ToolList,
    ToolPatch,
    ToolSummary,
)
from app.registry.records import ToolOverrideChanges
from app.services.credentials import ToolAuthorization
from converters.authorization import Refusal
from converters.refusals import explained

router = APIRouter(
    prefix="/api/v1/namespaces/{namespace}/servers/{server}/tools", tags=["tools"], route_class=ExactJsonRoute
)


def _summary(definition: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": definition["name"],
        "title": definition["title"],
        "description": definition["description"],
        "method": definition["method"],
        "path": definition["path"],
        "operation": definition["operation_key"],
        "enabled": definition["enabled"],
        "deprecated": definition["deprecated"],
    }


async def _details(control: ControlPlane, namespace: str, server: str, definition: dict[str, Any]) -> Tool:
    chosen = await control.credentials.authorization(namespace, server, definition)
    return Tool(
        **_summary(definition),
        input_schema=definition["input_schema"],
        output_schema=definition["output_schema"],
        annotations=definition["annotations"],
        tags=definition["tags"],
        pointer=definition["pointer"],
        security=[dict(each["schemes"]) for each in definition["security"]],
        authorization=_authorization(chosen),
    )


def _authorization(chosen: ToolAuthorization) -> Authorization:
    outcome = chosen.outcome
    if isinstance(outcome, Refusal):
        detail, missing = explained(outcome, chosen.schemes, origin=chosen.origin, place=chosen.place)
        return Authorization(alternative=None, schemes=[], missing=list(missing), detail=detail)
    schemes = [each.name for each in outcome.schemes]
    return Authorization(alternative=outcome.index, schemes=schemes, missing=[], detail="")


@router.get("", operation_id="list_tools", summary="List tools")
async def list_tools(control: Control, who: Who, namespace: NamespaceName, server: ServerName) -> ToolList:
    """List the tools of a server that you reach in document order, disabled ones included."""
    definitions = await control.tools.list(namespace, server)
    reached = [each for each in definitions if who.reaches_tool(namespace, server, each["name"])]
    return ToolList(items=[ToolSummary(**_summary(each)) for each in reached])


@router.get("/{tool}", operation_id="get_tool", summary="Read a tool")
async def get_tool(control: Control, namespace: NamespaceName, server: ServerName, tool: ToolName) -> Tool:
    """Read one tool with its schemas, its security requirements, and which of them a call would use now."""
    return await _details(control, namespace, server, await control.tools.read(namespace, server, tool))


@router.patch("/{tool}", operation_id="update_tool", summary="Override a tool")
async def update_tool(
    control: Control, namespace: NamespaceName, server: ServerName, tool: ToolName, body: ToolPatch
) -> Tool:
    """Override what the description says of a tool; overrides survive re-imports."""
    changes = ToolOverrideChanges(**body.model_dump(exclude_unset=True))
    return await _details(
        control, namespace, server, await control.tools.change(namespace, server, tool, changes=changes)
    )


@router.post("/{tool}/preview", operation_id="preview_tool", summary="Preview a request", dependencies=[NOT_STORED])
async def preview_tool(
    control: Control, who: Who, namespace: NamespaceName, server: ServerName, tool: ToolName, body: ToolArguments
) -> Preview:
    """Show the HTTP request a call would send, and what of the description made each piece; nothing is sent."""
    plan, refusal = control.tool_port.preview(namespace, server, tool, body.arguments, caller=who)
    text, encoding = _body_text(plan.body)
    return Preview(
        method=plan.method,
        url=plan.url,
        headers=list(plan.headers),
        body=text,
        body_encoding=encoding,
        pieces=[RequestPiece(part=each.part, name=each.name, pointer=each.pointer) for each in plan.pieces],
        detail=refusal,
    )


@router.post(
    "/{tool}/call",
    operation_id="call_tool",
    summary="Try a call",
    response_model_exclude_unset=True,
    dependencies=[NOT_STORED],
)
async def call_tool(
    control: Control, who: Who, namespace: NamespaceName, server: ServerName, tool: ToolName, body: ToolArguments
) -> CallResult:
    """Perform a tool call and give its MCP result."""
    return CallResult(**await control.tool_port.call(namespace, server, tool, body.arguments, caller=who))


def _body_text(body: bytes | None) -> tuple[str | None, Literal["text", "base64"]]:
    if body is None:
        return None, "text"
    try:
        return body.decode(), "text"
    except UnicodeDecodeError:
        return base64.b64encode(body).decode(), "base64"
