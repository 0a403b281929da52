"""`causeway connect`: what to paste into a client.

A secret is never part of it: where a key is needed, the client takes it from the environment variable `CAUSEWAY_KEY` or
asks for it. Links carry no key at all, not even the place of one.
"""

from __future__ import annotations

import base64
import json
import shlex
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Snippet = Callable[[str, str, bool], str]

_VARIABLE: Final = "CAUSEWAY_KEY"


def _json(value: object) -> str:
    return json.dumps(value, indent=2)


def _http(url: str, key: str = "", *, kind: str = "http") -> dict[str, Any]:
    """Give a server entry; `key` is how the client writes what it replaces by the key."""
    headers = {"headers": {"Authorization": f"Bearer {key}"}} if key else {}
    return {"type": kind, "url": url, **headers}


def generic(name: str, url: str, has_key: bool = False) -> str:  # noqa: FBT001, FBT002 - one of the snippets
    """Give the form most clients read."""
    return _json({"mcpServers": {name: _http(url, f"${{{_VARIABLE}}}" if has_key else "")}})


def _cursor(name: str, url: str, has_key: bool) -> str:  # noqa: FBT001 - as above
    entry = _http(url, f"${{env:{_VARIABLE}}}" if has_key else "")
    del entry["type"]
    config = base64.b64encode(json.dumps({"url": url}).encode()).decode()
    link = f"cursor://anysphere.cursor-deeplink/mcp/install?name={quote(name)}&config={quote(config)}"
    return f"{_json({'mcpServers': {name: entry}})}\n\nFile: ~/.cursor/mcp.json\nInstall: {link}"


def _cline(name: str, url: str, has_key: bool) -> str:  # noqa: FBT001 - as above
    # Given only a URL, Cline speaks the legacy SSE transport; the type makes it Streamable HTTP.
    if has_key:
        return f"{_stdio(name, url, has_key)}\n\nFile: cline_mcp_settings.json"
    return f"{_json({'mcpServers': {name: _http(url, kind='streamableHttp')}})}\n\nFile: cline_mcp_settings.json"


def _vscode(name: str, url: str, has_key: bool) -> str:  # noqa: FBT001 - as above
    link = "vscode:mcp/install?" + quote(json.dumps({"name": name, **_http(url)}))
    config: dict[str, Any] = {"servers": {name: _http(url, "${input:causeway-key}" if has_key else "")}}
    if has_key:
        asked = {"type": "promptString", "id": "causeway-key", "description": "Causeway API key", "password": True}
        config["inputs"] = [asked]
    return f"{_json(config)}\n\nFile: .vscode/mcp.json\nInstall: {link}"


def _claude(name: str, url: str, has_key: bool) -> str:  # noqa: FBT001 - as above
    header = f' --header "Authorization: Bearer ${_VARIABLE}"' if has_key else ""
    added = f"claude mcp add --transport http {shlex.quote(name)} {shlex.quote(url)}{header}"
    return f"{added}\n\nOr in .mcp.json:\n{generic(name, url, has_key)}"


def _claude_desktop(name: str, url: str, has_key: bool) -> str:  # noqa: FBT001 - as above
    return f"{_stdio(name, url, has_key)}\n\nFile: claude_desktop_config.json"


def _stdio(name: str, url: str, has_key: bool) -> str:  # noqa: FBT001 - as above
    """Give what a client reads that starts its servers: the bridge, which takes the key from its environment."""
    variable = {"env": {_VARIABLE: "YOUR_KEY"}} if has_key else {}
    return _json({"mcpServers": {name: {"command": "causeway", "args": ["stdio", url], **variable}}})


def _codex(name: str, url: str, has_key: bool) -> str:  # noqa: FBT001 - as above
    key = f'\nbearer_token_env_var = "{_VARIABLE}"' if has_key else ""
    return f"[mcp_servers.{_json(name)}]\nurl = {_json(url)}{key}\n\nFile: ~/.codex/config.toml"


_SNIPPETS: Final[Mapping[str, Snippet]] = {
    "cursor": _cursor,
    "cline": _cline,
    "vscode": _vscode,
    "claude": _claude,
    "claude-desktop": _claude_desktop,
    "codex": _codex,
    "generic": generic,
}


@click.command("connect")
@click.argument("server")
@click.option("--client", type=click.Choice(list(_SNIPPETS)), default="generic", show_default=True)
@click.option("--gateway", default="http://127.0.0.1:8080", show_default=True, help="URL of the gateway.")
@click.option(
    "--with-key", "has_key", is_flag=True, help="The gateway wants a key: say where the client takes it from."
)
def command(server: str, client: str, gateway: str, *, has_key: bool) -> None:
    """Print the configuration of CLIENT for SERVER: a name, namespace/name, or URL."""
    name = server if "/" in server else f"default/{server}"
    url = checked_url(server if "://" in server else f"{gateway.rstrip('/')}/mcp/{name}")
    click.echo(_SNIPPETS[client](urlsplit(url).path.rstrip("/").rpartition("/")[2], url, has_key))


def checked_url(url: str) -> str:
    """Give the URL of a server back; raises click's usage error for what is none, or holds a secret."""
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.username is None
    except ValueError:
        is_url = False
    if not is_url:
        raise click.UsageError("The server must be an http(s) URL without credentials.")
    return url
