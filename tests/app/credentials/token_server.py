"""An authorization server and the API that trusts its tokens, on loopback sockets.

The server is what RFC 6749 section 4.4 describes, and strict: it checks how the client proves itself.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote_plus

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from tests.app.backends import Received, backend, json_reply, reply

CLIENT_ID = "client 1"
CLIENT_SECRET = "canary:client/secret+ü %"
CLIENT = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}

Answer = Callable[[Received], Awaitable[bytes]]


@dataclass
class Peer:
    """One server: what it received, and how it answers."""

    answer: Answer
    url: str = ""
    requests: list[Received] = field(default_factory=list)


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[Peer]:
    """Run a server that answers each request by `answer`."""
    peer = Peer(answer)
    async with backend() as running:

        async def respond(received: Received, writer: asyncio.StreamWriter) -> None:
            peer.requests.append(received)
            writer.write(await peer.answer(received))

        running.respond = respond
        peer.url = running.url
        yield peer


@dataclass
class Authorization:
    """The state of an authorization server; tests change it."""

    lifetime: float | None = 3600
    status: str = ""
    seconds: float = 0.0
    key: RSAKey | ECKey | None = None
    is_public: bool = False
    issued: list[str] = field(default_factory=list)
    live: set[str] = field(default_factory=set)
    forms: list[dict[str, str]] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)

    async def answer(self, request: Received) -> bytes:
        """Answer a request for metadata or for a token."""
        if request.line.startswith("GET"):
            return json_reply(json.dumps(self.metadata).encode())
        await asyncio.sleep(self.seconds)
        form = {name: values[0] for name, values in parse_qs(request.body.decode(), strict_parsing=True).items()}
        self.forms.append(form)
        if self.status:
            return reply(self.status, b'{"error": "temporarily_unavailable"}', "Content-Type: application/json")
        fault = self._fault(request, form)
        if fault:
            body = json.dumps({"error": fault, "error_description": f"Echo {request.headers} {request.body!r}"})
            return reply("401 Unauthorized", body.encode(), "Content-Type: application/json")
        return json_reply(json.dumps(self.token(form)).encode())

    def token(self, form: dict[str, str]) -> dict[str, Any]:  # noqa: ARG002 - other servers look at it
        """Issue a token for a form that is right."""
        token = f"canary.token.{len(self.issued)}/{'x' * 20}+="
        self.issued.append(token)
        self.live = {*self.live, token}
        expiry = {} if self.lifetime is None else {"expires_in": self.lifetime}
        return {"access_token": token, "token_type": "Bearer", **expiry}

    def _fault(self, request: Received, form: dict[str, str]) -> str:
        if request.values("Content-Type") != ["application/x-www-form-urlencoded"]:
            return "invalid_request"
        return self.fault_of(form) if self.is_client(request, form) else "invalid_client"

    def fault_of(self, form: dict[str, str]) -> str:
        """Check the grant of a client that proved itself; gives the error code, or ""."""
        return "" if form.get("grant_type") == "client_credentials" else "unsupported_grant_type"

    def is_client(self, request: Received, form: dict[str, str]) -> bool:
        """Tell whether the client proved itself."""
        if "client_assertion" in form and self.key is not None:
            claims = jwt.decode(form["client_assertion"], self.key).claims
            return bool(claims["sub"] == claims["iss"] == CLIENT_ID and claims["aud"].endswith(request.target))
        given = request.values("Authorization")
        if given:
            name, _, secret = base64.b64decode(given[0].removeprefix("Basic ")).decode().partition(":")
            return (unquote_plus(name), unquote_plus(secret)) == (CLIENT_ID, CLIENT_SECRET)
        if self.is_public:
            return form.get("client_id") == CLIENT_ID and "client_secret" not in form
        return (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)

    async def api(self, request: Received) -> bytes:
        """Answer a call of the API: 401 without a live token, else what arrived."""
        given = (request.values("Authorization") or [""])[0]
        if given.removeprefix("Bearer ") not in self.live:
            return reply("401 Unauthorized", given.encode(), "WWW-Authenticate: Bearer", "Content-Type: text/plain")
        return json_reply(json.dumps({"id": 7, "echo": given}).encode())
