"""Sealing: AES-256-GCM (NIST SP 800-38D), with what a secret belongs to as associated data.

A sealed secret opens only in its place: moved to another row, with other details beside it, or with one bit changed, it
is refused. Everything is derived from the operator's key by HKDF (RFC 5869), so that no key has two uses; what belongs
to a namespace from the operator's key and the namespace's own, where there are such (`NamespaceKeys`).
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
    from collections.abc import Collection, Iterable, Sequence

    from app.security.namespace_keys import NamespaceKeys

_SIZE: Final = 32
_NONCE: Final = 12
_FORMAT: Final = "causeway-sealed-1"


class UnreadableSecretError(CausewayError):
    """A sealed secret does not open: another key, another place, or changed content."""

    code = "secret_unreadable"

    def __init__(self) -> None:
        """Say so; which of the three it is cannot be told apart, but for the key."""
        super().__init__(
            "A stored secret cannot be read with this gateway's CAUSEWAY_SECRET_KEY and CAUSEWAY_NAMESPACE_KEYS."
        )


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted secret: the id of its key, and nonce and ciphertext as one.

    The id is that of the operator's key, followed by "." and that of the namespace's key where it took both.
    """

    key_id: str
    content: bytes


class _Key:
    def __init__(self, key: bytes, key_id: str = "") -> None:
        self.id = key_id or _derived(key, "key id")[:8].hex()
        self._key = key
        self.cipher = AESGCM(_derived(key, "sealing"))
        self.marking = _derived(key, "fingerprint")

    def joined(self, namespace_key_id: str, namespace_key: bytes) -> _Key:
        """Give the key that needs both: this one, and that of a namespace."""
        return _Key(_derived(self._key, "namespace", namespace_key), f"{self.id}.{namespace_key_id}")


class SecretKeys:
    """The key that secrets are sealed with, and those that they may still be sealed with."""

    def __init__(
        self, current: bytes, readable: Iterable[bytes] = (), *, namespaces: NamespaceKeys | None = None
    ) -> None:
        """Take keys of 32 bytes at random; only `current` is written with.

        With `namespaces`, what is sealed for a namespace needs the namespace's key, too.
        """
        self._namespaces = namespaces
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

    def is_current(self, key_id: str) -> bool:
        """Tell whether what is sealed with this key would be sealed with the like now."""
        own, _, of_namespace = key_id.partition(".")
        return own == self.current_id and bool(of_namespace) == (self._namespaces is not None)

    def can_read(self, key_ids: Collection[str]) -> bool:
        """Tell whether the keys are at hand that these ids name.

        Of the namespaces' keys one is enough: which shows that it is the right folder. A single one may be gone for
        good, in a backup from before its namespace was deleted.
        """
        of_namespaces = {each for _, _, each in (key_id.partition(".") for key_id in key_ids) if each}
        is_folder_right = not of_namespaces or (
            self._namespaces is not None and self._namespaces.has_any(of_namespaces)
        )
        return {key_id.partition(".")[0] for key_id in key_ids} <= self.ids and is_folder_right

    def seal(self, secret: bytes, place: Sequence[Any], *, namespace: str | None = None) -> Sealed:
        """Encrypt a secret for `place`: JSON values that say where it belongs.

        What outlives a request and belongs to a `namespace` names it; raises `NamespaceKeysError`.
        """
        key = self._writing(namespace)
        nonce = secrets.token_bytes(_NONCE)
        return Sealed(key.id, nonce + key.cipher.encrypt(nonce, secret, _associated(key.id, place)))

    def open(self, sealed: Sealed, place: Sequence[Any], *, namespace: str | None = None) -> bytes:
        """Decrypt a secret that was sealed for exactly this `place`; raises `UnreadableSecretError`."""
        key = self._reading(sealed.key_id, namespace)
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
        return hmac.new(self._writing(namespace).marking, marked, hashlib.sha256).hexdigest()[:16]

    def shred(self, namespace: str) -> None:
        """Destroy the keys of a namespace, after which nothing opens that was sealed for it with them.

        Raises `NamespaceKeysError`.
        """
        if self._namespaces is not None:
            self._namespaces.shred(namespace)

    def _writing(self, namespace: str | None) -> _Key:
        if namespace is None or self._namespaces is None:
            return self._current
        return self._current.joined(*self._namespaces.current(namespace))

    def _reading(self, key_id: str, namespace: str | None) -> _Key | None:
        own, _, of_namespace = key_id.partition(".")
        key = self._keys.get(own)
        if key is None or not of_namespace:
            return key
        if namespace is None or self._namespaces is None:
            return None
        found = self._namespaces.find(namespace, of_namespace)
        return None if found is None else key.joined(of_namespace, found)


def _derived(key: bytes, purpose: str, salt: bytes | None = None) -> bytes:
    return HKDF(hashes.SHA256(), _SIZE, salt=salt, info=f"causeway {purpose}".encode()).derive(key)


def _associated(key_id: str, place: Sequence[Any]) -> bytes:
    return json.dumps([_FORMAT, key_id, *place], sort_keys=True, separators=(",", ":")).encode()
