"""The public keys that an issuer signs with: a JSON Web Key Set (RFC 7517), read leniently and used strictly.

A set may hold keys that are not for us, or that nobody understands: they are left out. No key that is used came from
anywhere but the set; what a token's header offers (`jwk`, `jku`, `x5u`, `x5c`) is never looked at.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    SigningKey = RSAKey | ECKey | OKPKey

MAX_KEYS: Final = 100
_MIN_RSA_BITS: Final = 2048
_MAX_RSA_BITS: Final = 8192
"""Beyond it, checking one signature takes milliseconds."""

_TYPES: Final[Mapping[str, type[RSAKey | ECKey | OKPKey]]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
_FITTING: Final[Mapping[str, tuple[str, str]]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", "")),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
}
ALGORITHMS: Final = tuple(_FITTING)
"""The signatures that are understood (RFC 7518 section 3.1, RFC 8037, RFC 9864): none with a shared secret."""


class KeySetError(Exception):
    """What an issuer publishes is not a set of keys."""


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The keys of one issuer that signatures are checked with."""

    keys: tuple[SigningKey, ...]

    def knows(self, key_id: str | None) -> bool:
        """Tell whether a token that names this key, or None, can be checked."""
        return key_id is None or any(key.get("kid") == key_id for key in self.keys)

    def fitting(self, key_id: str | None, algorithm: str) -> tuple[SigningKey, ...]:
        """Give the keys that may have made a signature."""
        return tuple(key for key in self.keys if key_id in {None, key.get("kid")} and _fits(key, algorithm))


def read_key_set(body: bytes) -> SigningKeys:
    """Read a JSON Web Key Set.

    Raises:
        KeySetError: where it is none, or holds more than `MAX_KEYS` keys.

    """
    try:
        found = json.loads(body)["keys"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise KeySetError("It is not a JSON Web Key Set.") from None
    if not isinstance(found, list) or len(found) > MAX_KEYS:
        raise KeySetError(f"It is not a JSON Web Key Set of at most {MAX_KEYS} keys.")
    return SigningKeys(tuple(key for each in found if (key := _key(each)) is not None))


def _key(found: Any) -> SigningKey | None:
    kind = _TYPES.get(found.get("kty", "")) if isinstance(found, dict) and isinstance(found.get("kty"), str) else None
    if kind is None or found.get("use", "sig") != "sig":
        return None
    # Only what makes the public key, and what tells it from others: the rest may be anything.
    public = {name: found[name] for name in ("kty", "n", "e", "crv", "x", "y", "kid", "alg") if name in found}
    try:
        key = kind.import_key(public)
        if isinstance(key, RSAKey) and not _MIN_RSA_BITS <= key.public_key.key_size <= _MAX_RSA_BITS:
            return None
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return key


def _fits(key: SigningKey, algorithm: str) -> bool:
    kind, curve = _FITTING[algorithm]
    is_kind = key.get("kty") == kind and (not curve or key.get("crv") == curve)
    return is_kind and key.get("alg") in {None, algorithm}
