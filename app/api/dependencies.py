"""What routes work with: the control plane, wired in `app.main`, and the parameters that routes share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, NamedTuple, Protocol

from fastapi import Depends, Path, Query, Request, Response

from app.outbound.redis_counts import RedisCounts
from app.registry import Database
from app.security.callers import Caller, caller_of
from app.security.protected_resources import ProtectedResources
from app.security.trusted_proxies import forwarded_origin
from app.services.audit import Audit
from app.services.connections import Connections
from app.services.credentials import Credentials
from app.services.declared_servers import DeclaredServers
from app.services.idempotency import Idempotency
from app.services.import_description import ImportDescription
from app.services.issuers import Issuers
from app.services.keys import Keys
from app.services.namespaces import Namespaces
from app.services.refreshing import Refreshing
from app.services.revisions import Revisions
from app.services.server_headers import ServerHeaders
from app.services.servers import Servers
from app.services.setup import Setup
from app.services.tools import Tools
from app.telemetry.metrics import Reading
from converters.request_plans import RequestPlan


class PreviewedCall(NamedTuple):
    """A request with masked credentials, and why it would not be sent, or ""."""

    request: RequestPlan
    refusal: str


class ToolPort(Protocol):
    """The gateway's tools/call, for trying tools out from the control plane."""

    async def call(
        self, namespace: str, server: str, tool: str, arguments: Mapping[str, Any], *, caller: Caller
    ) -> dict[str, Any]:
        """Perform a call; gives the MCP result."""
        ...

    def preview(
        self, namespace: str, server: str, tool: str, arguments: Mapping[str, Any], *, caller: Caller
    ) -> PreviewedCall:
        """Build the request a call would send, credentials masked; nothing is sent."""
        ...


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """What the routes work with, wired in `app.main`.

    Clients reach this gateway at `public_url`; `has_own_url` says that the operator set it. `redis` is where instances
    count together. `read_metrics` gives what all processes of this gateway have counted, None where they do not answer.
    """

    database: Database
    importer: ImportDescription
    servers: Servers
    revisions: Revisions
    declared: DeclaredServers
    refreshing: Refreshing
    tools: Tools
    credentials: Credentials
    headers: ServerHeaders
    connections: Connections
    namespaces: Namespaces
    issuers: Issuers
    resources: ProtectedResources
    keys: Keys
    setup: Setup
    read_metrics: Callable[[], Awaitable[Reading | None]]
    idempotency: Idempotency
    audit: Audit
    tool_port: ToolPort
    public_url: str
    has_own_url: bool = False
    redis: RedisCounts | None = None


def _control(request: Request) -> ControlPlane:
    """Give the control plane; where no URL is set, links lead where a trusted proxy was asked."""
    control: ControlPlane = request.app.state.control
    seen = "" if control.has_own_url else forwarded_origin(request.scope)
    return replace(control, public_url=seen) if seen else control


def _who(request: Request) -> Caller:
    return caller_of(request.scope)


def _not_stored(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"


NOT_STORED = Depends(_not_stored)
"""For routes whose answer is kept nowhere: it holds a secret, or what an API behind the gateway said."""
Control = Annotated[ControlPlane, Depends(_control)]
Who = Annotated[Caller, Depends(_who)]
NamespaceName = Annotated[str, Path(alias="namespace", description="Name of the namespace.")]
ServerName = Annotated[str, Path(alias="server", description="Name of the server.")]
SchemeName = Annotated[str, Path(alias="scheme", description="Name of the security scheme.")]
HeaderName = Annotated[str, Path(alias="header", description="Name of the header field.")]
ToolName = Annotated[str, Path(alias="tool", description="Name of the tool.")]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=200, description="Entries per page.")]
