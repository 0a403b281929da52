"""HTTP Digest Access Authentication (RFC 7616): challenge in, `Authorization` out; no I/O, no randomness of its own.

MD5, SHA-256 and SHA-512-256, each also as session variant; `qop=auth`, `auth-int` where it is all that is offered, and
none at all as RFC 2069 has it; `userhash`; names in UTF-8.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from converters.credentials import UserPassword

# The stronger ones last (RFC 7616 section 6.1). Which of them there are is for the installed OpenSSL to say.
_ALGORITHMS: Final[Mapping[str, str]] = {
    name: ours
    for name, ours in (("MD5", "md5"), ("SHA-256", "sha256"), ("SHA-512-256", "sha512_256"))
    if ours in hashlib.algorithms_available
}
_STRENGTH: Final = list(_ALGORITHMS.values())
_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110's token, no secret
# One element of a challenge list (RFC 9110 section 11.6.1): a scheme, or a parameter of the scheme before it.
_ELEMENT: Final = re.compile(
    rf'[\s,]*(?:(?P<name>{_TOKEN})\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>{_TOKEN}))(?=\s*(?:,|$))'
    rf"|(?P<scheme>{_TOKEN})(?:[ ]+[A-Za-z0-9._~+/-]+=*(?=\s*(?:,|$)))?)"
)
_COUNT: Final = "00000001"
_AUTH: Final = "auth"
_AUTH_INT: Final = "auth-int"
# Bytes of a header field that are not UTF-8, as the client decodes them.
_UNREADABLE: Final = re.compile("[\ud800-\udfff]")


class _Challenge(NamedTuple):
    realm: str
    nonce: str
    algorithm: str
    hash_name: str
    opaque: str | None
    qop: str
    is_userhash: bool


class Request(NamedTuple):
    """The request that was challenged: `uri` is its target with the query, `body` what is sent, b"" for none."""

    method: str
    uri: str
    body: bytes = b""


def answer(credential: UserPassword, request: Request, *, challenges: Iterable[str], client_nonce: str) -> str | None:
    """Give the `Authorization` field that answers a 401, or None where no challenge is one we can answer.

    `challenges` are the values of all `WWW-Authenticate` fields, in order. Section 3.7 has the client take the first it
    supports unless its policy says otherwise: ours is the strongest algorithm, of equal ones the first, so that a
    server that lists MD5 first for old clients gets what it can do best. `client_nonce` is at random, of hexadecimal
    digits.
    """
    usable = [each for each in map(_usable, _parsed(challenges)) if each is not None]
    if not usable:
        return None
    given = max(usable, key=lambda each: _STRENGTH.index(each.hash_name))
    hash_name = given.hash_name

    def hashed(content: str | bytes) -> str:
        octets = content.encode() if isinstance(content, str) else content
        return hashlib.new(hash_name, octets, usedforsecurity=False).hexdigest()

    key = hashed(f"{credential.username}:{given.realm}:{credential.password.reveal()}")
    if given.algorithm.lower().endswith("-sess"):
        key = hashed(f"{key}:{given.nonce}:{client_nonce}")
    middle = f"{given.nonce}:{_COUNT}:{client_nonce}:{given.qop}" if given.qop else given.nonce
    protected = f":{hashed(request.body)}" if given.qop == _AUTH_INT else ""
    response = hashed(f"{key}:{middle}:{hashed(f'{request.method}:{request.uri}{protected}')}")
    name = hashed(f"{credential.username}:{given.realm}") if given.is_userhash else credential.username
    fields = [
        _user_field(name),
        f"realm={_quoted(given.realm)}",
        f"nonce={_quoted(given.nonce)}",
        f"uri={_quoted(request.uri)}",
        f"algorithm={given.algorithm}",
        f'response="{response}"',
        *([f"opaque={_quoted(given.opaque)}"] if given.opaque is not None else []),
        *([f"qop={given.qop}, nc={_COUNT}, cnonce={_quoted(client_nonce)}"] if given.qop else []),
        *(["userhash=true"] if given.is_userhash else []),
    ]
    return f"Digest {', '.join(fields)}"


def _user_field(name: str) -> str:
    """Write the user name; one that is not ASCII as an extended value (RFC 7616 section 3.4, RFC 8187)."""
    return f"username={_quoted(name)}" if name.isascii() else f"username*=UTF-8''{quote(name, safe='')}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _parsed(fields: Iterable[str]) -> Iterable[Mapping[str, str]]:
    """Read the Digest challenges of `WWW-Authenticate` fields, each as its parameters by lower-case name."""
    found: list[dict[str, str]] = []
    for text in fields:
        current: dict[str, str] = {}
        for element in _ELEMENT.finditer(text):
            if element["scheme"] is not None:
                current = {}
                if element["scheme"].lower() == "digest":
                    found.append(current)
            else:
                quoted = element["quoted"]
                value = element["plain"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
                current[element["name"].lower()] = value
    return found


def _usable(parameters: Mapping[str, str]) -> _Challenge | None:
    algorithm = parameters.get("algorithm", "MD5")
    hash_name = _ALGORITHMS.get(algorithm.upper().removesuffix("-SESS"))
    offered = {each.strip().lower() for each in parameters.get("qop", "").split(",")} - {""}
    if hash_name is None or "nonce" not in parameters or (offered and not offered & {_AUTH, _AUTH_INT}):
        return None
    if any(map(_UNREADABLE.search, parameters.values())):
        return None
    return _Challenge(
        realm=parameters.get("realm", ""),
        nonce=parameters["nonce"],
        algorithm=algorithm,
        hash_name=hash_name,
        opaque=parameters.get("opaque"),
        qop=(_AUTH if _AUTH in offered else _AUTH_INT) if offered else "",
        is_userhash=parameters.get("userhash", "").lower() == "true",
    )
