"""What every HTTP request passes first: Host, Origin, key, and the size of its body.

Local mode has no login, so a web page must not be able to reach it: a foreign Host (DNS rebinding) is 421 and a foreign
Origin 403. Service mode asks for a key on every route except health.
"""

from __future__ import annotations

import contextlib
import hmac
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from app.security.callers import ADMIN, LOCAL, NOBODY, Caller, set_caller

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY: Final = 24 * 1024 * 1024
"""Bytes of a request body: the largest document, and room for the multipart around it."""

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_EVERYWHERE: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared, not bound
_OPEN_PATHS: Final = frozenset({"/healthz", "/readyz"})


@dataclass(frozen=True, slots=True)
class GuardRules:
    """What is let through: `hosts` by name (None for any), and the key, or None in local mode."""

    hosts: frozenset[str] | None
    admin_key: str | None = None


@dataclass(frozen=True, slots=True)
class _Refusal:
    status: int
    code: str
    sentence: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


_TOO_LARGE: Final = _Refusal(413, "body_too_large", f"The body is larger than {MAX_BODY:,} bytes.")


def rules_for(host: str, public_url: str, admin_key: str | None) -> GuardRules:
    """Make the rules of a gateway that listens on `host` and is known as `public_url`.

    One that listens everywhere and was not told its name cannot tell names apart; there the key is what protects.
    """
    public = (urlsplit(public_url).hostname or "").lower()
    if admin_key is not None and public in _EVERYWHERE:
        return GuardRules(None, admin_key)
    return GuardRules(frozenset({public, host.strip("[]").lower()} - _EVERYWHERE | _LOOPBACK), admin_key)


class Guard:
    """An ASGI application around another one."""

    def __init__(self, inner: Asgi, rules: GuardRules) -> None:
        """Let through to `inner` what `rules` allow."""
        self._inner = inner
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one request."""
        if scope["type"] != "http":
            await _refuse(send, _Refusal(403, "forbidden", "Only HTTP is served here."), scope["type"])
            return
        caller = self._check(scope)
        if isinstance(caller, _Refusal):
            await _refuse(send, caller, "http")
            return
        set_caller(scope, caller)
        limited = _LimitedExchange(receive, send)
        with contextlib.suppress(BodyTooLargeError):
            await self._inner(scope, limited.receive, limited.send)
        if limited.is_cut_off:
            await _refuse(send, _TOO_LARGE, "http")

    def _check(self, scope: Scope) -> Caller | _Refusal:
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name, []).append(value.strip())
        return (
            self._check_host(headers.get(b"host", []))
            or self._check_origin(headers.get(b"origin", []))
            or _check_size(headers.get(b"content-length", []))
            or self._caller(scope["path"], headers)
        )

    def _is_ours(self, host: str) -> bool:
        return bool(host) and (self._rules.hosts is None or host in self._rules.hosts)

    def _check_host(self, hosts: list[bytes]) -> _Refusal | None:
        if len(hosts) == 1 and self._is_ours(_host_name(hosts[0].decode("latin-1"))):
            return None
        return _Refusal(421, "misdirected_request", "This gateway is not known under that host name.")

    def _check_origin(self, origins: list[bytes]) -> _Refusal | None:
        for origin in origins:
            parts = _split(origin.decode("latin-1"))
            if parts[0] not in {"http", "https"} or not self._is_ours(parts[1]):
                return _Refusal(403, "origin_denied", "Requests from that origin are not allowed.")
        return None

    def _caller(self, path: str, headers: dict[bytes, list[bytes]]) -> Caller | _Refusal:
        if self._rules.admin_key is None:
            return LOCAL
        if path in _OPEN_PATHS:
            return NOBODY
        given = headers.get(b"authorization", []) + headers.get(b"x-api-key", [])
        if len(given) == 1:
            scheme, _, rest = given[0].partition(b" ")
            key = rest.strip() if scheme.lower() == b"bearer" and rest else given[0]
            if hmac.compare_digest(key, self._rules.admin_key.encode()):
                return ADMIN
        challenge = ((b"www-authenticate", b'Bearer realm="causeway"'),)
        return _Refusal(
            401, "unauthorized", "A valid key is needed: Authorization: Bearer KEY, or X-API-Key.", challenge
        )


def _check_size(lengths: list[bytes]) -> _Refusal | None:
    if lengths and (not lengths[0].isdigit() or len(lengths[0]) > 12 or int(lengths[0]) > MAX_BODY):  # noqa: PLR2004 - digits enough for any size
        return _TOO_LARGE
    return None


class BodyTooLargeError(Exception):
    """A body without a declared length went over the limit while it was read."""


class _LimitedExchange:
    """Stops reading a body that is longer than it may be, whatever its headers said.

    A framework answers an error of its own when its reading fails: that answer is dropped, the guard gives one.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._size = 0
        self._has_answered = False
        self.is_cut_off = False

    async def receive(self) -> MutableMapping[str, Any]:
        event = await self._receive()
        self._size += len(event.get("body", b""))
        if self._size > MAX_BODY:
            self.is_cut_off = not self._has_answered
            raise BodyTooLargeError
        return event

    async def send(self, event: MutableMapping[str, Any]) -> None:
        if not self.is_cut_off:
            self._has_answered = True
            await self._send(event)


def _split(origin: str) -> tuple[str, str]:
    try:
        parts = urlsplit(origin)
        return parts.scheme, (parts.hostname or "").lower()
    except ValueError:
        return "", ""


def _host_name(host: str) -> str:
    return _split(f"//{host}")[1]


async def _refuse(send: Send, refusal: _Refusal, kind: str) -> None:
    if kind == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    body = json.dumps(
        {
            "type": f"urn:causeway:problem:{refusal.code}",
            "title": refusal.sentence,
            "status": refusal.status,
            "detail": refusal.sentence,
            "code": refusal.code,
        }
    ).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": refusal.status, "headers": [*headers, *refusal.headers]})
    await send({"type": "http.response.body", "body": body})
