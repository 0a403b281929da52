"""A tool as it is stored and served: what clients see, and how its arguments become a request.

A definition is a value: it goes to JSON and back (`to_json`, `from_json`) without loss, holds no credential, and is
all the gateway needs; the description is not read again after compiling.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from converters.oas import Encoding, SecurityRequirement, Server, ServerVariable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BodyKind = Literal["json", "form", "multipart", "xml", "sequence", "binary", "text"]
XmlNodeType = Literal["element", "attribute", "text", "cdata", "none"]


@dataclass(frozen=True, slots=True)
class ParameterBinding:
    """Which argument fills which parameter, and how it is written (OAS 3.1 section 4.8.12)."""

    argument: str
    name: str
    location: str
    style: str
    explode: bool
    required: bool = False
    allow_reserved: bool = False
    content_type: str | None = None
    pointer: str = ""


@dataclass(frozen=True, slots=True)
class XmlNode:
    """What one schema is in an XML document (OAS 3.2 section 4.26); numbers are places in the list of all nodes.

    Without `name` the node is called like the property it stands for. What is in `properties` is written in their
    order, the items of a list as `prefix_items` and then `items`.
    """

    node_type: XmlNodeType = "element"
    name: str = ""
    namespace: str = ""
    prefix: str = ""
    properties: Mapping[str, int] = field(default_factory=dict)
    additional: int | None = None
    prefix_items: tuple[int, ...] = ()
    items: int | None = None


@dataclass(frozen=True, slots=True)
class PropertyBinding:
    """Which argument fills which property of a flattened body, or how one part of a multipart body is written.

    `is_file` makes it a file part or raw bytes, and an array of files a part per file. `content_encoding` and
    `media_type` are those of the schema (JSON Schema 2020-12 validation, section 8), `xml` describes an XML part.
    """

    argument: str
    name: str
    is_file: bool = False
    encoding: Encoding | None = None
    pointer: str = ""
    content_encoding: str = ""
    media_type: str = ""
    xml: tuple[XmlNode, ...] = ()


@dataclass(frozen=True, slots=True)
class BodyBinding:
    """How the request body is made.

    With `whole` the argument of that name is the body; without it `properties` are assembled to an object.
    `required_properties` must be there whenever any property is. `prefix_parts` and `item_part` are the parts of a
    multipart body that is a list, `xml` the nodes of an XML body, its root first.
    """

    media_type: str
    kind: BodyKind
    required: bool
    whole: str | None = None
    properties: tuple[PropertyBinding, ...] = ()
    required_properties: tuple[str, ...] = ()
    pointer: str = ""
    media_type_pointer: str = ""
    content_encoding: str = ""
    prefix_parts: tuple[PropertyBinding, ...] = ()
    item_part: PropertyBinding | None = None
    xml: tuple[XmlNode, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolDefinition:
    """One operation as a tool; `input_schema` and `output_schema` are self-contained JSON Schema 2020-12.

    `pinned` arguments are not listed, and have the same value in every call.
    """

    name: str
    operation_key: str
    method: str
    path: str
    pointer: str
    description: str
    input_schema: Mapping[str, Any]
    title: str = ""
    output_schema: Mapping[str, Any] | None = None
    annotations: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    deprecated: bool = False
    enabled: bool = True
    parameters: tuple[ParameterBinding, ...] = ()
    body: BodyBinding | None = None
    accept: tuple[str, ...] = ()
    pinned: Mapping[str, Any] = field(default_factory=dict)
    servers: tuple[Server, ...] = ()
    security: tuple[SecurityRequirement, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give the definition as JSON values; schemas are shared with the definition, not copied."""
        stored = {each.name: getattr(self, each.name) for each in fields(self)}
        for name in ("parameters", "servers", "security"):
            stored[name] = [asdict(value) for value in stored[name]]
        stored["body"] = None if self.body is None else asdict(self.body)
        return stored

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> ToolDefinition:
        """Rebuild a definition from what `to_json` gave."""
        body = stored["body"]
        return cls(
            **{
                **stored,
                "tags": tuple(stored["tags"]),
                "accept": tuple(stored["accept"]),
                "parameters": tuple(ParameterBinding(**each) for each in stored["parameters"]),
                "body": None if body is None else _body_from_json(body),
                "servers": tuple(server_from_json(each) for each in stored["servers"]),
                "security": security_from_json(stored["security"]),
            }
        )

    def to_tool(self) -> dict[str, Any]:
        """Give the MCP Tool object (2025-11-25 section "Tools", Data Types), newest form."""
        tool: dict[str, Any] = {"name": self.name}
        if self.title and self.title != self.description:
            tool["title"] = self.title
        tool["description"] = self.description
        tool["inputSchema"] = self.input_schema
        if self.output_schema is not None:
            tool["outputSchema"] = self.output_schema
        tool["annotations"] = self.annotations
        if self.tags:
            tool["_meta"] = {"causeway/tags": list(self.tags)}
        return tool


def _body_from_json(stored: Mapping[str, Any]) -> BodyBinding:
    item_part = stored.get("item_part")
    return BodyBinding(
        **{
            **stored,
            "properties": tuple(map(_property_from_json, stored["properties"])),
            "required_properties": tuple(stored["required_properties"]),
            "prefix_parts": tuple(map(_property_from_json, stored.get("prefix_parts", ()))),
            "item_part": None if item_part is None else _property_from_json(item_part),
            "xml": _xml_from_json(stored),
        }
    )


def _property_from_json(stored: Mapping[str, Any]) -> PropertyBinding:
    encoding = stored["encoding"]
    if encoding is not None:
        headers = tuple((name, value) for name, value in encoding.get("headers", ()))
        encoding = Encoding(**{**encoding, "headers": headers})
    return PropertyBinding(**{**stored, "encoding": encoding, "xml": _xml_from_json(stored)})


def _xml_from_json(stored: Mapping[str, Any]) -> tuple[XmlNode, ...]:
    return tuple(XmlNode(**{**each, "prefix_items": tuple(each["prefix_items"])}) for each in stored.get("xml", ()))


def security_from_json(stored: Sequence[Mapping[str, Any]]) -> tuple[SecurityRequirement, ...]:
    """Rebuild security requirements from what `ToolDefinition.to_json` wrote of them."""
    return tuple(
        SecurityRequirement(tuple((name, tuple(scopes)) for name, scopes in each["schemes"])) for each in stored
    )


def server_from_json(stored: Mapping[str, Any]) -> Server:
    """Rebuild a server from what `ToolDefinition.to_json` wrote of it."""
    variables = {
        name: ServerVariable(value["default"], tuple(value["enum"])) for name, value in stored["variables"].items()
    }
    return Server(stored["url"], variables, stored.get("pointer", ""))
