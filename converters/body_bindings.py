"""Request body and the names of its arguments -> BodyBinding: all that a call needs to write the body."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from converters import bodies, media_types, pointers, xml_nodes
from converters.oas import Schema
from converters.references import UnresolvedReferenceError
from converters.tool_definitions import BodyBinding, PropertyBinding

if TYPE_CHECKING:
    from collections.abc import Callable

    from converters.bodies import PlainObject
    from converters.diagnostics import DiagnosticLog
    from converters.oas import MediaType, RequestBody
    from converters.references import Description
    from converters.tool_definitions import BodyKind, XmlNode


@dataclass(frozen=True, slots=True)
class BodyBinder:
    """Binds the bodies of one description; `is_hidden` tells which properties are no arguments."""

    description: Description
    log: DiagnosticLog
    is_hidden: Callable[[Schema], bool]

    def bind(
        self, body: RequestBody, media_type: MediaType, flat: PlainObject | None, names: tuple[str, ...]
    ) -> BodyBinding:
        """Bind `body`, sent as `media_type`: `names` are its arguments, one per shown property of `flat` or the one."""
        kind = bodies.kind(media_type, self.description)
        binding = BodyBinding(
            media_types.concrete(media_type.name),
            kind,
            body.required,
            pointer=body.pointer,
            media_type_pointer=media_type.pointer,
            content_encoding=self._payload_encoding(media_type.schema) if kind == "binary" else "",
            xml=self._xml_root(media_type.schema) if kind == "xml" and media_type.schema else (),
        )
        if flat is None:
            return replace(binding, whole=names[0], **self._parts_by_position(media_type, kind))
        shown = {wire: schema for wire, schema in flat.properties.items() if not self.is_hidden(schema)}
        properties = tuple(
            self._property(PropertyBinding(argument, wire, encoding=media_type.encoding.get(wire)), schema, kind)
            for argument, (wire, schema) in zip(names, shown.items(), strict=True)
        )
        required = tuple(wire for wire in flat.required if wire in shown)
        return replace(binding, properties=properties, required_properties=required)

    def _property(self, binding: PropertyBinding, schema: Schema, kind: BodyKind) -> PropertyBinding:
        """Add to `binding` what `schema` says of the property, or of the part it becomes."""
        binding = replace(binding, pointer=schema.pointer)
        if kind != "multipart":
            return binding
        item = self._item(schema)
        content_type = binding.encoding.content_type if binding.encoding else None
        is_xml = media_types.is_xml(content_type or "") and bodies.is_structured(item, self.description)
        return replace(
            binding,
            is_file=bodies.holds_files(schema, self.description, content_type),
            content_encoding=self._content_keyword(item, "contentEncoding"),
            media_type=self._content_keyword(item, "contentMediaType"),
            xml=self._xml_root(item) if is_xml else (),
        )

    def _parts_by_position(self, media_type: MediaType, kind: BodyKind) -> dict[str, Any]:
        """Bind the parts of a multipart body that is a list (OAS 3.2 section 4.14.5.2)."""
        if kind != "multipart" or media_type.schema is None:
            return {}
        value, pointer = self._resolved(media_type.schema)
        if not isinstance(value, dict) or not {"items", "prefixItems"} & value.keys():
            return {}
        declared = value.get("prefixItems")
        prefix = [
            Schema(each, pointers.join(pointer, "prefixItems", index))
            for index, each in enumerate(declared if isinstance(declared, list) else [])
        ]
        encodings = [*media_type.prefix_encoding, *[None] * len(prefix)]
        items = Schema(value.get("items", {}), pointers.join(pointer, "items"))
        return {
            "prefix_parts": tuple(
                self._property(PropertyBinding("", "", encoding=encoding), schema, kind)
                for schema, encoding in zip(prefix, encodings, strict=False)
            ),
            "item_part": self._property(PropertyBinding("", "", encoding=media_type.item_encoding), items, kind),
        }

    def _item(self, schema: Schema) -> Schema:
        """Give the schema of one part: that of the items of a list, which become a part each."""
        value, pointer = self._resolved(schema)
        if isinstance(value, dict) and value.get("type") == "array" and "items" in value:
            return Schema(value["items"], pointers.join(pointer, "items"))
        return schema

    def _resolved(self, schema: Schema) -> Schema:
        try:
            return self.description.resolve_schema(schema)
        except UnresolvedReferenceError:
            return schema

    def _content_keyword(self, schema: Schema | None, keyword: str) -> str:
        value = self._resolved(schema).value if schema else None
        return value[keyword] if isinstance(value, dict) and isinstance(value.get(keyword), str) else ""

    def _payload_encoding(self, schema: Schema | None) -> str:
        """Name the text that a binary body is sent as: `contentEncoding`, or `byte` (OAS 3.0.3 section 4.7.14.3)."""
        is_byte = self._content_keyword(schema, "format") == "byte"
        return self._content_keyword(schema, "contentEncoding") or ("base64" if is_byte else "")

    def _xml_root(self, schema: Schema) -> tuple[XmlNode, ...]:
        nodes = xml_nodes.read(schema, self.description)
        if not nodes[0].name:
            self.log.report("xml_root_unnamed", schema.pointer, "The root element of the XML body has no name.")
        return nodes


def is_file_argument(schema: Schema, media_type: MediaType, name: str, description: Description) -> bool:
    """Tell whether the argument for property `name` of a body, or for the whole body (""), is read as a file."""
    kind = bodies.kind(media_type, description)
    encoding = media_type.encoding.get(name)
    if kind == "binary":
        return True
    return kind == "multipart" and bodies.holds_files(schema, description, encoding.content_type if encoding else None)
