"""What is served: immutable snapshots of servers, compiled once per revision and swapped whole.

A snapshot holds the rendered `tools/list` answers as bytes, one per protocol era, and each tool's validators, made at
its first call; those that were used longest ago are dropped again.
"""

from __future__ import annotations

import json
import time
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from app.gateway.made_values import MADE_VALUES, MadeValues
from app.gateway.policies import Policies
from app.gateway.projection import MISSING_TOOL_FIELDS
from app.gateway.tool_search import ToolSearch
from converters import ToolDefinition, json_values
from converters.arguments import ArgumentChecker
from converters.authorization import Authorization, HeldCredentials, Refusal, authorize, with_headers
from converters.client_profiles import GENERIC, PROFILES, ClientProfile
from converters.origins import origin
from converters.outputs import OutputChecker
from converters.request_plans import base_url
from converters.security import read_schemes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.security.callers import Caller

LIST_TTL_MS: Final = 60_000
"""How long a client may keep a tool list (2026-07-28, `ttlMs`)."""
MANY_TOOLS: Final = 100
LONG_LIST: Final = 256 * 1024
"""Tools, and bytes of their list, beyond which `auto` lists three tools to search the others: some 64,000 tokens."""

_COMPILED_SIZE: Final = 12
"""What a called tool takes for each byte of its definition as JSON, measured over those of `figma`."""
_MAX_VIEWS: Final = 64
_MAX_GONE: Final = 1_000
"""Selections of one server's tools whose lists are kept."""
_MODERN: Final = "2026-07-28"
NEWEST_HANDSHAKE: Final = "2025-11-25"


DEFAULT_POLICIES: Final = Policies()


class _Compiled:
    """What is made of a tool's stored definition at its first call."""

    def __init__(self, stored: Mapping[str, Any]) -> None:
        self.definition = ToolDefinition.from_json(stored)

    @cached_property
    def checker(self) -> ArgumentChecker:
        return ArgumentChecker(self.definition.input_schema)

    @cached_property
    def output_checker(self) -> OutputChecker | None:
        schema = self.definition.output_schema
        return None if schema is None else OutputChecker(schema)


class ServerTool:
    """One callable tool of a snapshot."""

    def __init__(self, stored: Mapping[str, Any], snapshot: ServerSnapshot) -> None:
        """Keep the stored definition as JSON, a quarter of the room of its values; it is read when it is called."""
        self.name = str(stored["name"])
        self._stored = json_values.to_bytes(stored)
        self._snapshot = snapshot
        self._authorized: tuple[HeldCredentials, Authorization | Refusal] | None = None
        self._made_values = snapshot.made_values
        self._reference = self._made_values.reference(self)
        self._compiled: _Compiled | None = None

    def drop_made(self) -> None:
        """Drop the definition and the validators until the next call."""
        self._compiled = self._authorized = None

    def _made(self) -> _Compiled:
        compiled = self._compiled
        if compiled is None:
            compiled = self._compiled = _Compiled(self.stored())
            self._made_values.made(self._reference, _COMPILED_SIZE * len(self._stored))
        return compiled

    @property
    def policies(self) -> Policies:
        """What calls of the tool's server are held to."""
        return self._snapshot.policies

    @property
    def definition(self) -> ToolDefinition:
        """The tool's definition."""
        return self._made().definition

    def stored(self) -> dict[str, Any]:
        """Give the stored definition."""
        stored: dict[str, Any] = json.loads(self._stored)
        return stored

    @property
    def checker(self) -> ArgumentChecker:
        """The compiled validator of the tool's arguments."""
        compiled = self._made()
        self._made_values.used(self._reference)
        return compiled.checker

    @property
    def output_checker(self) -> OutputChecker | None:
        """The compiled validator of the tool's answers, where it lists an output schema."""
        return self._made().output_checker

    @cached_property
    def is_repeatable(self) -> bool:
        """Whether the description says that a call may be repeated although its method does not promise so.

        PUT and DELETE have the hint from their method alone, and a DELETE that is repeated answers "not found".
        """
        definition = self.definition
        return definition.method not in {"PUT", "DELETE"} and definition.annotations.get("idempotentHint") is True

    @cached_property
    def base(self) -> str:
        """Where the tool's requests go; raises `ServerUnknownError` where the description does not say."""
        return base_url(
            self.definition.servers,
            override=self._snapshot.base_url,
            variables=self._snapshot.server_variables,
            document_url=self._snapshot.document_url,
        )

    @cached_property
    def server_pointer(self) -> str:
        """Where in the description `base` stands, "" where a setting gives it."""
        return "" if self._snapshot.base_url else self.definition.servers[0].pointer

    @cached_property
    def origin(self) -> str:
        """The origin of `base`."""
        return origin(self.base)

    def authorization(self, held: HeldCredentials) -> Authorization | Refusal:
        """Choose which of a server's credentials the tool's requests carry; solved once per change of them."""
        if self._authorized is None or self._authorized[0] is not held:
            schemes = self._snapshot.security_schemes
            outcome = authorize(self.definition.security, schemes, held.by_scheme, self.base)
            self._authorized = held, with_headers(outcome, held.headers, self.base)
        return self._authorized[1]


class ServerSnapshot:
    """One MCP server at one revision, with the tools that are enabled, in document order."""

    def __init__(  # noqa: PLR0913 - a value with many fields, all by name
        self,
        *,
        namespace: str,
        name: str,
        title: str,
        revision: int,
        definitions: Sequence[Mapping[str, Any]],
        version: str = "",
        instructions: str | None = None,
        base_url: str | None = None,
        server_variables: Mapping[str, str] | None = None,
        document_url: str | None = None,
        policies: Policies = DEFAULT_POLICIES,
        security_schemes: Mapping[str, Any] | None = None,
        openapi: str = "",
        credentials_path: str = "",
        certificate_authorities: str = "",
        former_names: Mapping[str, tuple[str, float]] | None = None,
        made_values: MadeValues = MADE_VALUES,
    ) -> None:
        """Take the stored definitions of the tools to serve.

        `security_schemes` are the declared Security Scheme Objects, `openapi` is the description's version;
        `credentials_path` is where an owner puts credentials, which a call says that lacks one;
        `certificate_authorities` (PEM, "" for the system's) are trusted for the API; `former_names` are the names
        that tools had: the name each has now, and until when (seconds since the epoch) it is answered under the former.
        `made_values` bounds what is made of all this, and kept.
        """
        self.namespace = namespace
        self.name = name
        self.key = f"{namespace}/{name}"
        self.title = title
        self.version = version
        self.revision = revision
        self.instructions = instructions
        self.base_url = base_url
        self.server_variables = server_variables or {}
        self.document_url = document_url
        self.policies = policies
        self.credentials_path = credentials_path
        self.certificate_authorities = certificate_authorities
        self.security_schemes = read_schemes(security_schemes or {}, openapi)
        self.modern_meta = {"io.modelcontextprotocol/serverInfo": {"name": name, "version": version, "title": title}}
        """The `_meta` of every 2026-07-28 result."""
        self.made_values = made_values
        self._reference = made_values.reference(self)
        self.tools: Mapping[str, ServerTool] = {each["name"]: ServerTool(each, self) for each in definitions}
        self._listed = tuple(self.tools)
        self.gone: Mapping[str, None] = {}
        """The names of tools that there were, the latest first."""
        self.has_tool = self.tools.__contains__
        """Whether there is a tool, for this caller or others: what further scopes could permit."""
        self._former_names = former_names or {}
        self._lists: dict[tuple[str, str], bytes] = {}
        self._views: dict[frozenset[str], ServerSnapshot] = {}

    def follow(self, before: ServerSnapshot) -> None:
        """Remember which tools there were in earlier snapshots, so that who calls one is told that it is gone."""
        gone = (
            *(name for name in before.tools if name not in self.tools),
            *(name for name in before.gone if name not in self.tools),
        )
        self.gone = dict.fromkeys(gone[:_MAX_GONE])

    def seen_by(self, caller: Caller) -> ServerSnapshot:
        """Give the server as it is for a caller: without the tools that are not for them."""
        names = caller.tools
        if "*" in names:
            return self
        view = self._views.get(names)
        if view is None:
            if len(self._views) >= _MAX_VIEWS:
                self._views.clear()
            view = self._views[names] = self._with(names)
        return view

    def _with(self, names: frozenset[str]) -> ServerSnapshot:
        """Give the same server with some of its tools, whose validators are shared.

        One that had such a name a while ago is called by that name still, and not listed under another.
        """
        renamed = {current for former, (current, _) in self._former_names.items() if former in names}
        view = copy(self)
        for made_of_tools in ("search", "_index", "_listed_names"):
            view.__dict__.pop(made_of_tools, None)
        view.tools = {name: tool for name, tool in self.tools.items() if name in names | renamed}
        view._listed = tuple(name for name in self._listed if name in names)  # noqa: SLF001 - a copy of ours
        view._lists, view._views = {}, {}  # noqa: SLF001 - as above
        view._reference = self.made_values.reference(view)  # noqa: SLF001 - as above
        return view

    @cached_property
    def modern_end(self) -> bytes:
        """What a 2026-07-28 result ends with that has no `_meta` of its own, as JSON."""
        return b',"resultType":"complete","_meta":' + json_values.to_bytes(self.modern_meta) + b"}"

    def drop_made(self) -> None:
        """Drop the rendered lists until the next request for one."""
        self._lists.clear()

    def tool_list(self, version: str, profile: ClientProfile = GENERIC) -> bytes:
        """Give the `tools/list` result for a protocol version and a client as JSON, rendered once and kept."""
        missing = MISSING_TOOL_FIELDS.get(version, frozenset())
        key = version if missing or version == _MODERN else NEWEST_HANDSHAKE, profile.name
        rendered = self._lists.get(key)
        if rendered is None:
            rendered = self._lists[key] = self._render(missing, profile, is_modern=version == _MODERN)
            self.made_values.made(self._reference, len(rendered))
        self.made_values.used(self._reference)
        return rendered

    @cached_property
    def search(self) -> ToolSearch | None:
        """What is offered in place of the tools, where they are not listed."""
        listing = self.policies.tool_listing
        is_large = listing == "auto" and (len(self.tools) > MANY_TOOLS or len(to_bytes(self._direct())) > LONG_LIST)
        return self._index if listing == "search" or is_large else None

    def search_for(self, profile: ClientProfile) -> ToolSearch | None:
        """Give what a client is offered in place of the tools, where it is not given their list."""
        is_too_long = self.policies.tool_listing in {None, "auto"} and not profile.takes(len(self.tools))
        return self._index if is_too_long else self.search

    @cached_property
    def _index(self) -> ToolSearch:
        return ToolSearch(self.title, self._stored(), current_name=self._current_name)

    def tool(self, name: str) -> ServerTool | None:
        """Find a tool by its name, or by one that it had a while ago."""
        return self.tools.get(name) or self.tools.get(self._current_name(name)) or self.tools.get(self._own_name(name))

    def _own_name(self, name: str) -> str:
        """Give the name of the tool that some client's list names so, whoever asks: older clients do not say who."""
        return self._listed_names.get(name, name)

    @cached_property
    def _listed_names(self) -> Mapping[str, str]:
        names = ((profile.listed_name(name, self.name), name) for profile in PROFILES.values() for name in self.tools)
        return {listed: name for listed, name in names if listed != name}

    def _current_name(self, name: str) -> str:
        current, until = self._former_names.get(name, (name, 0.0))
        return current if name not in self.tools and time.time() < until else name

    def _direct(self) -> list[dict[str, Any]]:
        return [ToolDefinition.from_json(each).to_tool() for each in self._stored()]

    def _stored(self) -> list[dict[str, Any]]:
        return [self.tools[name].stored() for name in self._listed]

    def lists_the_same_as(self, other: ServerSnapshot) -> bool:
        """Tell whether a client sees the same tools in both."""
        return self.tool_list(NEWEST_HANDSHAKE) == other.tool_list(NEWEST_HANDSHAKE)

    def lists_otherwise_for(self, profile: ClientProfile) -> bool:
        """Tell whether a client is given another list of tools than others."""
        return profile is not GENERIC and self.tool_list(NEWEST_HANDSHAKE, profile) != self.tool_list(NEWEST_HANDSHAKE)

    def _render(self, missing: frozenset[str], profile: ClientProfile, *, is_modern: bool) -> bytes:
        search = self.search_for(profile)
        direct = self._direct() if search is None else search.offered()
        listed = [profile.listed(tool, self.name) for tool in direct]
        tools = [{key: value for key, value in tool.items() if key not in missing} for tool in listed]
        result: dict[str, Any] = {"tools": tools}
        if is_modern:
            result.update(modern_envelope(self), ttlMs=LIST_TTL_MS, cacheScope="private")
        return to_bytes(result)


def modern_envelope(snapshot: ServerSnapshot) -> dict[str, Any]:
    """Give the fields that every 2026-07-28 result carries."""
    return {"resultType": "complete", "_meta": snapshot.modern_meta}


# Made once: `json.dumps` with options makes an encoder for every value.
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def to_bytes(value: Any) -> bytes:
    """Write compact JSON."""
    return _ENCODER.encode(value).encode("utf-8", "replace")
