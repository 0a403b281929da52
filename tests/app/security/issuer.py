"""An authorization server's public documents, its metadata and keys, on a loopback socket."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.app.backends import Received, backend, json_reply, reply
from tests.app.security.tokens import Key, claims, key_set, rsa_key, signed

METADATA = "/.well-known/oauth-authorization-server"


@dataclass
class Issuer:
    """An issuer; tests change its keys and how it answers."""

    url: str = ""
    keys: list[Key] = field(default_factory=lambda: [rsa_key()])
    status: str = ""
    padding: int = 0
    seconds: float = 0.0
    metadata: dict[str, Any] = field(default_factory=dict)
    fetches: Counter[str] = field(default_factory=Counter)

    def token(self, audience: str, key: Key | None = None, *, header: dict[str, Any] | None = None, **more: Any) -> str:
        """Sign an access token for an audience."""
        return signed(claims(iss=self.url, aud=audience, **more), key or self.keys[0], **(header or {}))

    async def answer(self, received: Received) -> bytes:
        self.fetches[received.target] += 1
        await asyncio.sleep(self.seconds)
        if self.status:
            return reply(self.status, b"away")
        if received.target == METADATA:
            return json_reply(
                json.dumps({"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.metadata}).encode()
            )
        if received.target == "/keys":
            return json_reply(key_set(*self.keys, padding="x" * self.padding))
        return reply("404 Not Found", b"no")


@asynccontextmanager
async def running_issuer() -> AsyncIterator[Issuer]:
    """Run an issuer."""
    issuer = Issuer()
    async with backend() as running:

        async def respond(received: Received, writer: asyncio.StreamWriter) -> None:
            writer.write(await issuer.answer(received))

        running.respond = respond
        issuer.url = running.url
        yield issuer
