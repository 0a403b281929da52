"""Fetching a description from a URL, under the same egress policy and limits as calls."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from yarl import URL

from app.errors import (
    EgressDeniedError,
    RedirectDeniedError,
    ResponseTooLargeError,
    UpstreamError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)
from app.outbound.exchanges import Exchanges
from app.outbound.redirects import REDIRECTS
from converters.authorization import Attempt
from converters.request_plans import RequestPlan

if TYPE_CHECKING:
    from app.outbound.policy import EgressPolicy
    from converters.results import ApiResponse

MAX_DOCUMENT: Final = 20 * 1024 * 1024
_TIMEOUT: Final = 30.0
_CONNECT_TIMEOUT: Final = 10.0
_MAX_REDIRECTS: Final = 3
_OK: Final = 200
_NOT_MODIFIED: Final = 304
_ACCEPT: Final = (("Accept", "application/json, application/yaml, application/vnd.oai.openapi, text/yaml, */*;q=0.5"),)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document, None where it is what it was; the URL it came from in the end, and its validators."""

    document: bytes | None
    url: str
    etag: str | None = None
    last_modified: str | None = None


class DocumentFetcher:
    """Fetches documents by URL; redirects are followed by hand, at most three, each checked."""

    def __init__(self, policy: EgressPolicy, *, max_size: int = MAX_DOCUMENT) -> None:
        """Connect only where `policy` permits; a decoded document has at most `max_size` bytes."""
        self._policy = policy
        self._max_size = max_size

    async def fetch(self, url: str) -> tuple[bytes, str]:
        """Fetch a document; gives its bytes and the URL it came from in the end.

        Raises:
            UpstreamError: with a sentence that holds neither the URL's query nor an address.

        """
        found = await self.fetch_changed(url)
        return found.document or b"", found.url

    async def fetch_changed(self, url: str, *, etag: str | None = None, last_modified: str | None = None) -> Fetched:
        """Fetch a document unless it is what it was, by its validators (RFC 9110 section 13.1).

        Raises as `fetch` does.
        """
        conditions = (("If-None-Match", etag), ("If-Modified-Since", last_modified))
        headers = (*_ACCEPT, *((name, value) for name, value in conditions if value))
        exchanges = Exchanges(self._policy, max_response=self._max_size, connect_timeout=_CONNECT_TIMEOUT)
        try:
            for _ in range(_MAX_REDIRECTS + 1):
                answer = await self._get(exchanges, url, headers)
                if answer.status == _OK:
                    return Fetched(answer.body, url, answer.etag or None, answer.last_modified or None)
                if answer.status == _NOT_MODIFIED and len(headers) > len(_ACCEPT):
                    return Fetched(None, url, etag, last_modified)
                if answer.status not in REDIRECTS:
                    raise UpstreamUnreachableError(f"The document URL answered {answer.status}.")
                url = _redirected(url, answer.location)
        finally:
            await exchanges.close()
        raise RedirectDeniedError(f"The document URL redirects more than {_MAX_REDIRECTS} times.")

    async def _get(self, exchanges: Exchanges, url: str, headers: tuple[tuple[str, str], ...]) -> ApiResponse:
        target = _as_uri(url)
        try:
            async with asyncio.timeout(_TIMEOUT):
                return await exchanges.exchange(RequestPlan("GET", target, headers, None, ()), Attempt(target, headers))
        except TimeoutError:
            raise UpstreamTimeoutError("The document URL did not answer in time.") from None
        except ResponseTooLargeError:
            raise ResponseTooLargeError(
                f"The document is larger than {self._max_size:,} bytes, or unpacks to too many times its size."
            ) from None
        except (EgressDeniedError, UpstreamTimeoutError) as error:
            raise type(error)(_told(error)) from None
        except UpstreamError as error:
            raise UpstreamUnreachableError(f"The document URL could not be fetched: {_told(error)}") from None


def _told(error: UpstreamError) -> str:
    """Give the sentence of an exchange, which is told of an API, for a document."""
    return error.message.replace("The API", "Its server").replace("the API", "its server")


def _as_uri(url: str) -> str:
    """Write a URL that a person typed in ASCII (RFC 3987 section 3.1); any other is left as it is."""
    try:
        return url if url.isascii() else str(URL(url))
    except ValueError:
        return url


def is_same_origin(url: str, other: str | None) -> bool:
    """Tell whether two URLs have the same scheme, host and port (RFC 6454 section 4)."""
    if other is None:
        return False
    try:
        one, two = urlsplit(url), urlsplit(other)
        ports = [parts.port or {"http": 80, "https": 443}.get(parts.scheme) for parts in (one, two)]
    except ValueError:
        return False
    return one.scheme in {"http", "https"} and (one.scheme, one.hostname, ports[0]) == (
        two.scheme,
        two.hostname,
        ports[1],
    )


def _redirected(url: str, location: str) -> str:
    try:
        target = urljoin(url, location)
    except ValueError:
        location, target = "", url
    if not location or (urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https"):
        raise RedirectDeniedError("The document URL redirects to a place that is not followed.")
    return target
