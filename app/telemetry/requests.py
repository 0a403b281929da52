"""Each HTTP request gets an id, which its answer names, and leaves exactly one record."""

from __future__ import annotations

import ipaddress
import json
import logging
import re
from random import getrandbits
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from app.telemetry.logs import REQUESTS, RequestLog
from app.telemetry.records import RequestRecord, set_current

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping, Sequence

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

HEADER: Final = b"x-request-id"
_SANE_ID: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:-]{7,127}")
_ERROR: Final = 400
_PROBLEM: Final = b"application/problem+json"

_log: Final = logging.getLogger(REQUESTS)


class RequestRecords:
    """An ASGI application around another one."""

    def __init__(self, inner: Asgi, *, trusted: Sequence[str] = ()) -> None:
        """Take ids from proxies in `trusted` (CIDR), and make all others."""
        self._inner = inner
        self._trusted = [ipaddress.ip_network(each, strict=False) for each in trusted]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        record = RequestRecord(self._request_id(scope), scope["method"], scope["path"])
        set_current(record)
        began = perf_counter()
        answer = _Answer(send, record)
        try:
            await self._inner(scope, receive, answer.send)
        except Exception:
            record.code = record.code or "internal"
            record.status = record.status or 500
            raise
        finally:
            if _log.isEnabledFor(logging.INFO):
                record.seconds = perf_counter() - began
                _log.handle(RequestLog(record))

    def _request_id(self, scope: Scope) -> str:
        if self._trusted:
            given = [value for name, value in scope["headers"] if name == HEADER]
            if len(given) == 1 and _SANE_ID.fullmatch(given[0]) and self._is_trusted(scope.get("client")):
                return bytes(given[0]).decode("ascii")
        # Nobody has to be kept from guessing it; asking the system for randomness costs more than the rest of a record.
        return f"{getrandbits(128):032x}"

    def _is_trusted(self, client: Sequence[Any] | None) -> bool:
        try:
            address = ipaddress.ip_address(client[0] if client else "")
        except ValueError:
            return False
        return any(address.version == each.version and address in each for each in self._trusted)


class _Answer:
    """Writes the id into the answer, and reads from it what became of the request."""

    __slots__ = ("_is_problem", "_record", "_send")

    def __init__(self, send: Send, record: RequestRecord) -> None:
        self._send = send
        self._record = record
        self._is_problem = False

    async def send(self, event: MutableMapping[str, Any]) -> None:
        if event["type"] == "http.response.start":
            record = self._record
            record.status = event["status"]
            headers = event.get("headers", ())
            self._is_problem = record.status >= _ERROR and (b"content-type", _PROBLEM) in headers
            event = {**event, "headers": [*headers, (HEADER, record.request_id.encode())]}
        elif self._is_problem:
            self._is_problem = False
            self._record.code = self._record.code or _problem_code(event.get("body", b""))
        await self._send(event)


def _problem_code(body: bytes) -> str:
    """Give the code that a client is told (RFC 9457 section 3.2), "" where the body is not whole."""
    try:
        code = json.loads(body).get("code")
    except (ValueError, AttributeError):
        return ""
    return code if isinstance(code, str) else ""
