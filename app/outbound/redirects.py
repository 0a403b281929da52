"""Redirects, followed by hand: only where nothing is changed by it, and only within the origin (RFC 6454)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from app.errors import RedirectDeniedError

if TYPE_CHECKING:
    from converters.results import ApiResponse

MAX_REDIRECTS: Final = 3
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


def redirected(method: str, url: str, response: ApiResponse) -> str | None:
    """Give where a response sends the request, or None where it is the answer.

    Raises:
        RedirectDeniedError: when that is another origin.

    """
    if response.status not in REDIRECTS or not response.location or method not in {"GET", "HEAD"}:
        return None
    try:
        target = urljoin(url, response.location)
        is_within = _origin(target) == _origin(url)
    except ValueError:
        raise RedirectDeniedError("The API redirected to something that is not a URL.") from None
    if not is_within:
        raise RedirectDeniedError("The API redirected to another origin, which is not followed.")
    return target


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), port
