"""A client of other MCP servers, by the SDK: for the command line's `call`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from app.errors import CausewayError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


_REFUSED: Final = 400


class McpClientError(CausewayError):
    """A call could not be made; `exit_code` is what the command line ends with."""

    code = "mcp_client"

    def __init__(self, message: str, exit_code: int) -> None:
        """Keep the sentence and the exit code."""
        super().__init__(message)
        self.exit_code = exit_code


async def call_tool(url: str, tool: str, texts: Mapping[str, str], *, key: str | None) -> dict[str, Any]:
    """Call a tool with arguments given as texts, read as JSON where the tool's schema does not want a text.

    Raises:
        McpClientError: when the server cannot be reached, or has no such tool.

    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    refusals = _Refusals()
    try:
        async with (
            httpx2.AsyncClient(
                headers=headers, timeout=60, trust_env=False, event_hooks={"response": [refusals.see]}
            ) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            listed = {each.name: each for each in (await client.list_tools()).tools}
            if tool not in listed:
                raise McpClientError(f"The server has no tool {tool!r}.", 2)
            result = await client.call_tool(tool, _arguments(listed[tool].input_schema, texts))
    except BaseExceptionGroup as group:
        raise refusals.last(url) or _translated(next(_leaves(group)), url) from None
    except (httpx2.HTTPError, MCPError, OSError, RuntimeError) as error:
        raise refusals.last(url) or _translated(error, url) from None
    return result.model_dump(by_alias=True, mode="json", exclude_none=True)


class _Refusals:
    """What HTTP says of a request that it refuses, which the SDK's errors leave out."""

    def __init__(self) -> None:
        self._status = 0
        self._sentence = ""

    async def see(self, response: httpx2.Response) -> None:
        """Remember a refusal, with its problem's `detail` (RFC 9457) where it has one, until something is answered."""
        self._status = response.status_code if response.status_code >= _REFUSED else 0
        if not self._status:
            return
        try:
            problem = json.loads(await response.aread())
            self._sentence = str(problem["detail"])
        except (ValueError, KeyError, TypeError):
            self._sentence = f"It answers {response.status_code} {response.reason_phrase}."

    def last(self, url: str) -> McpClientError | None:
        """Give the refusal that ended the exchange as an error, if one did."""
        if not self._status:
            return None
        is_about_key = self._status in {401, 403}
        return McpClientError(f"{url}: {self._sentence}", 3 if is_about_key else 1)


def _arguments(schema: Mapping[str, Any], texts: Mapping[str, str]) -> dict[str, Any]:
    properties = schema.get("properties", {})
    return {name: _value(properties.get(name, {}), text) for name, text in texts.items()}


def _value(schema: Any, text: str) -> Any:
    kinds = schema.get("type", ()) if isinstance(schema, dict) else ()
    if "string" in ([kinds] if isinstance(kinds, str) else kinds):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _leaves(group: BaseExceptionGroup[Any]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _translated(error: BaseException, url: str) -> CausewayError:
    if isinstance(error, CausewayError):
        return error
    if isinstance(error, (httpx2.HTTPError, OSError)):
        return McpClientError(f"{url} cannot be reached.", 3)
    return McpClientError(f"{url}: {str(error).removesuffix('.')}.", 1)
