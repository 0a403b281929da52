"""Everything that sends requests for somebody, each as a function from a URL to what came of it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from app.adapters import small_documents
from app.errors import UpstreamError
from app.gateway.calls import ToolCalls
from app.outbound import AccessTokens, DocumentFetcher, EgressPolicy, HttpUpstream, TokenEndpoint
from app.security.callers import LOCAL
from app.security.issuer_keys import Fetch, IssuerKeys, KeysUnavailableError
from converters.credentials import AUTHORIZATION_CODE, DEVICE_CODE, ClientCredentials, Secret
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

UNUSABLE = frozenset({"credential_token_failed", "keys_unavailable"})
"""What comes of an answer that came and is of no use: tokens and keys are got, or not."""

_ELSEWHERE = "https://auth.example/token"


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


async def code_exchange(policy: EgressPolicy, url: str) -> Outcome:
    """Exchange a user's code for tokens."""
    form = {"grant_type": AUTHORIZATION_CODE, "code": "canary-code"}
    return await _at(policy, lambda endpoint: endpoint.ask(_user_s(Endpoints(token=url)), form))


async def refresh(policy: EgressPolicy, url: str) -> Outcome:
    """Renew a user's token, where that is elsewhere."""
    form = {"grant_type": "refresh_token", "refresh_token": "canary-refresh-token"}
    request = _user_s(Endpoints(token=_ELSEWHERE, refresh=url))
    return await _at(policy, lambda endpoint: endpoint.ask(request, form, is_refresh=True))


async def device(policy: EgressPolicy, url: str) -> Outcome:
    """Ask for a code that a user enters elsewhere."""
    request = _user_s(Endpoints(token=_ELSEWHERE, device=url), DEVICE_CODE)
    return await _at(policy, lambda endpoint: endpoint.ask_device(request))


async def user_discovery(policy: EgressPolicy, url: str) -> Outcome:
    """Ask for the metadata that name where a user is sent."""
    return await _at(policy, lambda endpoint: endpoint.metadata(_user_s(Endpoints(metadata=url))))


def _user_s(endpoints: Endpoints, grant_type: str = AUTHORIZATION_CODE) -> TokenRequest:
    secret = Secret("canary-client-secret")
    client = ClientCredentials("client", secret, "client_secret_basic", grant_type=grant_type)
    return TokenRequest("oauth", endpoints, client, (), "https://api.example")


async def _at(policy: EgressPolicy, asking: Callable[[TokenEndpoint], Awaitable[object]]) -> Outcome:
    endpoint = TokenEndpoint(policy)
    try:
        return await _outcome(asking(endpoint))
    finally:
        await endpoint.close()


async def key_set(policy: EgressPolicy, url: str) -> Outcome:
    """Fetch the keys that access tokens of clients are checked with."""
    return await _checked(policy, issuer="https://issuer.example", jwks_uri=url)


async def issuer_metadata(policy: EgressPolicy, url: str) -> Outcome:
    """Fetch the metadata that say where an issuer's keys are."""
    return await _checked(policy, issuer=url, jwks_uri="")


async def _checked(policy: EgressPolicy, *, issuer: str, jwks_uri: str) -> Outcome:
    codes = ["keys_unavailable"]
    keys = IssuerKeys(_noting(small_documents(policy), codes))
    try:
        await keys.keys(issuer, jwks_uri, "key")
    except KeysUnavailableError as error:
        return Outcome(codes[-1], str(error))
    finally:
        await keys.close()
    return Outcome("", "")


def _noting(fetch: Fetch, codes: list[str]) -> Fetch:
    """Note the codes of errors, of which clients are not told."""

    async def noted(url: str) -> bytes:
        try:
            return await fetch(url)
        except UpstreamError as error:
            codes.append(error.code)
            raise

    return noted


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
    "code exchange": code_exchange,
    "refresh": refresh,
    "device authorization": device,
    "a user's discovery": user_discovery,
    "JWKS": key_set,
    "issuer metadata": issuer_metadata,
}
