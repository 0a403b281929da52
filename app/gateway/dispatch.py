"""What an MCP request is answered with, whichever transport brought it.

The hot methods, `tools/call` and `tools/list`, are answered here; every other one by the SDK's kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.gateway import projection
from app.gateway.calls import UnknownToolError
from app.gateway.event_stream import NewsOfCall
from app.gateway.kernel import KernelError, Kernels
from app.gateway.messages import INVALID_PARAMS
from app.gateway.snapshots import modern_envelope, to_bytes
from app.gateway.tool_search import CALL, DESCRIBE, SEARCH
from converters.results import ToolResult

if TYPE_CHECKING:
    from app.gateway.calls import ToolCalls
    from app.gateway.event_stream import Push
    from app.gateway.kernel import Era
    from app.gateway.messages import Message
    from app.gateway.snapshots import ServerSnapshot
    from app.security.callers import Caller

_OFFERED: Final = frozenset({SEARCH, DESCRIBE, CALL})


class Dispatcher:
    """Answers requests to servers."""

    def __init__(self, calls: ToolCalls) -> None:
        """Perform calls with `calls`."""
        self._calls = calls
        self._kernels = Kernels(calls.answers)

    async def result(
        self, snapshot: ServerSnapshot, message: Message, era: Era, *, caller: Caller, push: Push | None = None
    ) -> bytes:
        """Give the result of a request of `caller` as JSON; `push` sends what is told of the work meanwhile.

        Raises:
            KernelError: with the JSON-RPC error to answer with.

        """
        if message.method == "tools/call":
            name, arguments = _call_params(message)
            search = snapshot.search_for(era.profile) if name in _OFFERED else None
            if search is not None:
                meant = search.answer(name, arguments)
                if isinstance(meant, ToolResult):
                    return _rendered(meant, snapshot, era)
                name, arguments = meant
            news = None if push is None else NewsOfCall(push, message, era, self._calls.mask(snapshot))
            on_chunk = None if news is None else news.on_chunk
            try:
                result = await self._calls.call(snapshot, name, arguments, caller=caller, on_chunk=on_chunk)
            except UnknownToolError as error:
                raise _refusal(snapshot, name, error.message) from None
            return _rendered(result, snapshot, era)
        if message.method == "tools/list":
            if (message.params or {}).get("cursor") is not None:
                raise KernelError(INVALID_PARAMS, "The cursor is not known: the list has one page.")
            return snapshot.tool_list(era.version, era.profile)
        return to_bytes(await self._kernels.answer(snapshot, message, era))


class NotPermittedError(KernelError):
    """A call of a tool that is there, by somebody who may not call it; as an error no other than of an unknown tool."""

    def __init__(self, tool: str, message: str) -> None:
        """Keep the tool's name."""
        super().__init__(INVALID_PARAMS, message)
        self.tool = tool


def _refusal(snapshot: ServerSnapshot, name: str, message: str) -> KernelError:
    tool = snapshot.tool(name)
    return KernelError(INVALID_PARAMS, message) if tool is None else NotPermittedError(tool.name, message)


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
    outer: dict[str, Any] = {"content": projection.content(era.version, result.content), "isError": result.is_error}
    meta = dict(result.meta)
    if era.is_modern:
        envelope = modern_envelope(snapshot)
        outer["resultType"] = envelope["resultType"]
        meta.update(envelope["_meta"])
    if meta:
        outer["_meta"] = meta
    rendered = to_bytes(outer)
    if result.structured is None or not projection.knows_structured_content(era.version):
        return rendered
    structured = result.structured.encode("utf-8", "replace")
    return rendered[:-1] + b',"structuredContent":' + structured + b"}"
