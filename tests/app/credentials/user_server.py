"""An authorization server that asks its users, who always agree, and a browser that goes where it is sent.

It is strict: one code works once (RFC 6749 section 4.1.2), with the redirect URI and the verifier it was asked for with
(RFC 7636 section 4.6), and a refresh token that was used before ends everything that came of it (RFC 9700, 4.14).
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2

from converters.authorization_code import challenge
from tests.app.backends import Received, json_reply, redirect, reply
from tests.app.credentials.apis import CREDENTIALS, call, secured
from tests.app.credentials.token_server import CLIENT, Authorization, Peer, serving
from tests.app.gateways import PUBLIC_URL, Gateway

REDIRECT_URI = f"{PUBLIC_URL}/connect/callback"


@dataclass
class UserAuthorization(Authorization):
    """The state of the server; tests change it. `told` is added to authorization responses."""

    rotates: bool = True
    gives_refresh_tokens: bool = True
    told: dict[str, str] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    refreshable: set[str] = field(default_factory=set)
    polls: list[str] = field(default_factory=list)
    revoked: list[tuple[str, str]] = field(default_factory=list)

    async def answer(self, request: Received) -> bytes:
        """Answer at the authorization endpoint, and as any token server elsewhere."""
        path, _, query = request.target.partition("?")
        if path == "/authorize":
            return self._agreed(dict(parse_qsl(query)))
        if path == "/device":
            return json_reply(json.dumps(self.device()).encode())
        if path == "/revoke":
            return self._revoke(request)
        return await super().answer(request)

    def _revoke(self, request: Received) -> bytes:
        """Revoke a token for a client that proves itself (RFC 7009 section 2.1)."""
        form = dict(parse_qsl(request.body.decode()))
        if self.status or not self.is_client(request, form):
            return reply(self.status or "401 Unauthorized", form["token"].encode())
        self.revoked.append((form["token_type_hint"], form["token"]))
        self.live.discard(form["token"])
        self.refreshable.discard(form["token"])
        return reply("200 OK")

    def _agreed(self, asked: dict[str, str]) -> bytes:
        self.asked.append(asked)
        if asked.get("redirect_uri") != REDIRECT_URI or asked.get("code_challenge_method") != "S256":
            return reply("400 Bad Request")
        code = f"canary-code-{len(self.codes)}"
        self.codes[code] = asked
        answer = {"code": code, "state": asked["state"], **self.told}
        return redirect(f"{asked['redirect_uri']}?{urlencode({k: v for k, v in answer.items() if v})}")

    def device(self) -> dict[str, Any]:
        """Give codes; the form of RFC 8628 section 3.2."""
        return {
            "device_code": "canary-device-code",
            "user_code": "WDJB-MJHT",
            "verification_uri": "https://auth.example/device",
            "expires_in": 600,
            "interval": 0.05,
        }

    def fault_of(self, form: dict[str, str]) -> str:
        """Check a grant; a code and a rotated refresh token are used up by it."""
        grant = form.get("grant_type", "")
        if grant == "authorization_code":
            asked = self.codes.pop(form.get("code", ""), None)
            is_right = asked is not None and asked["redirect_uri"] == form.get("redirect_uri")
            return (
                "" if asked and is_right and asked["code_challenge"] == challenge(form["code_verifier"]) else _INVALID
            )
        if grant == "refresh_token":
            if form.get("refresh_token") not in self.refreshable:
                self.refreshable.clear()
                return _INVALID
            if self.rotates:
                self.refreshable.discard(form["refresh_token"])
            return ""
        if grant == "urn:ietf:params:oauth:grant-type:device_code":
            return self.polls.pop(0) if self.polls else ""
        return super().fault_of(form)

    def token(self, form: dict[str, str]) -> dict[str, Any]:
        """Issue a token, and what renews it."""
        issued = super().token(form)
        is_user_s = form["grant_type"] not in {"client_credentials", _EXCHANGE}
        if is_user_s and self.gives_refresh_tokens and (self.rotates or form["grant_type"] != "refresh_token"):
            issued["refresh_token"] = f"canary-refresh-{len(self.issued)}"
            self.refreshable.add(issued["refresh_token"])
        return issued


_INVALID = "invalid_grant"
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


@dataclass(frozen=True, slots=True)
class Scene:
    """An API behind a gateway, the server that knows its users, and a browser."""

    gateway: Gateway
    state: UserAuthorization
    authorization: Peer
    api: Peer
    browser: httpx2.AsyncClient

    def schemes(self, **flow: Any) -> dict[str, Any]:
        url = self.authorization.url
        scopes = {"read": "", "write": ""}
        code = {"authorizationUrl": f"{url}/authorize?tenant=1", "tokenUrl": f"{url}/token", "scopes": scopes, **flow}
        return {"oauth": {"type": "oauth2", "flows": {"authorizationCode": code}}}

    async def supply(self, **changes: Any) -> None:
        body = {name: value for name, value in {**CLIENT, **changes}.items() if value is not None}
        answer = await self.gateway.http.put(f"{CREDENTIALS}/oauth", json=body)
        assert answer.status_code == 200, answer.text

    async def start(self, schemes: dict[str, Any] | None = None, **changes: Any) -> None:
        """Import the description and supply the client."""
        document = secured([{"oauth": ["read"]}], schemes=schemes or self.schemes())
        await self.gateway.create(document, base_url=self.api.url)
        await self.supply(**changes)

    async def link(self) -> str:
        """Call the tool and give the link of the answer."""
        result = await call(self.gateway)
        assert result["isError"], result
        url: str = result["_meta"]["causeway/url"]
        assert url in result["content"][0]["text"]
        return url

    async def agree(self, link: str, browser: httpx2.AsyncClient | None = None) -> httpx2.Response:
        """Agree on the page and give what the authorization server sends the browser back with, not yet followed."""
        using = browser or self.browser
        page = await using.get(link)
        assert page.status_code == 200, page.text
        assert re.search(r'<form method="post">', page.text)
        sent = await using.post(link, headers={"Origin": PUBLIC_URL, "Sec-Fetch-Site": "same-origin"})
        assert sent.status_code == 303, sent.text
        async with httpx2.AsyncClient(trust_env=False) as outside:
            return await outside.get(sent.headers["location"])

    async def connect(self) -> httpx2.Response:
        """Connect an account, from the answer of a call to the last page."""
        back = await self.agree(await self.link())
        return await self.browser.get(back.headers["location"])


@asynccontextmanager
async def user_scene(running: Gateway) -> AsyncIterator[Scene]:
    """Run the servers for a gateway, and a browser that has no key of it."""
    state = UserAuthorization()
    transport = httpx2.ASGITransport(running.application)
    async with (
        serving(state.answer) as authorization,
        serving(state.api) as api,
        httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as browser,
    ):
        yield Scene(running, state, authorization, api, browser)


def query_of(url: str) -> dict[str, str]:
    """Give the parameters of a URL."""
    return dict(parse_qsl(urlsplit(url).query))
