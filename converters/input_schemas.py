"""Arguments -> the input schema of a tool: one flat object, self-contained, within budgets of bytes and of text."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from converters import json_schema, schemas, texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from converters.diagnostics import DiagnosticLog
    from converters.oas import Operation, Schema
    from converters.references import Description

BUDGET: Final = 56 * 1024
"""Bytes of an input schema without white space, 64 KiB with it; deeper definitions are "anything" beyond it."""
TEXT_BUDGET: Final = 2_000
"""Characters of all descriptions in an input schema; the longest are shortened beyond it."""

_SENTENCE: Final = 40
"""Characters below which a description says nothing."""
_FILE_NOTE: Final = "File content: plain text, base64, or (exact for anything) a data: URI."
# Keywords whose value is data, and keywords that hold schemas by names that are no keywords.
_LEAST: Final[Mapping[str, str]] = {"string": "minLength", "array": "minItems", "object": "minProperties"}
_DATA: Final = frozenset({"default", "const", "enum", "examples"})
_NAMED: Final = frozenset({"properties", "$defs", "patternProperties", "dependentSchemas"})


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument before it has its name: where its value goes, its schema, and whether it must be given.

    `is_filled` says that an empty value could not be written, so that none is admitted. `needs` are the wire names of
    the body's properties that must be given where this one is.
    """

    location: str
    wire_name: str
    schema: Schema
    required: bool
    pointer: str
    note: str = ""
    deprecated: bool = False
    examples: tuple[Any, ...] = ()
    is_file: bool = False
    is_filled: bool = False
    needs: tuple[str, ...] = ()


class InputSchemas:
    """Makes the input schemas of one description; referenced schemas are translated once for all of them."""

    def __init__(self, description: Description, log: DiagnosticLog) -> None:
        """Start with no schema translated."""
        self._description = description
        self._log = log
        self._compiler = schemas.SchemaCompiler(description, "input", log)
        self._sizes: dict[str, int] = {}
        self._terse: dict[str, Any] = {}

    def is_hidden(self, schema: Schema) -> bool:
        """Tell whether a property of a body is no argument, because it is `readOnly`."""
        return self._compiler.is_hidden(schema)

    def of(self, arguments: Sequence[Argument], names: Sequence[str], operation: Operation) -> dict[str, Any]:
        """Give the input schema of a tool whose `arguments` are called `names`."""
        properties: dict[str, Any] = {}
        used: Counter[str] = Counter()
        for each, name in zip(arguments, names, strict=True):
            translated, direct = self._compiler.compile(each.schema)
            used.update(direct)
            properties[name] = self._annotated(self._filled(translated) if each.is_filled else translated, each)
        self._inline(properties, used)
        schema: dict[str, Any] = {"type": "object", "properties": properties}
        required = [name for each, name in zip(arguments, names, strict=True) if each.required]
        if required:
            schema["required"] = required
        if needs := _needs(arguments, names):
            schema["dependentRequired"] = needs
        schema["additionalProperties"] = False
        return self._within_budgets(schema, used, operation)

    def _filled(self, translated: schemas.JsonSchema) -> schemas.JsonSchema:
        """Admit no empty value: RFC 6570 gives an empty list no form, and an empty text is no path segment."""
        if not isinstance(translated, dict):
            return translated
        whole = translated
        if isinstance(translated.get("$ref"), str):
            definition = self._compiler.definitions[json_schema.definition_name(translated["$ref"])]
            whole = {**definition, **translated} if isinstance(definition, dict) else translated
        keyword = _LEAST.get(str(whole.get("type")), "")
        return {**translated, keyword: 1} if keyword and not {keyword, "enum", "const"} & whole.keys() else translated

    def _annotated(self, translated: schemas.JsonSchema, argument: Argument) -> schemas.JsonSchema:
        """Add what the parameter, and not its schema, says; a file gets a note on how to write it."""
        note = texts.prose(argument.note, argument.pointer, self._log)
        if argument.is_file:
            own = translated.get("description", "") if isinstance(translated, dict) else ""
            note = f"{note or own} {_FILE_NOTE}".strip()
        extra: dict[str, Any] = {"description": note} if note else {}
        if argument.deprecated:
            extra["deprecated"] = True
        if schemas.is_short(argument.examples):
            extra["examples"] = list(argument.examples)
        if not extra:
            return translated
        if isinstance(translated, dict):
            return {**translated, **extra}
        return extra if translated else {"not": {}, **extra}

    def _inline(self, properties: dict[str, Any], used: Counter[str]) -> None:
        """Put a definition that one argument alone refers to in the argument's place, where it needs no other one."""
        shared = {below for name in self._compiler.closure(used) for below in self._compiler.uses(name)}
        for argument, schema in properties.items():
            reference = schema.get("$ref") if isinstance(schema, dict) else None
            if not isinstance(reference, str):
                continue
            name = json_schema.definition_name(reference)
            definition = self._compiler.definitions[name]
            if used[name] == 1 and name not in shared and not self._compiler.uses(name):
                siblings = {keyword: value for keyword, value in schema.items() if keyword != "$ref"}
                if isinstance(definition, dict) and not (siblings.keys() & definition.keys()) - _NOTES:
                    properties[argument] = {**definition, **siblings}
                    del used[name]

    # --- budgets

    def _within_budgets(self, schema: dict[str, Any], used: Counter[str], operation: Operation) -> dict[str, Any]:
        """Add `$defs`, within the budgets of bytes and of text."""
        names = self._nearest_first(used)
        if json_schema.size(schema) + sum(map(self._size, names)) > BUDGET:
            return self._cut(self._within_text_budget(schema, operation), names, operation)
        if names:
            schema["$defs"] = {name: self._compiler.definitions[name] for name in sorted(names)}
        return self._within_text_budget(schema, operation)

    def _cut(self, schema: dict[str, Any], names: list[str], operation: Operation) -> dict[str, Any]:
        """Add of the definitions `names` what fits, without their texts."""
        cut = _cut_arguments(schema, json_schema.size(schema) - BUDGET)
        definitions = self._fitting(names, BUDGET - json_schema.size(schema))
        cut += sum(definition is not self._terse[name] for name, definition in definitions.items())
        schema["$defs"] = json_schema.reachable(schema, definitions)
        if json_schema.size(schema) > BUDGET:
            _cut_references(schema)
        if not schema.get("$defs", True):
            del schema["$defs"]
        if cut:
            self._log.report(
                "schema_over_budget", operation.pointer, f"{cut} nested schema(s) do not fit into {BUDGET:,} bytes."
            )
        return schema

    def _nearest_first(self, used: Counter[str]) -> list[str]:
        """List the definitions that are needed: the nearest to the arguments first, and of those the smallest."""
        levels = self._compiler.levels(used)
        return [name for level in levels for name in sorted(level, key=lambda each: (self._size(each), each))]

    def _fitting(self, names: list[str], left: int) -> dict[str, Any]:
        """Choose, without texts, what fits into `left` bytes; what does not admits anything."""
        for name in names:
            if name not in self._terse:
                self._terse[name] = _silence(copy.deepcopy(self._compiler.definitions[name]))
        sizes = {name: json_schema.size(self._terse[name]) + len(name) + 4 for name in names}
        if sum(sizes.values()) <= left:
            return {name: self._terse[name] for name in names}
        stubs = {name: _anything(name) for name in names}
        costs = {name: json_schema.size(stub) + len(name) + 4 for name, stub in stubs.items()}
        left -= sum(costs.values())
        chosen: dict[str, Any] = {}
        for name in names:
            more = sizes[name] - costs[name]
            chosen[name] = self._terse[name] if more <= left else stubs[name]
            left -= more if more <= left else 0
        return chosen

    def _size(self, name: str) -> int:
        size = self._sizes.get(name)
        if size is None:
            size = self._sizes[name] = json_schema.size(self._compiler.definitions[name]) + len(name) + 4
        return size

    def _within_text_budget(self, schema: dict[str, Any], operation: Operation) -> dict[str, Any]:
        """Shorten the longest descriptions until all together are within the budget.

        Where that would leave words and not sentences, the definitions go without.
        """
        lengths = [len(holder["description"]) for holder in _described(schema)]
        if sum(lengths) <= TEXT_BUDGET:
            return schema
        self._log.report(
            "text_truncated",
            operation.pointer,
            f"The descriptions of the arguments have {sum(lengths):,} characters together; the longest were shortened.",
        )
        schema = copy.deepcopy(schema)
        longest = _level(lengths, TEXT_BUDGET)
        if longest < _SENTENCE:
            _silence({"$defs": schema.get("$defs", {})})
            longest = max(_level([len(holder["description"]) for holder in _described(schema)], TEXT_BUDGET), _SENTENCE)
        for holder in _described(schema):
            holder["description"] = texts.shortened(holder["description"], longest)
        return schema


def _needs(arguments: Sequence[Argument], names: Sequence[str]) -> dict[str, list[str]]:
    """Say which arguments must be given where another one is (JSON Schema 2020-12 Validation section 6.5.4).

    All need the first one that is needed, and that one the rest: shorter than every pair, and the same.
    """
    named = {each.wire_name: name for each, name in zip(arguments, names, strict=True) if each.location == "body"}
    needs: dict[str, list[str]] = {}
    for each, name in zip(arguments, names, strict=True):
        needed = [named[wire] for wire in each.needs if wire in named]
        needed = needed[1:] if needed and needed[0] == name else needed[:1]
        if needed:
            needs[name] = needed
    return needs


def too_large(input_schema: Mapping[str, Any]) -> str | None:
    """Say that an input schema is over the budget, which only the number of arguments can bring about; else None."""
    count = len(input_schema["properties"])
    if count < _ALWAYS_FITTING or json_schema.size(input_schema) <= BUDGET:
        return None
    return f"{count:,} arguments do not fit into {BUDGET:,} bytes."


# So many arguments fit whatever they are: what is large is cut to a sentence.
_ALWAYS_FITTING: Final = 200
_NOTES: Final = frozenset({"title", "description", "default", "deprecated", "examples"})
"""Keywords that only annotate: beside a `$ref`, the nearer one counts."""


def _level(lengths: list[int], budget: int) -> int:
    """Find the largest length to which cutting what is longer brings the sum within `budget`."""
    left, waiting = budget, sorted(lengths)
    while waiting and waiting[0] <= left // len(waiting):
        left -= waiting.pop(0)
    return max(left // len(waiting) if waiting else budget, 1)


def _silence(schema: Any) -> Any:
    """Take every description out of `schema`, in place."""
    for holder in list(_described(schema)):
        del holder["description"]
    return schema


def _described(schema: Any) -> Iterator[dict[str, Any]]:
    """List every schema within `schema`, itself included, that has a description."""
    if isinstance(schema, dict):
        if isinstance(schema.get("description"), str):
            yield schema
        for keyword, value in schema.items():
            if keyword in _NAMED and isinstance(value, dict):
                for each in value.values():
                    yield from _described(each)
            elif keyword not in _DATA:
                yield from _described(value)
    elif isinstance(schema, list):
        for each in schema:
            yield from _described(each)


def _cut_references(schema: dict[str, Any]) -> None:
    """Describe every argument as "anything" that refers to a definition, and leave the definitions out."""
    definitions = schema.pop("$defs", {})
    for name, each in schema["properties"].items():
        if json_schema.reachable({"schema": each}, definitions):
            schema["properties"][name] = _anything(name)


def _anything(name: str) -> dict[str, Any]:
    return {"description": f"Any value; the schema of {name} is too large to list."}


def _cut_arguments(schema: dict[str, Any], over: int) -> int:
    """Describe the largest arguments as "anything" until `over` bytes are saved; gives how many were cut."""
    cut = 0
    properties = schema["properties"]
    sizes = ((json_schema.size(each), name) for name, each in properties.items()) if over > 0 else ()
    for size, name in sorted(sizes, reverse=True):
        stub = _anything(name)
        if over <= 0 or size <= json_schema.size(stub):
            break
        properties[name] = stub
        over, cut = over - size + json_schema.size(stub), cut + 1
    return cut
