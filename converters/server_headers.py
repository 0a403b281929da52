"""Header fields that an owner adds to every request of a server: a subscription key, a tenant, a version of the API.

OpenAPI has no place for them beside parameters and security schemes. Their values are kept as credentials are; what
frames a message, belongs to the connection, to MCP or to a security scheme cannot be added (RFC 9110 section 7.6.1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from converters.credentials import CredentialError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from converters.credentials import Secret
    from converters.security import SecurityScheme

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")
_NEVER: Final = frozenset(
    {
        *("host", "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect"),
        *("cookie", "cookie2", "set-cookie", "forwarded", "via", "http2-settings", "max-forwards"),
        # The description says these.
        *("accept", "accept-encoding", "content-length", "content-type", "content-encoding", "range", "last-event-id"),
        "idempotency-key",
    }
)
_NEVER_BEGINNING: Final = ("proxy-", "mcp-", "sec-", "x-forwarded-", "access-control-", "causeway-", "if-")


@dataclass(frozen=True, slots=True)
class ServerHeader:
    """A header field and the origins it may be sent to; `value` is None where it could not be read.

    What is no secret (`is_secret`), such as a version, is not masked in answers.
    """

    name: str
    value: Secret | None
    origins: frozenset[str]
    is_secret: bool = True


def check_name(name: str, schemes: Iterable[SecurityScheme]) -> None:
    """Check that a field may be added to every request, beside what the declared `schemes` write.

    Raises:
        CredentialError: when it may not, with what to do instead.

    """
    lower = name.lower()
    if not _TOKEN.fullmatch(name):
        raise CredentialError(f"{name[:80]!r} is not the name of a header field (RFC 9110 section 5.1).")
    if lower in _NEVER or lower.startswith(_NEVER_BEGINNING):
        raise CredentialError(f"The header field {name[:80]!r} is written by the gateway, or never.")
    for scheme in schemes:
        if _written_by(scheme) == lower:
            raise CredentialError(
                f"The header field {name[:80]!r} is where the security scheme {scheme.name!r} is written: supply its "
                f"credential with PUT .../credentials/{scheme.name}."
            )


def _written_by(scheme: SecurityScheme) -> str:
    """Name the field that a scheme is written to, in lower case."""
    if scheme.type == "apiKey":
        return scheme.parameter.lower() if scheme.location == "header" else ""
    return "" if scheme.type == "mutualTLS" else "authorization"
