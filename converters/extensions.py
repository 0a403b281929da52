"""Everything the `x-mcp` extension says: which operations become tools, hints, and arguments that callers do not see.

At the root of a description:

    x-mcp:
      include: {tags: [pets], paths: ["/pets*"]}
      exclude: {tags: [internal], paths: ["/admin/*"]}

An operation is kept where it matches an `include` (or there is none) and no `exclude`; paths are shell patterns.

At an operation:

    x-mcp:
      name: find_pets               # instead of the operationId
      description: Finds pets.      # instead of summary and description
      enabled: false                # compiled, but not served until somebody enables it
      annotations: {destructiveHint: true}
      pinned: {version: 3}          # the argument has this value in every call, and is not listed
      hidden: [limit]               # an optional argument is not listed; its default is sent, if it has one
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from converters.json_schema import reachable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from converters.diagnostics import DiagnosticLog
    from converters.oas import Operation

_SAFE_METHODS: Final = frozenset({"get", "head", "query", "options", "trace"})
_HINTS: Final = frozenset({"title", "readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"})


def select(operations: tuple[Operation, ...], asked: Any, log: DiagnosticLog) -> tuple[Operation, ...]:
    """Keep the operations that `asked` selects; each one left out is a diagnostic."""
    if not isinstance(asked, dict) or not {"include", "exclude"} & asked.keys():
        return operations
    include, exclude = _rule(asked.get("include"), log), _rule(asked.get("exclude"), log)
    kept = []
    for operation in operations:
        if ("include" not in asked or _matches(operation, include)) and not _matches(operation, exclude):
            kept.append(operation)
        else:
            log.report("operation_excluded", operation.pointer, f"{operation.key} is not selected.")
    return tuple(kept)


def _rule(value: Any, log: DiagnosticLog) -> tuple[frozenset[str], tuple[str, ...]]:
    """Read one rule: tags, and patterns of paths."""
    if value is None:
        return frozenset(), ()
    if not isinstance(value, dict) or not all(isinstance(value.get(key, []), list) for key in ("tags", "paths")):
        log.report("extension_invalid", "/x-mcp", "An `x-mcp` selection is an object of `tags` and `paths` lists.")
        return frozenset(), ()
    tags = frozenset(each for each in value.get("tags", []) if isinstance(each, str))
    return tags, tuple(each for each in value.get("paths", []) if isinstance(each, str))


def _matches(operation: Operation, rule: tuple[frozenset[str], tuple[str, ...]]) -> bool:
    tags, paths = rule
    return bool(tags & set(operation.tags)) or any(fnmatchcase(operation.path, pattern) for pattern in paths)


def hints(operation: Operation) -> dict[str, Any]:
    """Derive hints from the method (RFC 9110 section 9.2); `x-mcp` annotations win, where they are hints."""
    hints: dict[str, Any] = {"readOnlyHint": operation.method in _SAFE_METHODS}
    if not hints["readOnlyHint"]:
        hints["destructiveHint"] = operation.method == "delete"
        hints["idempotentHint"] = operation.method in {"put", "delete"}
    asked = operation.extension.get("annotations")
    if isinstance(asked, dict):
        hints.update({key: value for key, value in asked.items() if key in _HINTS and isinstance(value, (bool, str))})
    return hints


def pin(operation: Operation, input_schema: dict[str, Any], log: DiagnosticLog) -> dict[str, Any]:
    """Take pinned and hidden arguments out of the input schema; gives the values of those that have one."""
    properties: dict[str, Any] = input_schema["properties"]
    pinned = {name: operation.extension["pinned"][name] for name in _named(operation, "pinned", properties, log)}
    values, refused = _taken_out(input_schema, pinned, _named(operation, "hidden", properties, log))
    for name in refused:
        _report(operation, f"The required argument {name!r} cannot be hidden without a value.", log)
    return values


def overridden_arguments(
    definition: Mapping[str, Any], pinned: Mapping[str, Any], hidden: Sequence[str]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Pin and hide arguments of a compiled tool, stored as JSON, as `x-mcp` would have done.

    Gives the definition without them, and what is wrong with those that could not be: sentences. A value that the
    description pins is replaced; `definition` stays as it is.
    """
    schema = dict(definition["input_schema"])
    properties, before = schema["properties"], definition.get("pinned") or {}
    known = {*properties, *before}
    unknown = [name for name in dict.fromkeys((*pinned, *hidden)) if name not in known]
    wanted = {name: value for name, value in pinned.items() if name in known}
    values, refused = _taken_out(schema, wanted, [name for name in hidden if name in properties])
    problems = [f"There is no argument {name[:80]!r}." for name in unknown]
    problems += [f"The required argument {name!r} cannot be hidden without a value." for name in refused]
    return {**definition, "input_schema": schema, "pinned": {**before, **values}}, tuple(problems)


def _taken_out(
    input_schema: dict[str, Any], pinned: Mapping[str, Any], hidden: Sequence[str]
) -> tuple[dict[str, Any], list[str]]:
    """Take arguments out of an input schema; gives the values that are sent, and what is required and has none."""
    properties, required = input_schema["properties"], set(input_schema.get("required", ()))
    values, gone, refused = dict(pinned), set(pinned), []
    for name in hidden:
        schema = properties[name]
        if name not in values and isinstance(schema, dict) and "default" in schema:
            values[name] = schema["default"]
        if name in values or name not in required:
            gone.add(name)
        else:
            refused.append(name)
    if gone:
        _remove(gone, input_schema)
    return values, refused


def _remove(hidden: set[str], input_schema: dict[str, Any]) -> None:
    input_schema["properties"] = {
        name: schema for name, schema in input_schema["properties"].items() if name not in hidden
    }
    if "required" in input_schema:
        input_schema["required"] = [name for name in input_schema["required"] if name not in hidden]
    if not input_schema.get("required", True):
        del input_schema["required"]
    if "dependentRequired" in input_schema:
        needs = {
            name: [each for each in needed if each not in hidden]
            for name, needed in input_schema["dependentRequired"].items()
            if name not in hidden
        }
        input_schema["dependentRequired"] = {name: needed for name, needed in needs.items() if needed}
    if "$defs" in input_schema:
        input_schema["$defs"] = reachable(input_schema["properties"], input_schema["$defs"])


def _named(operation: Operation, keyword: str, properties: dict[str, Any], log: DiagnosticLog) -> list[str]:
    """List the arguments that a keyword names and that exist; report the others."""
    asked = operation.extension.get(keyword, {} if keyword == "pinned" else [])
    if not isinstance(asked, dict if keyword == "pinned" else list):
        _report(operation, f"`x-mcp` {keyword} is not {'an object' if keyword == 'pinned' else 'a list'}.", log)
        return []
    for name in asked:
        if not isinstance(name, str) or name not in properties:
            _report(operation, f"`x-mcp` {keyword}: there is no argument {str(name)[:80]!r}.", log)
    return [name for name in asked if isinstance(name, str) and name in properties]


def _report(operation: Operation, message: str, log: DiagnosticLog) -> None:
    log.report("extension_invalid", operation.pointer, message)
