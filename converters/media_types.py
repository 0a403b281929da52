"""Media types (RFC 9110 section 8.3.1): what kind of body a name means, and which of several is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from converters.oas import MediaType
    from converters.tool_definitions import BodyKind

_PREFERENCE: Final[Mapping[BodyKind, int]] = {"json": 0, "multipart": 2, "form": 1, "text": 4, "binary": 3}


def essence(name: str) -> str:
    """Give `type/subtype` in lower case, without parameters."""
    return name.partition(";")[0].strip().lower()


def is_json(name: str) -> bool:
    """Tell whether a media type is JSON, `+json` included (RFC 6839 section 3.1)."""
    kind = essence(name)
    return kind in {"application/json", "text/json"} or kind.endswith("+json")


def is_text(name: str) -> bool:
    """Tell whether a media type is text that a person reads, XML and form data included."""
    kind = essence(name)
    return kind.startswith("text/") or is_xml(kind) or kind in {"application/x-www-form-urlencoded", "application/yaml"}


def is_xml(name: str) -> bool:
    """Tell whether a media type is XML, `+xml` included (RFC 7303)."""
    kind = essence(name)
    return kind in {"application/xml", "text/xml"} or kind.endswith("+xml")


def body_kind(name: str) -> BodyKind:
    """Tell how a request body of this media type is made; a range that includes JSON is JSON."""
    kind = essence(name)
    if is_json(kind) or kind in {"*/*", "application/*"}:
        return "json"
    if kind == "application/x-www-form-urlencoded":
        return "form"
    if kind.startswith("multipart/"):
        return "multipart"
    return "text" if is_text(kind) else "binary"


def concrete(name: str) -> str:
    """Give the media type to send: a range is replaced by what it is used as."""
    return "application/json" if essence(name) in {"*/*", "application/*"} else name


def preferred(content: tuple[MediaType, ...]) -> MediaType:
    """Choose the media type a body is sent as: JSON first, exact before `+json`; document order decides ties."""
    return min(content, key=lambda each: (_PREFERENCE[body_kind(each.name)], essence(each.name) != "application/json"))
