"""An MCP endpoint with a fake API behind it, and its clients of both protocol generations."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.gateway.calls import ToolCalls
from app.gateway.catalog import SnapshotCatalog
from app.gateway.ports import Delivery, Posted
from app.gateway.server import McpEndpoint
from app.gateway.snapshots import ServerSnapshot
from converters.authorization import Authorization
from converters.request_plans import RequestPlan
from converters.results import ApiResponse
from tests.app.asgi import Answer, answer
from tests.app.descriptions import snapshot

MODERN = "2026-07-28"
HANDSHAKE = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
PREFIX = "io.modelcontextprotocol/"
PATH = "/mcp/default/pets"


@dataclass
class FakeUpstream:
    """An API that gives one answer, raises one error, or never answers; it keeps every plan.

    Where it `waits`, its answer comes in chunks and never ends; `answered` is when the last has come.
    """

    response: ApiResponse | Exception | None = None
    plans: list[RequestPlan] = field(default_factory=list)
    deadlines: list[float] = field(default_factory=list)
    servers: list[str] = field(default_factory=list)
    repeatable: list[bool] = field(default_factory=list)
    authorities: list[str] = field(default_factory=list)
    authorizations: list[Authorization] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    waits: bool = False
    was_cancelled: bool = False
    chunks: tuple[bytes, ...] = ()

    async def send(
        self,
        plan: RequestPlan,
        *,
        deadline: float,
        server: str,
        is_repeatable: bool,
        authorization: Authorization,
        authorities: str,
        on_chunk: Any = None,
    ) -> ApiResponse:
        self.plans.append(plan)
        self.authorizations.append(authorization)
        self.authorities.append(authorities)
        self.deadlines.append(deadline)
        self.servers.append(server)
        self.repeatable.append(is_repeatable)
        self.arrived.set()
        if self.response is None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.was_cancelled = True
                raise
        if isinstance(self.response, Exception):
            raise self.response
        assert self.response is not None
        for chunk in self.chunks:
            await on_chunk(self.response.content_type, chunk) if on_chunk else None
        self.answered.set()
        if self.waits:
            await asyncio.Event().wait()
        return self.response


def json_response(text: str) -> ApiResponse:
    """Give the response of an API that answers with JSON."""
    return ApiResponse(200, "application/json", text.encode(), reason="OK")


PET = json_response('{"id":7,"name":"Rex"}')


class Hub:
    """A relay between processes that are objects here."""

    def __init__(self) -> None:
        self.receivers: dict[str, Callable[[Posted], Awaitable[Delivery]]] = {}


class HubRelay:
    """One process's end of it."""

    def __init__(self, process: str, hub: Hub) -> None:
        self.process = process
        self._hub = hub

    def receive(self, receiver: Callable[[Posted], Awaitable[Delivery]]) -> None:
        self._hub.receivers[self.process] = receiver

    async def forward(self, process: str, posted: Posted) -> Delivery | None:
        receiver = self._hub.receivers.get(process)
        return await receiver(posted) if receiver else None


def endpoint(upstream: FakeUpstream | None = None, *served: ServerSnapshot, **options: Any) -> McpEndpoint:
    """Serve snapshots, by default the pets alone, with `upstream` behind them."""
    catalog = SnapshotCatalog()
    for each in served or (snapshot(),):
        catalog.put(each)
    return McpEndpoint(catalog, ToolCalls(upstream or FakeUpstream(PET), deadline=12.5), **options)


def request(method: str, params: Mapping[str, Any] | None = None, *, request_id: Any = 1) -> bytes:
    """Write a JSON-RPC request."""
    body = {"jsonrpc": "2.0", "id": request_id, "method": method}
    return json.dumps(body if params is None else {**body, "params": params}).encode()


def envelope(version: Any = MODERN, **params: Any) -> dict[str, Any]:
    """Give the parameters of a 2026-07-28 request."""
    meta = {
        f"{PREFIX}protocolVersion": version,
        f"{PREFIX}clientCapabilities": {},
        f"{PREFIX}clientInfo": {"name": "tests", "version": "1"},
    }
    return {**params, "_meta": meta}


def headers(version: str | None = None, *more: tuple[str, str]) -> list[tuple[str, str]]:
    """Give a client's headers, with what further it sends."""
    given = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")]
    return [*given, *([("MCP-Protocol-Version", version)] if version else []), *more]


async def post(
    to: McpEndpoint, body: bytes, sent: Sequence[tuple[str, str]] | None = None, *, path: str = PATH
) -> Answer:
    """Post one message."""
    return await answer(to, path=path, headers=headers() if sent is None else sent, chunks=[body])


async def ask(
    to: McpEndpoint, method: str, params: Mapping[str, Any] | None = None, *, version: str = "2025-11-25"
) -> Answer:
    """Make a request as a well-behaved client of that protocol version makes it."""
    if version != MODERN:
        return await post(to, request(method, params), headers(version))
    name = (params or {}).get({"tools/call": "name", "resources/read": "uri"}.get(method, ""))
    named = [("Mcp-Name", name)] if name else []
    return await post(to, request(method, envelope(**(params or {}))), headers(version, ("Mcp-Method", method), *named))
