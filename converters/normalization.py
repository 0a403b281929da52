"""Any supported version -> the structure of OAS 3.1.

Swagger 2.0 differs in structure, and is rewritten here: body and form parameters become a request body, `produces`
becomes response content, `host`, `basePath` and `schemes` become servers, `securityDefinitions` become security
schemes. OAS 3.0 and 3.2 already have the structure. Schemas are not touched: their dialects are translated in
`converters.schemas`, where they are used.

`Description.origins` remembers which place of the uploaded document made each rewritten piece.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from converters import inheritance, pointers
from converters.errors import DescriptionError
from converters.references import Description, UnresolvedReferenceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from converters.diagnostics import DiagnosticLog

_VERSIONS: Final = re.compile(r"(?P<minor>3\.[0-2])(?:\.\d+)?(?:-[\w.]+)?")
SWAGGER_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch")

# Swagger 2.0 `collectionFormat` -> style and explode (OAS 3.x), for a location; `tabDelimited` is our extension.
_COLLECTION_FORMATS: Final[Mapping[str, tuple[str, bool]]] = {
    "csv": ("form", False),
    "ssv": ("spaceDelimited", False),
    "tsv": ("tabDelimited", False),
    "pipes": ("pipeDelimited", False),
    "multi": ("form", True),
}
_FLOWS: Final[Mapping[str, str]] = {
    "implicit": "implicit",
    "password": "password",
    "application": "clientCredentials",
    "accessCode": "authorizationCode",
}
# What of a Swagger 2.0 non-body Parameter Object is its schema (section "Parameter Object").
_ITEM_KEYWORDS: Final = frozenset(
    {
        "type", "format", "items", "default", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum",
        "maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "enum", "multipleOf",
        "x-nullable", "x-example", "example",
    }
)  # fmt: skip
_FORM_MEDIA_TYPES: Final = ("multipart/form-data", "application/x-www-form-urlencoded")
_MULTIPART, _URLENCODED = _FORM_MEDIA_TYPES


def version_of(root: Mapping[str, Any]) -> str:
    """Give the version family of a description: `2.0`, `3.0`, `3.1` or `3.2`.

    Raises:
        DescriptionError: `spec_not_openapi` without a version field, `spec_version` for one that is not supported.

    """
    if "swagger" in root:
        if str(root["swagger"]) == "2.0":
            return "2.0"
        raise _unsupported(root["swagger"], "swagger")
    if "openapi" not in root:
        raise DescriptionError(
            "spec_not_openapi",
            "The document has neither an `openapi` nor a `swagger` field, so it is not an OpenAPI description.",
            remedy="Upload the OpenAPI document itself; a login or documentation page is not one.",
        )
    matched = _VERSIONS.fullmatch(str(root["openapi"]))
    if matched is None:
        raise _unsupported(root["openapi"], "openapi")
    return matched["minor"]


def _unsupported(version: object, field: str) -> DescriptionError:
    return DescriptionError(
        "spec_version",
        f"The description says `{field}: {str(version)[:40]}`; supported are Swagger 2.0 and OpenAPI 3.0, 3.1 and 3.2.",
        pointer=f"/{field}",
        remedy="Convert the description to a supported version.",
    )


def normalize(description: Description, log: DiagnosticLog) -> Description:
    """Give `description` the structure of OAS 3.1; raises `DescriptionError` for an unsupported version."""
    version = version_of(description.source)
    description = replace(description, subtypes=inheritance.subtypes(description))
    if version == "2.0":
        return _Swagger(description, log).normalized()
    return replace(description, version=version)


class _Swagger:
    """One Swagger 2.0 description on its way to the 3.1 structure."""

    def __init__(self, description: Description, log: DiagnosticLog) -> None:
        self._description = description
        self._source = description.source
        self._log = log
        self._origins: dict[str, str] = {}

    def normalized(self) -> Description:
        root = {
            key: value for key, value in self._source.items() if key in {"info", "tags", "security"} or key[:2] == "x-"
        }
        paths = self._source.get("paths")
        root["openapi"] = "3.1.0"
        root["servers"] = self._servers(self._source.get("schemes"))
        self._origins["/servers"] = "/host" if "host" in self._source else "/basePath"
        root["components"] = {"securitySchemes": self._security_schemes()}
        self._origins["/components/securitySchemes"] = "/securityDefinitions"
        root["paths"] = (
            paths
            if not isinstance(paths, dict)
            else {path: self._path_item(item, path) for path, item in paths.items()}
        )
        return replace(self._description, root=root, version="2.0", origins=self._origins)

    def _servers(self, schemes: Any) -> list[dict[str, Any]]:
        """Turn `schemes`, `host` and `basePath` into servers, https first (section "Swagger Object")."""
        host, base_path = self._source.get("host"), self._source.get("basePath")
        path = base_path if isinstance(base_path, str) else ""
        if not isinstance(host, str) or not host:
            return [{"url": path}] if path else []
        usable = [scheme for scheme in ("https", "http") if isinstance(schemes, list) and scheme in schemes]
        return [{"url": f"{scheme}://{host}{path}"} for scheme in usable or ["https"]]

    def _security_schemes(self) -> dict[str, Any]:
        schemes = self._source.get("securityDefinitions")
        if not isinstance(schemes, dict):
            if schemes is not None:
                self._log.report("security_invalid", "/securityDefinitions", "`securityDefinitions` is not an object.")
            return {}
        return {name: _security_scheme(scheme) for name, scheme in schemes.items() if isinstance(scheme, dict)}

    def _path_item(self, item: Any, path: str) -> Any:
        at = pointers.join("/paths", path)
        try:
            item, origin = self._description.resolve(item, at)
        except UnresolvedReferenceError:
            return item
        if not isinstance(item, dict):
            return item
        self._origins[at] = origin
        shared = item.get("parameters")
        converted = {key: value for key, value in item.items() if key not in {*SWAGGER_METHODS, "parameters"}}
        for method in SWAGGER_METHODS:
            if isinstance(item.get(method), dict):
                converted[method] = self._operation(
                    item[method],
                    pointers.join(at, method),
                    here=pointers.join(origin, method),
                    shared=shared,
                    shared_at=pointers.join(origin, "parameters"),
                )
            elif method in item:
                converted[method] = item[method]
        return converted

    def _operation(
        self, operation: dict[str, Any], at: str, *, here: str, shared: Any, shared_at: str
    ) -> dict[str, Any]:
        converted = {
            key: value
            for key, value in operation.items()
            if key not in {"parameters", "consumes", "produces", "responses", "schemes"}
        }
        parameters = _inherited(
            self._parameters(shared, shared_at),
            self._parameters(operation.get("parameters"), pointers.join(here, "parameters")),
        )
        self._split_parameters(parameters, converted, at, self._media_types(operation, "consumes"))
        if isinstance(operation.get("responses"), dict):
            produces = self._media_types(operation, "produces") or ["application/json"]
            converted["responses"] = {
                status: self._response(response, pointers.join(at, "responses", status), produces, here)
                for status, response in operation["responses"].items()
            }
        if isinstance(operation.get("schemes"), list):
            converted["servers"] = self._servers(operation["schemes"])
        return converted

    def _media_types(self, operation: dict[str, Any], field: str) -> list[str]:
        declared = operation.get(field, self._source.get(field))
        return [name for name in declared if isinstance(name, str)] if isinstance(declared, list) else []

    def _parameters(self, declared: Any, at: str) -> list[tuple[dict[str, Any], str]]:
        found: list[tuple[dict[str, Any], str]] = []
        for index, parameter in enumerate(declared if isinstance(declared, list) else []):
            pointer = pointers.join(at, index)
            try:
                value, origin = self._description.resolve(parameter, pointer)
            except UnresolvedReferenceError as error:
                self._log.report(error.code, pointer, error.message)
                continue
            if not isinstance(value, dict):
                self._log.report("parameter_invalid", pointer, "The parameter is not an object.")
            elif value.get("in") == "formData" and not (isinstance(value.get("name"), str) and value["name"]):
                self._log.report("parameter_invalid", pointer, "The form parameter lacks a name.")
            else:
                found.append((value, origin))
        return found

    def _split_parameters(
        self, parameters: list[tuple[dict[str, Any], str]], operation: dict[str, Any], at: str, consumes: list[str]
    ) -> None:
        """Put body and form parameters into `requestBody`, the others into `parameters`."""
        plain: list[dict[str, Any]] = []
        form: list[tuple[dict[str, Any], str]] = []
        for value, origin in parameters:
            if value.get("in") == "body":
                operation["requestBody"] = self._body(value, consumes)
                self._origins[pointers.join(at, "requestBody")] = origin
                for media_type in operation["requestBody"]["content"]:
                    self._origins[pointers.join(at, "requestBody", "content", media_type)] = origin
            elif value.get("in") == "formData":
                form.append((value, origin))
            else:
                self._origins[pointers.join(at, "parameters", len(plain))] = origin
                self._origins[pointers.join(at, "parameters", len(plain), "schema")] = origin
                plain.append(_parameter(value))
        if plain:
            operation["parameters"] = plain
        if form:
            operation["requestBody"] = self._form(form, pointers.join(at, "requestBody"), consumes)

    @staticmethod
    def _body(value: dict[str, Any], consumes: list[str]) -> dict[str, Any]:
        schema = value.get("schema", {})
        usable = [name for name in consumes if name not in _FORM_MEDIA_TYPES] or ["application/json"]
        return {
            "required": value.get("required") is True,
            "description": value.get("description", ""),
            "content": {name: {"schema": schema} for name in usable},
        }

    def _form(self, form: list[tuple[dict[str, Any], str]], at: str, consumes: list[str]) -> dict[str, Any]:
        """Make one object body of the form parameters (section "Parameter Object", `in: formData`)."""
        has_file = any(value.get("type") == "file" or _is_file_list(value) for value, _ in form)
        declared = [name for name in _FORM_MEDIA_TYPES if name in consumes]
        media_type = _MULTIPART if has_file else declared[-1] if declared else _URLENCODED
        body = pointers.join(at, "content", media_type)
        properties: dict[str, Any] = {}
        encoding: dict[str, Any] = {}
        for value, origin in form:
            name = value["name"]
            properties[name] = _item_schema(value)
            self._origins[pointers.join(body, "schema", "properties", name)] = origin
            if value.get("type") == "array" and not _is_file_list(value):
                style, explode = _COLLECTION_FORMATS.get(str(value.get("collectionFormat")), ("form", False))
                encoding[name] = {"style": style, "explode": explode}
        self._origins[at] = self._origins[body] = form[0][1]
        # The schema itself stands nowhere in the document; only its properties do.
        self._origins[pointers.join(body, "schema")] = pointers.join(body, "schema")
        required = [value["name"] for value, _ in form if value.get("required") is True]
        schema = {"type": "object", "properties": properties, **({"required": required} if required else {})}
        return {"required": bool(required), "content": {media_type: {"schema": schema, "encoding": encoding}}}

    def _response(self, response: Any, at: str, produces: list[str], operation: str) -> Any:
        origin = pointers.join(operation, *pointers.tokens(at)[-2:])
        try:
            value, origin = self._description.resolve(response, origin)
        except UnresolvedReferenceError as error:
            self._log.report(error.code, origin, error.message)
            return {"description": ""}
        self._origins[at] = origin
        if not isinstance(value, dict) or "schema" not in value:
            return value
        schema = value["schema"]
        for media_type in produces:
            self._origins[pointers.join(at, "content", media_type)] = origin
        return {"description": value.get("description", ""), "content": {name: {"schema": schema} for name in produces}}


def _inherited(
    shared: list[tuple[dict[str, Any], str]], own: list[tuple[dict[str, Any], str]]
) -> list[tuple[dict[str, Any], str]]:
    """Merge an operation's parameters over the path item's, which come first, as `converters.operations` does it."""
    merged: list[tuple[dict[str, Any], str]] = []
    has_body = any(value.get("in") == "body" for value, _ in own)
    for value, pointer in shared:
        overriding = [each for each in own if _key(each[0]) == _key(value)]
        merged += overriding or ([] if has_body and value.get("in") == "body" else [(value, pointer)])
    return merged + [each for each in own if each not in merged]


def _key(parameter: dict[str, Any]) -> tuple[Any, Any]:
    return parameter.get("name"), parameter.get("in")


def _is_file_list(value: dict[str, Any]) -> bool:
    """Tell whether a form parameter is an array of files; no specification has it, AutoRest does."""
    items = value.get("items")
    return value.get("type") == "array" and isinstance(items, dict) and items.get("type") == "file"


def _parameter(value: dict[str, Any]) -> dict[str, Any]:
    """Turn a path, query or header parameter into the 3.x form: its schema apart, `collectionFormat` as style."""
    converted = {key: entry for key, entry in value.items() if key not in _ITEM_KEYWORDS | {"collectionFormat"}}
    if "schema" not in value:
        converted["schema"] = _item_schema(value)
    if value.get("type") == "array":
        style, explode = _COLLECTION_FORMATS.get(str(value.get("collectionFormat")), ("form", False))
        if value.get("in") != "query" and style == "form":
            style = "simple"
        converted["style"], converted["explode"] = style, explode
    return converted


def _item_schema(value: dict[str, Any]) -> dict[str, Any]:
    schema = {key: entry for key, entry in value.items() if key in _ITEM_KEYWORDS}
    if isinstance(value.get("description"), str):
        schema["description"] = value["description"]
    if "x-example" in schema:
        schema.setdefault("example", schema.pop("x-example"))
    return schema


def _security_scheme(scheme: dict[str, Any]) -> dict[str, Any]:
    """Turn a Swagger 2.0 Security Scheme Object into the 3.x form."""
    if scheme.get("type") == "basic":
        return {**scheme, "type": "http", "scheme": "basic"}
    if scheme.get("type") != "oauth2":
        return scheme
    flow = _FLOWS.get(str(scheme.get("flow")), "clientCredentials")
    details = {key: scheme[key] for key in ("authorizationUrl", "tokenUrl") if key in scheme}
    rest = {
        key: value for key, value in scheme.items() if key not in {"flow", "authorizationUrl", "tokenUrl", "scopes"}
    }
    return {**rest, "flows": {flow: {**details, "scopes": scheme.get("scopes", {})}}}
