"""One HTTP request to an MCP server, below JSON-RPC: headers and body read, an answer written, a hang-up told."""

from __future__ import annotations

import asyncio
import contextlib
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qs

from app.gateway.snapshots import to_bytes
from app.security.header_fields import MOST_KEPT, fields_of
from converters.client_profiles import PROFILES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping

    from converters.client_profiles import ClientProfile

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_BODY: Final = 4 * 1024 * 1024
_CODES: Final = {
    400: "message_invalid",
    403: "insufficient_scope",
    404: "server_not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "body_too_large",
    415: "unsupported_media_type",
    429: "too_many_requests",
    503: "too_many_streams",
}
_UNWATCHED: Final = 0.1
"""Seconds of a call before its client is watched; one that hung up by then is noticed at that moment."""
_READ: Final = {
    name.encode(): name
    for name in ("accept", "content-type", "mcp-method", "mcp-name", "mcp-protocol-version", "mcp-session-id")
}
_JSON: Final = b"application/json"


class Headers(NamedTuple):
    """The header fields that are read here, in order; `named` has the last of each name.

    `accept` is what a client accepts, in lower case; one that does not say accepts all. `media_type` is the body's, and
    `takes_json` whether it accepts an answer that is JSON.
    """

    fields: tuple[tuple[str, str], ...]
    named: Mapping[str, str]
    accept: str
    media_type: str
    takes_json: bool


class HttpError(Exception):
    """An answer below JSON-RPC: a status, a sentence, and further headers."""

    def __init__(self, status: int, sentence: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        """Keep the answer."""
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = headers


def too_many_requests(sentence: str, retry_after: int) -> HttpError:
    """Give the answer to a caller who asks for more than they may (RFC 6585 section 4)."""
    return HttpError(429, sentence, ((b"retry-after", str(retry_after).encode()),))


class ClientGoneError(Exception):
    """The client closed the connection before its answer."""


class cancelled_by_hang_up(contextlib.AbstractContextManager[None]):  # noqa: N801 - reads as a statement
    """Cancels what runs inside when the client hangs up, and says so by `ClientGoneError`."""

    def __init__(self, receive: Receive) -> None:
        """Watch `receive`, from which the body has been read."""
        self._receive = receive
        self._gone = False
        self._watch: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        """Start to watch."""
        self._task = asyncio.current_task()
        # Most calls have ended by then, and a task for each would cost more than all of the checks.
        self._timer = asyncio.get_running_loop().call_later(_UNWATCHED, self._start)

    def _start(self) -> None:
        self._watch = asyncio.ensure_future(self._watching())

    async def _watching(self) -> None:
        await hang_up(self._receive)
        self._gone = True
        if self._task is not None:
            self._task.cancel()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Stop watching; turn the cancellation into what it means."""
        self._timer.cancel()
        if self._watch is not None:
            self._watch.cancel()
        if self._gone and isinstance(error, asyncio.CancelledError):
            if self._task is not None:
                self._task.uncancel()
            raise ClientGoneError from None


async def hang_up(receive: Receive) -> None:
    """Wait until the client hangs up."""
    while (await receive())["type"] != "http.disconnect":
        pass


def headers_of(scope: Scope) -> Headers:
    """Give the header fields that are read here; their values without white space around, which some servers keep."""
    return _headers(fields_of(scope).read)


@lru_cache(MOST_KEPT)
def _headers(read: tuple[tuple[bytes, bytes], ...]) -> Headers:
    fields = tuple((_READ[name], value.decode("latin-1").strip()) for name, value in read if name in _READ)
    named = dict(fields)
    accept = ", ".join([value for name, value in fields if name == "accept"]).lower() or "*/*"
    media_type = named.get("content-type", "").partition(";")[0].strip().lower()
    takes_json = _takes(accept, "application/json", "application/*")
    return Headers(fields, MappingProxyType(named), accept, media_type, takes_json)


def accepted(headers: Headers, *kinds: str) -> bool:
    """Tell whether a client accepts one of these media types."""
    return _takes(headers.accept, *kinds)


def _takes(accept: str, *kinds: str) -> bool:
    return "*/*" in accept or any(kind in accept for kind in kinds)


def named_profile(scope: Scope) -> ClientProfile | None:
    """Give the profile that the URL asks for by `?profile=`; raises `HttpError` where there is none of the name."""
    if not scope["query_string"]:
        return None
    names = parse_qs(scope["query_string"].decode("latin-1")).get("profile")
    if names is None:
        return None
    if names[-1] not in PROFILES:
        raise HttpError(400, f"There is no profile of this name: {', '.join(PROFILES)}.")
    return PROFILES[names[-1]]


def check_post(method: str, headers: Headers) -> None:
    """Check what every message has in common; raises `HttpError`."""
    if method != "POST":
        raise HttpError(405, "Send MCP messages with POST.", ((b"allow", b"POST"),))
    if headers.media_type != "application/json":
        raise HttpError(415, "Send the message as application/json.")


async def read_body(receive: Receive, scope: Scope) -> bytes:
    """Read the body, however it comes; raises `HttpError` where it is too large, and `ClientGoneError`."""
    for declared in fields_of(scope).sizes:
        if declared.isdigit() and int(declared[:12]) > MAX_BODY:
            raise _too_large()
    chunks: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ClientGoneError
        chunk: bytes = event.get("body", b"")
        size += len(chunk)
        if size > MAX_BODY:
            raise _too_large()
        chunks.append(chunk)
        if not event.get("more_body"):
            # Most bodies come at once.
            return chunk if size == len(chunk) else b"".join(chunks)


def _too_large() -> HttpError:
    return HttpError(413, f"The message is larger than {MAX_BODY:,} bytes.")


async def respond_problem(send: Send, error: HttpError) -> None:
    """Answer with an RFC 9457 problem."""
    code, sentence = _CODES[error.status], error.sentence
    problem = {"type": f"urn:causeway:problem:{code}", "title": sentence, "detail": sentence, "code": code}
    body = to_bytes({**problem, "status": error.status})
    await respond(send, error.status, body, content_type=b"application/problem+json", headers=error.headers)


async def respond(
    send: Send,
    status: int,
    body: bytes,
    *,
    content_type: bytes = _JSON,
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> None:
    """Answer at once."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-type", content_type), (b"content-length", str(len(body)).encode()), *headers],
        }
    )
    await send({"type": "http.response.body", "body": body})
