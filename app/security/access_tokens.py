"""Access tokens that clients show: JWTs of an issuer that a namespace trusts (RFC 9068, RFC 7519, RFC 8725).

Values in, values out: the keys are handed in, and nothing that a token says makes anybody fetch something.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from joserfc import jwt
from joserfc.errors import BadSignatureError, ExpiredTokenError, JoseError
from joserfc.jws import JWSRegistry

from app.security.signing_keys import ALGORITHMS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from app.security.signing_keys import SigningKeys

MAX_TOKEN: Final = 16 * 1024
LEEWAY: Final = 30
"""Seconds that the issuer's clock and ours may be apart."""
_END_OF_TIME: Final = 10**11
_MAX_SUBJECT: Final = 512
_MAX_HEADER: Final = 4 * 1024
_MAX_KEYS_TRIED: Final = 4
_PARTS: Final = 3
_ACCESS_TOKEN_TYPES: Final = frozenset({"at+jwt", "application/at+jwt"})
_PLAIN_TYPES: Final = frozenset({"", "jwt"})
_OF_ID_TOKENS: Final = frozenset({"nonce", "at_hash", "c_hash", "s_hash"})
"""Claims that only ID Tokens have (OpenID Connect Core sections 2 and 3.3.2.11)."""


class TokenError(Exception):
    """A token that is not accepted; the sentence says why, in words fit for `error_description` (RFC 6750)."""


@dataclass(frozen=True, slots=True)
class TokenHeader:
    """What a token says of its signature, before anything of it is believed."""

    algorithm: str
    key_id: str | None
    type: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token has to be: from this issuer, for this audience (a server's URL), signed by one of these."""

    issuer: str
    audience: str
    algorithms: Collection[str] = ALGORITHMS


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token that was checked; `expires` in seconds since 1970."""

    issuer: str
    subject: str
    scopes: frozenset[str]
    expires: float


def looks_like_token(credential: bytes) -> bool:
    """Tell whether a bearer credential has the form of a JWT in compact serialization (RFC 7515 section 7.1)."""
    return credential.count(b".") == _PARTS - 1 and credential.startswith(b"ey")


def read_header(token: str, algorithms: Collection[str] = ALGORITHMS) -> TokenHeader:
    """Read what a token says of its signature; raises `TokenError` where no key could make it accepted."""
    if len(token) > MAX_TOKEN:
        raise TokenError("The token is too large.")
    header = _object(token.partition(".")[0])
    algorithm, key_id, kind = header.get("alg"), header.get("kid"), header.get("typ", "")
    if not isinstance(algorithm, str) or algorithm not in algorithms or algorithm not in ALGORITHMS:
        raise TokenError("The token's signature algorithm is not allowed.")
    if "crit" in header:  # RFC 7515 section 4.1.11: nothing that may be named there is understood here
        raise TokenError("The token has a critical header that is not understood.")
    if not (key_id is None or isinstance(key_id, str)) or not isinstance(kind, str):
        raise TokenError("The token's header is not valid.")
    if kind.lower() not in _ACCESS_TOKEN_TYPES | _PLAIN_TYPES:
        raise TokenError("The token is not an access token.")
    return TokenHeader(algorithm, key_id, kind.lower())


def verify(token: str, keys: SigningKeys, expected: Expected, *, now: float) -> AccessToken:
    """Check a token's signature and claims at `now`, seconds since 1970; raises `TokenError`."""
    header = read_header(token, expected.algorithms)
    claims = _signed(token, keys, header)
    registry = jwt.JWTClaimsRegistry(
        now=int(now),
        leeway=LEEWAY,
        iss={"essential": True, "value": expected.issuer},
        aud={"essential": True, "value": expected.audience},
        sub={"essential": True},
        exp={"essential": True},
    )
    try:
        registry.validate(claims)
    except ExpiredTokenError:
        raise TokenError("The token has expired.") from None
    except JoseError as error:
        claim = getattr(error, "claim", "")
        raise TokenError(f"The token's claim {claim!r} is missing or does not fit." if claim else _WRONG) from None
    if header.type not in _ACCESS_TOKEN_TYPES:
        _check_plain(claims)
    if not claims["exp"] < _END_OF_TIME:  # in this form because of NaN, which Python's JSON knows
        raise TokenError("The token's claim 'exp' is missing or does not fit.")
    return AccessToken(expected.issuer, _subject(claims), _scopes(claims), float(claims["exp"]))


_WRONG: Final = "The token's claims are not valid."


class _Signatures(JWSRegistry):
    """The algorithms allowed here, which `read_header` has checked; joserfc warns of `EdDSA`, whose name is old."""

    max_header_length = _MAX_HEADER
    max_payload_length = MAX_TOKEN

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]


def _signed(token: str, keys: SigningKeys, header: TokenHeader) -> dict[str, Any]:
    registry = _Signatures(algorithms=[header.algorithm], strict_check_header=False)
    for key in keys.fitting(header.key_id, header.algorithm)[:_MAX_KEYS_TRIED]:
        try:
            return jwt.decode(token, key, registry=registry).claims
        except BadSignatureError:
            continue
        except (JoseError, ValueError, TypeError, RecursionError):
            raise TokenError("The token cannot be read.") from None
    raise TokenError("The token's signature is not by a key of the issuer.")


def _check_plain(claims: Mapping[str, Any]) -> None:
    """Refuse an ID Token, which says who logged in to a client, and is no permission (RFC 8725 section 3.11).

    Many issuers give their access tokens no type of their own; those say what is permitted.
    """
    if _OF_ID_TOKENS & claims.keys() or not {"scope", "scp"} & claims.keys():
        raise TokenError("The token is not an access token.")


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT or not subject.isprintable():
        raise TokenError("The token's claim 'sub' is missing or does not fit.")
    return subject


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """Read `scope` (RFC 9068 section 2.2.3), or `scp`, which was in use before it; a text or a list."""
    given = claims.get("scope", claims.get("scp", ""))
    if isinstance(given, str):
        return frozenset(given.split())
    return frozenset(each for each in given if isinstance(each, str)) if isinstance(given, list) else frozenset()


def _object(segment: str) -> dict[str, Any]:
    try:
        found = json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise TokenError("The token cannot be read.")
    return found
