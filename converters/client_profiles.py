"""What clients take of a list of tools, where that is less than MCP allows: profiles, what they list, and a linter.

A tool's own name and schema are such as all clients take (`converters.naming`, `converters.input_schemas`). A profile
adds what one client puts before names, how many tools it takes, and what it wants of schemas. A tool takes the same
calls whatever it is listed for.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from converters.client_schemas import is_array, standing_alone, subschemas, with_items

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Tool = Mapping[str, Any]

_HASH_LENGTH: Final = 8
_LEAST_NAME: Final = 16
"""Characters that a name is shortened to at most: a longer server name leaves no room for tools."""
_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
_ARGUMENT: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_ROOT_COMBINATORS: Final = frozenset({"allOf", "anyOf", "oneOf", "not", "$ref", "enum"})


@dataclass(frozen=True, slots=True)
class ClientProfile:
    """What one client takes.

    `clients` are how the names begin by which it introduces itself (`clientInfo`), in lower case. `prefix` is what it
    puts before a tool's name, with the server's, and `max_name` the longest name with it. Of more than `max_tools` it
    takes none of the rest. With `needs_items` it refuses lists whose schema does not say `items`; with
    `reads_arguments_alone` it takes each argument's schema by itself: without `$defs`, and for a text where it has no
    `type`.
    """

    name: str
    clients: tuple[str, ...] = ()
    prefix: str = ""
    max_name: int = 64
    max_tools: int | None = None
    needs_items: bool = False
    reads_arguments_alone: bool = False

    def listed_name(self, tool: str, server: str) -> str:
        """Give the name that a tool of `server` is listed by: its own, or shortened with a hash of it."""
        budget = max(self.max_name - len(self.qualified("", server)), _LEAST_NAME)
        if len(tool) <= budget:
            return tool
        digest = hashlib.sha256(tool.encode("utf-8", "replace")).hexdigest()[:_HASH_LENGTH]
        return f"{tool[: budget - _HASH_LENGTH - 1].strip('_-')}_{digest}"

    def qualified(self, tool: str, server: str) -> str:
        """Give the name by which the client's model knows a tool."""
        return self.prefix.format(server=server) + tool

    def takes(self, count: int) -> bool:
        """Tell whether the client takes a list of so many tools."""
        return self.max_tools is None or count <= self.max_tools

    def listed(self, tool: Tool, server: str) -> dict[str, Any]:
        """Give an MCP Tool object as it is listed for the client."""
        fitted = {**tool, "name": self.listed_name(tool["name"], server)}
        if self.reads_arguments_alone:
            fitted["inputSchema"] = standing_alone(tool["inputSchema"])
        if self.needs_items:
            fitted["inputSchema"] = with_items(fitted["inputSchema"])
        return fitted


GENERIC: Final = ClientProfile("generic")
# Cline's extension puts a key of six characters and `0mcp0` before a name, leaves out what is longer than 64 without a
# word, and makes a schema of its own from those of the arguments (cline/cline, `mcpToolToClineToolSpec`); its later
# command line shortens names itself.
# Cursor leaves out names of 60 characters and more, counted with the server's name, and tools after the fortieth.
# Anthropic's and OpenAI's interfaces take names of 64 characters, VS Code has 18 of them for the server, Gemini CLI 63.
# VS Code, OpenAI and Gemini refuse arrays without `items`, VS Code takes 128 tools in a request, Windsurf 100.
PROFILES: Final[Mapping[str, ClientProfile]] = {
    profile.name: profile
    for profile in (
        GENERIC,
        ClientProfile("claude", ("claude",), "mcp__{server}__"),
        ClientProfile("cline", ("cline", "@cline/"), "cAAAAA0mcp0", needs_items=True, reads_arguments_alone=True),
        ClientProfile("codex", ("codex",), "mcp__{server}__", needs_items=True),
        ClientProfile("cursor", ("cursor",), "{server}", max_name=59, max_tools=40),
        ClientProfile("gemini", ("gemini",), "mcp_{server}_", max_name=63, needs_items=True),
        ClientProfile("vscode", ("visual studio code", "vscode"), "mcp_{server:.13}_", max_tools=128, needs_items=True),
        ClientProfile("windsurf", ("windsurf",), max_tools=100),
    )
}


def profile_of(client: str) -> ClientProfile:
    """Give the profile of a client that introduces itself by this name (`clientInfo.name`)."""
    name = client.lower()
    return next((each for each in PROFILES.values() if name.startswith(each.clients)), GENERIC)


def violations(tools: Sequence[Tool], profile: ClientProfile, server: str) -> tuple[str, ...]:
    """Say what of a list of MCP Tool objects a client does not take; nothing where it takes all."""
    found: list[str] = []
    if not profile.takes(len(tools)):
        found.append(f"{len(tools):,} tools, of which {profile.name} takes {profile.max_tools}")
    names: set[str] = set()
    for tool in tools:
        name = tool["name"]
        found += [f"{name}: {what}" for what in _name_faults(profile.qualified(name, server), profile)]
        found += [f"{name}: {what}" for what in _schema_faults(tool["inputSchema"], profile)]
        if name.lower() in names:
            found.append(f"{name}: another tool has this name")
        names.add(name.lower())
    return tuple(found)


def _name_faults(qualified: str, profile: ClientProfile) -> Iterator[str]:
    if len(qualified) > profile.max_name:
        yield f"{qualified} has {len(qualified)} characters, of which {profile.name} takes {profile.max_name}"
    if not _NAME.fullmatch(qualified):
        yield f"{qualified} has characters other than letters, digits, _ and -"


def _schema_faults(schema: Any, profile: ClientProfile) -> Iterator[str]:
    if not isinstance(schema, dict) or schema.get("type") != "object":
        yield "the input schema is no object"
        return
    for keyword in sorted(_ROOT_COMBINATORS & schema.keys()):
        yield f"the input schema has {keyword} at its root"
    for name in schema.get("properties", {}):
        if not _ARGUMENT.fullmatch(name):
            yield f"the argument {name!r} has a name that clients refuse"
    if profile.reads_arguments_alone:
        yield from _faults_alone(schema)
    if profile.needs_items:
        for at, each in subschemas(schema):
            if is_array(each) and "items" not in each:
                yield f"the list at {at} does not say what its items are"


def _faults_alone(schema: Mapping[str, Any]) -> Iterator[str]:
    for name, argument in schema.get("properties", {}).items():
        if "type" not in argument:
            yield f"the argument {name!r} does not say its type"
        for at, each in subschemas(argument):
            if "$ref" in each:
                yield f"the argument {name!r} refers to {each['$ref']} at {at or 'its root'}"
