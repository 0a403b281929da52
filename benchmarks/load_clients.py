"""Clients of every kind for a gateway under load, each with a key and connections of its own.

Every call carries a nonce, which has to come back in its answer, with the path that its tenant's API is at.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import secrets
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Self

META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
KINDS = ("2026-07-28", "2025-11-25", "2026-07-28", "2025-11-25", "HTTP+SSE")
"""How the clients speak, in turn."""
LIST_EVERY, DIRECT_EVERY = 10, 4
DIRECT = "directly"
TIMEOUT = 60.0
_RANDOM = random.SystemRandom()


@dataclass
class Tally:
    """What came of everything that was asked: seconds by kind, and the errors."""

    taken: dict[str, list[float]] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)

    @contextlib.asynccontextmanager
    async def timed(self, kind: str) -> AsyncIterator[None]:
        """Count what is done meanwhile; what is raised is an error."""
        started = time.perf_counter()
        try:
            yield
        except (AssertionError, KeyError, ValueError, OSError, TimeoutError, aiohttp.ClientError) as error:
            self.errors[f"{kind}: {type(error).__name__}: {str(error)[:200]}"] += 1
        else:
            self.taken.setdefault(kind, []).append(time.perf_counter() - started)


@dataclass
class Tenant:
    """A namespace's server: where it is, where its API is, and who may come in."""

    url: str
    api: str
    key: str
    revisions: int = 1

    def description(self) -> dict[str, Any]:
        """Describe the API, each time with other words."""
        nonce = {"name": "nonce", "in": "path", "required": True, "schema": {"type": "string"}}
        body = {"type": "object", "required": ["nonce"], "properties": {"nonce": {"type": "string"}}}
        responses = {"200": {"description": "What was asked."}}
        get = {"operationId": "getEcho", "parameters": [nonce], "responses": responses}
        content = {"application/json": {"schema": body}}
        post = {"operationId": "postEcho", "requestBody": {"content": content}, "responses": responses}
        paths = {"/get/{nonce}": {"get": {**get, "summary": f"Edition {self.revisions}"}}, "/post": {"post": post}}
        info = {"title": "Echo", "version": str(self.revisions)}
        return {"openapi": "3.1.0", "info": info, "servers": [{"url": self.api}], "paths": paths}


class HttpClient:
    """A client of Streamable HTTP, in one of two protocol versions."""

    def __init__(self, tenant: Tenant, version: str, http: aiohttp.ClientSession) -> None:
        """Ask the tenant's server."""
        self._url = tenant.url
        self._is_modern = version == META["io.modelcontextprotocol/protocolVersion"]
        self._headers = {
            "Authorization": f"Bearer {tenant.key}",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": version,
        }
        self._http = http
        self._ids = itertools.count()

    async def __aenter__(self) -> Self:
        """Begin; there is nothing to open."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """End; there is nothing to close."""

    async def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Give the result of a request."""
        headers = self._headers
        if self._is_modern:
            params = {**params, "_meta": META}
            headers = headers | {"Mcp-Method": method} | ({"Mcp-Name": params["name"]} if "name" in params else {})
        message = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        async with self._http.post(self._url, json=message, headers=headers) as response:
            answer = json.loads(await response.read())
            assert response.status == 200, f"{response.status} {answer}"
        assert answer["id"] == message["id"], answer
        result: dict[str, Any] = answer["result"]
        return result


class SseClient:
    """A client of HTTP+SSE, whose answers come on its stream."""

    def __init__(self, tenant: Tenant, http: aiohttp.ClientSession) -> None:
        """Ask the tenant's server."""
        self._tenant = tenant
        self._http = http
        self._headers = {"Authorization": f"Bearer {tenant.key}"}
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._ids = itertools.count()
        self._messages = ""
        self._notices = 0

    async def __aenter__(self) -> Self:
        """Open the stream and shake hands."""
        opened: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._read(opened))
        async with asyncio.timeout(TIMEOUT):
            self._messages = str(URL(self._tenant.url).join(URL(await opened)))
            client = {"name": "load", "version": "1"}
            await self.ask("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client})
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the stream."""
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Give the result of a request."""
        if self._reading.done():
            raise ConnectionResetError("the stream has ended")
        request_id = next(self._ids)
        answer = self._waiting[request_id] = asyncio.get_running_loop().create_future()
        try:
            message = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
            async with self._http.post(self._messages, json=message, headers=self._headers) as response:
                assert response.status == 202, f"{response.status} {await response.text()}"
            async with asyncio.timeout(TIMEOUT):
                result: dict[str, Any] = (await answer)["result"]
                return result
        finally:
            del self._waiting[request_id]

    async def _read(self, opened: asyncio.Future[str]) -> None:
        headers = {**self._headers, "Accept": "text/event-stream"}
        timeout = aiohttp.ClientTimeout(total=None)
        async with self._http.get(f"{self._tenant.url}/sse", headers=headers, timeout=timeout) as response:
            assert response.status == 200, response.status
            async for line in response.content:
                data = line.decode().rstrip("\n").removeprefix("data: ")
                if not line.startswith(b"data: "):
                    continue
                if not opened.done():
                    opened.set_result(data)
                    continue
                message = json.loads(data)
                if "id" in message:
                    self._waiting[message["id"]].set_result(message)
                else:
                    self._notices += 1


def client(kind: str, tenant: Tenant, http: aiohttp.ClientSession) -> HttpClient | SseClient:
    """Make a client of a kind."""
    return SseClient(tenant, http) if kind == "HTTP+SSE" else HttpClient(tenant, kind, http)


async def use(tenant: Tenant, kind: str, tally: Tally, *, pause: float, until: float) -> None:
    """Be one client: list, call, and ask the API directly now and then, with `pause` seconds between, on average."""
    # Less than what servers keep a connection for: one that is closed while a request is on its way fails.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=3)
    http = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=TIMEOUT))
    await asyncio.sleep(_RANDOM.uniform(0, pause))
    async with http, contextlib.AsyncExitStack() as stack:
        mcp = None
        async with tally.timed("connect"):
            mcp = await stack.enter_async_context(client(kind, tenant, http))
        for number in itertools.count():
            if mcp is None or time.monotonic() >= until:
                return
            await _one(number, mcp, tenant, http, kind=kind, tally=tally)
            await asyncio.sleep(_RANDOM.uniform(0, 2 * pause))


async def _one(
    number: int, mcp: HttpClient | SseClient, tenant: Tenant, http: aiohttp.ClientSession, *, kind: str, tally: Tally
) -> None:
    if number % DIRECT_EVERY == 0:
        async with tally.timed(DIRECT):
            await _directly(tenant, http)
    elif number % LIST_EVERY == 1:
        async with tally.timed("tools/list"):
            listed = await mcp.ask("tools/list", {})
            assert [tool["name"] for tool in listed["tools"]] == ["getEcho", "postEcho"], listed
    else:
        async with tally.timed(f"tools/call, {kind}"):
            await _call(mcp, tenant, is_get=number % 2 == 0)


async def _call(mcp: HttpClient | SseClient, tenant: Tenant, *, is_get: bool) -> None:
    nonce = secrets.token_hex(12)
    result = await mcp.ask("tools/call", {"name": "getEcho" if is_get else "postEcho", "arguments": {"nonce": nonce}})
    _check(json.loads(result["content"][0]["text"]), tenant, nonce, is_get=is_get)


async def _directly(tenant: Tenant, http: aiohttp.ClientSession) -> None:
    nonce = secrets.token_hex(12)
    async with http.get(f"{tenant.api}/get/{nonce}") as response:
        _check(json.loads(await response.read()), tenant, nonce, is_get=True)


def _check(echoed: dict[str, Any], tenant: Tenant, nonce: str, *, is_get: bool) -> None:
    """Check that an answer is the one to this call, from the API of this tenant."""
    path = URL(tenant.api).path
    if is_get:
        assert echoed["path"] == f"{path}/get/{nonce}", (echoed, nonce)
    else:
        assert echoed["path"] == f"{path}/post", echoed
        assert json.loads(echoed["body"]) == {"nonce": nonce}, (echoed, nonce)
