"""Description -> operations: every operation with what it inherits, or a diagnostic that says why it is left out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

from converters import lenient, pointers
from converters.content import ContentReader
from converters.oas import (
    DEFAULT_STYLES,
    STYLES,
    Operation,
    Parameter,
    Schema,
    Server,
    ServerVariable,
)
from converters.references import UnresolvedReferenceError
from converters.security import declared_schemes, read_requirements

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from converters.diagnostics import DiagnosticLog
    from converters.oas import Location, SecurityRequirement
    from converters.references import Description

METHODS: Final[Mapping[str, tuple[str, ...]]] = {
    "2.0": ("get", "put", "post", "delete", "options", "head", "patch"),
    "3.0": ("get", "put", "post", "delete", "options", "head", "patch", "trace"),
    "3.1": ("get", "put", "post", "delete", "options", "head", "patch", "trace"),
    "3.2": ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query"),
}
"""Fields of the Path Item Object that are operations, per version."""

_TEMPLATE: Final = re.compile(r"\{([^{}]*)\}")
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_LOCATIONS: Final = frozenset({"path", "query", "header", "cookie", "querystring"})

RESERVED_HEADERS: Final = frozenset(
    {
        "accept", "authorization", "connection", "content-length", "content-type", "cookie", "expect", "host",
        "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
"""Headers that a description cannot turn into an argument: the gateway, HTTP or a security scheme owns them."""
RESERVED_HEADER_PREFIXES: Final = ("proxy-", "x-forwarded-", "mcp-")


def _compared(name: str, location: str) -> tuple[str, str]:
    """Give name and location as they are compared: names of header fields in any case (RFC 9110 section 5.1)."""
    return (name.lower() if location == "header" else name), location


def read_operations(description: Description, log: DiagnosticLog) -> tuple[tuple[Operation, ...], int]:
    """Read all operations under `paths`, in document order.

    Returns the operations that can be converted and the number of those declared; the difference was reported.
    """
    reader = _Reader(description, log)
    found: list[Operation] = []
    declared = 0
    for method, path, value, pointer, path_item in reader.declared():
        declared += 1
        operation = reader.operation(method, path, value, pointer=pointer, path_item=path_item)
        if operation is not None:
            found.append(operation)
    return tuple(found), declared


def is_reserved_header(name: str) -> bool:
    """Tell whether a header parameter of this name is never exposed nor sent (OAS 3.1 section 4.8.12.1)."""
    lowered = name.lower()
    return lowered in RESERVED_HEADERS or lowered.startswith(RESERVED_HEADER_PREFIXES)


def template_names(path: str) -> list[str]:
    """List the parameter names in a path template.

    `{+name}` and `{name*}` are RFC 6570 operators that Google's descriptions use; the name is what they apply to.
    """
    return [expression.strip("+*") for expression in _TEMPLATE.findall(path)]


class _Reader:
    """Reads one description; holds what every operation inherits."""

    def __init__(self, description: Description, log: DiagnosticLog) -> None:
        self._description = description
        self._log = log
        self._content = ContentReader(description, log)
        self._schemes = declared_schemes(description)
        root = description.root
        self._servers = self._read_servers(root.get("servers"), "/servers")
        self._security = (
            read_requirements(root["security"], "/security", self._schemes, log) if "security" in root else ()
        )

    def _report(self, code: str, pointer: str, message: str) -> None:
        self._log.report(code, self._description.origin(pointer), message)

    def _resolve(self, value: Any, pointer: str) -> tuple[Any, str]:
        return self._description.resolve(value, pointer)

    # --- walking the paths

    def declared(self) -> Iterator[tuple[str, str, Any, str, tuple[dict[str, Any], str]]]:
        """List every declared operation as (method, path, value, pointer, (path item, its pointer))."""
        paths = self._description.root.get("paths")
        for path, entry in (paths if isinstance(paths, dict) else {}).items():
            if path.startswith("x-"):
                continue
            try:
                item, at = self._resolve(entry, pointers.join("/paths", path))
            except UnresolvedReferenceError as error:
                self._report(error.code, error.pointer, error.message)
                continue
            if not isinstance(item, dict):
                self._report("path_item_invalid", at, f"The path item {path!r} is not an object.")
                continue
            for method in METHODS[self._description.version]:
                if method in item:
                    yield method, path, *self._target(item[method], pointers.join(at, method)), (item, at)
            yield from self._additional(path, item, at)

    def _target(self, value: Any, pointer: str) -> tuple[Any, str]:
        """Follow an operation that is a Reference Object: not in the specification, but split descriptions do it."""
        try:
            return self._resolve(value, pointer)
        except UnresolvedReferenceError as error:
            self._report(error.code, error.pointer, error.message)
            return None, pointer

    def _additional(self, path: str, item: dict[str, Any], at: str) -> Iterator[Any]:
        """List OAS 3.2 `additionalOperations` (Path Item Object), and report methods that the version lacks."""
        additional = item.get("additionalOperations")
        if self._description.version == "3.2" and isinstance(additional, dict):
            for method, value in additional.items():
                where = pointers.join(at, "additionalOperations", method)
                yield method, path, *self._target(value, where), (item, at)
        for method in ("trace", "query"):
            if method in item and method not in METHODS[self._description.version]:
                self._report(
                    "operation_unsupported_method",
                    pointers.join(at, method),
                    f"OpenAPI {self._description.version} has no `{method}` operations.",
                )

    # --- one operation

    def operation(
        self, method: str, path: str, value: Any, *, pointer: str, path_item: tuple[dict[str, Any], str]
    ) -> Operation | None:
        """Read one operation; None, with a diagnostic, where it cannot be called."""
        problem = self._why_not(method, path, value)
        if problem:
            self._report(problem[0], pointer, problem[1])
            return None
        item, item_pointer = path_item
        parameters = self._parameters(value, pointer, item, item_pointer)
        if "callbacks" in value:
            self._report("callback_ignored", pointers.join(pointer, "callbacks"), "Callbacks are not tools.")
        inherited = self._inherited(value, pointer, item, item_pointer)
        parameters = self._without_keys(parameters, inherited[1])
        return Operation(
            method=method.lower() if method.lower() in METHODS["3.2"] else method,
            path=path,
            pointer=self._description.origin(pointer),
            operation_id=str(value["operationId"]) if isinstance(value.get("operationId"), (str, int)) else "",
            summary=lenient.text(value.get("summary")) or lenient.text(item.get("summary")),
            description=lenient.text(value.get("description")) or lenient.text(item.get("description")),
            tags=tuple(tag for tag in lenient.array(value.get("tags")) if isinstance(tag, str)),
            deprecated=value.get("deprecated") is True,
            parameters=self._path_parameters(path, pointer, parameters),
            request_body=self._content.request_body(value.get("requestBody"), pointers.join(pointer, "requestBody")),
            responses=tuple(self._content.responses(value.get("responses"), pointers.join(pointer, "responses"))),
            servers=inherited[0],
            security=inherited[1],
            extension=lenient.mapping(value.get("x-mcp")),
        )

    @staticmethod
    def _why_not(method: str, path: str, value: Any) -> tuple[str, str] | None:
        """Say why an operation cannot be called at all, as (code, message)."""
        if not isinstance(value, dict):
            return "operation_invalid", f"The operation {method.upper()} {path} is not an object."
        if not path.startswith("/"):
            return "operation_path_invalid", f"The path {path!r} does not start with '/'."
        if not _TOKEN.fullmatch(method):
            return "operation_unsupported_method", f"{method!r} is not an HTTP method."
        names = template_names(path)
        if "" in names or len(set(names)) != len(names):
            return "operation_path_invalid", f"The path {path!r} has an empty or repeated template expression."
        return None

    def _inherited(
        self, value: dict[str, Any], pointer: str, item: dict[str, Any], item_pointer: str
    ) -> tuple[tuple[Server, ...], Any]:
        """Choose servers (operation, then path item, then document) and security (operation, then document)."""
        servers = self._servers
        for holder, at in ((value, pointer), (item, item_pointer)):
            if lenient.array(holder.get("servers")):
                servers = self._read_servers(holder["servers"], pointers.join(at, "servers"))
                break
        if "security" not in value:
            return servers, self._security
        at = self._description.origin(pointers.join(pointer, "security"))
        return servers, read_requirements(value["security"], at, self._schemes, self._log)

    # --- parameters

    def _parameters(
        self, value: dict[str, Any], pointer: str, item: dict[str, Any], item_pointer: str
    ) -> dict[tuple[str, str], Parameter]:
        """Merge the operation's parameters over the path item's; both are keyed by (name, location)."""
        merged: dict[tuple[str, str], Parameter] = {}
        for holder, at in ((item, item_pointer), (value, pointer)):
            own: dict[tuple[str, str], Parameter] = {}
            for index, entry in enumerate(lenient.array(holder.get("parameters"))):
                where = pointers.join(at, "parameters", index)
                parameter = self._parameter(entry, where)
                if parameter is None:
                    continue
                key = (parameter.name, parameter.location)
                if key in own:
                    self._report("parameter_duplicate", where, f"The {key[1]} parameter {key[0]!r} is declared twice.")
                own.setdefault(key, parameter)
            merged.update(own)
        return merged

    def _without_keys(
        self, parameters: dict[tuple[str, str], Parameter], security: tuple[SecurityRequirement, ...]
    ) -> dict[tuple[str, str], Parameter]:
        """Leave out what an apiKey scheme of the operation sends: a model neither knows a key nor is to write one."""
        named = {name for requirement in security for name, _ in requirement.schemes}
        owners: dict[tuple[str, str], str] = {}
        for scheme in sorted(named):
            declared = self._schemes.get(scheme, {})
            if declared.get("type") == "apiKey":
                location = lenient.text(declared.get("in"))
                owners[_compared(lenient.text(declared.get("name")), location)] = scheme
        kept: dict[tuple[str, str], Parameter] = {}
        for key, parameter in parameters.items():
            owner = owners.get(_compared(*key))
            if owner is None:
                kept[key] = parameter
                continue
            self._log.report(
                "parameter_of_security_scheme",
                parameter.pointer,
                f"The {key[1]} parameter {key[0]!r} is no argument: the security scheme {owner!r} sends it.",
            )
        return kept

    def _parameter(self, entry: Any, pointer: str) -> Parameter | None:
        try:
            value, pointer = self._resolve(entry, pointer)
        except UnresolvedReferenceError as error:
            self._report(error.code, error.pointer, error.message)
            return None
        name = value.get("name") if isinstance(value, dict) else None
        if not isinstance(name, str) or not name or lenient.text(value.get("in")) not in _LOCATIONS:
            self._report("parameter_invalid", pointer, "The parameter lacks a name or a known location (`in`).")
            return None
        location = cast("Location", value["in"])
        if location == "header" and is_reserved_header(name):
            self._report("parameter_reserved_header", pointer, f"The header {name!r} is not offered as an argument.")
            return None
        if location == "header" and not _TOKEN.fullmatch(name):
            self._report("parameter_invalid", pointer, f"{name!r} cannot be the name of an HTTP header.")
            return None
        style, explode = self._style(value, location, pointer)
        schema, content_type = self._parameter_schema(value, pointer)
        required = value.get("required") is True or location == "path"
        if location == "path" and value.get("required") is not True:
            self._report("parameter_required_forced", pointer, f"The path parameter {name!r} is not marked required.")
        return Parameter(
            name=name,
            location=location,
            required=required,
            schema=schema,
            style=style,
            explode=explode,
            pointer=self._description.origin(pointer),
            content_type=content_type,
            allow_reserved=value.get("allowReserved") is True,
            allow_empty_value=value.get("allowEmptyValue") is True,
            deprecated=value.get("deprecated") is True,
            description=lenient.text(value.get("description")),
            examples=self._examples(value, pointer),
        )

    def _examples(self, value: dict[str, Any], pointer: str) -> tuple[Any, ...]:
        """Read `example`, or the first Example Object that holds its value (OAS 3.1 section 4.8.19)."""
        if "example" in value:
            return (value["example"],)
        for name, entry in lenient.mapping(value.get("examples")).items():
            found = self._description.try_resolve(entry, pointers.join(pointer, "examples", name))
            if isinstance(found, dict) and "value" in found:
                return (found["value"],)
        return ()

    def _style(self, value: dict[str, Any], location: Location, pointer: str) -> tuple[str, bool]:
        style = value.get("style", DEFAULT_STYLES[location])
        if not isinstance(style, str) or style not in STYLES[location]:
            self._report("parameter_style_invalid", pointer, f"The style {style!r} does not exist in the {location}.")
            style = DEFAULT_STYLES[location]
        explode = value.get("explode")
        return style, explode if isinstance(explode, bool) else style in {"form", "cookie", "deepObject"}

    def _parameter_schema(self, value: dict[str, Any], pointer: str) -> tuple[Schema, str | None]:
        """Read `schema`, or the one entry of `content` with its media type."""
        for media_type in self._content.media_types(value.get("content"), pointers.join(pointer, "content")):
            return media_type.schema or Schema({}, media_type.pointer), media_type.name
        if "schema" not in value:
            self._report(
                "parameter_schema_missing", pointer, f"The parameter {value['name']!r} has neither schema nor content."
            )
        return Schema(value.get("schema", {}), self._description.origin(pointers.join(pointer, "schema"))), None

    def _path_parameters(
        self, path: str, pointer: str, parameters: dict[tuple[str, str], Parameter]
    ) -> tuple[Parameter, ...]:
        """Make path parameters and template expressions agree: a missing one is a text, an extra one is dropped."""
        templated = template_names(path)
        kept = []
        for parameter in parameters.values():
            if parameter.location == "path" and parameter.name not in templated:
                self._log.report(
                    "parameter_unused_path",
                    parameter.pointer,
                    f"The path {path!r} has no {{{parameter.name}}}, so the path parameter has no place.",
                )
            else:
                kept.append(parameter)
        declared = {parameter.name for parameter in kept if parameter.location == "path"}
        for name in templated:
            if name not in declared:
                self._report(
                    "path_parameter_undeclared",
                    pointer,
                    f"The path {path!r} uses {{{name}}} without declaring it; it is offered as a text.",
                )
                at = self._description.origin(pointer)
                kept.append(Parameter(name, "path", True, Schema({"type": "string"}, at), "simple", False, at))  # noqa: FBT003 - positional as declared
        return tuple(kept)

    # --- servers

    def _read_servers(self, servers: Any, pointer: str) -> tuple[Server, ...]:
        found = []
        for index, entry in enumerate(lenient.array(servers)):
            if not isinstance(entry, dict) or not isinstance(entry.get("url"), str):
                self._report("server_invalid", pointers.join(pointer, index), "The server has no URL.")
                continue
            variables = {
                name: ServerVariable(
                    lenient.text(value.get("default")), tuple(map(lenient.text, lenient.array(value.get("enum"))))
                )
                for name, value in lenient.mapping(entry.get("variables")).items()
                if isinstance(value, dict)
            }
            # Swagger 2.0 has no servers: they are made of `host` and its neighbours, which have no index.
            origin = self._description.origin(pointer)
            at = pointers.join(pointer, index) if origin == pointer else origin
            found.append(Server(entry["url"].strip(), variables, at))
        return tuple(found)
