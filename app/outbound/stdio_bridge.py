"""Messages of the stdio transport -> POSTs to a server of a gateway, and what is answered -> messages.

Messages pass as they are, in every protocol version; the headers that go with each are taken from it ("Transports" of
2025-11-25 and 2026-07-28). Cancelling a request closes its POST, which is what cancels it over HTTP. A session that is
over is opened again by the `initialize` it was opened with: stdio has none, so its client could not.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

import httpx2
from mcp.shared.inbound import NAME_BEARING_METHODS, encode_header_value

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_VERSION_KEY: Final = "io.modelcontextprotocol/protocolVersion"
_BREAKS: Final = bytes.maketrans(b"\r\n", b"  ")
_SERVER_ERROR: Final = -32000
_OK: Final = 200
_NOT_FOUND: Final = 404
_SESSION: Final = "Mcp-Session-Id"
_SECONDS_LEFT: Final = 1.0
# An answer may take as long as its call, and a subscription has none for as long as nothing changes.
_TIMEOUT: Final = httpx2.Timeout(30, read=None)


class StdioBridge:
    """Carries messages between a client and the server at a URL."""

    def __init__(self, url: str, *, key: str | None, write: Callable[[bytes], None]) -> None:
        """Answer by `write`, which takes one message without a line break."""
        self._url = url
        self._key = key
        self._write = write
        self._version = ""
        self._initialize = b""
        self._session = ""
        self._requests: dict[Any, asyncio.Task[None]] = {}

    async def run(self, read: Callable[[], Awaitable[bytes]]) -> None:
        """Carry each line that `read` gives; requests that are under way when it gives none more have a second left."""
        authorization = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        async with httpx2.AsyncClient(headers=authorization, timeout=_TIMEOUT, trust_env=False) as http:
            while line := await read():
                if line.strip():
                    await self._take(http, line.strip())
            if left := set(self._requests.values()):
                _, unanswered = await asyncio.wait(left, timeout=_SECONDS_LEFT)
                for request in unanswered:
                    request.cancel()
                await asyncio.gather(*unanswered, return_exceptions=True)

    async def _take(self, http: httpx2.AsyncClient, line: bytes) -> None:
        message = _parsed(line)
        request_id, method = message.get("id"), message.get("method")
        if method == "notifications/cancelled":
            request = self._requests.get(_params(message).get("requestId"))
            if request is not None:
                request.cancel()
        elif request_id is None or method in {None, "initialize"}:
            # In order: what follows may rest on it. Text that is no message is refused by the server.
            await self._exchange(http, message, line)
        else:
            request = asyncio.ensure_future(self._exchange(http, message, line))
            self._requests[request_id] = request
            request.add_done_callback(lambda _: self._requests.pop(request_id, None))

    async def _exchange(self, http: httpx2.AsyncClient, message: dict[str, Any], line: bytes) -> None:
        if message.get("method") == "initialize":
            self._initialize, self._session = line, ""
        session = self._session
        try:
            is_over = await self._send(http, message, line)
            if is_over:
                await self._reopen(http, session)
                await self._send(http, message, line, is_again=True)
        except httpx2.HTTPError:
            self._fail(message, f"{self._url} cannot be reached.")

    async def _send(
        self, http: httpx2.AsyncClient, message: dict[str, Any], line: bytes, *, is_again: bool = False
    ) -> bool:
        """Send a message and give on its answer; True where its session is over, and nothing was given on."""
        headers = self._headers(message)
        async with http.stream("POST", self._url, content=line, headers=headers) as response:
            if response.status_code == _NOT_FOUND and _SESSION in headers and not is_again:
                return True
            if message.get("method") == "initialize":
                self._session = response.headers.get(_SESSION, "")
            if response.headers.get("content-type", "").startswith("text/event-stream"):
                await self._events(message, response)
            else:
                self._answer(message, response.status_code, await response.aread())
        return False

    async def _reopen(self, http: httpx2.AsyncClient, over: str) -> None:
        if self._session != over:
            return
        headers = self._headers({"method": "initialize"})
        response = await http.post(self._url, content=self._initialize, headers=headers)
        self._session = response.headers.get(_SESSION, "")

    def _headers(self, message: dict[str, Any]) -> dict[str, str]:
        given = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        method, params = str(message.get("method", "")), _params(message)
        meta = params.get("_meta")
        version = meta.get(_VERSION_KEY) if isinstance(meta, dict) else None
        if not isinstance(version, str):
            if method == "initialize":
                return given
            kept = {"MCP-Protocol-Version": self._version, _SESSION: self._session}
            return given | {name: value for name, value in kept.items() if value}
        given |= {"MCP-Protocol-Version": encode_header_value(version), "Mcp-Method": encode_header_value(method)}
        name = params.get(NAME_BEARING_METHODS.get(method, ""))
        return given | ({"Mcp-Name": encode_header_value(name)} if isinstance(name, str) else {})

    async def _events(self, message: dict[str, Any], response: httpx2.Response) -> None:
        data: list[bytes] = []
        async for line in response.aiter_lines():
            if line.startswith("data:"):
                data.append(line.removeprefix("data:").removeprefix(" ").encode())
            elif not line and data:
                self._answer(message, _OK, b"\n".join(data))
                data = []

    def _answer(self, message: dict[str, Any], status: int, body: bytes) -> None:
        answer = _parsed(body)
        if "jsonrpc" in answer:
            if message.get("method") == "initialize" and isinstance(answer.get("result"), dict):
                self._version = str(answer["result"].get("protocolVersion", ""))
            self._write(body.translate(_BREAKS))
        elif status >= _OK + 100:
            self._fail(message, f"{self._url} answered {status}. {answer.get('detail', '')}".strip())

    def _fail(self, message: dict[str, Any], sentence: str) -> None:
        """Answer a request with an error; a notification has no answer."""
        if message.get("id") is not None and message.get("method") is not None:
            error = {"code": _SERVER_ERROR, "message": sentence}
            self._write(json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": error}).encode())


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _params(message: dict[str, Any]) -> dict[str, Any]:
    params = message.get("params")
    return params if isinstance(params, dict) else {}
