"""The URL of a request, read once: what is checked is what is connected to."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from typing import Final, NamedTuple

from yarl import URL

from app.destinations import is_numeric
from app.errors import EgressDeniedError

# Parsers disagree on white space, control characters, users and backslashes before the path, and where they disagree
# one host is checked and another connected to. So none of these is let through (RFC 3986 section 3.2, RFC 9110 4.2.4).
_URL: Final = re.compile(
    r"https?://(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?(?:[/?#][^\x00-\x20\x7f]*)?", re.IGNORECASE
)


class Target(NamedTuple):
    """Where a request goes: its URL as it is sent, host and port."""

    url: URL
    host: str
    port: int


def read_target(url: str) -> Target:
    """Read an absolute http or https URL, percent-encoded where it has to be.

    Raises:
        EgressDeniedError: for anything else, and for addresses that are not written as such (`0x7f.1`, `2130706433`).

    """
    try:
        parsed = URL(url, encoded=True) if _URL.fullmatch(url) else None
        host, port = (parsed.raw_host or "", parsed.port or 0) if parsed is not None else ("", 0)
        if parsed is not None and host and port and not (is_numeric(host) and not _is_address(host)):
            return Target(parsed, host, port)
    except ValueError:
        pass
    raise EgressDeniedError(
        "A request goes to an absolute http or https URL without user name, password or blanks, and addresses in it "
        "are written in full."
    )


def _is_address(host: str) -> bool:
    try:
        IPv4Address(host)
    except ValueError:
        return False
    return True
