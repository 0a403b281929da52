"""What an MCP request is answered with, whichever transport brought it.

The hot methods, `tools/call` and `tools/list`, are answered here; every other one by the SDK's kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.gateway import projection
from app.gateway.account_links import asking_for_account
from app.gateway.calls import ToolGoneError, UnknownToolError, find_tool, planned
from app.gateway.confirmations import has_to_be_confirmed
from app.gateway.event_stream import NewsOfCall
from app.gateway.kernel import KernelError, Kernels
from app.gateway.messages import INVALID_PARAMS
from app.gateway.snapshots import to_bytes
from app.gateway.tool_search import CALL, DESCRIBE, SEARCH
from converters import ArgumentsError, json_values
from converters.request_plans import ServerUnknownError
from converters.results import ToolResult

if TYPE_CHECKING:
    from app.gateway.calls import ToolCalls
    from app.gateway.confirmations import Ask, Confirmations
    from app.gateway.event_stream import Push
    from app.gateway.kernel import Era
    from app.gateway.messages import Message
    from app.gateway.snapshots import ServerSnapshot
    from app.security.callers import Caller

_LISTS: Final = frozenset({"tools/list", "resources/list", "resources/templates/list"})
_OFFERED: Final = frozenset({SEARCH, DESCRIBE, CALL})


class Dispatcher:
    """Answers requests to servers."""

    def __init__(self, calls: ToolCalls, confirmations: Confirmations) -> None:
        """Perform calls with `calls`, after `confirmations` where the server's policy wants them."""
        self._calls = calls
        self._confirmations = confirmations
        self._kernels = Kernels(calls.answers)

    async def result(
        self,
        snapshot: ServerSnapshot,
        message: Message,
        era: Era,
        *,
        caller: Caller,
        push: Push | None = None,
        ask: Ask | None = None,
    ) -> bytes:
        """Give the result of a request of `caller` as JSON.

        `push` sends what is told of the work meanwhile; `ask` asks the user of a client of the handshake era.

        Raises:
            KernelError: with the JSON-RPC error to answer with.

        """
        if message.method == "tools/call":
            called = await self._call(snapshot, message, era, caller=caller, push=push, ask=ask)
            return called if isinstance(called, bytes) else _rendered(called, snapshot, era)
        if message.method in _LISTS and (message.params or {}).get("cursor") is not None:
            raise KernelError(INVALID_PARAMS, "The cursor is not known: the list has one page.")
        if message.method == "tools/list":
            return snapshot.tool_list(era.version, era.profile)
        return to_bytes(await self._kernels.answer(snapshot, message, era, caller))

    async def _call(
        self,
        snapshot: ServerSnapshot,
        message: Message,
        era: Era,
        *,
        caller: Caller,
        push: Push | None,
        ask: Ask | None,
    ) -> ToolResult | bytes:
        name, arguments = _call_params(message)
        search = snapshot.search_for(era.profile) if name in _OFFERED else None
        if search is not None:
            meant = search.answer(name, arguments)
            if isinstance(meant, ToolResult):
                return meant
            name, arguments = meant
        if snapshot.policies.confirm != "never":
            refused = await self._unconfirmed(snapshot, message, era, call=(name, arguments), caller=caller, ask=ask)
            if refused is not None:
                return refused
        news = None if push is None else NewsOfCall(push, message, era, self._calls.mask(snapshot, caller))
        on_chunk = None if news is None else news.on_chunk
        try:
            result = await self._calls.call(snapshot, name, arguments, caller=caller, on_chunk=on_chunk)
        except UnknownToolError as error:
            raise _refusal(snapshot, name, error) from None
        return asking_for_account(result, snapshot, message, era) or result

    async def _unconfirmed(
        self,
        snapshot: ServerSnapshot,
        message: Message,
        era: Era,
        *,
        call: tuple[str, dict[str, Any]],
        caller: Caller,
        ask: Ask | None,
    ) -> ToolResult | bytes | None:
        """Ask about a call that has to be confirmed; one that would not be sent anyway is asked about by nobody."""
        name, arguments = call
        try:
            tool = find_tool(snapshot, name, caller)
            if not has_to_be_confirmed(tool):
                return None
            planned(tool, arguments)
        except (UnknownToolError, ArgumentsError, ServerUnknownError):
            return None
        return await self._confirmations.refusal(
            tool, arguments, snapshot=snapshot, message=message, era=era, caller=caller, ask=ask
        )


class NotPermittedError(KernelError):
    """A call of a tool that is there, by somebody who may not call it; as an error no other than of an unknown tool."""

    def __init__(self, tool: str, message: str) -> None:
        """Keep the tool's name."""
        super().__init__(INVALID_PARAMS, message)
        self.tool = tool


def _refusal(snapshot: ServerSnapshot, name: str, error: UnknownToolError) -> KernelError:
    tool = snapshot.tool(name)
    named = name if tool is None else tool.name
    if snapshot.has_tool(named):
        return NotPermittedError(named, error.message)
    data = {"code": error.code} if isinstance(error, ToolGoneError) else None
    return KernelError(INVALID_PARAMS, error.message, data)


def _call_params(message: Message) -> tuple[str, dict[str, Any]]:
    params = message.params or {}
    name, arguments = params.get("name"), params.get("arguments")
    if not isinstance(name, str):
        raise KernelError(INVALID_PARAMS, "`name` must be the name of a tool.")
    if arguments is not None and not isinstance(arguments, dict):
        raise KernelError(INVALID_PARAMS, "`arguments` must be an object.")
    return name, arguments or {}


def _rendered(result: ToolResult, snapshot: ServerSnapshot, era: Era) -> bytes:
    """Write a CallToolResult for the client's version; a structured result is the API's own text, spliced in."""
    pieces = [b'{"content":', json_values.to_bytes(projection.content(era.version, result.content))]
    if result.structured is not None and projection.knows_structured_content(era.version):
        pieces += b',"structuredContent":', result.structured.encode("utf-8", "replace")
    pieces.append(b',"isError":true' if result.is_error else b',"isError":false')
    if not result.meta:
        pieces.append(snapshot.modern_end if era.is_modern else b"}")
        return b"".join(pieces)
    meta = {**result.meta, **snapshot.modern_meta} if era.is_modern else result.meta
    if era.is_modern:
        pieces.append(b',"resultType":"complete"')
    pieces += b',"_meta":', json_values.to_bytes(meta), b"}"
    return b"".join(pieces)
