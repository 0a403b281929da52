"""Sealing: AES-256-GCM (NIST SP 800-38D), with what a secret belongs to as associated data.

A sealed secret opens only in its place: moved to another row, with other details beside it, or with one bit changed, it
is refused. Everything is derived from the operator's key by HKDF (RFC 5869), so that no key has two uses.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.errors import CausewayError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SIZE: Final = 32
_NONCE: Final = 12
_FORMAT: Final = "causeway-sealed-1"


class UnreadableSecretError(CausewayError):
    """A sealed secret does not open: another key, another place, or changed content."""

    code = "secret_unreadable"

    def __init__(self) -> None:
        """Say so; which of the three it is cannot be told apart, but for the key."""
        super().__init__("A stored secret cannot be read with this gateway's CAUSEWAY_SECRET_KEY.")


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted secret: the id of its key, and nonce and ciphertext as one."""

    key_id: str
    content: bytes


class _Key:
    def __init__(self, key: bytes) -> None:
        self.id = _derived(key, "key id")[:8].hex()
        self.cipher = AESGCM(_derived(key, "sealing"))
        self.marking = _derived(key, "fingerprint")


class SecretKeys:
    """The key that secrets are sealed with, and those that they may still be sealed with."""

    def __init__(self, current: bytes, readable: Iterable[bytes] = ()) -> None:
        """Take keys of 32 bytes at random; only `current` is written with."""
        self._current = _Key(current)
        self._keys = {each.id: each for each in [*map(_Key, readable), self._current]}

    @property
    def current_id(self) -> str:
        """The id of the key that secrets are sealed with."""
        return self._current.id

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all keys that secrets can be read with."""
        return frozenset(self._keys)

    def seal(self, secret: bytes, place: Sequence[Any]) -> Sealed:
        """Encrypt a secret for `place`: JSON values that say where it belongs."""
        nonce = secrets.token_bytes(_NONCE)
        bound = _associated(self.current_id, place)
        return Sealed(self.current_id, nonce + self._current.cipher.encrypt(nonce, secret, bound))

    def open(self, sealed: Sealed, place: Sequence[Any]) -> bytes:
        """Decrypt a secret that was sealed for exactly this `place`; raises `UnreadableSecretError`."""
        key = self._keys.get(sealed.key_id)
        if key is None:
            raise UnreadableSecretError
        nonce, content = sealed.content[:_NONCE], sealed.content[_NONCE:]
        try:
            return key.cipher.decrypt(nonce, content, _associated(sealed.key_id, place))
        except (InvalidTag, ValueError):
            raise UnreadableSecretError from None

    def fingerprint(self, secret: bytes, namespace: str) -> str:
        """Give what tells a secret from others of its namespace without telling the secret: a keyed hash.

        A plain hash of a short secret could be found by trying; this one cannot be tried without the key.
        """
        marked = len(namespace).to_bytes(4) + namespace.encode() + secret
        return hmac.new(self._current.marking, marked, hashlib.sha256).hexdigest()[:16]


def _derived(key: bytes, purpose: str) -> bytes:
    return HKDF(hashes.SHA256(), _SIZE, salt=None, info=f"causeway {purpose}".encode()).derive(key)


def _associated(key_id: str, place: Sequence[Any]) -> bytes:
    return json.dumps([_FORMAT, key_id, *place], sort_keys=True, separators=(",", ":")).encode()
