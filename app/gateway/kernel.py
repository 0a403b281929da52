"""The door to the MCP SDK: everything but the hot methods is answered by its kernel.

`initialize`, `server/discover`, `ping` and the errors of every other method come from `serve_one` over a low-level
`Server`, one per snapshot, so that negotiation and per-version shapes are the SDK's. `tools/list` and `tools/call` are
registered for the capabilities they announce, and answered by `app.gateway.server` before the kernel is asked.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import anyio
from mcp.server.connection import Connection
from mcp.server.lowlevel.server import Server
from mcp.server.runner import modern_error_data, serve_one
from mcp.shared.exceptions import MCPError, NoBackChannelError
from mcp.shared.inbound import (
    ERROR_CODE_HTTP_STATUS,
    InboundLadderRejection,
    InboundModernRoute,
    classify_inbound_request,
    find_duplicated_routing_header,
)
from mcp.shared.transport_context import TransportContext
from mcp_types import (
    PROTOCOL_VERSION_META_KEY,
    EmptyResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ReadResourceResult,
    ResourceTemplate,
    SetLevelRequestParams,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_HANDSHAKE_VERSION

from app.gateway.answers import TEMPLATE
from app.gateway.projection import server_info
from converters.client_profiles import GENERIC, ClientProfile, profile_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.gateway.answers import AnswerStore
    from app.gateway.http_exchange import Headers
    from app.gateway.messages import Message, RequestId
    from app.gateway.snapshots import ServerSnapshot
    from app.security.callers import Caller

__all__ = [
    "HANDSHAKE_PROTOCOL_VERSIONS",
    "Era",
    "KernelError",
    "Kernels",
    "classify",
    "http_status",
    "introduced",
    "negotiated_version",
]

_RESULTS: Final = ResourceTemplate(
    name="results", uri_template=TEMPLATE, description="A whole answer that was too large for a tool's result."
)
_TELLING_CAPABILITIES: Final = frozenset({"initialize", "server/discover"})
_RESOURCE_NOT_FOUND: Final = -32002
_UNSTATED_VERSION: Final = "2025-03-26"
"""What a handshake client speaks that sends no `MCP-Protocol-Version` (2025-06-18, Transports)."""


class Era(NamedTuple):
    """The protocol a request speaks: its version, and the client's claims in the 2026-07-28 envelope.

    `has_stream` says that a client of the handshake era is listening to a stream, on which it can be told of changes;
    `profile` is what the client takes of lists of tools.
    """

    version: str
    is_modern: bool
    client_info: Any = None
    client_capabilities: Any = None
    has_stream: bool = False
    profile: ClientProfile = GENERIC


class KernelError(Exception):
    """A JSON-RPC error to answer with, with its HTTP status."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        """Keep the error object."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


def http_status(code: int) -> int:
    """Give the HTTP status that goes with a JSON-RPC error code on the 2026-07-28 wire."""
    return ERROR_CODE_HTTP_STATUS.get(code, 200)


def classify(message: Message, headers: Headers, profile: ClientProfile | None = None) -> Era:
    """Find out which protocol version a request speaks, by its header and its envelope.

    `profile` is the one that the URL names; without it a client of 2026-07-28 has that of its name.

    Raises:
        KernelError: when header and body disagree, or the version is not served.

    """
    named = headers.named
    version = named.get("mcp-protocol-version")
    meta = (message.params or {}).get("_meta")
    has_envelope = isinstance(meta, dict) and PROTOCOL_VERSION_META_KEY in meta
    if not has_envelope and (version is None or version in HANDSHAKE_PROTOCOL_VERSIONS):
        return Era(version or _UNSTATED_VERSION, is_modern=False, profile=profile or GENERIC)
    duplicated = find_duplicated_routing_header(headers.fields) if len(named) != len(headers.fields) else None
    if duplicated is not None:
        raise KernelError(-32020, f"{duplicated} header appears more than once")
    verdict = classify_inbound_request(message.body, headers=named)
    if isinstance(verdict, InboundLadderRejection):
        raise KernelError(verdict.code, verdict.message, verdict.data)
    route: InboundModernRoute = verdict
    return Era(
        route.protocol_version,
        is_modern=True,
        client_info=route.client_info,
        client_capabilities=route.client_capabilities,
        profile=profile or introduced(route.client_info),
    )


def introduced(client_info: Any) -> ClientProfile:
    """Give the profile of the client that an Implementation object names."""
    name = client_info.get("name") if isinstance(client_info, dict) else None
    return profile_of(name) if isinstance(name, str) else GENERIC


@dataclass
class _Exchange:
    """The SDK's `DispatchContext` of one request with one answer: nothing can be sent to the client meanwhile."""

    request_id: RequestId | None
    transport: TransportContext
    message_metadata: None = None
    can_send_request: bool = False
    cancel_requested: anyio.Event = field(default_factory=anyio.Event)

    async def send_raw_request(
        self,
        method: str,
        params: Mapping[str, Any] | None,  # noqa: ARG002 - the SDK's protocol
        opts: Any = None,  # noqa: ARG002 - as above
    ) -> dict[str, Any]:
        """Refuse: there is no channel back to the client."""
        raise NoBackChannelError(method)

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: Any = None) -> None:
        """Drop a notification: there is no stream to put it on."""

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Drop progress, as `notify` does."""


class Kernels:
    """Keeps one SDK server per snapshot, made when first needed."""

    def __init__(self, answers: AnswerStore) -> None:
        """Start without servers; `answers` are their resources."""
        self._answers = answers
        self._servers: weakref.WeakKeyDictionary[ServerSnapshot, Server[Any]] = weakref.WeakKeyDictionary()

    async def answer(self, snapshot: ServerSnapshot, message: Message, era: Era, caller: Caller) -> dict[str, Any]:
        """Answer a request of `caller` as the SDK does.

        Raises:
            KernelError: with the JSON-RPC error.

        """
        version = era.version if era.is_modern else _handshake_version(message, era)
        connection = Connection.from_envelope(version, era.client_info, era.client_capabilities)
        exchange = _Exchange(message.request_id, TransportContext(kind="streamable-http", can_send_request=False))
        try:
            result = await serve_one(
                self._server(snapshot),
                exchange,
                message.method,
                message.params,
                connection=connection,
                lifespan_state=caller,
            )
        except Exception as error:
            mapped = modern_error_data(error)
            raise KernelError(mapped.code, mapped.message, mapped.data) from error
        if message.method in _TELLING_CAPABILITIES:
            _correct_capabilities(result["capabilities"], era)
        if message.method == "initialize":
            result["serverInfo"] = server_info(result["protocolVersion"], result["serverInfo"])
        return result

    def _server(self, snapshot: ServerSnapshot) -> Server[Any]:
        server = self._servers.get(snapshot)
        if server is None:
            server = self._servers[snapshot] = _make_server(snapshot, self._answers)
        return server


def _correct_capabilities(capabilities: dict[str, Any], era: Era) -> None:
    """Announce what is served beside the kernel: changes of the list of tools, where there is a stream to tell them on.

    The answers that are kept as resources come and go with calls, and are not told of.
    """
    capabilities["tools"]["listChanged"] = era.is_modern or era.has_stream
    capabilities["resources"].update(listChanged=False, subscribe=False)


def negotiated_version(message: Message) -> str:
    """Give the version that the answer to an `initialize` settles."""
    offered = (message.params or {}).get("protocolVersion")
    return offered if offered in HANDSHAKE_PROTOCOL_VERSIONS else LATEST_HANDSHAKE_VERSION


def _handshake_version(message: Message, era: Era) -> str:
    """`initialize` is read by the newest handshake version: the client's own is in its parameters."""
    return LATEST_HANDSHAKE_VERSION if message.method == "initialize" else era.version


def _make_server(snapshot: ServerSnapshot, answers: AnswerStore) -> Server[Any]:
    """Make the SDK's server of a snapshot; its resources are the answers that were too large for a result."""

    async def list_resources(context: Any, params: Any) -> ListResourcesResult:  # noqa: ARG001 - the SDK's signature
        return ListResourcesResult(resources=[])

    async def list_templates(context: Any, params: Any) -> ListResourceTemplatesResult:  # noqa: ARG001 - as above
        return ListResourceTemplatesResult(resource_templates=[_RESULTS])

    async def read_resource(context: Any, params: Any) -> ReadResourceResult:
        contents = answers.read((snapshot.key, context.lifespan_context.subject), params.uri)
        if contents is None:
            code = -32602 if context.protocol_version not in HANDSHAKE_PROTOCOL_VERSIONS else _RESOURCE_NOT_FOUND
            message = "There is no such answer, or it was dropped: call the tool again."
            raise MCPError(code=code, message=message, data={"uri": params.uri})
        return ReadResourceResult.model_validate({"contents": contents})

    async def set_level(context: Any, params: Any) -> EmptyResult:  # noqa: ARG001 - as above
        return EmptyResult()

    server = Server(
        snapshot.name,
        version=snapshot.version,
        title=snapshot.title,
        instructions=snapshot.instructions or None,
        on_list_tools=_answered_before,
        on_call_tool=_answered_before,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
    )
    server.add_request_handler("logging/setLevel", SetLevelRequestParams, set_level)
    return server


async def _answered_before(context: Any, params: Any) -> Any:  # noqa: ARG001 - the SDK's handler signature
    """Stand for the hot methods, which `app.gateway.server` answers before the kernel is asked."""
    raise MCPError(code=-32603, message="Internal error")
