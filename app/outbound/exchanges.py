"""One request and its answer, with aiohttp (ADR: which client carries tool calls).

No cookies kept, no proxy settings of the environment, no redirect followed, nothing sent twice; everything read is
bounded in size, headers as they come and the body after decoding.
"""

from __future__ import annotations

import io
import logging
import socket
import ssl
from itertools import chain
from typing import TYPE_CHECKING, Final

import aiohttp

from app.errors import EgressDeniedError, ResponseTooLargeError, UpstreamError, UpstreamProtocolError
from app.outbound.decoding import ACCEPT_ENCODING, Decoder
from app.outbound.faults import AddressDeniedError, denied_address, translated
from app.outbound.targets import read_target
from converters.results import ApiResponse

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from aiohttp.connector import AddrInfoType, Connection

    from app.outbound.policy import EgressPolicy
    from app.outbound.targets import Target
    from converters.authorization import Attempt
    from converters.request_plans import RequestPlan

    OnChunk = Callable[[str, bytes], Awaitable[None]]

_log: Final = logging.getLogger(__name__)

MAX_HEADERS: Final = 64 * 1024
_MAX_HEADER_COUNT: Final = 128
_LARGE: Final = 1024 * 1024
_SWITCHING_PROTOCOLS: Final = 101
_UNAUTHORIZED: Final = 401


class Exchanges:
    """The connections to all upstreams: opened as needed, used again, closed at the end."""

    def __init__(
        self,
        policy: EgressPolicy,
        *,
        max_response: int,
        connect_timeout: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Connect only where `policy` permits, within `connect_timeout` seconds; `tls` says who is trusted.

        A response body has at most `max_response` bytes, as it comes and decoded.
        """
        self._policy = policy
        self._max_response = max_response
        self._connect_timeout = connect_timeout
        self._tls = tls
        # One per policy: a connection that was opened for a host listed by its name serves no other.
        self._sessions: dict[EgressPolicy, aiohttp.ClientSession] = {}

    async def close(self) -> None:
        """Close the connections."""
        while self._sessions:
            await self._sessions.popitem()[1].close()

    def _open(self, policy: EgressPolicy) -> aiohttp.ClientSession:
        session = self._sessions.get(policy)
        if session is None:
            connector = aiohttp.TCPConnector(
                # How many are open at once is for the slots of each upstream to say: a bound over all of them would
                # let one that hangs take the connections of the others.
                limit=0,
                socket_factory=_socket_factory(policy),
                ttl_dns_cache=10,
                ssl=self._tls or True,
            )
            session = self._sessions[policy] = aiohttp.ClientSession(
                connector=connector,
                proxy=policy.proxy or None,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(
                    total=None, connect=self._connect_timeout, sock_connect=self._connect_timeout
                ),
                trust_env=False,
                skip_auto_headers=("User-Agent", "Content-Type"),
                headers={"User-Agent": "Causeway", "Accept-Encoding": ACCEPT_ENCODING},
                auto_decompress=False,
                max_line_size=MAX_HEADERS,
                max_field_size=MAX_HEADERS,
                response_class=_Response,
            )
        return session

    async def exchange(
        self,
        plan: RequestPlan,
        attempt: Attempt,
        on_chunk: OnChunk | None = None,
        *,
        tls: ssl.SSLContext | None = None,
    ) -> ApiResponse:
        """Send the plan's method and body with the URL and header fields of `attempt`, and read the answer.

        `tls` is another context than the usual; connections are shared only by requests with the same.

        `on_chunk` is told the media type and each piece of a success's body as it comes, decoded.

        Raises:
            UpstreamError: when there is no answer within the limits.

        """
        target = read_target(attempt.url)
        try:
            response = await self._session_for(target).request(
                plan.method,
                target.url,
                data=_payload(plan.body),
                headers=attempt.headers,
                allow_redirects=False,
                ssl=tls or True,
            )
            try:
                return await self._read(response, on_chunk)
            except BaseException:
                _abort(response.connection and response.connection.transport)
                response.close()
                raise
        except EgressDeniedError:
            _log_denied(target)
            raise
        except UpstreamError:
            raise
        except (aiohttp.ClientError, ValueError, OSError) as error:
            address = denied_address(error)
            if address:
                _log_denied(target, address)
            raise translated(error) from None

    def _session_for(self, target: Target) -> aiohttp.ClientSession:
        """Give the session for a host; raises `EgressDeniedError` where requests may not go there."""
        policy = self._policy.towards(target.host, target.port)
        if policy.proxy:
            policy.check_unresolved(target.host, target.port)
        return self._open(policy)

    async def _read(self, response: aiohttp.ClientResponse, on_chunk: OnChunk | None) -> ApiResponse:
        headers = response.headers
        if on_chunk is not None and not response.ok:
            on_chunk = None
        chunks = self._chunks(response.content, ",".join(headers.getall("Content-Encoding", ())))
        body = await _joined(chunks, headers.get("Content-Type", ""), on_chunk)
        return ApiResponse(
            status=response.status,
            content_type=headers.get("Content-Type", ""),
            body=body,
            reason=response.reason or "",
            location=headers.get("Location", ""),
            content_location=headers.get("Content-Location", ""),
            retry_after=headers.get("Retry-After", ""),
            challenges=tuple(headers.getall("WWW-Authenticate", ())) if response.status == _UNAUTHORIZED else (),
        )

    async def _chunks(self, content: aiohttp.StreamReader, encoding: str) -> AsyncGenerator[bytes]:
        """Read a body as it comes, decoded."""
        decoder: Decoder | None = None
        size = 0
        while chunk := await content.readany():
            size += len(chunk)
            if size > self._max_response:
                raise ResponseTooLargeError(f"The answer of the API is larger than {self._max_response:,} bytes.")
            if not encoding:
                yield chunk
                continue
            # Made where there is a body: the answer to a HEAD request names the encoding of one that does not come.
            decoder = decoder or Decoder(encoding, self._max_response)
            for piece in decoder.feed(chunk):
                yield piece
        if decoder is not None:
            decoder.finish()


async def _joined(chunks: AsyncGenerator[bytes], content_type: str, on_chunk: OnChunk | None) -> bytes:
    found: list[bytes] = []
    async for chunk in chunks:
        found.append(chunk)
        if on_chunk is not None:
            await on_chunk(content_type, chunk)
    return b"".join(found)


class _Response(aiohttp.ClientResponse):
    """A response whose connection is dropped where it does not begin as it should."""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Read up to the body.

        Errors leave as ours, because of its own the client would send GET, PUT, DELETE and others a second time.
        """
        transport = connection.transport
        try:
            await super().start(connection)
        except BaseException as error:
            _abort(transport)
            if isinstance(error, (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)):
                raise translated(error) from None
            raise
        fault = _head_fault(self)
        if fault is not None:
            _abort(transport)
            raise fault
        return self


def _abort(transport: asyncio.Transport | None) -> None:
    """Drop a connection at once; closing it waits for ever where an API does not read what is left to send."""
    if transport is not None:
        transport.abort()


def _head_fault(response: aiohttp.ClientResponse) -> UpstreamProtocolError | None:
    """Find what is wrong with what comes before the body; the client bounds a single header, not all of them."""
    if response.status == _SWITCHING_PROTOCOLS:
        return UpstreamProtocolError("The API switched to another protocol, which was not asked for.")
    fields = response.raw_headers
    if len(fields) > _MAX_HEADER_COUNT or sum(map(len, chain.from_iterable(fields))) > MAX_HEADERS:
        return UpstreamProtocolError(
            f"The API's answer has more than {_MAX_HEADER_COUNT} header fields or {MAX_HEADERS:,} bytes of them."
        )
    return None


def _log_denied(target: Target, address: str = "by its name or port") -> None:
    """Tell the operator what the caller is not told."""
    _log.warning("egress denied: %s port %d (%s)", target.host[:255], target.port, address)


def _payload(body: bytes | None) -> bytes | io.BytesIO | None:
    """Give a body as the client takes it: one that is large in pieces, between which others get their turn."""
    return io.BytesIO(body) if body is not None and len(body) > _LARGE else body


def _socket_factory(policy: EgressPolicy) -> Callable[[AddrInfoType], socket.socket]:
    """Make sockets only for addresses that the policy permits: what is checked is what is connected to."""

    def make(address: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, place = address
        # With a proxy nothing else is connected to, and it is the operator who named it.
        if not policy.proxy and not policy.permits(str(place[0]), int(place[1])):
            raise AddressDeniedError(str(place[0]))
        return socket.socket(family, kind, protocol)

    return make
