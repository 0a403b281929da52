"""JSON Pointer (RFC 6901), also in the URI fragment form that `$ref` uses (section 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Iterable


def escape(token: str) -> str:
    """Escape one reference token: `~` to `~0`, `/` to `~1` (RFC 6901 section 3)."""
    return token.replace("~", "~0").replace("/", "~1")


def join(pointer: str, *tokens: str | int) -> str:
    """Append `tokens`, escaped, to `pointer`."""
    return pointer + "".join("/" + escape(str(token)) for token in tokens)


def tokens(pointer: str) -> tuple[str, ...]:
    """Split a JSON Pointer into unescaped tokens; "" gives no tokens."""
    if not pointer:
        return ()
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.removeprefix("/").split("/"))


def from_tokens(parts: Iterable[str | int]) -> str:
    """Build a JSON Pointer from unescaped tokens."""
    return join("", *parts)


def to_fragment(pointer: str) -> str:
    """Write a JSON Pointer as a local reference, `#` and the URI fragment."""
    return "#" + pointer.replace("%", "%25").replace("#", "%23")


def from_fragment(fragment: str) -> str:
    """Turn a URI fragment (without `#`) into a JSON Pointer: percent-decoded, in canonical escapes."""
    return from_tokens(tokens(unquote(fragment)))


def to_reference(pointer: str) -> str:
    """Write a JSON Pointer as a `$ref` within the document: a fragment, percent-encoded (RFC 3986 section 3.5)."""
    return "#" + quote(pointer, safe="/~!$&'()*+,;=:@?")
