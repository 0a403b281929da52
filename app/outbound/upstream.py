"""Tool calls to the APIs behind them, with aiohttp (ADR: which client carries tool calls).

One pooled session; no cookies kept, no proxy settings of the environment, no redirect followed but by hand and within
the origin; everything read is bounded in time and size after decoding.
"""

from __future__ import annotations

import asyncio
import io
import socket
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

import aiohttp
from yarl import URL

from app.errors import (
    EgressDeniedError,
    RedirectDeniedError,
    ResponseTooLargeError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamResetError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)
from converters.results import ApiResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.connector import AddrInfoType

    from app.outbound.policy import EgressPolicy
    from converters.request_plans import RequestPlan

MAX_RESPONSE: Final = 10 * 1024 * 1024
CONNECT_TIMEOUT: Final = 5.0
_MAX_REDIRECTS: Final = 3
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_POOL_SIZE: Final = 200
_POOL_PER_HOST: Final = 50
_CHUNK: Final = 64 * 1024
_LARGE: Final = 1024 * 1024


class _AddressDeniedError(OSError):
    """The policy does not permit the address; an OSError, so that the client tries a name's next address."""

    def __init__(self) -> None:
        super().__init__("the egress policy does not permit this address")


def _socket_factory(policy: EgressPolicy) -> Callable[[AddrInfoType], socket.socket]:
    """Make sockets only for addresses that the policy permits: what is checked is what is connected to."""

    def make(address: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, place = address
        if not policy.permits(str(place[0])):
            raise _AddressDeniedError
        return socket.socket(family, kind, protocol)

    return make


class HttpUpstream:
    """Sends request plans; made once, closed at the end."""

    def __init__(self, policy: EgressPolicy, *, max_response: int = MAX_RESPONSE) -> None:
        """Connect only where `policy` permits; a decoded response body has at most `max_response` bytes."""
        self._policy = policy
        self._max_response = max_response
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=_POOL_SIZE,
                limit_per_host=_POOL_PER_HOST,
                socket_factory=_socket_factory(self._policy),
                ttl_dns_cache=10,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
                trust_env=False,
                skip_auto_headers=("User-Agent",),
                headers={"User-Agent": "Causeway"},
            )
        return self._session

    async def send(self, plan: RequestPlan, *, deadline: float) -> ApiResponse:
        """Send one request and read its answer within `deadline` seconds, redirects within the origin included."""
        try:
            async with asyncio.timeout(deadline):
                return await self._follow(plan)
        except UpstreamError:
            raise
        except (aiohttp.ClientError, ValueError) as error:
            raise _translated(error) from None
        except TimeoutError:
            raise UpstreamTimeoutError(f"The API did not answer within {deadline:g} seconds.") from None
        except OSError as error:
            raise _translated(error) from None

    async def _follow(self, plan: RequestPlan) -> ApiResponse:
        url, method = plan.url, plan.method
        for _ in range(_MAX_REDIRECTS + 1):
            response = await self._exchange(method, url, plan)
            if response.status not in _REDIRECTS or not response.location or method not in {"GET", "HEAD"}:
                return response
            target = urljoin(url, response.location)
            if _origin(target) != _origin(url):
                raise RedirectDeniedError("The API redirected to another origin, which is not followed.")
            url = target
        raise RedirectDeniedError(f"The API redirected more than {_MAX_REDIRECTS} times.")

    async def _exchange(self, method: str, url: str, plan: RequestPlan) -> ApiResponse:
        request = self._open_session().request(
            method,
            URL(url, encoded=True),
            data=_payload(plan.body),
            headers=plan.headers,
            allow_redirects=False,
            skip_auto_headers=("Content-Type",),
        )
        async with request as response:
            body = await self._read(response)
            return ApiResponse(
                status=response.status,
                content_type=response.headers.get("Content-Type", ""),
                body=body,
                reason=response.reason or "",
                location=response.headers.get("Location", ""),
            )

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.content.iter_chunked(_CHUNK):
            size += len(chunk)
            if size > self._max_response:
                response.close()
                raise ResponseTooLargeError(f"The answer of the API is larger than {self._max_response:,} bytes.")
            chunks.append(chunk)
        return b"".join(chunks)


def _payload(body: bytes | None) -> bytes | io.BytesIO | None:
    """Give a body as the client takes it: one that is large in pieces, between which others get their turn."""
    return io.BytesIO(body) if body is not None and len(body) > _LARGE else body


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), port


_SENTENCES: Final[tuple[tuple[type[BaseException], type[UpstreamError], str], ...]] = (
    (aiohttp.ServerTimeoutError, UpstreamTimeoutError, "The API could not be connected to in time."),
    (aiohttp.ClientConnectorCertificateError, UpstreamUnreachableError, "The API's certificate is not valid."),
    (aiohttp.ClientSSLError, UpstreamUnreachableError, "A secure connection to the API could not be made."),
    (aiohttp.ClientConnectorError, UpstreamUnreachableError, "The API could not be reached."),
    (aiohttp.ClientPayloadError, UpstreamResetError, "The API broke off its answer, or its encoding is broken."),
    (aiohttp.ServerDisconnectedError, UpstreamResetError, "The API closed the connection before answering."),
    (aiohttp.ClientOSError, UpstreamResetError, "The connection to the API broke."),
    (aiohttp.ClientResponseError, UpstreamProtocolError, "The API's answer is not valid HTTP."),
    (aiohttp.InvalidURL, UpstreamUnreachableError, "The URL of the API is not valid."),
    (OSError, UpstreamUnreachableError, "The API could not be reached."),
)


def _translated(error: Any) -> UpstreamError:
    """Turn a client error into ours; the client's text is not shown, because it may hold the URL with its query."""
    if isinstance(getattr(error, "os_error", None), _AddressDeniedError):
        return EgressDeniedError("The egress policy of this gateway does not allow requests to that host.")
    for kind, ours, sentence in _SENTENCES:
        if isinstance(error, kind):
            return ours(sentence)
    return UpstreamProtocolError("The exchange with the API failed.")
