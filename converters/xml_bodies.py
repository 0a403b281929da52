"""Values -> XML, as their nodes say (OAS 3.2 section 4.26, XML 1.0): nothing of a value becomes markup."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from converters import serialization
from converters.errors import BodyValueError
from converters.tool_definitions import XmlNode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_START: Final = (
    ":A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c-\u200d\u2070-\u218f"
    "\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
# XML 1.0 section 2.3, "Name"; section 2.2, "Char".
_NAME: Final = re.compile(f"[{_START}][{_START}.0-9\u00b7\u0300-\u036f\u203f-\u2040-]*")
_NO_CHARACTER: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_TEXT_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_ATTRIBUTE_ESCAPES: Final = _TEXT_ESCAPES | str.maketrans({'"': "&quot;", "\t": "&#9;", "\n": "&#10;"})
_NIL: Final = ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"'
_UNDESCRIBED: Final = XmlNode()


class _Value(NamedTuple):
    """A value with the namespaces that hold around it, by prefix, and the path that leads to it within the body."""

    value: Any
    scope: Mapping[str, str]
    path: tuple[str, ...]

    def below(self, token: str, value: Any) -> _Value:
        return _Value(value, self.scope, (*self.path, token))


class _Content(NamedTuple):
    """What a value adds to the element around it."""

    attributes: str = ""
    inner: str = ""


def write(nodes: tuple[XmlNode, ...], value: Any) -> str:
    """Write an XML document without a declaration; `nodes` holds its root first.

    Raises:
        BodyValueError: for a character that XML does not have, or a property whose name is none in XML.

    """
    return _Writer(nodes).contribution(0, "root", _Value(value, {}, ())).inner


class _Writer:
    def __init__(self, nodes: tuple[XmlNode, ...]) -> None:
        self._nodes = nodes

    def contribution(self, place: int | None, inferred: str, given: _Value) -> _Content:
        """Give what a value adds to the element around it, as the node at `place` says."""
        if place is None and isinstance(given.value, list):
            # Nothing describes the list: like one that is not wrapped.
            return self._items(_UNDESCRIBED, inferred, given)
        node = _UNDESCRIBED if place is None else self._nodes[place]
        name = node.name or inferred
        if node.node_type == "element":
            return _Content(inner=self._element(node, name, given))
        if node.node_type == "attribute":
            return _Content(attributes=_attribute(node, name, given))
        if node.node_type == "text":
            return _Content(inner=_escaped(given, _TEXT_ESCAPES))
        if node.node_type == "cdata":
            # A section cannot hold its own end: it is split there.
            return _Content(inner=f"<![CDATA[{_checked(given).replace(']]>', ']]]]><![CDATA[>')}]]>")
        return self._content(node, inferred, given)

    def _element(self, node: XmlNode, name: str, given: _Value) -> str:
        tag = _name(node, name, given.path)
        declared, scope = _declaration(node, given.scope)
        if given.value is None:
            return f"<{tag}{declared}{_NIL}></{tag}>"
        content = self._content(node, name, given._replace(scope=scope))
        return f"<{tag}{declared}{content.attributes}>{content.inner}</{tag}>"

    def _content(self, node: XmlNode, name: str, given: _Value) -> _Content:
        if isinstance(given.value, dict):
            return self._members(node, given)
        if isinstance(given.value, list):
            return self._items(node, name, given)
        return _Content(inner=_escaped(given, _TEXT_ESCAPES))

    def _members(self, node: XmlNode, given: _Value) -> _Content:
        # In the order of the schema: many readers of XML expect a sequence.
        names = [name for name in node.properties if name in given.value]
        names += [name for name in given.value if name not in node.properties]
        return _joined(
            self.contribution(node.properties.get(name, node.additional), name, given.below(name, given.value[name]))
            for name in names
        )

    def _items(self, node: XmlNode, name: str, given: _Value) -> _Content:
        places = [*node.prefix_items, *[node.items] * len(given.value)]
        return _joined(
            self.contribution(place, name, given.below(str(index), each))
            for index, (each, place) in enumerate(zip(given.value, places, strict=False))
        )


def _joined(contents: Iterable[_Content]) -> _Content:
    found = list(contents)
    return _Content("".join(each.attributes for each in found), "".join(each.inner for each in found))


def _attribute(node: XmlNode, name: str, given: _Value) -> str:
    """Write an attribute; null has none, and a list is separated by spaces (XML Schema, list types)."""
    if given.value is None:
        return ""
    declared = _declaration(node, given.scope)[0] if node.prefix else ""
    parts = given.value if isinstance(given.value, list) else [given.value]
    text = " ".join(_escaped(given._replace(value=each), _ATTRIBUTE_ESCAPES) for each in parts)
    return f' {_name(node, name, given.path)}="{text}"{declared}'


def _declaration(node: XmlNode, scope: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
    """Declare a node's namespace where it does not hold already (XML Namespaces 1.0 section 3)."""
    if not node.namespace or scope.get(node.prefix) == node.namespace:
        return "", scope
    attribute = f"xmlns:{node.prefix}" if node.prefix else "xmlns"
    declared = f' {attribute}="{node.namespace.translate(_ATTRIBUTE_ESCAPES)}"'
    return declared, {**scope, node.prefix: node.namespace}


def _name(node: XmlNode, name: str, path: tuple[str, ...]) -> str:
    qualified = f"{node.prefix}:{name}" if node.prefix else name
    if not _NAME.fullmatch(qualified):
        raise BodyValueError(path, "a name that an XML element can have", repr(qualified)[:80])
    return qualified


def _escaped(given: _Value, escapes: dict[int, str]) -> str:
    return _checked(given).translate(escapes)


def _checked(given: _Value) -> str:
    text = serialization.scalar(given.value)
    if _NO_CHARACTER.search(text):
        raise BodyValueError(given.path, "a text without control characters, which XML has none of", repr(text)[:80])
    return text
