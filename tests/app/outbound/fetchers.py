"""Everything that sends requests for somebody, each as a function from a URL to what came of it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from app.errors import UpstreamError
from app.gateway.calls import ToolCalls
from app.outbound import AccessTokens, DocumentFetcher, EgressPolicy, HttpUpstream, TokenEndpoint
from app.security.callers import LOCAL
from converters.credentials import ClientCredentials, Secret
from converters.token_requests import Endpoints, TokenRequest
from tests.app.backends import json_reply
from tests.app.descriptions import description, operation, snapshot

Fetcher = Callable[[EgressPolicy, str], Awaitable["Outcome"]]

ANSWER = json_reply(
    json.dumps(
        {
            "openapi": "3.1.0",
            "access_token": "token",
            "token_type": "Bearer",
            "issuer": "none",
            "token_endpoint": "none",
        }
    ).encode()
)
"""What satisfies most of them."""


class Outcome(NamedTuple):
    """The code of an error ("" for none) and its sentence."""

    code: str
    message: str


async def document(policy: EgressPolicy, url: str) -> Outcome:
    """Fetch a description."""
    return await _outcome(DocumentFetcher(policy).fetch(url))


async def call(policy: EgressPolicy, url: str) -> Outcome:
    """Call a tool whose description names the server."""
    return await _called(policy, server=url)


async def override(policy: EgressPolicy, url: str) -> Outcome:
    """Call a tool whose server is a setting."""
    return await _called(policy, server="https://api.example", base_url=url)


async def _called(policy: EgressPolicy, *, server: str, **settings: Any) -> Outcome:
    served = snapshot(description({"/pets": {"get": operation("get_pet")}}, server=server), **settings)
    upstream = HttpUpstream(policy, connect_timeout=2)
    try:
        result = await ToolCalls(upstream, deadline=10).call(served, "get_pet", {}, caller=LOCAL)
    finally:
        await upstream.close()
    return Outcome(str(result.meta.get("causeway/code", "")), result.content[0]["text"])


async def token(policy: EgressPolicy, url: str) -> Outcome:
    """Ask a token endpoint."""
    return await _asked(policy, url, is_discovered=False)


async def discovery(policy: EgressPolicy, url: str) -> Outcome:
    """Ask for the metadata that name a token endpoint."""
    return await _asked(policy, url, is_discovered=True)


async def _asked(policy: EgressPolicy, url: str, *, is_discovered: bool) -> Outcome:
    client = ClientCredentials("client", Secret("canary-client-secret"), "client_secret_basic")
    endpoints = Endpoints(metadata=url) if is_discovered else Endpoints(token=url)
    tokens = AccessTokens(TokenEndpoint(policy))
    try:
        return await _outcome(tokens.token("default/pets", TokenRequest("oauth", endpoints, client)))
    finally:
        await tokens.close()


async def _outcome(fetching: Awaitable[object]) -> Outcome:
    try:
        await fetching
    except UpstreamError as error:
        return Outcome(error.code, error.message)
    return Outcome("", "")


FETCHERS: dict[str, Fetcher] = {
    "document": document,
    "servers[].url": call,
    "base URL": override,
    "token endpoint": token,
    "discovery": discovery,
}
