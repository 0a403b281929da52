"""A request's header fields, sorted once by what is done with them.

What a client says of itself is the same in each of its requests. So whatever is made of it alone is made once and
kept by `Fields.read`; credentials and sizes stand apart from that, and are looked at each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    Pair = tuple[bytes, bytes]

MOST_KEPT: Final = 256
"""Of how many different sets of fields it is kept what was made of them; each has 64 KiB at most."""

_READ: Final = frozenset(
    {
        *(b"accept", b"connection", b"content-type", b"host", b"origin", b"transfer-encoding"),
        *(b"mcp-method", b"mcp-name", b"mcp-protocol-version", b"mcp-session-id"),
    }
)
_CREDENTIALS: Final = frozenset({b"authorization", b"x-api-key"})
_SIZE: Final = b"content-length"
_IN_SCOPE: Final = "causeway.fields"


class Fields(NamedTuple):
    """Header fields in their order, names in lower case.

    `read` are those that say how a request is to be understood, with those whose names another program may take for
    another one; `credentials` and `sizes` (`Content-Length`) are what their names say. All others are left out.
    """

    read: tuple[Pair, ...]
    credentials: list[Pair]
    sizes: list[bytes]


def fields_of(scope: MutableMapping[str, Any]) -> Fields:
    """Give the fields of a request by its ASGI scope, in which they are kept."""
    known = scope.get(_IN_SCOPE)
    if isinstance(known, Fields):
        return known
    read: list[Pair] = []
    credentials: list[Pair] = []
    sizes: list[bytes] = []
    for pair in scope["headers"]:
        name = pair[0]
        if name in _READ or b"_" in name:
            read.append(pair)
        elif name in _CREDENTIALS:
            credentials.append(pair)
        elif name == _SIZE:
            sizes.append(pair[1])
    scope[_IN_SCOPE] = fields = Fields(tuple(read), credentials, sizes)
    return fields
