"""The FastAPI application of the control plane, and what it is given to work with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from fastapi import FastAPI

from app.api import health, namespaces, problems, servers, tools

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.registry import Database
    from app.services.import_description import ImportDescription
    from app.services.namespaces import Namespaces
    from app.services.servers import Servers
    from app.services.tools import Tools
    from converters.request_plans import RequestPlan


class ToolPort(Protocol):
    """The gateway's tools/call, for trying tools out from the control plane."""

    async def call(self, namespace: str, server: str, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Perform a call; gives the MCP result."""
        ...

    def preview(self, namespace: str, server: str, tool: str, arguments: Mapping[str, Any]) -> RequestPlan:
        """Build the request a call would send; nothing is sent."""
        ...


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """What the routes work with, wired in `app.main`."""

    database: Database
    importer: ImportDescription
    servers: Servers
    tools: Tools
    namespaces: Namespaces
    tool_port: ToolPort
    public_url: str


def create_api(control: ControlPlane, *, version: str) -> FastAPI:
    """Build the control plane; its own description is at `/api/openapi.json`."""
    api = FastAPI(
        title="Causeway",
        version=version,
        summary="The control plane of this Causeway gateway.",
        description="Import OpenAPI descriptions, look at the servers and tools made of them, and try calls out.",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    api.state.control = control
    problems.install(api)
    for module in (health, namespaces, servers, tools):
        api.include_router(module.router)
    return api
