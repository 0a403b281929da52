"""Success responses -> output schemas, within budgets: models read lists whole, and most of their bytes were these."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from converters import json_schema, media_types, schemas

if TYPE_CHECKING:
    from converters.diagnostics import DiagnosticLog
    from converters.oas import Operation, Response, Schema
    from converters.references import Description
    from converters.tool_definitions import ToolDefinition

BUDGET: Final = 8 * 1024
"""Bytes of one output schema; a larger one is not listed."""
LIST_BUDGET: Final = 32 * 1024
"""Bytes of all output schemas of a description. Where they are over it, the budget of each is halved until they fit."""
_SMALLEST: Final = 256


class OutputSchemas:
    """Makes the output schemas of one description; referenced schemas are translated once for all of them."""

    def __init__(self, description: Description, log: DiagnosticLog) -> None:
        """Start with no schema translated."""
        self._log = log
        self._compiler = schemas.SchemaCompiler(description, "output", log)
        self._sizes: dict[str, int] = {}

    def of(self, operation: Operation) -> dict[str, Any] | None:
        """Give the schema of the one success response, where every success is the same JSON object."""
        schema = self._success_schema(operation)
        if schema is None:
            return None
        translated, used = self._compiler.compile(schema)
        root = None if isinstance(translated, bool) else self._object_root(translated)
        if isinstance(translated, bool) or root is None:
            self._drop(schema.pointer, "The answer is not described as a JSON object.")
            return None
        size = json_schema.size(translated)
        for name in chain.from_iterable(self._compiler.levels(used)):
            if size > BUDGET:
                break
            size += self._definition_size(name)
        if size > BUDGET:
            self._drop(schema.pointer, f"The output schema is over {BUDGET:,} bytes.")
            return None
        definitions = json_schema.reachable(root, self._compiler.closure(used))
        return {**root, **({"$defs": definitions} if definitions else {})}

    def _drop(self, pointer: str, why: str) -> None:
        self._log.report("output_schema_dropped", pointer, why)

    def _definition_size(self, name: str) -> int:
        size = self._sizes.get(name)
        if size is None:
            size = self._sizes[name] = json_schema.size(self._compiler.definitions[name]) + len(name) + 4
        return size

    def _object_root(self, translated: dict[str, Any]) -> dict[str, Any] | None:
        """Give the schema a root of `type: object` without a `$ref`; None where it is not an object."""
        resolved = self._resolved(translated)
        if resolved.get("type") == "object":
            return resolved
        branches = [self._resolved(each) for each in resolved.get("allOf", ()) if isinstance(each, dict)]
        if "type" not in resolved and any(each.get("type") == "object" for each in branches):
            return {"type": "object", **resolved}
        return None

    def _resolved(self, translated: dict[str, Any]) -> dict[str, Any]:
        """Follow references to the schema they end at."""
        seen: set[str] = set()
        while "$ref" in translated and translated["$ref"] not in seen:
            seen.add(translated["$ref"])
            target = self._compiler.definitions[json_schema.definition_name(translated["$ref"])]
            translated = target if isinstance(target, dict) else {}
        return translated

    def _success_schema(self, operation: Operation) -> Schema | None:
        successes = [each for each in operation.responses if each.status.startswith("2")]
        successes = successes or [each for each in operation.responses if each.status == "default"]
        found = [schema for response in successes if (schema := _json_schema(response)) is not None]
        if not found:
            return None
        if len(found) < len(successes) or any(each.value != found[0].value for each in found):
            self._drop(found[0].pointer, "The success responses differ, so no one schema describes them.")
            return None
        return found[0]


def _json_schema(response: Response) -> Schema | None:
    return next((each.schema for each in response.content if media_types.is_json(each.name) and each.schema), None)


def within_list_budget(tools: tuple[ToolDefinition, ...], log: DiagnosticLog) -> tuple[ToolDefinition, ...]:
    """Leave out the output schemas that are too large for a list of this many; which ones depends on no order."""
    sizes = [json_schema.size(tool.output_schema) if tool.output_schema else 0 for tool in tools]
    budget = BUDGET
    while sum(size for size in sizes if size <= budget) > LIST_BUDGET and budget > _SMALLEST:
        budget //= 2
    kept = []
    for tool, size in zip(tools, sizes, strict=True):
        if size > budget:
            log.report(
                "output_schema_dropped",
                tool.pointer,
                f"The output schema has {size:,} bytes; in a list of {len(tools):,} tools each has {budget:,}.",
            )
        kept.append(replace(tool, output_schema=None) if size > budget else tool)
    return tuple(kept)
