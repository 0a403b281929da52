"""API keys: `cwk_`, 43 letters and digits of a secret of 256 bits, and 6 of a checksum.

Only a key's SHA-256 is stored: a secret of 256 bits at random cannot be found by trying, so that a slow hash would cost
every request and protect nothing. The checksum tells a key that was cut or mistyped from one that is not known. The
token that makes the first key is of the same form and begins with `cws_`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.security.authentication import Refusal
from app.security.callers import NOBODY, Caller

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from app.security.authentication import Presented

_START: Final = "cwk_"
_SETUP_START: Final = "cws_"
_LETTERS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET: Final = 43
_CHECKSUM: Final = 6
_SHOWN: Final = len(_START) + 6
_FORM: Final = re.compile(rb"cw[ks]_[0-9A-Za-z]{%d}" % (_SECRET + _CHECKSUM))
_ANYWHERE: Final = re.compile(rb"cw[ks]_[0-9A-Za-z]{%d}" % _SECRET)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made: its text, shown once, and what is kept of it."""

    text: str
    digest: bytes
    prefix: str


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key that may be used: what is kept of it, who it stands for, and until when (seconds since the epoch)."""

    id: str
    digest: bytes
    caller: Caller
    expires_at: float | None


def new_key() -> NewKey:
    """Make a key from the operating system's randomness."""
    return _made(_START)


def new_setup_token() -> NewKey:
    """Make a token for the first key, alike."""
    return _made(_SETUP_START)


def _made(start: str) -> NewKey:
    secret = _written(secrets.randbits(256), _SECRET)
    text = f"{start}{secret}{_checksum(secret)}"
    return NewKey(text, digest_of(text.encode()), text[:_SHOWN])


def digest_of(key: bytes) -> bytes:
    """Give what is kept of a key."""
    return hashlib.sha256(key).digest()


def is_key(credential: bytes) -> bool:
    """Tell whether a credential has the form and the checksum of a key; whether it is one, the registry knows."""
    return looks_like_key(credential) and _is_whole(credential)


def is_setup_token(text: bytes) -> bool:
    """Tell whether a text has the form and the checksum of a set-up token."""
    return text.startswith(_SETUP_START.encode()) and _is_whole(text)


def _is_whole(credential: bytes) -> bool:
    if _FORM.fullmatch(credential) is None:
        return False
    text = credential.decode("ascii")
    return text[-_CHECKSUM:] == _checksum(text[len(_START) : -_CHECKSUM])


def looks_like_key(credential: bytes) -> bool:
    """Tell whether a credential is meant to be a key, mistyped or not."""
    return credential.startswith(_START.encode())


def holds_key(text: bytes) -> bool:
    """Tell whether a key stands anywhere in a text."""
    return _ANYWHERE.search(text) is not None


class ApiKeys:
    """The keys of the registry as an `Authenticator`: a table in memory, swapped whole when a key comes or goes."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Start without knowing which keys there are; `clock` gives the seconds since the epoch."""
        self._clock = clock
        self._known: dict[bytes, KnownKey] | None = None
        self._used: dict[str, float] = {}

    def know(self, keys: Iterable[KnownKey]) -> None:
        """Accept these keys from now on and no others."""
        self._known = {each.digest: each for each in keys}

    def subjects(self) -> frozenset[str]:
        """Give for whom keys stand that are valid now."""
        now = self._clock()
        known = (self._known or {}).values()
        return frozenset(each.caller.subject for each in known if each.expires_at is None or now < each.expires_at)

    def take_used(self) -> dict[str, float]:
        """Give when which key was used last since this was asked before (id -> seconds since the epoch)."""
        used, self._used = self._used, {}
        return used

    async def authenticate(self, presented: Presented) -> Caller | Refusal | None:
        """Give who a key stands for: NOBODY for one that is unknown, revoked, expired or mistyped, told by nothing.

        Every one of them costs a hash and a look into memory.
        """
        if not looks_like_key(presented.credential):
            return None
        if self._known is None:
            return _NOT_LOADED
        digest = digest_of(presented.credential)
        known = self._known.get(digest, _UNKNOWN)
        now = self._clock()
        is_same = hmac.compare_digest(known.digest, digest)
        if not is_same or (known.expires_at is not None and now >= known.expires_at):
            return NOBODY
        self._used[known.id] = now
        return known.caller


_NOT_LOADED: Final = Refusal(
    503, "registry_unavailable", "Which keys there are is not known yet: try again.", ((b"retry-after", b"5"),)
)
_UNKNOWN: Final = KnownKey("", bytes(32), NOBODY, 0)


def _checksum(secret: str) -> str:
    return _written(zlib.crc32(secret.encode()), _CHECKSUM)


def _written(number: int, length: int) -> str:
    letters = []
    for _ in range(length):
        number, rest = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[rest])
    return "".join(reversed(letters))
