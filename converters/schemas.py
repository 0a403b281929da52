"""Schema Object -> JSON Schema 2020-12, with `$defs` kept so that recursion and sharing stay what they are.

One `SchemaCompiler` serves one description and one direction: `input` leaves out `readOnly` properties; `output` leaves
out `writeOnly` ones and whatever constrains, because an answer is described, not judged. A referenced schema is
translated once, whatever number of tools uses it; `closure` gives a tool exactly the definitions it needs. The dialects
differ in tables, not in branches.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from converters import discriminators, json_schema, pointers, schema_completion, texts
from converters.oas import Schema
from converters.references import UnresolvedReferenceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from converters.diagnostics import DiagnosticLog
    from converters.references import Description

Direction = Literal["input", "output"]
JsonSchema = dict[str, Any] | bool

TYPES: Final = ("null", "boolean", "object", "array", "number", "string", "integer")
# Types that real documents write and that mean a JSON Schema type.
_TYPE_SYNONYMS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("int", "int32", "int64", "long", "short", "byte"), "integer"),
    **dict.fromkeys(("float", "double", "decimal", "numeric"), "number"),
    **dict.fromkeys(("bool",), "boolean"),
    **dict.fromkeys(("str", "text", "date", "datetime", "date-time", "uuid", "uri", "url", "char", "file"), "string"),
    **dict.fromkeys(("list", "arr"), "array"),
    **dict.fromkeys(("dict", "map", "hash", "json"), "object"),
}
_HIDDEN: Final[Mapping[Direction, str]] = {"input": "readOnly", "output": "writeOnly"}

_NAME: Final = re.compile(r"[^A-Za-z0-9_.-]+")
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_COMPONENT: Final = re.compile(r"/(?:components/schemas|definitions)/([^/]+)")
_IN_ALL_OF: Final = re.compile(r"/allOf/\d+\Z")
_EXAMPLE_BUDGET: Final = 400


class SchemaCompiler:
    """Translates the schemas of one description in one direction."""

    def __init__(self, description: Description, direction: Direction, log: DiagnosticLog) -> None:
        """Start without definitions."""
        self.definitions: dict[str, JsonSchema] = {}
        self._description = description
        self._direction = direction
        self._hidden = _HIDDEN[direction]
        self._log = log
        self._uses: dict[str, set[str]] = {}
        self._names: dict[str, str] = {}
        self._waiting: list[tuple[str, Any, str]] = []
        self._used: set[str] = set()

    # --- what callers use

    def compile(self, schema: Schema) -> tuple[JsonSchema, frozenset[str]]:
        """Translate one schema; gives it and the names of the definitions it refers to directly."""
        self._used = set()
        translated = self._schema(schema.value, schema.pointer)
        used = frozenset(self._used)
        self._finish()
        return translated, used

    def closure(self, names: Iterable[str]) -> dict[str, JsonSchema]:
        """Give the definitions that `names` need, directly or not, sorted by name."""
        needed: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in needed:
                needed.add(name)
                waiting.extend(self._uses[name])
        return {name: self.definitions[name] for name in sorted(needed)}

    def uses(self, name: str) -> frozenset[str]:
        """Name the definitions that the definition `name` refers to directly."""
        return frozenset(self._uses[name])

    def levels(self, names: Iterable[str]) -> list[list[str]]:
        """List the closure of `names` by distance from them, nearest first, names in order within a distance."""
        found: list[list[str]] = []
        level = sorted(set(names))
        seen = set(level)
        while level:
            found.append(level)
            below = {used for name in level for used in self._uses[name]} - seen
            seen |= below
            level = sorted(below)
        return found

    def is_hidden(self, schema: Schema) -> bool:
        """Tell whether a property is left out in this direction (`readOnly` or `writeOnly`, also behind a `$ref`)."""
        value: Any = schema.value
        if not isinstance(value, dict):
            return False
        if value.get(self._hidden) is True:
            return True
        if "$ref" in value:
            target = self._description.try_resolve(value, schema.pointer)
            return isinstance(target, dict) and target.get(self._hidden) is True
        branches = value.get("allOf")
        if isinstance(branches, list) and len(branches) == 1:
            return self.is_hidden(Schema(branches[0], pointers.join(schema.pointer, "allOf", 0)))
        return False

    # --- definitions

    def _finish(self) -> None:
        """Translate referenced schemas until no new reference turns up."""
        while self._waiting:
            name, value, pointer = self._waiting.pop()
            self._used = set()
            self.definitions[name] = self._schema(value, pointer)
            self._uses[name] = self._used

    def _reference(self, reference: str, pointer: str) -> JsonSchema:
        try:
            value, target = self._description.lookup(reference, pointer)
            self._refuse_cycle(value, target)
        except UnresolvedReferenceError as error:
            self._log.report(error.code, error.pointer, error.message)
            return {}
        key, name = target, _definition_name(target)
        if self._direction == "input" and target in self._description.subtypes and not _IN_ALL_OF.search(pointer):
            key, name = f"{target}#", f"{name}-or-subtype"
            value = discriminators.with_subtypes(Schema(value, target), self._description.subtypes[target])
        if key not in self._names:
            self._names[key] = name
            self._waiting.append((name, value, target))
        self._used.add(self._names[key])
        return {"$ref": f"#/$defs/{pointers.escape(self._names[key])}"}

    def _refuse_cycle(self, value: Any, pointer: str) -> None:
        """Raise where references lead round in a circle; what else is wrong with them is told where they stand."""
        try:
            self._description.resolve(value, pointer)
        except UnresolvedReferenceError as error:
            if error.code == "reference_cycle":
                raise

    # --- one schema

    def _schema(self, value: Any, pointer: str) -> JsonSchema:
        if isinstance(value, bool):
            return value
        if not isinstance(value, dict):
            self._log.report("schema_invalid", pointer, "The schema is neither an object nor a boolean.")
            return {}
        translated: dict[str, Any] = {}
        reference = value.get("$ref")
        if isinstance(reference, str):
            target = self._reference(reference, pointer)
            if isinstance(target, dict):
                translated.update(target)
        annotations_only = isinstance(reference, str) and self._description.version in {"2.0", "3.0"}
        for keyword, argument in value.items():
            translate = self._KEYWORDS.get(keyword)
            if translate is None or (annotations_only and keyword not in _SIBLINGS):
                continue
            if self._direction == "output" and (keyword in _CONSTRAINTS or argument is False):
                continue
            translate(self, translated, keyword, argument, pointer)
        return self._completed(translated, value, pointer)

    def _completed(self, translated: dict[str, Any], value: dict[str, Any], pointer: str) -> dict[str, Any]:
        """Apply what depends on several keywords: types, bounds, `nullable`, `required` against `properties`."""
        if value.get("type") == "file":
            translated["contentEncoding"] = "base64"
        schema_completion.complete_array(translated)
        if self._direction == "input":
            schema_completion.complete_bounds(translated, value)
            if isinstance(value.get("discriminator"), (dict, str)):
                self._discriminate(translated, value, pointer)
        elif isinstance(value.get("enum"), list):
            self._mention_values(translated, value["enum"], pointer)
        self._complete_object(translated, value, pointer)
        if value.get("nullable") is True or value.get("x-nullable") is True:
            return schema_completion.nullable(translated)
        return translated

    def _discriminate(self, translated: dict[str, Any], value: dict[str, Any], pointer: str) -> None:
        if "oneOf" in translated or "anyOf" in translated:
            discriminators.tell_apart(translated, Schema(value, pointer), self._description)
        elif pointer not in self._description.subtypes:
            at = pointers.join(pointer, "discriminator")
            self._log.report("schema_discriminator_dropped", at, "JSON Schema has no discriminator.")

    def _mention_values(self, translated: dict[str, Any], values: list[Any], pointer: str) -> None:
        """Say in words which values an output may have: an enum there would judge."""
        shown = [value if isinstance(value, str) else json.dumps(value) for value in values if value is not None]
        if shown and len(shown) <= _MENTIONED:
            text = f"{translated.get('description', '')} One of: {', '.join(shown)}."
            translated["description"] = texts.visible(text, pointer, self._log)

    def _complete_object(self, translated: dict[str, Any], value: dict[str, Any], pointer: str) -> None:
        if "required" in translated or "allOf" in translated:
            schema_completion.drop_required(translated, self._hidden_properties(Schema(value, pointer), frozenset()))
        if "properties" in translated and "type" not in translated and self._description.version in {"2.0", "3.0"}:
            combined = {"allOf", "anyOf", "oneOf", "not", "$ref", "enum"} & translated.keys()
            if not combined:
                translated["type"] = "object"

    def _hidden_properties(self, schema: Schema, seen: frozenset[str]) -> set[str]:
        """Name the properties that this direction leaves out of a schema and what its `allOf` adds."""
        try:
            value, pointer = self._description.resolve_schema(schema)
        except UnresolvedReferenceError:
            return set()
        if not isinstance(value, dict) or pointer in seen:
            return set()
        properties, branches = value.get("properties"), value.get("allOf")
        names = {
            name
            for name, each in (properties.items() if isinstance(properties, dict) else ())
            if self.is_hidden(Schema(each, pointers.join(pointer, "properties", name)))
        }
        for index, branch in enumerate(branches if isinstance(branches, list) else ()):
            names |= self._hidden_properties(Schema(branch, pointers.join(pointer, "allOf", index)), seen | {pointer})
        return names

    # --- keywords; each puts what it makes of (keyword, argument) into `into`

    def _copy(self, into: dict[str, Any], keyword: str, argument: Any, pointer: str) -> None:  # noqa: ARG002 - one signature
        into[keyword] = argument

    def _text(self, into: dict[str, Any], keyword: str, argument: Any, pointer: str) -> None:
        if isinstance(argument, str) and argument.strip():
            read = texts.prose if keyword == "description" else texts.visible
            into[keyword] = read(argument, pointers.join(pointer, keyword), self._log)

    def _true(self, into: dict[str, Any], keyword: str, argument: Any, pointer: str) -> None:  # noqa: ARG002 - one signature
        if argument is True:
            into[keyword] = True

    def _number(self, into: dict[str, Any], keyword: str, argument: Any, pointer: str) -> None:
        number = _as_number(argument)
        if number is None or (keyword == "multipleOf" and number <= 0):
            self._invalid(keyword, argument, pointer)
        else:
            into[keyword] = number

    def _exclusive(self, into: dict[str, Any], keyword: str, argument: Any, pointer: str) -> None:
        if not isinstance(argument, bool):
            self._number(into, keyword, argument, pointer)

    def _count(self, into: dict[str, Any], keyword: str, argument: Any, pointer: str) -> None:
        number = _as_number(argument)
        if number is None or number < 0 or number != int(number):
            self._invalid(keyword, argument, pointer)
        elif number or keyword.startswith("max"):
            into[keyword] = int(number)

    def _pattern(self, into: dict[str, Any], keyword: str, argument: Any, pointer: str) -> None:
        if isinstance(argument, str) and json_schema.is_pattern(argument):
            into[keyword] = argument
        else:
            self._log.report(
                "schema_pattern_dropped",
                pointers.join(pointer, keyword),
                f"The pattern {str(argument)[:80]!r} is not valid.",
            )

    def _type(self, into: dict[str, Any], keyword: str, argument: Any, pointer: str) -> None:
        names = argument if isinstance(argument, list) else [argument]
        known: list[str] = []
        for written in names:
            # YAML reads an unquoted `null` in a list of types as the value.
            name = "null" if written is None and names is argument else written
            lowered = name.lower() if isinstance(name, str) else name
            kind = lowered if lowered in TYPES else _TYPE_SYNONYMS.get(lowered) if isinstance(lowered, str) else None
            if (kind is None or kind != written) and (name, kind) != ("file", "string"):
                self._log.report(
                    "schema_type_corrected", pointers.join(pointer, keyword), f"{written!r} is not a type."
                )
            if kind is None:
                return
            if kind not in known:
                known.append(kind)
        if known:
            into["type"] = known[0] if len(known) == 1 else known

    def _enum(self, into: dict[str, Any], keyword: str, argument: Any, pointer: str) -> None:
        if not isinstance(argument, list) or not argument:
            self._invalid(keyword, argument, pointer)
            return
        unique: list[Any] = []
        seen: set[str] = set()
        for value in argument:
            mark = f"{type(value).__name__}:{value!r}"
            if mark not in seen:
                seen.add(mark)
                unique.append(value)
        into[keyword] = unique

    def _required(self, into: dict[str, Any], keyword: str, argument: Any, pointer: str) -> None:
        if isinstance(argument, list):
            into[keyword] = list(dict.fromkeys(name for name in argument if isinstance(name, str)))
        else:
            self._invalid(keyword, argument, pointer)

    def _properties(self, into: dict[str, Any], keyword: str, argument: Any, pointer: str) -> None:
        if not isinstance(argument, dict):
            self._invalid(keyword, argument, pointer)
            return
        at = pointers.join(pointer, keyword)
        properties = {}
        for name, value in argument.items():
            here = f"{at}/{pointers.escape(name)}"
            if not self.is_hidden(Schema(value, here)):
                properties[name] = self._schema(value, here)
        into[keyword] = properties

    def _one(self, into: dict[str, Any], keyword: str, argument: Any, pointer: str) -> None:
        if keyword == "items" and isinstance(argument, list):
            self._several(into, "prefixItems", argument, pointer)
            return
        into[keyword] = self._schema(argument, pointers.join(pointer, keyword))

    def _alternatives(self, into: dict[str, Any], keyword: str, argument: Any, pointer: str) -> None:
        """Translate `oneOf`; among answers, which lost their constraints, several alternatives may match."""
        self._several(into, keyword, argument, pointer)
        if self._direction == "output" and "oneOf" in into and "anyOf" not in into:
            into["anyOf"] = into.pop("oneOf")

    def _several(self, into: dict[str, Any], keyword: str, argument: Any, pointer: str) -> None:
        if not isinstance(argument, list) or not argument:
            self._invalid(keyword, argument, pointer)
            return
        at = pointers.join(pointer, keyword)
        into[keyword] = [self._schema(value, f"{at}/{index}") for index, value in enumerate(argument)]

    def _named(self, into: dict[str, Any], keyword: str, argument: Any, pointer: str) -> None:
        if not isinstance(argument, dict):
            self._invalid(keyword, argument, pointer)
            return
        at = pointers.join(pointer, keyword)
        into[keyword] = {
            name: self._schema(value, f"{at}/{pointers.escape(name)}")
            for name, value in argument.items()
            if keyword != "patternProperties" or self._usable_pattern(name, at)
        }

    def _usable_pattern(self, pattern: str, pointer: str) -> bool:
        usable = json_schema.is_pattern(pattern)
        if not usable:
            self._log.report("schema_pattern_dropped", pointer, f"The pattern {pattern[:80]!r} is not valid.")
        return usable

    def _dependencies(self, into: dict[str, Any], keyword: str, argument: Any, pointer: str) -> None:
        if isinstance(argument, dict) and all(_is_texts(names) for names in argument.values()):
            into[keyword] = argument
        else:
            self._invalid(keyword, argument, pointer)

    def _example(self, into: dict[str, Any], keyword: str, argument: Any, pointer: str) -> None:  # noqa: ARG002 - one signature
        examples = list(argument.values()) if isinstance(argument, dict) and keyword == "examples" else argument
        values = examples if keyword == "examples" and isinstance(examples, list) else [argument]
        if is_short(values):
            into.setdefault("examples", values[:1])

    def _unsupported(self, into: dict[str, Any], keyword: str, argument: Any, pointer: str) -> None:  # noqa: ARG002 - one signature
        self._log.report(
            "schema_keyword_unsupported", pointers.join(pointer, keyword), f"The keyword `{keyword}` was left out."
        )

    def _invalid(self, keyword: str, argument: Any, pointer: str) -> None:
        self._log.report(
            "schema_keyword_invalid", pointers.join(pointer, keyword), f"`{keyword}` cannot be {str(argument)[:80]!r}."
        )

    _KEYWORDS: ClassVar[Mapping[str, Callable[[SchemaCompiler, dict[str, Any], str, Any, str], None]]] = {
        **dict.fromkeys(("title", "description", "format", "contentEncoding", "contentMediaType", "$comment"), _text),
        **dict.fromkeys(("default", "const"), _copy),
        **dict.fromkeys(("deprecated", "readOnly", "writeOnly", "uniqueItems"), _true),
        **dict.fromkeys(("maximum", "minimum", "multipleOf"), _number),
        **dict.fromkeys(("exclusiveMaximum", "exclusiveMinimum"), _exclusive),
        **dict.fromkeys(
            (
                "maxLength", "minLength", "maxItems", "minItems", "maxProperties", "minProperties", "maxContains",
                "minContains",
            ),
            _count,
        ),
        **dict.fromkeys(
            (
                "items", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else",
                "unevaluatedProperties", "unevaluatedItems", "contentSchema",
            ),
            _one,
        ),
        **dict.fromkeys(("allOf", "anyOf", "prefixItems"), _several),
        **dict.fromkeys(("patternProperties", "dependentSchemas"), _named),
        **dict.fromkeys(("example", "examples"), _example),
        **dict.fromkeys(("$dynamicRef", "$recursiveRef", "$id"), _unsupported),
        "oneOf": _alternatives,
        "properties": _properties,
        "type": _type,
        "pattern": _pattern,
        "enum": _enum,
        "required": _required,
        "dependentRequired": _dependencies,
    }  # fmt: skip
    """How each keyword is translated; what is not listed (`xml`, `externalDocs`, `x-`) is no JSON Schema keyword."""


_SIBLINGS: Final = frozenset({"title", "description", "default", "deprecated", "readOnly", "writeOnly", "example"})
"""Siblings of `$ref` that are kept where the version says that siblings are ignored: they only annotate."""


_CONSTRAINTS: Final = frozenset(
    {
        "required", "enum", "const", "pattern", "maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum",
        "multipleOf", "maxLength", "minLength", "maxItems", "minItems", "uniqueItems", "maxProperties",
        "minProperties", "maxContains", "minContains", "contains", "propertyNames", "patternProperties", "not", "if",
        "then", "else", "dependentRequired", "dependentSchemas", "unevaluatedProperties", "unevaluatedItems",
        "default", "example", "examples",
    }
)  # fmt: skip
"""Keywords that output schemas leave out. Clients refuse a call whose answer does not match the schema they were
listed, and APIs add values, leave properties out and break bounds."""

_MENTIONED: Final = 12


def is_short(examples: Sequence[Any]) -> bool:
    """Tell whether there are examples of which the first is short enough to be listed."""
    return bool(examples) and len(str(examples[0])) <= _EXAMPLE_BUDGET


def _definition_name(pointer: str) -> str:
    """Name a definition after its component; other places get their last word and a hash of the pointer."""
    component = _COMPONENT.fullmatch(pointer)
    parts = pointers.tokens(pointer)
    name = parts[-1] if parts else "description"
    if component and _PLAIN_NAME.fullmatch(name):
        return name
    digest = hashlib.sha256(pointer.encode("utf-8", "replace")).hexdigest()[:8]
    return f"{_NAME.sub('_', name).strip('_')[:60] or 'schema'}-{digest}"


def _as_number(value: Any) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return value
    if not isinstance(value, str):
        return None
    try:
        return int(value)
    except ValueError:
        pass
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)
