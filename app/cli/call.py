"""`causeway call`: one tool call from the shell."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import click

from app.cli import Failure


@click.command("call")
@click.argument("server_url")
@click.argument("tool")
@click.argument("arguments", nargs=-1, metavar="[key=value]...")
@click.option("--json", "as_json", is_flag=True, help="Print the whole MCP result.")
@click.option("--key", envvar="CAUSEWAY_KEY", help="API key, in service mode; by default CAUSEWAY_KEY.")
def command(server_url: str, tool: str, arguments: tuple[str, ...], *, as_json: bool, key: str | None) -> None:
    """Call TOOL of the server at SERVER_URL. Values are JSON where the tool wants it, else texts."""
    from app.outbound.mcp_client import McpClientError, call_tool

    given = dict(_pair(text) for text in arguments)
    try:
        result = asyncio.run(call_tool(server_url, tool, given, key=key))
    except McpClientError as error:
        raise Failure(error.message, error.exit_code) from None
    click.echo(json.dumps(result, ensure_ascii=False, indent=2) if as_json else _text(result))
    if result.get("isError"):
        raise click.exceptions.Exit(1)


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise click.UsageError(f"{text!r} is not key=value.")
    return name, value


def _text(result: dict[str, Any]) -> str:
    """Show content as a terminal can: texts as they are, the rest by what it is."""
    shown = []
    for block in result["content"]:
        if block["type"] == "text":
            shown.append(block["text"])
        else:
            kind = block.get("mimeType") or block.get("resource", {}).get("mimeType", "")
            shown.append(f"[{block['type']} {kind}]".replace(" ]", "]"))
    return "\n".join(shown)
