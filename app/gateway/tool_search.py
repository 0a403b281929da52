"""Three tools in place of many: search, describe and call, for servers whose list would fill a model's context.

`app.gateway.tool_ranking` says which tools fit a query. A call through `call_tool` is the call of the tool that it
names, with the same checks.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from app.gateway.tool_ranking import ToolRanking
from converters import ArgumentsError, ToolDefinition
from converters.arguments import ArgumentChecker
from converters.results import ToolResult, failed
from converters.texts import shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SEARCH, DESCRIBE, CALL = "search_tools", "describe_tool", "call_tool"

_FOUND: Final = 10
_SUMMARY: Final = 200
_NAME: Final = {"type": "string", "description": "Name of a tool, as the search gives it."}


def _schema(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


_QUERY: Final = {"type": "string", "minLength": 1, "description": "Words for what you want to do, and to what."}
_LIMIT: Final = {"type": "integer", "minimum": 1, "maximum": 50, "description": f"Tools to give; {_FOUND} if left out."}
_ARGUMENTS: Final = {"type": "object", "description": "The arguments of the tool, by its input schema."}
_SCHEMAS: Final[Mapping[str, dict[str, Any]]] = {
    SEARCH: _schema(["query"], query=_QUERY, limit=_LIMIT),
    DESCRIBE: _schema(["name"], name=_NAME),
    CALL: _schema(["name"], name=_NAME, arguments=_ARGUMENTS),
}
_CHECKERS: Final = {name: ArgumentChecker(schema) for name, schema in _SCHEMAS.items()}


class ToolSearch:
    """The index of one server's tools, and the tools that are offered in their place."""

    def __init__(
        self, title: str, definitions: Sequence[Mapping[str, Any]], *, current_name: Callable[[str], str] = str
    ) -> None:
        """Index the stored definitions; `current_name` gives the name of a tool that is called by a former one."""
        self._current_name = current_name
        self._title = title
        self._tools = {each["name"]: ToolDefinition.from_json(each) for each in definitions}
        self._ranking = ToolRanking(list(self._tools.values()))

    def offered(self) -> list[dict[str, Any]]:
        """Give the three tools as MCP Tool objects."""
        searched = f"Search the {len(self._tools)} tools of {self._title}. Start here: no other list shows them."
        texts = {
            SEARCH: searched,
            DESCRIBE: "Give the description and the input schema of a tool that the search found.",
            CALL: "Call a tool that the search found, with arguments by its input schema.",
        }
        hints = {"readOnlyHint": True, "openWorldHint": False}
        return [
            {
                "name": name,
                "description": text,
                "inputSchema": _SCHEMAS[name],
                "annotations": {"readOnlyHint": False} if name == CALL else hints,
            }
            for name, text in texts.items()
        ]

    def answer(self, name: str, arguments: Mapping[str, Any]) -> ToolResult | tuple[str, dict[str, Any]]:
        """Answer a call of one of the three; of `call_tool`, give the name and the arguments of the call it means."""
        try:
            values = _CHECKERS[name].check(arguments).values
        except ArgumentsError as error:
            return failed(error.message, {"causeway/code": error.problems[0].code})
        if name == SEARCH:
            return self._found(self.find(**values))
        tool = self._tools.get(self._current_name(values["name"]))
        if tool is None:
            near = ", ".join(self.find(values["name"], 5))
            said = f"There is no tool {values['name'][:100]!r}." + (f" Nearest: {near}." if near else "")
            return failed(said, {"causeway/code": "tool_unknown"})
        if name == DESCRIBE:
            return _structured(tool.to_tool())
        return tool.name, values.get("arguments", {})

    def find(self, query: str, limit: int = _FOUND) -> list[str]:
        """Give the names of the tools that fit best, best first; equal ones in the order of the description."""
        return self._ranking.find(query, limit)

    def _found(self, names: list[str]) -> ToolResult:
        found: dict[str, Any] = {"tools": [self._summary(each) for each in names]}
        if not names:
            about = ", ".join(self._ranking.subjects)
            found["hint"] = f"No tool has any of these words. Use words of this API, which is about: {about}."
        return _structured(found)

    def _summary(self, name: str) -> dict[str, Any]:
        tool = self._tools[name]
        arguments = list(tool.input_schema.get("properties", {}))
        return {"name": name, "description": shortened(tool.description, _SUMMARY), "arguments": arguments}


def _structured(value: dict[str, Any]) -> ToolResult:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return ToolResult(({"type": "text", "text": text},), structured=text)
