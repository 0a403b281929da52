"""Fetching a description from a URL, with httpx2, under the egress policy (ADR: one HTTP stack)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

import httpcore2
import httpx2

from app.errors import (
    EgressDeniedError,
    RedirectDeniedError,
    ResponseTooLargeError,
    UpstreamError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.outbound.policy import EgressPolicy

MAX_DOCUMENT: Final = 20 * 1024 * 1024
_TIMEOUT: Final = 30.0
_MAX_REDIRECTS: Final = 3
_OK: Final = 200
_ACCEPT: Final = "application/json, application/yaml, application/vnd.oai.openapi, text/yaml, */*;q=0.5"


class _CheckedBackend(httpcore2.AsyncNetworkBackend):
    """Connects only to addresses that the policy permits, and to exactly the ones that were checked."""

    def __init__(self, policy: EgressPolicy) -> None:
        self._policy = policy
        self._backend = httpcore2.AnyIOBackend()

    async def connect_tcp(  # noqa: PLR0917 - the signature is httpcore2's
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore2's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        loop = asyncio.get_running_loop()
        try:
            answers = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):  # UnicodeError: a label that is empty or too long
            raise httpcore2.ConnectError(f"{host} is not known") from None
        *others, last = self._policy.permitted(dict.fromkeys(str(answer[4][0]) for answer in answers))
        options: dict[str, Any] = {
            "timeout": timeout,
            "local_address": local_address,
            "socket_options": socket_options,
        }
        for address in others:
            with contextlib.suppress(httpcore2.ConnectError, httpcore2.ConnectTimeout):
                return await self._backend.connect_tcp(address, port, **options)
        return await self._backend.connect_tcp(last, port, **options)

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


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
        async with self._client() as client:
            for _ in range(_MAX_REDIRECTS + 1):
                _check_url(url)
                found = await self._get(client, url)
                if isinstance(found, bytes):
                    return found, url
                url = _redirected(url, found)
        raise RedirectDeniedError(f"The document URL redirects more than {_MAX_REDIRECTS} times.")

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Reading the certificate store takes longer than most fetches, so it is read once."""
        return httpx2.create_ssl_context(trust_env=False)

    def _client(self) -> httpx2.AsyncClient:
        transport = httpx2.AsyncHTTPTransport(verify=self._tls, trust_env=False, retries=0)
        transport._pool = httpcore2.AsyncConnectionPool(  # noqa: SLF001 - httpx2 offers no other place for a network backend
            ssl_context=self._tls, network_backend=_CheckedBackend(self._policy)
        )
        return httpx2.AsyncClient(transport=transport, timeout=_TIMEOUT, trust_env=False, follow_redirects=False)

    async def _get(self, client: httpx2.AsyncClient, url: str) -> bytes | str:
        """Give the document, or the location it redirects to."""
        try:
            async with asyncio.timeout(_TIMEOUT), client.stream("GET", url, headers={"Accept": _ACCEPT}) as response:
                if response.is_redirect:
                    return response.headers.get("location", "")
                if response.status_code != _OK:
                    raise UpstreamUnreachableError(f"The document URL answered {response.status_code}.")
                return await self._read(response)
        except UpstreamError:
            raise
        except (TimeoutError, httpx2.TimeoutException):
            raise UpstreamTimeoutError("The document URL did not answer in time.") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError):
            raise UpstreamUnreachableError("The document URL could not be fetched.") from None

    async def _read(self, response: httpx2.Response) -> bytes:
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.aiter_bytes():
            size += len(chunk)
            if size > self._max_size:
                raise ResponseTooLargeError(f"The document is larger than {self._max_size:,} bytes.")
            chunks.append(chunk)
        return b"".join(chunks)


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


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    has_oddities = any(mark in url for mark in "\t\r\n\\ ") or parts.username is not None
    if parts.scheme not in {"http", "https"} or not parts.hostname or has_oddities:
        raise EgressDeniedError("The document URL must be an absolute http or https URL without credentials.")


def _redirected(url: str, location: str) -> str:
    target = urljoin(url, location)
    if not location or (urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https"):
        raise RedirectDeniedError("The document URL redirects to a place that is not followed.")
    return target
