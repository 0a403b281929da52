"""An issuer's keys and the tokens it signs, made by hand so that anything in them can be wrong."""

from __future__ import annotations

import base64
import json
import time
from functools import cache
from typing import Any

from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey
from joserfc.jws import JWSRegistry, serialize_compact

ISSUER = "https://login.example"
AUDIENCE = "https://gateway.example/mcp/default/pets"
Key = RSAKey | ECKey | OKPKey


@cache
def rsa_key(key_id: str = "r1") -> RSAKey:
    """Make an RSA key, once for each id."""
    return RSAKey.generate_key(2048, {"kid": key_id})


@cache
def ec_key(curve: str = "P-256") -> ECKey:
    return ECKey.generate_key(curve, {"kid": curve})


@cache
def ed_key() -> OKPKey:
    return OKPKey.generate_key("Ed25519", {"kid": "ed"})


def key_set(*keys: Key, **more: Any) -> bytes:
    """Write the set of the public keys."""
    return json.dumps({**KeySet(list(keys)).as_dict(private=False), **more}).encode()


def claims(**changed: Any) -> dict[str, Any]:
    """Give the claims of a good access token; None leaves one out."""
    now = int(time.time())
    given = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "alice",
        "client_id": "client",
        "iat": now,
        "exp": now + 300,
        "scope": "mcp:call",
        **changed,
    }
    return {name: value for name, value in given.items() if value is not None}


class _AnyHeader(JWSRegistry):
    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]

    def check_header(self, header: Any) -> None:
        """Let an attacker write what they like."""


def signed(given: dict[str, Any], key: Key | None = None, *, algorithm: str = "RS256", **header: Any) -> str:
    """Sign claims as an access token (RFC 9068), with any header."""
    key = key or rsa_key()
    head = {"alg": algorithm, "typ": "at+jwt", "kid": key.get("kid"), **header}
    head = {name: value for name, value in head.items() if value is not None}
    return serialize_compact(head, json.dumps(given), key, registry=_AnyHeader())


def segment(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()
