"""Which credentials a request carries, and where: security requirements solved and applied.

`authorize` chooses the alternative of an operation's security requirements (OAS 3.1 section 4.8.30) that the
credentials at hand satisfy; what comes out is added to a `RequestPlan` as the last step before sending, so that a plan
never holds a credential (invariant 1). All of it is values in, values out.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, NamedTuple
from urllib.parse import quote, unquote_plus

from converters import digest
from converters.credentials import (
    MASK,
    USER_GRANTS,
    ClientCertificate,
    ClientCredentials,
    Secret,
    Token,
    UserPassword,
    expected,
)
from converters.masking import Mask
from converters.origins import origin as origin_of
from converters.token_requests import TokenRequest, endpoints, is_complete, is_less_protected

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

    from converters.credentials import Credential
    from converters.oas import SecurityRequirement
    from converters.security import SecurityScheme
    from converters.server_headers import ServerHeader

    Headers = tuple[tuple[str, str], ...]

Reason = Literal[
    "undeclared",
    "unusable",
    "absent",
    "detached",
    "unreadable",
    "scopes",
    "plaintext",
    "conflict",
    "token_unsupported",
    "token_detached",
    "header_detached",
    "header_unreadable",
]
_UNAUTHORIZED: Final = 401
_MAX_CHALLENGES: Final = 2


@dataclass(frozen=True, slots=True)
class HeldCredential:
    """A credential at hand and the origins it may be sent to; `credential` is None where it could not be read.

    `token_origins` are those where tokens may be asked for with client credentials.
    """

    credential: Credential | None
    origins: frozenset[str]
    token_origins: frozenset[str] = frozenset()


class HeldCredentials:
    """The credentials of one server at one time, by scheme, and the mask for what the API answers."""

    def __init__(self, by_scheme: Mapping[str, HeldCredential], headers: tuple[ServerHeader, ...] = ()) -> None:
        """Take the credentials and the header fields of every request; a change makes a new value."""
        self.by_scheme = by_scheme
        self.headers = headers
        hidden = [Token(each.value) for each in headers if each.is_secret and each.value is not None]
        self.mask = Mask([*self.values(), *hidden])

    def is_same(self, other: HeldCredentials) -> bool:
        """Tell whether another value holds the same."""
        return (self.by_scheme, self.headers) == (other.by_scheme, other.headers)

    def values(self) -> list[Credential]:
        """List the credentials that could be read."""
        return [held.credential for held in self.by_scheme.values() if held.credential is not None]


NO_CREDENTIALS: Final = HeldCredentials({})
"""What a server has for which nobody supplied anything."""


class Lack(NamedTuple):
    """Why a scheme cannot be satisfied now, or a header field of the server not be sent; `scheme` is its name.

    `scopes` are those a token lacks, `place` is the origin that is in question, "" for that of the request.
    """

    scheme: str
    reason: Reason
    scopes: tuple[str, ...] = ()
    place: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """No alternative is satisfiable; per alternative, in document order, what it lacks."""

    alternatives: tuple[tuple[Lack, ...], ...]

    @property
    def nearest(self) -> tuple[Lack, ...]:
        """What the alternative lacks that lacks least, the first of them."""
        return min(self.alternatives, key=len)


class Attempt(NamedTuple):
    """A request as it is sent: its URL and header fields, credentials included."""

    url: str
    headers: Headers


class Reply(NamedTuple):
    """What of a response decides whether the request is sent once more: the `WWW-Authenticate` fields, in order."""

    status: int
    challenges: Sequence[str]


class Field(NamedTuple):
    """A header field, query pair or cookie to add: `prefix`, such as the name of an HTTP scheme, is no secret."""

    name: str
    secret: Secret
    prefix: str = ""

    def shown(self) -> tuple[str, str]:
        """Give name and value as they are sent."""
        return self.name, self.prefix + self.secret.reveal()

    def masked(self) -> tuple[str, str]:
        """Give name and value with the mask where the secret stands."""
        return self.name, self.prefix + MASK


@dataclass(frozen=True, slots=True)
class Authorization:
    """The credentials of one alternative, as they go into a request; none is the anonymous alternative.

    `index` is the alternative's place in the security requirements, None where there are none. With `token` an access
    token is to be got first, and goes in by `with_token`.
    """

    index: int | None = None
    schemes: tuple[SecurityScheme, ...] = ()
    headers: tuple[Field, ...] = ()
    query: tuple[Field, ...] = ()
    cookies: tuple[Field, ...] = ()
    digest: UserPassword | None = None
    certificate: ClientCertificate | None = None
    token: TokenRequest | None = None

    def with_token(self, token: Secret) -> Authorization:
        """Put in the access token that was asked for (RFC 6750 section 2.1)."""
        return replace(self, token=None, headers=(*self.headers, Field("Authorization", token, "Bearer ")))

    def flow(
        self, method: str, url: str, headers: Headers, *, client_nonce: Callable[[], str], body: bytes | None = None
    ) -> Generator[Attempt, Reply, None]:
        """Yield the request to send and take what came back, until nothing is yielded any more.

        All schemes but digest send one request; digest sends a second one that answers the challenge, and a third
        where the server says by a new challenge that its nonce was stale (RFC 7616 section 3.5).
        """
        attempt = self.applied(url, headers)
        reply = yield attempt
        for _ in range(_MAX_CHALLENGES):
            if self.digest is None or reply.status != _UNAUTHORIZED:
                return
            request = digest.Request(method, _target(attempt.url), body or b"")
            given = digest.answer(self.digest, request, challenges=reply.challenges, client_nonce=client_nonce())
            if given is None:
                return
            reply = yield Attempt(attempt.url, (*attempt.headers, ("Authorization", given)))
            if not any("stale=true" in each.lower().replace('"', "") for each in reply.challenges):
                return

    def applied(self, url: str, headers: Headers, *, is_masked: bool = False) -> Attempt:
        """Add the credentials to a request; `is_masked` puts the mask where each secret would stand.

        What the request has of the same name gives way: an argument never stands for a credential.

        Raises:
            ValueError: when it would be sent without the token that it needs.

        """
        if not (self.schemes or self.headers):
            return Attempt(url, headers)
        if self.token is not None and not is_masked:
            raise ValueError("The access token is missing.")
        write = Field.masked if is_masked else Field.shown
        own = {field.name.lower() for field in self.headers}
        if self.digest is not None or self.token is not None:
            own.add("authorization")
        kept = [each for each in headers if each[0].lower() not in own]
        kept += [write(field) for field in self.headers]
        if self.cookies:
            kept = _with_cookies(kept, [write(field) for field in self.cookies])
        if is_masked and self.digest is not None:
            kept.append(("Authorization", f"Digest {MASK}"))
        if self.token is not None:
            kept.append(("Authorization", f"Bearer {MASK}"))
        if self.query:
            url = _with_query(url, [write(field) for field in self.query])
        return Attempt(url, tuple(kept))

    def parts(self) -> tuple[tuple[str, str, str], ...]:
        """List what is added to a request as (part, name, pointer to the security scheme)."""
        return tuple((*_place(scheme), scheme.pointer) for scheme in self.schemes)


NO_AUTHORIZATION: Final = Authorization()
"""What a request carries that needs no credential."""


def authorize(
    security: Sequence[SecurityRequirement],
    schemes: Mapping[str, SecurityScheme],
    held: Mapping[str, HeldCredential],
    base: str,
) -> Authorization | Refusal:
    """Choose the alternative whose credentials a request to `base`, the URL of its server, carries.

    `security` is the operation's own list or, where it has none, the document's: an OR of ANDs, of which one
    alternative is enough (OAS 3.1 section 4.8.30). Satisfiable is an alternative all of whose schemes are declared and
    have a credential that is bound to its origin and covers the scopes asked for; roles that other schemes list are
    "not otherwise defined or exchanged in-band" and are not checked. Of several, the one that asks for the fewest
    scopes is taken, then the one with the fewest schemes, then the first.

    The empty alternative `{}` makes security optional, and the specification does not say what an optional credential
    is worth. A credential at hand was supplied to be used (without it the API may show less or count it against a
    stranger's limits), so `{}` is taken only where no alternative with credentials is satisfiable.

    An undeclared scheme never grants (invariant 5), nor does an alternative two schemes of which would write the same
    field, because one of them would be missing from the request.
    """
    if not security:
        return NO_AUTHORIZATION
    at_hand = _AtHand(schemes, held, base, origin_of(base))
    lacks = [_lacks(each, at_hand) for each in security]
    satisfiable = [index for index, each in enumerate(lacks) if not each]
    if not satisfiable:
        return Refusal(tuple(lacks))
    chosen = min(satisfiable, key=lambda index: _cost(security[index], schemes))
    return _applied(chosen, security[chosen], at_hand)


def with_headers(
    outcome: Authorization | Refusal, headers: Sequence[ServerHeader], base: str
) -> Authorization | Refusal:
    """Add the header fields of a server to what its request to `base` carries; a scheme's own field stands before them.

    One that cannot be sent there is lacking, as a credential is: without it the API might answer otherwise.
    """
    if isinstance(outcome, Refusal) or not headers:
        return outcome
    origin = origin_of(base)
    lacks = tuple(_header_lack(each, origin) for each in headers if each.value is None or origin not in each.origins)
    if lacks:
        return Refusal((lacks,))
    owned = {name.lower() for part, name, _ in outcome.parts() if part == "header"}
    added = tuple(Field(each.name, each.value) for each in headers if each.value and each.name.lower() not in owned)
    return replace(outcome, headers=(*outcome.headers, *added))


def _header_lack(header: ServerHeader, origin: str) -> Lack:
    return Lack(header.name, "header_unreadable" if header.value is None else "header_detached", place=origin)


def _cost(requirement: SecurityRequirement, schemes: Mapping[str, SecurityScheme]) -> tuple[bool, int, int]:
    scopes = {scope for name, asked in requirement.schemes if _has_scopes(schemes[name]) for scope in asked}
    return not requirement.schemes, len(scopes), len(requirement.schemes)


def _has_scopes(scheme: SecurityScheme) -> bool:
    return scheme.type in {"oauth2", "openIdConnect"}


class _AtHand(NamedTuple):
    schemes: Mapping[str, SecurityScheme]
    held: Mapping[str, HeldCredential]
    base: str
    origin: str


def _lacks(requirement: SecurityRequirement, at_hand: _AtHand) -> tuple[Lack, ...]:
    found = [_lack(name, scopes, at_hand) for name, scopes in requirement.schemes]
    lacks = tuple(each for each in found if each is not None)
    return lacks or _conflicts([at_hand.schemes[name] for name, _ in requirement.schemes])


def _lack(name: str, scopes: Iterable[str], at_hand: _AtHand) -> Lack | None:
    scheme, held = at_hand.schemes.get(name), at_hand.held.get(name)
    if scheme is None:
        return Lack(name, "undeclared")
    if not expected(scheme):
        return Lack(name, "unusable")
    if held is None:
        return Lack(name, "absent")
    if held.credential is None:
        return Lack(name, "unreadable")
    if at_hand.origin not in held.origins:
        return Lack(name, "detached")
    return _lack_of(scheme, scopes, held, at_hand.base)


def _lack_of(scheme: SecurityScheme, scopes: Iterable[str], held: HeldCredential, base: str) -> Lack | None:
    """Say what a credential lacks that may be sent to `base`."""
    credential = held.credential
    if isinstance(credential, ClientCertificate) and not base.startswith("https:"):
        return Lack(scheme.name, "plaintext")
    if isinstance(credential, ClientCredentials):
        return _token_lack(scheme, credential, held.token_origins, base) or _scopes_lack(scheme, scopes, credential)
    return _scopes_lack(scheme, scopes, credential) if isinstance(credential, Token) else None


def _scopes_lack(scheme: SecurityScheme, scopes: Iterable[str], credential: Token | ClientCredentials) -> Lack | None:
    granted = credential.scopes if _has_scopes(scheme) else None
    missing = tuple(each for each in scopes if granted is not None and each not in granted)
    return Lack(scheme.name, "scopes", missing) if missing else None


def _token_lack(scheme: SecurityScheme, client: ClientCredentials, bound: frozenset[str], base: str) -> Lack | None:
    """Say why no token can be asked for: the client's secret goes only to the origins it was supplied for."""
    found = endpoints(scheme, client.grant_type, base)
    if not is_complete(found, client.grant_type, scheme):
        return Lack(scheme.name, "token_unsupported")
    for url in found.secret:
        if origin_of(url) not in bound:
            return Lack(scheme.name, "token_detached", place=origin_of(url))
    for url in filter(None, found):
        if is_less_protected(url, base):
            return Lack(scheme.name, "plaintext", place=origin_of(url))
    return None


def _conflicts(schemes: Iterable[SecurityScheme]) -> tuple[Lack, ...]:
    taken: set[tuple[str, str]] = set()
    for scheme in schemes:
        part, name = _place(scheme)
        place = (part, name.lower() if part == "header" else name)
        if place in taken:
            return (Lack(scheme.name, "conflict"),)
        taken.add(place)
    return ()


def _place(scheme: SecurityScheme) -> tuple[str, str]:
    if scheme.type == "mutualTLS":
        return "tls", "client certificate"
    return (scheme.location, scheme.parameter) if scheme.type == "apiKey" else ("header", "Authorization")


# --- applied


def _applied(index: int, requirement: SecurityRequirement, at_hand: _AtHand) -> Authorization:
    placed: dict[str, list[Field]] = {"header": [], "query": [], "cookie": []}
    answering = certificate = token = None
    schemes = [at_hand.schemes[name] for name, _ in requirement.schemes]
    for scheme, (_, scopes) in zip(schemes, requirement.schemes, strict=True):
        credential = at_hand.held[scheme.name].credential
        part, name = _place(scheme)
        if isinstance(credential, UserPassword) and scheme.http_name == "digest":
            answering = credential
        elif isinstance(credential, ClientCertificate):
            certificate = credential
        elif isinstance(credential, ClientCredentials):
            token = _token_request(scheme, credential, scopes, at_hand.base)
        elif isinstance(credential, (Token, UserPassword)):
            placed[part].append(_field(name, scheme, credential))
    return Authorization(
        index=index,
        schemes=tuple(schemes),
        headers=tuple(placed["header"]),
        query=tuple(placed["query"]),
        cookies=tuple(placed["cookie"]),
        digest=answering,
        certificate=certificate,
        token=token,
    )


def _token_request(scheme: SecurityScheme, client: ClientCredentials, scopes: Iterable[str], base: str) -> TokenRequest:
    """Ask for the scopes that the owner named, with one token for all operations, else for those of the operation.

    What a user agreed to is for the API that they were told of.
    """
    asked = scopes if client.scopes is None else client.scopes
    origin = origin_of(base) if client.grant_type in USER_GRANTS else ""
    found = endpoints(scheme, client.grant_type, base)
    return TokenRequest(scheme.name, found, client, tuple(sorted(set(asked))), origin)


def _field(name: str, scheme: SecurityScheme, credential: Token | UserPassword) -> Field:
    """Write a credential as its field has it: a key alone, else after the name of the HTTP scheme."""
    if isinstance(credential, UserPassword):
        pair = f"{credential.username}:{credential.password.reveal()}"
        return Field(name, Secret(base64.b64encode(pair.encode()).decode()), "Basic ")
    if scheme.type == "apiKey":
        return Field(name, credential.value)
    # A token that was given for oauth2 or openIdConnect is a bearer token (RFC 6750 section 2.1).
    return Field(
        name, credential.value, f"{scheme.http_scheme if scheme.http_name not in {'', 'bearer'} else 'Bearer'} "
    )


def _with_query(url: str, added: Sequence[tuple[str, str]]) -> str:
    """Append pairs, percent-encoded whole; pairs of the same name that are there already give way."""
    base, _, query = url.partition("#")[0].partition("?")
    names = {name for name, _ in added}
    kept = [pair for pair in query.split("&") if pair and unquote_plus(pair.partition("=")[0]) not in names]
    kept += [f"{quote(name, safe='')}={value if value == MASK else quote(value, safe='')}" for name, value in added]
    return f"{base}?{'&'.join(kept)}"


def _with_cookies(headers: Iterable[tuple[str, str]], added: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Add cookies to those of the request, in one field (RFC 6265 section 5.4)."""
    names = {name for name, _ in added}
    pairs: list[str] = []
    others: list[tuple[str, str]] = []
    for name, value in headers:
        if name.lower() == "cookie":
            pairs += [pair for pair in value.split("; ") if pair.partition("=")[0].strip() not in names]
        else:
            others.append((name, value))
    pairs += [f"{name}={value}" for name, value in added]
    return [*others, ("Cookie", "; ".join(pairs))]


def _target(url: str) -> str:
    """Give the request target of a URL (RFC 9112 section 3.2.1)."""
    rest = url.partition("://")[2]
    found = min((index for index in (rest.find("/"), rest.find("?")) if index >= 0), default=-1)
    target = rest[found:] if found >= 0 else ""
    return target if target.startswith("/") else f"/{target}"
