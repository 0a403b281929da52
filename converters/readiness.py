"""How well a model can use the tools of a description: a score per tool, and what costs points.

The score is a guide for whoever owns the description. It looks at what models need: a text that says what a tool does,
arguments that explain themselves, and a size that leaves room for the conversation.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from converters.diagnostics import Severity
from converters.references import mounted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from converters.diagnostics import Diagnostic
    from converters.tool_definitions import ToolDefinition

CHARACTERS_PER_TOKEN: Final = 4
LARGE: Final = 2_000
"""Tokens of one tool's listing beyond which it costs points."""


@dataclass(frozen=True, slots=True)
class ToolReadiness:
    """One tool's score from 0 to 100, its size in tokens (estimated), and what cost points."""

    tool: ToolDefinition
    score: int
    tokens: int
    findings: tuple[str, ...]


def assess(tools: Sequence[ToolDefinition], diagnostics: Sequence[Diagnostic]) -> tuple[ToolReadiness, ...]:
    """Score each tool, in the same order."""
    warned = [mounted(each.document, each.pointer) for each in diagnostics if each.severity is Severity.WARNING]
    return tuple(_assess(tool, sum(_is_within(pointer, tool.pointer) for pointer in warned)) for tool in tools)


def overall(readiness: Sequence[ToolReadiness]) -> int:
    """Give the mean score; a description without tools has none to give."""
    return round(sum(each.score for each in readiness) / len(readiness)) if readiness else 0


def _assess(tool: ToolDefinition, warnings: int) -> ToolReadiness:
    tokens = len(json.dumps(tool.to_tool(), ensure_ascii=False, separators=(",", ":"))) // CHARACTERS_PER_TOKEN
    properties = tool.input_schema.get("properties", {})
    silent = [name for name, schema in properties.items() if not _explains_itself(schema)]
    costs = (
        (30 * (tool.description == tool.operation_key), "no summary or description"),
        (round(30 * len(silent) / len(properties)) if silent else 0, f"{len(silent)} arguments without a description"),
        (15 * (tokens > LARGE), f"{tokens:,} tokens"),
        (15 * (warnings > 0), f"{warnings} warnings"),
        (10 * tool.deprecated, "deprecated"),
    )
    found = tuple(finding for cost, finding in costs if cost)
    return ToolReadiness(tool, 100 - sum(cost for cost, _ in costs), tokens, found)


def _explains_itself(schema: object) -> bool:
    """Tell whether an argument says what it takes: in words, by its values, or by a definition it refers to."""
    return not isinstance(schema, dict) or not {"description", "title", "enum", "const", "$ref"}.isdisjoint(schema)


def _is_within(pointer: str, place: str) -> bool:
    return pointer == place or pointer.startswith(f"{place}/")
