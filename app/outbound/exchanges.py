"""One request and its answer, with aiohttp (ADR: which client carries tool calls).

No cookies kept, no proxy settings of the environment, no redirect followed, nothing sent twice; everything read is
bounded in size, headers as they come and the body after decoding.
"""

from __future__ import annotations

import logging
import socket
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final

import aiohttp
from aiohttp.http import HttpProcessingError

from app.errors import EgressDeniedError, ResponseTooLargeError, UpstreamError, UpstreamProtocolError
from app.outbound.connections import MAX_HEADERS, Connections
from app.outbound.decoding import Decoder
from app.outbound.faults import AddressDeniedError, denied_address, translated
from app.outbound.targets import read_target
from converters.results import ApiResponse

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Iterable

    from aiohttp.connector import AddrInfoType
    from aiohttp.http import RawResponseMessage

    from app.outbound.connections import Answer
    from app.outbound.policy import EgressPolicy
    from app.outbound.targets import Target
    from converters.authorization import Attempt
    from converters.request_plans import RequestPlan

    OnChunk = Callable[[str, bytes], Awaitable[None]]

_log: Final = logging.getLogger(__name__)

_MAX_HEADER_COUNT: Final = 128
_SWITCHING_PROTOCOLS: Final = 101
_BAD_REQUEST: Final = 400
_UNAUTHORIZED: Final = 401


class Exchanges:
    """Requests and answers within limits, over connections that are used again."""

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
        self._max_response = max_response
        self._connections = Connections(policy, _socket_factory, connect_timeout=connect_timeout, tls=tls)

    async def close(self) -> None:
        """Close the connections."""
        await self._connections.close()

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
            answer = await self._connections.ask(plan.method, target, attempt.headers, plan.body, tls=tls)
            try:
                response = await self._read(answer, on_chunk)
            except BaseException:
                answer.abort()
                raise
        except EgressDeniedError:
            _log_denied(target)
            raise
        except UpstreamError:
            raise
        except (aiohttp.ClientError, HttpProcessingError, ValueError, OSError) as error:
            address = denied_address(error)
            if address:
                _log_denied(target, address)
            raise translated(error) from None
        answer.release()
        return response

    async def _read(self, answer: Answer, on_chunk: OnChunk | None) -> ApiResponse:
        message = answer.message
        _check_head(message)
        status, headers = message.code, message.headers
        content_type = headers.get("Content-Type", "")
        tell = partial(on_chunk, content_type) if on_chunk is not None and status < _BAD_REQUEST else None
        body = await self._body(answer.content, ",".join(headers.getall("Content-Encoding", ())), tell)
        return ApiResponse(
            status=status,
            content_type=content_type,
            body=body,
            reason=message.reason or "",
            location=headers.get("Location", ""),
            content_location=headers.get("Content-Location", ""),
            retry_after=headers.get("Retry-After", ""),
            etag=headers.get("ETag", ""),
            last_modified=headers.get("Last-Modified", ""),
            challenges=tuple(headers.getall("WWW-Authenticate", ())) if status == _UNAUTHORIZED else (),
        )

    async def _body(
        self, content: aiohttp.StreamReader, encoding: str, tell: Callable[[bytes], Awaitable[None]] | None
    ) -> bytes:
        """Read a body as it comes, decoded."""
        decoder: Decoder | None = None
        found: list[bytes] = []
        size = 0
        while chunk := await content.readany():
            size += len(chunk)
            if size > self._max_response:
                raise ResponseTooLargeError(f"The answer of the API is larger than {self._max_response:,} bytes.")
            pieces: Iterable[bytes] = (chunk,)
            if encoding:
                # Made where there is a body: the answer to a HEAD request names the encoding of one that does not come.
                decoder = decoder or Decoder(encoding, self._max_response)
                pieces = decoder.feed(chunk)
            for piece in pieces:
                found.append(piece)
                if tell is not None:
                    await tell(piece)
        if decoder is not None:
            decoder.finish()
        return found[0] if len(found) == 1 else b"".join(found)


def _check_head(message: RawResponseMessage) -> None:
    """Raise for what is wrong before the body; the client bounds a single header, not all of them."""
    if message.code == _SWITCHING_PROTOCOLS:
        raise UpstreamProtocolError("The API switched to another protocol, which was not asked for.")
    fields = message.raw_headers
    if len(fields) > _MAX_HEADER_COUNT or sum(map(len, chain.from_iterable(fields))) > MAX_HEADERS:
        raise UpstreamProtocolError(
            f"The API's answer has more than {_MAX_HEADER_COUNT} header fields or {MAX_HEADERS:,} bytes of them."
        )


def _log_denied(target: Target, address: str = "by its name or port") -> None:
    """Tell the operator what the caller is not told."""
    _log.warning("egress denied: %s port %d (%s)", target.host[:255], target.port, address)


def _socket_factory(policy: EgressPolicy) -> Callable[[AddrInfoType], socket.socket]:
    """Make sockets only for addresses that the policy permits: what is checked is what is connected to."""

    def make(address: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, place = address
        # With a proxy nothing else is connected to, and it is the operator who named it.
        if not policy.proxy and not policy.permits(str(place[0]), int(place[1])):
            raise AddressDeniedError(str(place[0]))
        return socket.socket(family, kind, protocol)

    return make
