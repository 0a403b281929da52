"""What every HTTP request passes first: Host, Origin, key, and the size of its body.

Local mode has no login, so a web page must not be able to reach it: a foreign Host (DNS rebinding) is 421 and a foreign
Origin 403. Service mode asks for a key on every route except health.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

from app.security.authentication import Refusal
from app.security.callers import set_caller
from app.security.header_fields import MOST_KEPT, fields_of
from app.security.keys import holds_key
from app.telemetry.records import note_subject

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from app.security.authentication import Authentication
    from app.security.callers import Caller
    from app.security.header_fields import Fields

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY: Final = 24 * 1024 * 1024
"""Bytes of a request body: the largest document, and room for the multipart around it."""

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_EVERYWHERE: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared, not bound
_DECIDES: Final = frozenset(
    {b"authorization", b"connection", b"content-length", b"cookie", b"host", b"origin", b"transfer-encoding"}
)
"""Header fields that decide who calls and what is read."""
_IN_A_URL: Final = frozenset({"access_token", "api_key", "api-key", "apikey", "x-api-key", "key"})
_FORWARDED: Final = (b"x-forwarded-", b"x-api-key", b"proxy-")


@dataclass(frozen=True, slots=True)
class GuardRules:
    """What is let through: `hosts` by name, None for any."""

    hosts: frozenset[str] | None


_TOO_LARGE: Final = Refusal(413, "body_too_large", f"The body is larger than {MAX_BODY:,} bytes.")
_IN_URL: Final = Refusal(
    400, "credential_in_url", "A URL is no place for a credential, because URLs are logged: send it as a header."
)
_HEADERS: Final = Refusal(400, "headers_invalid", "The header fields contradict each other about who sent the request.")


def rules_for(host: str, public_url: str, *, has_keys: bool) -> GuardRules:
    """Make the rules of a gateway that listens on `host` and is known as `public_url`.

    One that listens everywhere and was not told its name cannot tell names apart; there the keys are what protects.
    """
    public = (urlsplit(public_url).hostname or "").lower()
    if has_keys and public in _EVERYWHERE:
        return GuardRules(None)
    return GuardRules(frozenset({public, host.strip("[]").lower()} - _EVERYWHERE | _LOOPBACK))


class Guard:
    """An ASGI application around another one."""

    def __init__(self, inner: Asgi, rules: GuardRules, authentication: Authentication) -> None:
        """Let through to `inner` what `rules` allow, from those whom `authentication` knows."""
        self._inner = inner
        self._rules = rules
        self._authentication = authentication
        self._refusal = lru_cache(MOST_KEPT)(self._check)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one request."""
        if scope["type"] != "http":
            await _refuse(send, Refusal(403, "forbidden", "Only HTTP is served here."), scope["type"])
            return
        fields = fields_of(scope)
        caller = self._refusal(fields.read) or _check_size(fields.sizes) or await self._caller(scope, fields)
        if isinstance(caller, Refusal):
            await _refuse(send, caller, "http")
            return
        set_caller(scope, caller)
        note_subject(caller.subject)
        limited = _LimitedExchange(receive, send)
        with contextlib.suppress(BodyTooLargeError):
            await self._inner(scope, limited.receive, limited.send)
        if limited.is_cut_off:
            await _refuse(send, _TOO_LARGE, "http")

    async def _caller(self, scope: Scope, fields: Fields) -> Caller | Refusal:
        client = scope.get("client")
        return _check_query(scope.get("query_string", b"")) or await self._authentication.caller(
            scope["path"], fields.credentials, address=client[0] if client else ""
        )

    def _check(self, fields: tuple[tuple[bytes, bytes], ...]) -> Refusal | None:
        """Check what a client says in all of its requests."""
        return (
            self._check_host([value.strip() for name, value in fields if name == b"host"])
            or self._check_origin([value.strip() for name, value in fields if name == b"origin"])
            or _check_names(fields)
        )

    def _is_ours(self, host: str) -> bool:
        return bool(host) and (self._rules.hosts is None or host in self._rules.hosts)

    def _check_host(self, hosts: list[bytes]) -> Refusal | None:
        if len(hosts) == 1 and self._is_ours(_host_name(hosts[0].decode("latin-1"))):
            return None
        return Refusal(421, "misdirected_request", "This gateway is not known under that host name.")

    def _check_origin(self, origins: list[bytes]) -> Refusal | None:
        for origin in origins:
            parts = _split(origin.decode("latin-1"))
            if parts[0] not in {"http", "https"} or not self._is_ours(parts[1]):
                return Refusal(403, "origin_denied", "Requests from that origin are not allowed.")
        return None


def _check_names(fields: tuple[tuple[bytes, bytes], ...]) -> Refusal | None:
    """Refuse what programs on the way read in different ways.

    Some take `X_Forwarded_User` for `X-Forwarded-User`, and take away the fields that `Connection` names (RFC 9110
    section 7.6.1), so that what one of them has checked is not what the next one sees.
    """
    named = {name.replace(b"_", b"-") for name, _ in fields if b"_" in name}
    for name, value in fields:
        if name == b"connection":
            named |= {each.strip().lower() for each in value.split(b",")}
    return _HEADERS if any(name in _DECIDES or name.startswith(_FORWARDED) for name in named) else None


def _check_query(query: bytes) -> Refusal | None:
    """Refuse a URL with a credential in it, valid or not: URLs are logged (RFC 6750 section 5.3)."""
    if not query:
        return None
    names = {name.lower() for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)}
    return _IN_URL if names & _IN_A_URL or holds_key(query) else None


def _check_size(sizes: list[bytes]) -> Refusal | None:
    if sizes and (not (size := sizes[0].strip()).isdigit() or len(size) > 12 or int(size) > MAX_BODY):  # noqa: PLR2004 - digits enough for any size
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


async def _refuse(send: Send, refusal: Refusal, kind: str) -> None:
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
