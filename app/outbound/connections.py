"""HTTP/1.1 over aiohttp's connections: a request is written whole, and its answer's head read (RFC 9112).

The client's connector makes, checks, keeps and reuses the connections, its parser reads the answers. Its session, which
builds ten objects for every request, is left out: that is half of what a request costs. Nothing is sent twice.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final, NamedTuple

import aiohttp
from yarl import URL

from app.outbound.decoding import ACCEPT_ENCODING

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Sequence

    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import AddrInfoType, Connection
    from aiohttp.http import RawResponseMessage

    from app.outbound.policy import EgressPolicy
    from app.outbound.targets import Target

    SocketFactory = Callable[[EgressPolicy], Callable[[AddrInfoType], socket.socket]]

MAX_HEADERS: Final = 64 * 1024
_MAX_PLACES: Final = 10_000
_PIECE: Final = 256 * 1024
_READ_BUFFER: Final = 256 * 1024
# Control characters but for the tab (RFC 9110 section 5.5).
_BREAKING: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f]")
# What the connector has in its request: the proxy's credential is written there while connecting.
_OF_THE_WAY: Final = frozenset({"Host", "Proxy-Authorization"})
_DEFAULTS: Final = (("User-Agent", "Causeway"), ("Accept-Encoding", ACCEPT_ENCODING))
# Without a body, the length of the others is said to be 0 (RFC 9110 section 8.6).
_WITHOUT_CONTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_OK: Final = 200
_CONTINUE: Final = 100
_SWITCHING_PROTOCOLS: Final = 101


class _Place(NamedTuple):
    """An origin: the connector for its policy, and a request to it, by which the connector knows where it is."""

    connector: aiohttp.TCPConnector
    request: aiohttp.ClientRequest
    is_proxied: bool
    """Whether a proxy is told the whole URL (RFC 9112 section 3.2.2); for https it makes a tunnel."""

    def fields(self) -> list[tuple[str, str]]:
        """Give the header fields that belong to the way there."""
        return [(name, value) for name, value in self.request.headers.items() if name in _OF_THE_WAY]


class Answer(NamedTuple):
    """An answer whose head has come; `content` gives the body."""

    connection: Connection
    message: RawResponseMessage
    content: aiohttp.StreamReader

    def release(self) -> None:
        """Leave the connection to the next request; called when the body was read."""
        transport = self.connection.transport
        if transport is not None and transport.get_write_buffer_size():
            # The API answered before it had read the request.
            self.abort()
        self.connection.release()

    def abort(self) -> None:
        """Drop the connection."""
        abort(self.connection)


class Connections:
    """The connections to all upstreams: opened as needed, used again, closed at the end."""

    def __init__(
        self,
        policy: EgressPolicy,
        make_socket: SocketFactory,
        *,
        connect_timeout: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Connect where `policy` permits, with the sockets that `make_socket` makes under it.

        `connect_timeout` in seconds bounds making a connection; `tls` says who is trusted.
        """
        self._policy = policy
        self._make_socket = make_socket
        self._tls = tls
        self._timeout = aiohttp.ClientTimeout(total=None, connect=connect_timeout, sock_connect=connect_timeout)
        # One per policy: a connection that was opened for a host listed by its name serves no other.
        self._connectors: dict[EgressPolicy, aiohttp.TCPConnector] = {}
        self._places: dict[tuple[str, ssl.SSLContext | None], _Place] = {}

    async def close(self) -> None:
        """Close them."""
        self._places.clear()
        while self._connectors:
            await self._connectors.popitem()[1].close()

    async def ask(
        self,
        method: str,
        target: Target,
        headers: Sequence[tuple[str, str]],
        body: bytes | None,
        *,
        tls: ssl.SSLContext | None,
    ) -> Answer:
        """Send a request and read the head of its answer; connections are shared by requests with the same `tls`.

        Raises:
            EgressDeniedError: when requests may not go there.
            aiohttp.ClientError, aiohttp.http.HttpProcessingError, OSError: when there is no answer.
            ValueError: when the request cannot be written.

        """
        place = self._places.get((target.origin, tls)) or self._placed(target, tls)
        try:
            connection = await place.connector.connect(place.request, [], self._timeout)
        except TimeoutError:
            raise aiohttp.ConnectionTimeoutError from None
        try:
            fields = [*place.fields(), *headers]
            head = _head(method, target.url if place.is_proxied else target.path, fields, body)
            message, content = await _exchanged(connection, method, head, body)
        except BaseException:
            abort(connection)
            raise
        return Answer(connection, message, content)

    def _placed(self, target: Target, tls: ssl.SSLContext | None) -> _Place:
        """Make what is known of an origin, once; raises `EgressDeniedError` where requests may not go there."""
        policy = self._policy.towards(target.host, target.port)
        if policy.proxy:
            policy.check_unresolved(target.host, target.port)
        if len(self._places) >= _MAX_PLACES:
            self._places.clear()
        url, proxy = URL(target.origin), URL(policy.proxy) if policy.proxy else None
        request = aiohttp.ClientRequest("GET", url, loop=asyncio.get_running_loop(), ssl=tls or True, proxy=proxy)
        place = _Place(self._connector(policy), request, proxy is not None and url.scheme == "http")
        self._places[target.origin, tls] = place
        return place

    def _connector(self, policy: EgressPolicy) -> aiohttp.TCPConnector:
        connector = self._connectors.get(policy)
        if connector is None:
            # How many are open at once is for the slots of each upstream to say: a bound over all of them would let
            # one that hangs take the connections of the others.
            connector = self._connectors[policy] = aiohttp.TCPConnector(
                limit=0, socket_factory=self._make_socket(policy), ttl_dns_cache=10, ssl=self._tls or True
            )
        return connector


def abort(connection: Connection) -> None:
    """Drop a connection at once; closing it waits for ever where an API does not read what is left to send."""
    if connection.transport is not None:
        connection.transport.abort()
    connection.close()


async def _exchanged(
    connection: Connection, method: str, head: bytes, body: bytes | None
) -> tuple[RawResponseMessage, aiohttp.StreamReader]:
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None:
        raise aiohttp.ServerDisconnectedError
    protocol.set_response_params(
        skip_payload=method == "HEAD",
        read_until_eof=True,
        # Unpacked by ours, within limits.
        auto_decompress=False,
        read_bufsize=_READ_BUFFER,
        max_line_size=MAX_HEADERS,
        max_field_size=MAX_HEADERS,
    )
    if body is None or len(body) <= _PIECE:
        transport.write(head + body if body else head)
    else:
        transport.write(head)
        await _write_pieces(transport, body)
    return await _final(protocol)


async def _write_pieces(transport: asyncio.Transport, body: bytes) -> None:
    """Write a large body, between whose pieces others get their turn; what is not taken at once waits for the API."""
    view = memoryview(body)
    for start in range(0, len(body), _PIECE):
        if transport.is_closing():
            return
        transport.write(view[start : start + _PIECE])
        await asyncio.sleep(0)


async def _final(protocol: ResponseHandler) -> tuple[RawResponseMessage, aiohttp.StreamReader]:
    """Give the final answer: interim ones come before it (RFC 9110 section 15.2)."""
    while True:
        message, content = await protocol.read()
        if not _CONTINUE <= message.code < _OK or message.code == _SWITCHING_PROTOCOLS:
            return message, content


def _head(method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes | None) -> bytes:
    """Write request line and fields; raises `ValueError` where one would not stay one line."""
    lines = [f"{method} {target} HTTP/1.1"]
    names = {name.lower() for name, _ in headers}
    lines += [f"{name}: {value}" for name, value in _DEFAULTS if name.lower() not in names]
    lines += [f"{name}: {value}" for name, value in headers]
    if body is not None or method not in _WITHOUT_CONTENT:
        lines.append(f"Content-Length: {len(body or b'')}")
    written = "".join(lines)
    if not written.isprintable() and _BREAKING.search(written):
        raise ValueError("a header field holds control characters")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
