"""Operation -> ToolDefinition: flat arguments, self-contained schemas, and the bindings back to the request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from converters import bodies, body_bindings, extensions, input_schemas, media_types, naming, output_schemas, texts
from converters.input_schemas import Argument
from converters.oas import Schema
from converters.tool_definitions import ParameterBinding, ToolDefinition

if TYPE_CHECKING:
    from collections.abc import Iterable

    from converters.diagnostics import DiagnosticLog
    from converters.oas import MediaType, Operation, RequestBody, Response
    from converters.references import Description

MAX_FLAT_PROPERTIES: Final = 500
"""Properties of a body that become arguments; a body with more is one argument."""


class ToolCompiler:
    """Turns the operations of one description into tools; referenced schemas are translated once for all of them."""

    def __init__(self, description: Description, log: DiagnosticLog) -> None:
        """Start with no schema translated."""
        self._description = description
        self._log = log
        self._input = input_schemas.InputSchemas(description, log)
        self._output = output_schemas.OutputSchemas(description, log)
        self._bodies = body_bindings.BodyBinder(description, log, self._input.is_hidden)

    def define(self, operation: Operation, name: str) -> ToolDefinition:
        """Make the tool called `name` of `operation`."""
        media_type = bodies.choose(operation.request_body, self._description) if operation.request_body else None
        flat = self._flat(media_type)
        arguments = [*self._parameter_arguments(operation), *self._body_arguments(operation, media_type, flat)]
        names = naming.argument_names((each.location, each.wire_name) for each in arguments)
        self._report_renamed(arguments, names)
        count = len(operation.parameters)
        input_schema = self._input.of(arguments, names, operation)
        return ToolDefinition(
            name=name,
            operation_key=operation.key,
            method=operation.method.upper() if operation.method in _KNOWN_METHODS else operation.method,
            path=operation.path,
            pointer=operation.pointer,
            title=texts.shortened(self._visible(operation.summary, operation.pointer), 100),
            description=self._describe(operation),
            input_schema=input_schema,
            output_schema=self._output.of(operation),
            annotations=extensions.hints(operation),
            tags=tuple(self._visible(tag, operation.pointer) for tag in operation.tags),
            deprecated=operation.deprecated,
            enabled=operation.extension.get("enabled") is not False,
            parameters=_parameter_bindings(operation, names[:count]),
            body=self._bodies.bind(operation.request_body, media_type, flat, names[count:])
            if operation.request_body and media_type
            else None,
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
        text = texts.prose(text, operation.pointer, self._log) or operation.key
        return f"Deprecated. {text}" if operation.deprecated else text

    # --- arguments

    def _parameter_arguments(self, operation: Operation) -> list[Argument]:
        return [
            Argument(
                location=each.location,
                wire_name=each.name,
                schema=each.schema,
                required=each.required,
                pointer=each.pointer,
                note=each.description,
                deprecated=each.deprecated,
                examples=each.examples,
                is_filled=each.location == "path"
                or (each.required and each.content_type is None and self._is_composed(each.schema)),
            )
            for each in operation.parameters
        ]

    def _is_composed(self, schema: Schema) -> bool:
        """Tell whether a value is a list or an object, which is left out of parameters and forms where it is empty."""
        value = self._description.try_resolve(schema.value, schema.pointer)
        return isinstance(value, dict) and value.get("type") in ("array", "object")

    def _flat(self, media_type: MediaType | None) -> bodies.PlainObject | None:
        """Give the plain object a body is, or None where it is one argument (or where there is no body)."""
        if media_type is None or media_type.schema is None:
            return None
        if bodies.kind(media_type, self._description) in {"text", "binary", "sequence"}:
            return None
        flat = bodies.plain_object(media_type.schema, self._description)
        return flat if flat is not None and 0 < len(flat.properties) <= MAX_FLAT_PROPERTIES else None

    def _body_arguments(
        self, operation: Operation, media_type: MediaType | None, flat: bodies.PlainObject | None
    ) -> list[Argument]:
        body = operation.request_body
        if body is None or media_type is None:
            return []
        self._report_body(body, media_type, flat)
        if flat is None:
            schema = media_type.schema or Schema({}, media_type.pointer)
            is_file = body_bindings.is_file_argument(schema, media_type, "", self._description)
            if bodies.kind(media_type, self._description) in {"text", "binary"}:
                schema = Schema(_raw_schema(media_type, schema, self._description), schema.pointer)
            return [Argument("body", "body", schema, body.required, body.pointer, body.description, is_file=is_file)]
        is_form = bodies.kind(media_type, self._description) in {"form", "multipart"}
        return [
            Argument(
                "body",
                name,
                schema,
                body.required and name in flat.required,
                schema.pointer,
                is_file=body_bindings.is_file_argument(schema, media_type, name, self._description),
                is_filled=is_form and name in flat.required and self._is_composed(schema),
                needs=() if body.required else flat.required,
            )
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
        for pointer in flat.unreadable if flat is not None else ():
            self._log.report("schema_keyword_invalid", pointer, "The names of required properties are not a list.")
        for name in flat.undeclared if flat is not None else ():
            self._log.report("property_undeclared", chosen.pointer, f"The required property {name!r} is not declared.")
        if flat is not None and flat.is_open:
            self._log.report(
                "request_body_extra_properties", body.pointer, "Properties that are not declared cannot be sent."
            )

    def _report_renamed(self, arguments: list[Argument], names: tuple[str, ...]) -> None:
        for each, name in zip(arguments, names, strict=True):
            if name != each.wire_name:
                self._log.report(
                    "argument_renamed", each.pointer, f"{each.wire_name!r} ({each.location}) is the argument {name!r}."
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
    """Give the schema of a body that is sent as it is: a text, or another scalar that is written as one."""
    value = description.try_resolve(schema.value, schema.pointer)
    declared = value.get("type") if isinstance(value, dict) else None
    is_plain = bodies.kind(media_type, description) == "text" and not media_types.is_xml(media_type.name)
    if declared == "string" or (is_plain and declared in ("integer", "number", "boolean")):
        return schema.value
    if bodies.kind(media_type, description) == "binary":
        return {"type": "string", "format": "binary"}
    return {"type": "string", "description": f"The body as {media_types.essence(media_type.name)} text."}


def _accept(responses: tuple[Response, ...]) -> tuple[str, ...]:
    """List the media types of the success responses, JSON first; all responses where no success is declared."""
    declared = [each for each in responses if each.status.startswith("2")] or list(responses)
    names = dict.fromkeys(media_types.essence(content.name) for each in declared for content in each.content)
    return tuple(sorted(names, key=lambda name: not media_types.is_json(name)))
