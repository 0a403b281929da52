"""Callers of a gateway: clients with keys of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from tests.app.gateways import PUBLIC_URL, Gateway

KEYS = "/api/v1/keys"
NAMESPACES = "/api/v1/namespaces"


async def make_key(gateway: Gateway, *scopes: str, **members: Any) -> dict[str, Any]:
    """Create a key with the gateway's own client."""
    answer = await gateway.http.post(KEYS, json={"scopes": list(scopes), **members})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


@asynccontextmanager
async def client(gateway: Gateway, key: str | None) -> AsyncIterator[httpx2.AsyncClient]:
    """Give a client with this key, or none."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    transport = httpx2.ASGITransport(gateway.application, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL, headers=headers) as http:
        yield http


@asynccontextmanager
async def caller(gateway: Gateway, *scopes: str, **members: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """Give a client with a new key."""
    made = await make_key(gateway, *scopes, **members)
    async with client(gateway, made["key"]) as http:
        yield http
