"""Reverse proxies in front: what they say of the client is believed where the operator lists them, and nobody else's.

`X-Forwarded-For` and `-Proto` are uvicorn's to read; here is what it leaves out, the host. Without a `PUBLIC_URL`,
links then lead where the client came from.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Final

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

_IN_SCOPE: Final = "causeway.forwarded_host"


class TrustedProxies:
    """An ASGI application around another one, which then sees the client and not the proxy."""

    def __init__(self, inner: Asgi, networks: Sequence[str]) -> None:
        """Believe proxies in `networks` (CIDR); there is at least one."""
        self._networks = [ipaddress.ip_network(each, strict=False) for each in networks]
        self._inner: Any = ProxyHeadersMiddleware(inner, trusted_hosts=list(networks))  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        host = _forwarded_host(scope) if self._is_trusted(scope.get("client")) else b""
        if host:
            others = [each for each in scope["headers"] if each[0] != b"host"]
            scope = {**scope, "headers": [(b"host", host), *others], _IN_SCOPE: host.decode("latin-1")}
        await self._inner(scope, receive, send)

    def _is_trusted(self, client: Sequence[Any] | None) -> bool:
        try:
            address = ipaddress.ip_address(client[0] if client else "")
        except ValueError:
            return False
        return any(address.version == each.version and address in each for each in self._networks)


def _forwarded_host(scope: Scope) -> bytes:
    """Give the host that the nearest proxy was asked for, "" where it does not say."""
    values = [value for name, value in scope["headers"] if name == b"x-forwarded-host"]
    return bytes(values[-1].rpartition(b",")[2].strip()) if values else b""


def forwarded_origin(scope: Mapping[str, Any]) -> str:
    """Give the origin that a client of a trusted proxy asked, "" for every other request."""
    host = scope.get(_IN_SCOPE)
    return f"{scope['scheme']}://{host}" if host else ""
