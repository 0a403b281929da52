"""`Idempotency-Key` for every request that changes something (draft-ietf-httpapi-idempotency-key-header).

One place for all routes: what a route answered is kept, unless it says `Cache-Control: no-store` (RFC 9111 section
5.2.2.5), as those do whose answers hold a secret or what an API behind the gateway said.
"""

from __future__ import annotations

import json
import re
from email.message import Message
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from app.api.problems import problem
from app.errors import CausewayError, TooManyRequestsError
from app.registry.records import KeptAnswer
from app.security.callers import caller_of

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from app.services.idempotency import Idempotency

_METHODS: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_NAMESPACE: Final = re.compile(r"/api/v1/namespaces/([^/]+)/.")
_KEPT_FIELDS: Final = ("content-type", "location")
_RETRY_SECONDS: Final = 2


class IdempotentMutations:
    """An ASGI application around another one, which does a request with an idempotency key once."""

    def __init__(self, app: ASGIApp, idempotency: Idempotency) -> None:
        """Let requests through to `app` whose answer `idempotency` does not know."""
        self._app = app
        self._idempotency = idempotency

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = Request(scope, receive) if scope["type"] == "http" and scope["method"] in _METHODS else None
        given = request.headers.getlist("idempotency-key") if request else []
        if request is None or not given:
            await self._app(scope, receive, send)
            return
        if len(given) > 1 or not _KEY.fullmatch(given[0]):
            detail = "`Idempotency-Key` is sent once, with 1 to 255 visible ASCII characters."
            await problem("idempotency_key_invalid", detail)(scope, receive, send)
            return
        try:
            body = await request.body()
        except ClientDisconnect:
            return
        answer = await self._answer(request, given[0], body)
        await answer(scope, receive, send)

    async def _answer(self, request: Request, key: str, body: bytes) -> Response:
        found = _NAMESPACE.match(request.scope["path"])
        described = self._idempotency.request(
            caller_of(request.scope), key, namespace=found[1] if found else "", content=_content(request, body)
        )
        try:
            async with self._idempotency.attempt(described) as attempt:
                if attempt.kept is not None:
                    return _again(attempt.kept)
                made = _Answer(body)
                await self._app(request.scope, made.receive, made.send)
                attempt.keep(made.kept, is_secret="no-store" in made.response.headers.get("cache-control", ""))
                return made.response
        except CausewayError as error:
            return _refused(error)


class _Answer:
    """The application's side of an exchange whose body was read and whose answer is not sent yet."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self._content = bytearray()
        self.response = Response()

    async def receive(self) -> MutableMapping[str, Any]:
        body, self._body = self._body, None
        return {"type": "http.disconnect"} if body is None else {"type": "http.request", "body": body}

    async def send(self, event: MutableMapping[str, Any]) -> None:
        if event["type"] == "http.response.start":
            self.response.status_code = event["status"]
            self.response.raw_headers = list(event["headers"])
        else:
            self._content += event.get("body", b"")
            self.response.body = bytes(self._content)

    @property
    def kept(self) -> KeptAnswer:
        headers = {name: self.response.headers[name] for name in _KEPT_FIELDS if name in self.response.headers}
        return KeptAnswer(self.response.status_code, headers, bytes(self._content))


def _content(request: Request, body: bytes) -> bytes:
    """Give all that makes a request another one. Clients choose a new boundary for the same parts."""
    media_type = Message()
    media_type["content-type"] = request.headers.get("content-type", "")
    boundary = media_type.get_param("boundary")
    if isinstance(boundary, str) and boundary:
        body = body.replace(boundary.encode("latin-1", "replace"), b"")
    head = (request.method, request.scope["path"], media_type.get_content_type())
    query: bytes = request.scope["query_string"]
    return b"\n".join((json.dumps(head).encode(), query, body))


def _again(kept: KeptAnswer) -> Response:
    # An answer without a body has none of the fields that describe one (RFC 9110 section 15.3.5).
    answer = Response(kept.body or None, kept.status, {**kept.headers, "idempotency-replayed": "true"})
    if not kept.body:
        answer.raw_headers = [each for each in answer.raw_headers if each[0] != b"content-length"]
    return answer


def _refused(error: CausewayError) -> Response:
    answer = problem(error.code, error.message)
    if isinstance(error, TooManyRequestsError):
        answer.headers["retry-after"] = str(error.retry_after)
    elif error.code == "idempotency_in_progress":
        answer.headers["retry-after"] = str(_RETRY_SECONDS)
    return answer
