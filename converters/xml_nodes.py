"""Schema -> XML nodes: what the XML Object says of each schema (OAS 3.1 section 4.8.26, OAS 3.2 section 4.26)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from converters import pointers
from converters.oas import Schema
from converters.references import UnresolvedReferenceError
from converters.tool_definitions import XmlNode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converters.references import Description
    from converters.tool_definitions import XmlNodeType

_COMPONENT: Final = re.compile(r"/(?:components/schemas|definitions)/([^/]+)")
_NODE_TYPES: Final[dict[str, XmlNodeType]] = {
    "element": "element",
    "attribute": "attribute",
    "text": "text",
    "cdata": "cdata",
    "none": "none",
}
_ALTERNATIVES: Final = ("allOf", "oneOf", "anyOf")
MAX_NODES: Final = 10_000
"""Schemas of one body that become nodes; what is beyond is written as elements named like their properties."""


def read(schema: Schema, description: Description) -> tuple[XmlNode, ...]:
    """List the nodes of an XML document whose root `schema` describes, the root first.

    The root's name is "" where neither an XML Object nor a component names it.
    """
    reader = _Reader(description)
    reader.place(schema)
    nodes = reader.read()
    root = reader.facets_of(schema)
    # A document has one root: a list that is not wrapped, or a text, is given one. It stands apart from the node of
    # its schema, which a recursive schema names after a property.
    return (replace(nodes[0], node_type="element", name=nodes[0].name or root.component), *nodes[1:])


@dataclass(slots=True)
class _Facets:
    """What a schema, its references and its branches say, taken together."""

    xml: dict[str, Any] = field(default_factory=dict)
    component: str = ""
    is_list: bool = False
    properties: dict[str, Schema] = field(default_factory=dict)
    additional: Schema | None = None
    prefix_items: list[Schema] = field(default_factory=list)
    items: Schema | None = None


class _Reader:
    """Gives each schema its place, and reads it once."""

    def __init__(self, description: Description) -> None:
        self._description = description
        self._places: dict[str, int] = {}
        self._waiting: list[Schema] = []

    def place(self, schema: Schema) -> int | None:
        if len(self._places) >= MAX_NODES:
            return None
        # The root is placed first, under a name that no other use of its schema has.
        key = schema.pointer if self._places else "#"
        if key not in self._places:
            self._places[key] = len(self._places)
            self._waiting.append(schema)
        return self._places[key]

    def read(self) -> list[XmlNode]:
        nodes = []
        # `_waiting` grows meanwhile, in the order of the places.
        for schema in self._waiting:
            nodes.append(self._node(self.facets_of(schema)))  # noqa: PERF401 - the list that is read grows
        return nodes

    def facets_of(self, schema: Schema) -> _Facets:
        facets = _Facets()
        for value, pointer, is_own in self._parts(schema, frozenset(), is_own=True):
            _collect(facets, value, pointer, is_own=is_own)
        return facets

    def _parts(
        self, schema: Schema, seen: frozenset[str], *, is_own: bool
    ) -> Iterator[tuple[dict[str, Any], str, bool]]:
        """List the objects a schema is made of: itself, what it refers to, its branches; the nearest first.

        The last member tells whether the XML Object there speaks of the schema itself: that of one branch of several
        names the branch.
        """
        value, pointer = schema
        if not isinstance(value, dict) or pointer in seen:
            return
        yield value, pointer, is_own
        seen |= {pointer}
        if isinstance(value.get("$ref"), str):
            target, at = self._target(value, pointer)
            yield from self._parts(Schema(target, at), seen, is_own=is_own)
        for keyword in _ALTERNATIVES:
            branches = _members(value.get(keyword))
            for index, branch in enumerate(branches):
                at = pointers.join(pointer, keyword, index)
                yield from self._parts(Schema(branch, at), seen, is_own=is_own and len(branches) == 1)

    def _target(self, value: dict[str, Any], pointer: str) -> tuple[Any, str]:
        try:
            return self._description.lookup(value["$ref"], pointer)
        except UnresolvedReferenceError:
            return None, pointer

    def _node(self, facets: _Facets) -> XmlNode:
        hints = facets.xml
        return XmlNode(
            node_type=_node_type(facets),
            name=_text(hints.get("name")) or self._inferred(facets),
            namespace=_text(hints.get("namespace")),
            prefix=_text(hints.get("prefix")),
            properties={
                name: place for name, each in facets.properties.items() if (place := self.place(each)) is not None
            },
            additional=None if facets.additional is None else self.place(facets.additional),
            prefix_items=tuple(place for each in facets.prefix_items if (place := self.place(each)) is not None),
            items=None if facets.items is None else self.place(facets.items),
        )

    def _inferred(self, facets: _Facets) -> str:
        """Name what a reference stands for: OAS 3.2 names it like the component, earlier versions like the property."""
        return facets.component if self._description.version == "3.2" else ""


def _collect(facets: _Facets, value: dict[str, Any], pointer: str, *, is_own: bool) -> None:
    if is_own:
        if isinstance(value.get("xml"), dict):
            facets.xml = {**value["xml"], **facets.xml}
        if matched := _COMPONENT.fullmatch(pointer):
            facets.component = facets.component or pointers.tokens(matched[0])[-1]
    facets.is_list = facets.is_list or "array" in (value.get("type"), *_members(value.get("type"))) or "items" in value
    properties = value.get("properties")
    for name, each in (properties if isinstance(properties, dict) else {}).items():
        facets.properties.setdefault(name, Schema(each, pointers.join(pointer, "properties", name)))
    if isinstance(value.get("additionalProperties"), dict):
        facets.additional = Schema(value["additionalProperties"], pointers.join(pointer, "additionalProperties"))
    for index, each in enumerate(_members(value.get("prefixItems"))):
        facets.prefix_items.append(Schema(each, pointers.join(pointer, "prefixItems", index)))
    facets.is_list = facets.is_list or bool(facets.prefix_items)
    if isinstance(value.get("items"), dict) and facets.items is None:
        facets.items = Schema(value["items"], pointers.join(pointer, "items"))


def _node_type(facets: _Facets) -> XmlNodeType:
    hints = facets.xml
    asked = _NODE_TYPES.get(_text(hints.get("nodeType")))
    if asked is not None:
        return asked
    if facets.is_list:
        return "element" if hints.get("wrapped") is True else "none"
    return "attribute" if hints.get("attribute") is True else "element"


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _members(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
