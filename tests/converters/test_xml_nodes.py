from __future__ import annotations

from typing import Any

import pytest

from converters import xml_nodes
from converters.oas import Schema
from converters.references import Description
from converters.tool_definitions import ToolDefinition, XmlNode
from tests.converters.descriptions import body_tool, compiled, description, diagnostic, properties


def nodes(schema: Any, *, version: str = "3.1", **components: Any) -> tuple[XmlNode, ...]:
    root = {"components": {"schemas": components}}
    return xml_nodes.read(Schema(schema, "/s"), Description(root, root, version=version))


def component(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


@pytest.mark.parametrize(
    ("schema", "name"),
    [
        ({"type": "object"}, ""),
        ({"type": "object", "xml": {"name": "thing"}}, "thing"),
        (component("Plain"), "Plain"),
        (component("Named"), "named"),
        ({**component("Named"), "xml": {"name": "here"}}, "here"),
        (component("Alias"), "Alias"),
        ({"allOf": [component("Named")]}, "named"),
        # Each of several branches names itself, not what they are together.
        ({"allOf": [component("Named"), component("Plain")]}, ""),
    ],
)
def test_the_root_is_named_by_the_nearest_xml_object_or_component(schema: Any, name: str) -> None:
    found = nodes(
        schema, Plain={"type": "object"}, Named={"type": "object", "xml": {"name": "named"}}, Alias=component("Plain")
    )

    assert (found[0].node_type, found[0].name) == ("element", name)


@pytest.mark.parametrize(
    ("schema", "node_type"),
    [
        ({"type": "string"}, "element"),
        ({"type": "string", "xml": {"attribute": True}}, "attribute"),
        ({"type": "string", "xml": {"nodeType": "attribute"}}, "attribute"),
        ({"type": "string", "xml": {"nodeType": "text"}}, "text"),
        ({"type": "string", "xml": {"nodeType": "cdata"}}, "cdata"),
        ({"type": "object", "xml": {"nodeType": "none"}}, "none"),
        ({"type": "object", "xml": {"nodeType": "unheard-of"}}, "element"),
        ({"type": "array"}, "none"),
        ({"type": ["array", "null"]}, "none"),
        ({"items": {}}, "none"),
        ({"prefixItems": [{}]}, "none"),
        ({"type": "array", "xml": {"wrapped": True}}, "element"),
        ({"type": "array", "xml": {"nodeType": "element"}}, "element"),
        (component("List"), "none"),
        ({"xml": "broken"}, "element"),
        (True, "element"),
        (component("Nowhere"), "element"),
    ],
)
def test_a_schema_says_what_node_it_is(schema: Any, node_type: str) -> None:
    found = nodes({"type": "object", "properties": {"p": schema}}, List={"type": "array"})

    assert found[found[0].properties["p"]].node_type == node_type


def test_a_reference_is_named_like_its_property_and_since_3_2_like_its_component() -> None:
    schema = {"type": "object", "properties": {"p": component("Thing")}}

    for version, name in (("3.0", ""), ("3.1", ""), ("3.2", "Thing")):
        found = nodes(schema, version=version, Thing={"type": "string"})
        assert found[found[0].properties["p"]].name == name


def test_a_recursive_schema_ends_and_its_root_stands_apart() -> None:
    node = {"type": "object", "properties": {"next": component("Node"), "all": {"items": component("Node")}}}
    root, inner, many, each = nodes(component("Node"), Node=node)

    assert root.name == "Node"
    assert root.properties == inner.properties == each.properties == {"next": 1, "all": 2}
    assert (inner.name, each.name, many.items) == ("", "", 3)


def test_branches_are_read_together_and_the_nearest_wins() -> None:
    found = nodes(
        {
            "properties": {"a": {"xml": {"name": "near"}}},
            "allOf": [{"properties": {"a": {"xml": {"name": "far"}}, "b": {}}}],
            "oneOf": [{"properties": {"c": {}}}, {"properties": {"d": {}}, "additionalProperties": {"type": "string"}}],
        }
    )

    assert list(found[0].properties) == ["a", "b", "c", "d"]
    assert found[found[0].properties["a"]].name == "near"
    assert found[0].additional is not None


def test_more_nodes_than_the_limit_are_left_to_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml_nodes, "MAX_NODES", 3)

    found = nodes({"properties": {name: {} for name in "abcd"}})

    assert len(found) == 3
    assert list(found[0].properties) == ["a", "b"]


# --- from a description to a tool


def test_an_xml_body_with_a_structure_is_typed_arguments() -> None:
    tool = body_tool({"type": "object", "properties": {"id": {"type": "integer"}}}, media_type="application/xml")

    assert properties(tool) == {"id": {"type": "integer"}}
    assert tool.body is not None
    assert (tool.body.kind, tool.body.whole) == ("xml", None)
    assert ToolDefinition.from_json(tool.to_json()) == tool


def test_a_root_without_a_name_is_told() -> None:
    def unnamed(schema: dict[str, Any]) -> dict[str, Any]:
        body = {"content": {"application/xml": {"schema": schema}}}
        return description({"/x": {"post": {"requestBody": body, "responses": {}}}})

    found = diagnostic(compiled(unnamed({"type": "object"})), "xml_root_unnamed")

    assert found.pointer == "/paths/~1x/post/requestBody/content/application~1xml/schema"
    assert not compiled(unnamed({"type": "object", "xml": {"name": "x"}})).diagnostics
