"""`causeway connect`: what to paste into a client. A secret is never part of a link."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _json(value: object) -> str:
    return json.dumps(value, indent=2)


def generic(name: str, url: str) -> str:
    """Give the form most clients read."""
    return _json({"mcpServers": {name: {"type": "http", "url": url}}})


def _cursor(name: str, url: str) -> str:
    config = base64.b64encode(json.dumps({"url": url}).encode()).decode()
    link = f"cursor://anysphere.cursor-deeplink/mcp/install?name={quote(name)}&config={quote(config)}"
    return f"{_json({'mcpServers': {name: {'url': url}}})}\n\nFile: ~/.cursor/mcp.json\nInstall: {link}"


def _cline(name: str, url: str) -> str:
    # Given only a URL, Cline speaks the legacy SSE transport; the type makes it Streamable HTTP.
    return f"{_json({'mcpServers': {name: {'type': 'streamableHttp', 'url': url}}})}\n\nFile: cline_mcp_settings.json"


def _vscode(name: str, url: str) -> str:
    link = "vscode:mcp/install?" + quote(json.dumps({"name": name, "type": "http", "url": url}))
    return f"{_json({'servers': {name: {'type': 'http', 'url': url}}})}\n\nFile: .vscode/mcp.json\nInstall: {link}"


def _claude(name: str, url: str) -> str:
    return f"claude mcp add --transport http {name} {url}\n\nOr in .mcp.json:\n{generic(name, url)}"


def _codex(name: str, url: str) -> str:
    return f'[mcp_servers."{name}"]\nurl = "{url}"\n\nFile: ~/.codex/config.toml'


_SNIPPETS: Final[Mapping[str, Callable[[str, str], str]]] = {
    "cursor": _cursor,
    "cline": _cline,
    "vscode": _vscode,
    "claude": _claude,
    "codex": _codex,
    "generic": generic,
}


@click.command("connect")
@click.argument("server")
@click.option("--client", type=click.Choice(list(_SNIPPETS)), default="generic", show_default=True)
@click.option("--gateway", default="http://127.0.0.1:8080", show_default=True, help="URL of the gateway.")
def command(server: str, client: str, gateway: str) -> None:
    """Print the configuration of CLIENT for SERVER: a name, namespace/name, or URL."""
    url = server if "://" in server else f"{gateway.rstrip('/')}/mcp/{server if '/' in server else f'default/{server}'}"
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        raise click.UsageError("SERVER must be a name, namespace/name, or an http(s) URL without credentials.")
    click.echo(_SNIPPETS[client](parts.path.rstrip("/").rpartition("/")[2], url))
