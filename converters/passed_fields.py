"""Header fields of a caller's own request that an owner lets through to the API (RFC 9110 section 6.3).

Nothing passes by itself (acceptance K09): what authenticates the caller here, cookies, and what belongs to the
connection, to MCP or to the way between gateways cannot even be listed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NEVER: Final = frozenset(
    {
        *(
            "authorization",
            "x-api-key",
            "cookie",
            "cookie2",
            "set-cookie",
            "host",
            "origin",
            "referer",
            "forwarded",
            "via",
        ),
        *("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect", "http2-settings"),
        *("accept", "accept-encoding", "content-length", "content-type", "content-encoding", "range", "user-agent"),
        *("x-real-ip", "forwarded", "via", "last-event-id", "idempotency-key"),
    }
)
_NEVER_BEGINNING: Final = ("proxy-", "mcp-", "sec-", "x-forwarded-", "access-control-", "causeway-")


def fault_of(names: Mapping[str, str]) -> str:
    """Say which of the names in a policy cannot be passed or written, as a sentence; "" where all can."""
    if not names:
        return ""
    for name in (*names, *names.values()):
        lower = name.lower()
        if not _TOKEN.fullmatch(name):
            return f"{name[:80]!r} is not the name of a header field."
        if lower in _NEVER or lower.startswith(_NEVER_BEGINNING):
            return f"The header field {name[:80]!r} is never passed through."
    if len({each.lower() for each in names.values()}) < len(names) or len({each.lower() for each in names}) < len(
        names
    ):
        return "A header field is named twice."
    return ""


def passed(fields: Sequence[tuple[bytes, bytes]], names: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Give the fields that a policy lets through, under the names that it gives them.

    `fields` have their names in lower case, as ASGI gives them. A field that came several times is joined, as RFC 9110
    section 5.3 has it.
    """
    found: list[tuple[str, str]] = []
    for name, renamed in names.items():
        values = values_of(fields, name.lower().encode())
        if values and not fault_of({name: renamed}):
            found.append((renamed, ", ".join(values)))
    return tuple(found)


def values_of(fields: Sequence[tuple[bytes, bytes]], name: bytes) -> list[str]:
    """Give the values of a field, in order; its name is in lower case as those of the fields are."""
    return [value.decode("latin-1").strip() for each, value in fields if each == name]
