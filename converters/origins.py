"""Origins of URLs, and references that lead to a URL which may be requested."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urljoin, urlsplit

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# White space and backslashes are read differently by different parsers; what is not ASCII is no URI (RFC 3986).
_URI: Final = re.compile(r"[\x21-\x5b\x5d-\x7e]+")


def origin(url: str) -> str:
    """Give the origin of an absolute http(s) URL, its port only where it is not the scheme's (RFC 6454 section 6.2)."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    port = "" if parts.port in {None, _DEFAULT_PORTS.get(parts.scheme)} else f":{parts.port}"
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"


def requestable(reference: str, base: str) -> str:
    """Resolve a reference against `base` (RFC 3986 section 5); "" where that is no URL to send requests to.

    Such a URL is http or https, in ASCII, and has no user and no fragment.
    """
    try:
        url = urljoin(base, reference)
        parts = urlsplit(url)
        is_usable = parts.port != 0 and parts.username is None and "#" not in url
        # `https:///x` is a host that is missing to some parsers, and the base's host to others.
        is_usable = is_usable and bool(not urlsplit(reference).scheme or urlsplit(reference).hostname)
    except ValueError:
        return ""
    if not is_usable or parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        return ""
    return url if _URI.fullmatch(reference) else ""
