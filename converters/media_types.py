"""Media types (RFC 9110 section 8.3.1): what kind of body a name means, and which of several is used."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from converters.oas import MediaType
    from converters.tool_definitions import BodyKind

_PREFERENCE: Final[tuple[BodyKind, ...]] = ("json", "form", "multipart", "binary", "xml", "sequence", "text")
_JSON_LINES: Final = frozenset({"application/jsonl", "application/x-jsonlines", "application/x-ndjson"})
_TEXTUAL: Final = frozenset({"application/x-www-form-urlencoded", "application/yaml", "application/javascript"})


# Answers have few media types, each of which is asked for several times.
@lru_cache(maxsize=1024)
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
    return kind.startswith("text/") or is_xml(kind) or kind in _TEXTUAL


def is_xml(name: str) -> bool:
    """Tell whether a media type is XML, `+xml` included (RFC 7303)."""
    kind = essence(name)
    return kind in {"application/xml", "text/xml"} or kind.endswith("+xml")


def is_json_lines(name: str) -> bool:
    """Tell whether a media type is JSON Lines, which NDJSON equals (OAS 3.2 section 4.14.4.2)."""
    return essence(name) in _JSON_LINES


def is_json_sequence(name: str) -> bool:
    """Tell whether a media type is a JSON Text Sequence, `+json-seq` included (RFC 7464, RFC 8091)."""
    kind = essence(name)
    return kind == "application/json-seq" or kind.endswith("+json-seq")


def is_event_stream(name: str) -> bool:
    """Tell whether a media type is that of server-sent events (WHATWG HTML section 9.2)."""
    return essence(name) == "text/event-stream"


def charset(name: str) -> str:
    """Give the charset parameter of a media type (RFC 9110 section 8.3.2), or ""."""
    for parameter in name.split(";")[1:]:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "charset":
            return value.strip().strip('"')
    return ""


def in_utf_8(name: str) -> str:
    """Give a media type with the charset UTF-8 instead of any other; its other parameters stay."""
    kind, *parameters = name.split(";")
    others = [each.strip() for each in parameters if each.partition("=")[0].strip().lower() != "charset"]
    return "; ".join([kind.strip(), *filter(None, others), "charset=utf-8"])


def body_kind(name: str) -> BodyKind:
    """Tell how a request body of this media type is made; a range that includes JSON is JSON."""
    kind = essence(name)
    if is_json(kind) or kind in {"*/*", "application/*"}:
        return "json"
    if kind == "application/x-www-form-urlencoded":
        return "form"
    if kind.startswith("multipart/"):
        return "multipart"
    if is_xml(kind):
        return "xml"
    if is_json_lines(kind) or is_json_sequence(kind) or is_event_stream(kind):
        return "sequence"
    return "text" if is_text(kind) else "binary"


def is_binary(names: str) -> bool:
    """Tell whether content of a media type, the first of a list, is bytes and not text."""
    kind = essence(names.partition(",")[0])
    return bool(kind) and body_kind(kind) == "binary"


def concrete(name: str) -> str:
    """Give the media type to send: a range is replaced by what it is used as."""
    return "application/json" if essence(name) in {"*/*", "application/*"} else name


def preferred(content: tuple[MediaType, ...]) -> MediaType:
    """Choose the media type a body is sent as: JSON first, exact before `+json`; document order decides ties."""
    return min(
        content, key=lambda each: (_PREFERENCE.index(body_kind(each.name)), essence(each.name) != "application/json")
    )
