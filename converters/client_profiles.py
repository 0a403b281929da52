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

from converters import pointers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Tool = Mapping[str, Any]

_HASH_LENGTH: Final = 8
_LEAST_NAME: Final = 16
"""Characters that a name is shortened to at most: a longer server name leaves no room for tools."""
_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
_ARGUMENT: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_ROOT_COMBINATORS: Final = frozenset({"allOf", "anyOf", "oneOf", "not", "$ref", "enum"})

_SCHEMAS: Final = frozenset(
    {"items", "additionalProperties", "contains", "propertyNames", "not", "if", "then", "else", "unevaluatedItems"}
)
_SCHEMA_LISTS: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_SCHEMAS_BY_NAME: Final = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs"})


@dataclass(frozen=True, slots=True)
class ClientProfile:
    """What one client takes.

    `clients` are how the names begin by which it introduces itself (`clientInfo`), in lower case. `prefix` is what it
    puts before a tool's name, with the server's, and `max_name` the longest name with it. Of more than `max_tools` it
    takes none of the rest. With `needs_items` it refuses lists whose schema does not say `items`.
    """

    name: str
    clients: tuple[str, ...] = ()
    prefix: str = ""
    max_name: int = 64
    max_tools: int | None = None
    needs_items: bool = False

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
        if self.needs_items:
            fitted["inputSchema"] = _with_items(tool["inputSchema"])
        return fitted


GENERIC: Final = ClientProfile("generic")
# Cursor leaves out names of 60 characters and more, counted with the server's name, and tools after the fortieth.
# Anthropic's and OpenAI's interfaces take names of 64 characters, VS Code has 18 of them for the server, Gemini CLI 63.
# VS Code, OpenAI and Gemini refuse arrays without `items`, VS Code takes 128 tools in a request, Windsurf 100.
PROFILES: Final[Mapping[str, ClientProfile]] = {
    profile.name: profile
    for profile in (
        GENERIC,
        ClientProfile("claude", ("claude",), "mcp__{server}__"),
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
    if profile.needs_items:
        for at, each in _subschemas(schema):
            if _is_array(each) and "items" not in each:
                yield f"the list at {at} does not say what its items are"


def _subschemas(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give a schema and every schema within it, with its JSON Pointer."""
    waiting: list[tuple[str, Any]] = [("", schema)]
    while waiting:
        at, each = waiting.pop()
        if not isinstance(each, dict):
            continue
        yield at, each
        for keyword, argument in each.items():
            below = pointers.join(at, keyword)
            if keyword in _SCHEMAS:
                waiting.append((below, argument))
            elif keyword in _SCHEMA_LISTS and isinstance(argument, list):
                waiting += ((pointers.join(below, index), part) for index, part in enumerate(argument))
            elif keyword in _SCHEMAS_BY_NAME and isinstance(argument, dict):
                waiting += ((pointers.join(below, name), part) for name, part in argument.items())


def _with_items(schema: Any) -> Any:
    """Give a schema whose lists all say `items`: an empty schema is what leaving it out means."""
    if not isinstance(schema, dict):
        return schema
    fitted = {keyword: _argument_with_items(keyword, argument) for keyword, argument in schema.items()}
    if _is_array(fitted):
        fitted.setdefault("items", {})
    return fitted


def _argument_with_items(keyword: str, argument: Any) -> Any:
    if keyword in _SCHEMAS:
        return _with_items(argument)
    if keyword in _SCHEMA_LISTS and isinstance(argument, list):
        return [_with_items(each) for each in argument]
    if keyword in _SCHEMAS_BY_NAME and isinstance(argument, dict):
        return {name: _with_items(each) for name, each in argument.items()}
    return argument


def _is_array(schema: Mapping[str, Any]) -> bool:
    kind = schema.get("type")
    return kind == "array" or (isinstance(kind, list) and "array" in kind)
