"""The URL of a request, read once: what is checked is what is connected to."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address
from typing import Final, NamedTuple
from urllib.parse import quote

from yarl import URL

from app.destinations import is_numeric
from app.errors import EgressDeniedError

# Parsers disagree on white space, control characters, users and backslashes before the path, and where they disagree
# one host is checked and another connected to. So none of these is let through (RFC 3986 section 3.2, RFC 9110 4.2.4).
_URL: Final = re.compile(
    r"(https?://(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?)((?:[/?#][^\x00-\x20\x7f]*)?)", re.IGNORECASE
)
_PRINTABLE: Final = "".join(map(chr, range(0x21, 0x7F)))


class Target(NamedTuple):
    """Where a request goes: its origin as written, what follows as a request target, host and port."""

    origin: str
    path: str
    host: str
    port: int

    @property
    def url(self) -> str:
        """The URL as it is sent, without a fragment."""
        return self.origin + self.path


def read_target(url: str) -> Target:
    """Read an absolute http or https URL, percent-encoded where it has to be.

    Raises:
        EgressDeniedError: for anything else, and for addresses that are not written as such (`0x7f.1`, `2130706433`).

    """
    found = _URL.fullmatch(url)
    if found is None:
        raise _denied()
    origin, rest = found.groups()
    return Target(origin, _path(rest), *_host_and_port(origin))


# A gateway asks the same few origins again and again; what is denied is not kept.
@lru_cache(maxsize=4096)
def _host_and_port(origin: str) -> tuple[str, int]:
    try:
        parsed = URL(origin, encoded=True)
        host, port = parsed.raw_host or "", parsed.port or 0
    except ValueError:
        raise _denied() from None
    if not host or not port or (is_numeric(host) and not _is_address(host)):
        raise _denied()
    return host, port


def _path(rest: str) -> str:
    """Give the request target in origin-form (RFC 9112 section 3.2.1); only a redirect has what is not ASCII."""
    path = rest.partition("#")[0]
    if not path.startswith("/"):
        path = f"/{path}"
    return path if path.isascii() else quote(path, safe=_PRINTABLE, errors="replace")


def _denied() -> EgressDeniedError:
    return EgressDeniedError(
        "A request goes to an absolute http or https URL without user name, password or blanks, and addresses in it "
        "are written in full."
    )


def _is_address(host: str) -> bool:
    try:
        IPv4Address(host)
    except ValueError:
        return False
    return True
