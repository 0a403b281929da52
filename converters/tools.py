"""Operation -> ToolDefinition: flat arguments, self-contained schemas, and the bindings back to the request."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from converters import bodies, extensions, json_schema, media_types, naming, schemas, texts
from converters.oas import Schema
from converters.tool_definitions import BodyBinding, ParameterBinding, PropertyBinding, ToolDefinition

if TYPE_CHECKING:
    from collections.abc import Iterable

    from converters.diagnostics import DiagnosticLog
    from converters.oas import MediaType, Operation, RequestBody, Response
    from converters.references import Description

DESCRIPTION_BUDGET: Final = 2_000
"""Characters of a tool's description."""
INPUT_SCHEMA_BUDGET: Final = 64 * 1024
"""Bytes of an input schema; deeper definitions are described as "anything" beyond it."""
OUTPUT_SCHEMA_BUDGET: Final = 8 * 1024
"""Bytes of an output schema; a larger one is not listed: models read lists, and most of their bytes were these."""

_FILE_NOTE: Final = "File content: base64, a data: URI, or plain text."


@dataclass(frozen=True, slots=True)
class _Argument:
    """One argument before it has its name: where its value goes, its schema, and whether it must be given."""

    location: str
    wire_name: str
    schema: Schema
    required: bool
    pointer: str
    note: str = ""
    deprecated: bool = False


class ToolCompiler:
    """Turns the operations of one description into tools; referenced schemas are translated once for all of them."""

    def __init__(self, description: Description, log: DiagnosticLog) -> None:
        """Start with no schema translated."""
        self._description = description
        self._log = log
        self._input = schemas.SchemaCompiler(description, "input", log)
        self._output = schemas.SchemaCompiler(description, "output", log)
        self._sizes: dict[tuple[str, str], int] = {}

    def define(self, operation: Operation, name: str) -> ToolDefinition:
        """Make the tool called `name` of `operation`."""
        media_type = bodies.choose(operation.request_body, self._description) if operation.request_body else None
        flat = self._flat(media_type)
        arguments = [*self._parameter_arguments(operation), *self._body_arguments(operation, media_type, flat)]
        names = naming.argument_names((each.location, each.wire_name) for each in arguments)
        self._report_renamed(arguments, names)
        count = len(operation.parameters)
        input_schema = self._input_schema(arguments, names, operation)
        return ToolDefinition(
            name=name,
            operation_key=operation.key,
            method=operation.method.upper() if operation.method in _KNOWN_METHODS else operation.method,
            path=operation.path,
            pointer=operation.pointer,
            title=texts.shortened(self._visible(operation.summary, operation.pointer), 100),
            description=self._describe(operation),
            input_schema=input_schema,
            output_schema=self._output_schema(operation),
            annotations=extensions.hints(operation),
            tags=tuple(self._visible(tag, operation.pointer) for tag in operation.tags),
            deprecated=operation.deprecated,
            enabled=operation.extension.get("enabled") is not False,
            parameters=_parameter_bindings(operation, names[:count]),
            body=self._body_binding(operation.request_body, media_type, flat, names[count:]),
            accept=_accept(operation.responses),
            servers=operation.servers,
            security=operation.security,
            pinned=extensions.pin(operation, input_schema, self._log),
        )

    # --- texts

    def _visible(self, text: str, pointer: str) -> str:
        return texts.visible(text, pointer, self._log)

    def _describe(self, operation: Operation) -> str:
        asked = operation.extension.get("description")
        summary, description = operation.summary, operation.description
        if isinstance(asked, str):
            text = asked
        elif description.startswith(summary):
            text = description
        else:
            text = "\n\n".join(filter(None, (summary, description)))
        text = self._visible(text, operation.pointer) or operation.key
        if operation.deprecated:
            text = f"Deprecated. {text}"
        if len(text) > DESCRIPTION_BUDGET:
            self._log.report(
                "text_truncated", operation.pointer, f"The description has {len(text):,} characters and was shortened."
            )
        return texts.shortened(text, DESCRIPTION_BUDGET)

    # --- arguments

    def _parameter_arguments(self, operation: Operation) -> list[_Argument]:
        return [
            _Argument(
                location=each.location,
                wire_name=each.name,
                schema=each.schema,
                required=each.required,
                pointer=each.pointer,
                note=each.description,
                deprecated=each.deprecated,
            )
            for each in operation.parameters
        ]

    def _flat(self, media_type: MediaType | None) -> bodies.PlainObject | None:
        """Give the plain object a body is, or None where it is one argument (or where there is no body)."""
        if media_type is None or media_type.schema is None:
            return None
        if media_types.body_kind(media_type.name) in {"text", "binary"}:
            return None
        flat = bodies.plain_object(media_type.schema, self._description)
        return flat if flat is not None and flat.properties else None

    def _body_arguments(
        self, operation: Operation, media_type: MediaType | None, flat: bodies.PlainObject | None
    ) -> list[_Argument]:
        body = operation.request_body
        if body is None or media_type is None:
            return []
        self._report_body(body, media_type, flat)
        if flat is None:
            schema = media_type.schema or Schema({}, media_type.pointer)
            if media_types.body_kind(media_type.name) in {"text", "binary"}:
                schema = Schema(_raw_schema(media_type, schema, self._description), schema.pointer)
            return [_Argument("body", "body", schema, body.required, body.pointer, body.description)]
        return [
            _Argument("body", name, schema, body.required and name in flat.required, schema.pointer)
            for name, schema in flat.properties.items()
            if not self._input.is_hidden(schema)
        ]

    def _report_body(self, body: RequestBody, chosen: MediaType, flat: bodies.PlainObject | None) -> None:
        for other in body.content:
            if other is not chosen:
                self._log.report(
                    "request_body_media_type_unused",
                    other.pointer,
                    f"The body is sent as {chosen.name}, not {other.name}.",
                )
        if flat is not None and flat.is_open:
            self._log.report(
                "request_body_extra_properties", body.pointer, "Properties that are not declared cannot be sent."
            )

    def _report_renamed(self, arguments: list[_Argument], names: tuple[str, ...]) -> None:
        for each, name in zip(arguments, names, strict=True):
            if name != each.wire_name:
                self._log.report(
                    "argument_renamed", each.pointer, f"{each.wire_name!r} ({each.location}) is the argument {name!r}."
                )

    # --- schemas

    def _input_schema(self, arguments: list[_Argument], names: tuple[str, ...], operation: Operation) -> dict[str, Any]:
        properties: dict[str, Any] = {}
        used: set[str] = set()
        for each, name in zip(arguments, names, strict=True):
            translated, direct = self._input.compile(each.schema)
            used |= direct
            properties[name] = self._annotated(translated, each)
        schema: dict[str, Any] = {"type": "object", "properties": properties}
        required = [name for each, name in zip(arguments, names, strict=True) if each.required]
        if required:
            schema["required"] = required
        schema["additionalProperties"] = False
        return self._with_definitions(schema, used, operation)

    def _annotated(self, translated: schemas.JsonSchema, argument: _Argument) -> schemas.JsonSchema:
        """Add what the parameter, and not its schema, says; a file gets a note on how to write it."""
        note = self._visible(argument.note, argument.pointer)
        if bodies.holds_files(argument.schema, self._description):
            own = translated.get("description", "") if isinstance(translated, dict) else ""
            note = f"{note or own} {_FILE_NOTE}".strip()
        extra: dict[str, Any] = {"description": note} if note else {}
        if argument.deprecated:
            extra["deprecated"] = True
        if not extra:
            return translated
        return (
            {**translated, **extra}
            if isinstance(translated, dict)
            else {"not": {}, **extra}
            if not translated
            else extra
        )

    def _with_definitions(self, schema: dict[str, Any], used: set[str], operation: Operation) -> dict[str, Any]:
        """Add `$defs` within the budget; definitions furthest from the arguments give way first."""
        cut = _cut_arguments(schema, INPUT_SCHEMA_BUDGET)
        budget = INPUT_SCHEMA_BUDGET - _size(schema)
        definitions: dict[str, Any] = {}
        for name in self._input.nearest_first(used):
            size = self._definition_size(self._input, "input", name)
            if size > budget:
                definitions[name] = _anything(name)
                cut += 1
            else:
                definitions[name] = self._input.definitions[name]
                budget -= size
        if cut:
            self._log.report(
                "schema_over_budget",
                operation.pointer,
                f"{cut} nested schema(s) do not fit into {INPUT_SCHEMA_BUDGET:,} bytes.",
            )
        if definitions:
            schema["$defs"] = (
                json_schema.reachable(schema, dict(sorted(definitions.items())))
                if cut
                else dict(sorted(definitions.items()))
            )
        return schema

    def _definition_size(self, compiler: schemas.SchemaCompiler, direction: str, name: str) -> int:
        size = self._sizes.get((direction, name))
        if size is None:
            size = self._sizes[direction, name] = _size(compiler.definitions[name]) + len(name) + 4
        return size

    def _output_schema(self, operation: Operation) -> dict[str, Any] | None:
        """Give the schema of the one success response, where every success is the same JSON object."""
        schema = self._success_schema(operation.responses)
        if schema is None:
            return None
        translated, used = self._output.compile(schema)
        if isinstance(translated, bool):
            return None
        size = _size(translated)
        for name in self._output.nearest_first(used):
            if size > OUTPUT_SCHEMA_BUDGET:
                break
            size += self._definition_size(self._output, "output", name)
        if size > OUTPUT_SCHEMA_BUDGET:
            self._log.report(
                "output_schema_dropped", schema.pointer, f"The output schema is over {OUTPUT_SCHEMA_BUDGET:,} bytes."
            )
            return None
        root = self._object_root(translated)
        if root is None:
            return None
        definitions = json_schema.reachable(root, self._output.closure(used))
        return {**root, **({"$defs": definitions} if definitions else {})}

    def _object_root(self, translated: dict[str, Any]) -> dict[str, Any] | None:
        """Give the schema a root of `type: object` without a `$ref`; None where it is not an object."""
        seen: set[str] = set()
        while "$ref" in translated and translated["$ref"] not in seen:
            seen.add(translated["$ref"])
            target = self._output.definitions[
                translated["$ref"].removeprefix("#/$defs/").replace("~1", "/").replace("~0", "~")
            ]
            if isinstance(target, bool):
                return None
            translated = target
        if translated.get("type") == "object":
            return translated
        return None

    def _success_schema(self, responses: tuple[Response, ...]) -> Schema | None:
        successes = [each for each in responses if each.status.startswith("2")]
        successes = successes or [each for each in responses if each.status == "default"]
        found: list[Schema] = []
        for response in successes:
            json_content = [each for each in response.content if media_types.is_json(each.name) and each.schema]
            if not json_content or json_content[0].schema is None:
                return None
            found.append(json_content[0].schema)
        return found[0] if found and all(each.value == found[0].value for each in found) else None

    # --- bindings

    def _body_binding(
        self,
        body: RequestBody | None,
        media_type: MediaType | None,
        flat: bodies.PlainObject | None,
        names: tuple[str, ...],
    ) -> BodyBinding | None:
        if body is None or media_type is None:
            return None
        kind = media_types.body_kind(media_type.name)
        name = media_types.concrete(media_type.name)
        if flat is None:
            return BodyBinding(name, kind, body.required, whole=names[0], pointer=body.pointer)
        shown = {wire: schema for wire, schema in flat.properties.items() if not self._input.is_hidden(schema)}
        properties = tuple(
            PropertyBinding(
                argument=argument,
                name=wire,
                is_file=kind != "json" and bodies.holds_files(schema, self._description),
                encoding=media_type.encoding.get(wire),
                pointer=schema.pointer,
            )
            for argument, (wire, schema) in zip(names, shown.items(), strict=True)
        )
        required = tuple(wire for wire in flat.required if wire in shown)
        return BodyBinding(
            name, kind, body.required, properties=properties, required_properties=required, pointer=body.pointer
        )


_KNOWN_METHODS: Final = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace", "query"})


def _parameter_bindings(operation: Operation, names: Iterable[str]) -> tuple[ParameterBinding, ...]:
    return tuple(
        ParameterBinding(
            argument=argument,
            name=each.name,
            location=each.location,
            style=each.style,
            explode=each.explode,
            required=each.required,
            allow_reserved=each.allow_reserved,
            content_type=each.content_type,
            pointer=each.pointer,
        )
        for argument, each in zip(names, operation.parameters, strict=True)
    )


def _raw_schema(media_type: MediaType, schema: Schema, description: Description) -> Any:
    """Give the schema of a body that is sent as it is: always a text, whatever XML or binary structure it has."""
    value = description.try_resolve(schema.value, schema.pointer)
    if isinstance(value, dict) and value.get("type") == "string":
        return schema.value
    if media_types.body_kind(media_type.name) == "binary":
        return {"type": "string", "format": "binary"}
    return {"type": "string", "description": f"The body as {media_types.essence(media_type.name)} text."}


def _accept(responses: tuple[Response, ...]) -> tuple[str, ...]:
    """List the media types of the success responses, JSON first; all responses where no success is declared."""
    declared = [each for each in responses if each.status.startswith("2")] or list(responses)
    names = dict.fromkeys(media_types.essence(content.name) for each in declared for content in each.content)
    return tuple(sorted(names, key=lambda name: not media_types.is_json(name)))


def _anything(name: str) -> dict[str, Any]:
    return {"description": f"Any value; the schema of {name} is too large to list."}


def _cut_arguments(schema: dict[str, Any], budget: int) -> int:
    """Describe the largest arguments as "anything" until the schema fits; gives how many were cut."""
    over, cut = _size(schema) - budget, 0
    properties = schema["properties"]
    for size, name in (
        sorted(((_size(each), name) for name, each in properties.items()), reverse=True) if over > 0 else ()
    ):
        stub = _anything(name)
        if over <= 0 or size <= _size(stub):
            break
        properties[name] = stub
        over, cut = over - size + _size(stub), cut + 1
    return cut


def _size(schema: Any) -> int:
    return len(json.dumps(schema, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))
