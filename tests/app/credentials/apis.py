"""Descriptions with security, and the credentials that go with their schemes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.app.descriptions import description, operation
from tests.app.gateways import SERVERS, Gateway

CREDENTIALS = f"{SERVERS}/pets/credentials"

SCHEMES: dict[str, dict[str, Any]] = {
    "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
    "query": {"type": "apiKey", "in": "query", "name": "api_key"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "sid"},
    "basic": {"type": "http", "scheme": "basic"},
    "bearer": {"type": "http", "scheme": "bearer"},
    "digest": {"type": "http", "scheme": "digest"},
    "token": {"type": "http", "scheme": "Token"},
    "oauth": {
        "type": "oauth2",
        "flows": {"clientCredentials": {"tokenUrl": "https://auth.example/token", "scopes": {"read": "", "write": ""}}},
    },
    "oidc": {"type": "openIdConnect", "openIdConnectUrl": "https://auth.example/.well-known/openid-configuration"},
    "tls": {"type": "mutualTLS"},
}
SUPPLIED: dict[str, dict[str, Any]] = {
    "header": {"value": "canary-header-key/+="},
    "query": {"value": "canary query&key=ü"},
    "cookie": {"value": "canary-cookie-key"},
    "basic": {"username": "bob", "password": "canary:basic pässword"},
    "bearer": {"value": "canary.bearer.token"},
    "digest": {"username": "bob", "password": "canary-digest-password"},
    "token": {"value": "canary-token-value"},
    "oauth": {"value": "canary.oauth.token"},
    "oidc": {"value": "canary.oidc.token"},
}
Alternatives = Sequence[Mapping[str, Sequence[str]]]


def secured(
    security: Alternatives | None = None,
    *,
    default: Alternatives | None = None,
    schemes: Mapping[str, Any] = SCHEMES,
    **members: Any,
) -> dict[str, Any]:
    """Give a description with one operation, `get_pet`, and its own or the document's security requirements."""
    given = {} if security is None else {"security": security}
    parameters = [
        {"name": "limit", "in": "query", "schema": {"type": "integer"}},
        {"name": "theme", "in": "cookie", "schema": {"type": "string"}},
        {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
    ]
    found = description({"/pets": {"get": operation("get_pet", parameters=parameters, **given)}})
    whole = {} if default is None else {"security": default}
    return {**found, "components": {"securitySchemes": schemes}, **whole, **members}


async def supply(gateway: Gateway, *names: str) -> None:
    """Supply the credentials of these schemes."""
    for name in names:
        answer = await gateway.http.put(f"{CREDENTIALS}/{name}", json=SUPPLIED[name])
        assert answer.status_code == 200, answer.text


async def call(gateway: Gateway, tool: str = "get_pet", **arguments: Any) -> dict[str, Any]:
    """Call a tool as a client does."""
    return await gateway.mcp("tools/call", {"name": tool, "arguments": arguments})


def text(result: Mapping[str, Any]) -> str:
    """Give all text of a result."""
    return "\n".join(each["text"] for each in result["content"])
