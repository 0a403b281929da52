"""From what a request shows to who sent it: each kind of credential has an `Authenticator`.

A credential is one header, `Authorization: Bearer` (RFC 6750 section 2.1) or `X-API-Key`; two of them leave open which
one counts.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from app.security.access_tokens import looks_like_token
from app.security.callers import ADMIN, NOBODY, Caller

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from app.security.attempts import Attempts

SETUP_PATH: Final = "/api/v1/setup"
"""Where a set-up token, which is in the body, makes the first key."""
OPEN_PATHS: Final = frozenset({"/healthz", "/readyz", SETUP_PATH})
"""Paths that are answered without a credential."""
METADATA_PATH: Final = "/.well-known/oauth-protected-resource"
"""Below it is what tells clients where to get a credential (RFC 9728 section 3)."""

OPEN_PREFIX: Final = "/connect/"
"""Below it browsers are answered, which have none: the tickets of the links say who it is."""

_OPEN_BELOW: Final = (f"{METADATA_PATH}/", OPEN_PREFIX)
_BEARER: Final = re.compile(rb"bearer +(.+)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that refuses a request: an RFC 9457 problem with further header fields."""

    status: int
    code: str
    sentence: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Presented(NamedTuple):
    """What a request shows: its credential as bytes, the path it asks for, and the address it comes from."""

    credential: bytes
    path: str
    address: str


class Authenticator(Protocol):
    """Knows one kind of credential."""

    async def authenticate(self, presented: Presented) -> Caller | Refusal | None:
        """Give who shows a credential, or why it is refused; None where it is not of this kind.

        NOBODY is a credential of this kind that is not valid: it is refused like any other, whatever the reason.
        """
        ...


class AdminKey:
    """The operator's key, from the settings."""

    def __init__(self, key: str, attempts: Attempts | None = None) -> None:
        """Take the key; `attempts` count who guesses it."""
        self._key = key.encode()
        self._attempts = attempts

    async def authenticate(self, presented: Presented) -> Caller | Refusal | None:
        """Compare bytes, in a time that does not depend on where they differ.

        Who guesses is not told for a while, right or wrong. What has the form of an access token is no guess.
        """
        wait = self._attempts.wait(presented.address) if self._attempts else 0
        if wait and not looks_like_token(presented.credential):
            return Refusal(
                429,
                "too_many_requests",
                f"Too many wrong keys came from there: wait {wait} seconds.",
                ((b"retry-after", str(wait).encode()),),
            )
        if hmac.compare_digest(presented.credential, self._key):
            return ADMIN
        if self._attempts and not looks_like_token(presented.credential):
            self._attempts.failed(presented.address)
        return None


async def basic_challenge(path: str) -> bytes:  # noqa: ARG001 - the same for every path
    """Give the `WWW-Authenticate` of a gateway that knows keys only (RFC 6750 section 3)."""
    return b'Bearer realm="causeway"'


class Authentication:
    """Asks the authenticators in turn; whatever none of them knows is refused in the same words."""

    def __init__(
        self,
        authenticators: Sequence[Authenticator],
        *,
        otherwise: Caller | None = None,
        challenge: Callable[[str], Awaitable[bytes]] = basic_challenge,
    ) -> None:
        """Know what `authenticators` know.

        `otherwise` is who shows nothing that any of them knows, by default nobody who is let in; `challenge` gives the
        `WWW-Authenticate` of a refusal by the path asked for.
        """
        self._authenticators = tuple(authenticators)
        self._otherwise = otherwise
        self._challenge = challenge

    async def caller(self, path: str, shown: Sequence[tuple[bytes, bytes]], *, address: str) -> Caller | Refusal:
        """Give who sent a request, or how it is refused; `shown` are its `Authorization` and `X-API-Key` fields."""
        if len(shown) > 1:
            return _TWO_CREDENTIALS
        if self._otherwise is None and (path in OPEN_PATHS or path.startswith(_OPEN_BELOW)):
            return NOBODY
        if shown:
            name, value = shown[0]
            bearer = _BEARER.fullmatch(value.strip()) if name == b"authorization" else None
            presented = Presented(bearer[1].strip() if bearer else value.strip(), path, address)
            for authenticator in self._authenticators:
                found = await authenticator.authenticate(presented)
                if found is not None:
                    return await self.refusal(path) if found is NOBODY else found
        return self._otherwise or await self.refusal(path)

    async def refusal(self, path: str) -> Refusal:
        """Give the one answer to everything that is not a valid credential."""
        sentence = "A valid key is needed: Authorization: Bearer KEY, or X-API-Key."
        return Refusal(401, "unauthorized", sentence, ((b"www-authenticate", await self._challenge(path)),))


_TWO_CREDENTIALS: Final = Refusal(
    400, "credentials_ambiguous", "Send one credential: Authorization or X-API-Key, once."
)
