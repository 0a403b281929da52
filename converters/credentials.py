"""Credentials: what an owner supplies for a security scheme, as values that do not show themselves.

`read_credential` checks what is supplied against the scheme it is for. Nothing here is sent: `converters.authorization`
says which credentials a request carries, and where.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

from converters.errors import ConverterError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from converters.security import OAuthFlow, SecurityScheme

MASK: Final = "***"
"""What stands where a secret would."""

_BREAKING: Final = re.compile("[\x00-\x1f\x7f]")
_PRINTABLE: Final = re.compile("[\x21-\x7e]+")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_MAX_LENGTH: Final = 16 * 1024
_MAX_PEM: Final = 64 * 1024
_CERTIFICATE: Final = re.compile(
    r"\s*(?:-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*)+", re.ASCII
)
_PRIVATE_KEY: Final = re.compile(
    r"\s*-----BEGIN (?P<kind>(?:RSA |EC )?PRIVATE KEY)-----\s[A-Za-z0-9+/=\s]+-----END (?P=kind)-----\s*", re.ASCII
)
CLIENT_CREDENTIALS: Final = "client_credentials"
AUTHORIZATION_CODE: Final = "authorization_code"
DEVICE_CODE: Final = "urn:ietf:params:oauth:grant-type:device_code"
TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - a name
"""`grant_type` of RFC 6749 sections 4.4 and 4.1, RFC 8628 and RFC 8693."""

USER_GRANTS: Final = frozenset({AUTHORIZATION_CODE, DEVICE_CODE})
"""Grants by which each user connects an account of their own."""

# The flows of a scheme that go with a grant; a token exchange needs the token endpoint of any.
_FLOWS: Final[Mapping[str, tuple[str, ...]]] = {
    CLIENT_CREDENTIALS: ("clientCredentials",),
    AUTHORIZATION_CODE: ("authorizationCode",),
    DEVICE_CODE: ("deviceAuthorization",),
    TOKEN_EXCHANGE: ("clientCredentials", "authorizationCode", "deviceAuthorization"),
}
_CLIENT_METHODS: Final = frozenset({"client_secret_basic", "client_secret_post", "private_key_jwt", "none"})


class CredentialError(ConverterError):
    """What was supplied does not fit the scheme; `pointer` leads to the member, and nothing given is repeated."""

    def __init__(self, message: str, *, pointer: str = "") -> None:
        """Keep the sentence and the place."""
        super().__init__(message)
        self.pointer = pointer


class Secret:
    """A text that is shown by `reveal` alone: not by repr, str, format, JSON or pickle."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Keep the text."""
        self._text = text

    def reveal(self) -> str:
        """Give the text; whoever calls this answers for where it goes."""
        return self._text

    def __repr__(self) -> str:
        """Show the mask."""
        return f"Secret({MASK})"

    def __str__(self) -> str:
        """Show the mask."""
        return MASK

    def __eq__(self, other: object) -> bool:
        """Compare the texts."""
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        """Hash as equal secrets do."""
        return hash((Secret, self._text))

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied to another process."""
        raise TypeError("a secret is not serialised")


@dataclass(frozen=True, slots=True)
class Token:
    """One value: an API key, a bearer token, or what follows the name of another HTTP scheme.

    `scopes` are those that the token was granted, or None where nobody said.
    """

    value: Secret
    scopes: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class UserPassword:
    """A user and a password, for http basic (RFC 7617) and digest (RFC 7616)."""

    username: str
    password: Secret


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """An OAuth 2.0 client (RFC 6749 section 2.3), with the names of RFC 7591; a token is asked for with it.

    `client_secret` is a private key (PEM) for the method `private_key_jwt`. `scopes` are those that may be asked for,
    or None for those that an operation needs. `grant_type` is how tokens are got: for the client itself, or for each
    user.
    """

    client_id: str
    client_secret: Secret | None
    token_endpoint_auth_method: str
    scopes: frozenset[str] | None = None
    grant_type: str = CLIENT_CREDENTIALS

    @property
    def has_private_key(self) -> bool:
        """Whether the client proves itself by a signature (RFC 7523 section 2.2)."""
        return self.token_endpoint_auth_method.startswith("private_key")


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A client certificate, with those that vouch for it, and its key, both as PEM (RFC 7468), for mutualTLS."""

    certificate: str
    private_key: Secret


Credential = Token | UserPassword | ClientCredentials | ClientCertificate


def expected(scheme: SecurityScheme) -> str:
    """Say what body supplies a credential for a scheme, as JSON with placeholders; "" where none can."""
    if scheme.fault:
        return ""
    if scheme.type == "mutualTLS":
        return '{"certificate": "PEM", "private_key": "PEM"}'
    if scheme.type == "http" and scheme.http_name in {"basic", "digest"}:
        return '{"username": "...", "password": "..."}'
    if scheme.type in {"oauth2", "openIdConnect"}:
        client = '{"client_id": "...", "client_secret": "..."} or ' if _grants(scheme) else ""
        return f'{client}{{"value": "ACCESS_TOKEN"}}'
    return '{"value": "..."}'


def flow_for(scheme: SecurityScheme, grant_type: str) -> OAuthFlow | None:
    """Give the flow of a scheme that declares where a grant is made, the first of several."""
    return next((found for name in _FLOWS[grant_type] if (found := scheme.flow(name)) is not None), None)


def _grants(scheme: SecurityScheme) -> list[str]:
    """List the grants that a scheme offers, the usual one first; the provider of `openIdConnect` says which itself."""
    if scheme.type == "openIdConnect":
        return list(_FLOWS) if scheme.discovery_url else []
    return [each for each in _FLOWS if (flow := flow_for(scheme, each)) is not None and flow.token_url]


def check_obtainable(scheme: SecurityScheme, credential: Credential) -> None:
    """Check that a scheme offers the grant by which a client is to get tokens.

    The flows `implicit` and `password` offer none: the first gives tokens to a browser, the second wants the user's
    password, and neither is to be used any more (RFC 9700 sections 2.1.2 and 2.4).

    Raises:
        CredentialError: when it does not; the sentence says what to supply instead.

    """
    if not isinstance(credential, ClientCredentials):
        return
    offered = _grants(scheme)
    if credential.grant_type in offered:
        return
    declared = f"the flows {', '.join(each.name for each in scheme.flows)}" if scheme.flows else "no flow"
    wanted = f"`tokenUrl` of `{'` or `'.join(_FLOWS[credential.grant_type])}`"
    instead = f"Use a `grant_type` of {', '.join(offered)}, or get" if offered else "Get"
    raise CredentialError(
        f"The security scheme {scheme.name!r} declares {declared}, and no {wanted}, by which tokens are got here. "
        f'{instead} an access token elsewhere and supply {{"value": "ACCESS_TOKEN"}}.',
        pointer="/grant_type" if offered else "/client_id",
    )


def read_credential(scheme: SecurityScheme, given: Mapping[str, Any]) -> Credential:
    """Read what was supplied for a scheme (contract, `PUT .../credentials/{scheme}`).

    `{"value"}` with `scopes` or without for apiKey, bearer, other HTTP schemes and a token of oauth2 or openIdConnect;
    `{"username", "password"}` for basic and digest; `{"client_id", "client_secret", "token_endpoint_auth_method",
    "scopes", "grant_type"}` for oauth2 and openIdConnect, with `private_key` in the place of the secret for
    `private_key_jwt`;
    `{"certificate", "private_key"}` for mutualTLS. Members that are None count
    as absent.

    Raises:
        CredentialError: when it cannot be used; the sentence says what to send instead.

    """
    members = {name: value for name, value in given.items() if value is not None}
    wanted = expected(scheme)
    if not wanted:
        raise CredentialError(f"The security scheme {scheme.name!r} cannot be used: {scheme.fault}.")
    if scheme.type == "mutualTLS":
        _check_members(scheme, members, required={"certificate", "private_key"}, wanted=wanted)
        return _certificate(members)
    if scheme.type == "http" and scheme.http_name in {"basic", "digest"}:
        _check_members(scheme, members, required={"username", "password"}, wanted=wanted)
        return _user_password(members)
    if "client_id" in members and scheme.type in {"oauth2", "openIdConnect"}:
        optional = {"client_secret", "private_key", "token_endpoint_auth_method", "scopes", "grant_type"}
        _check_members(scheme, members, required={"client_id"}, optional=optional, wanted=wanted)
        return _client(scheme, members)
    _check_members(scheme, members, required={"value"}, optional={"scopes"}, wanted=wanted)
    return Token(_value(scheme, members["value"]), _scopes(members.get("scopes")))


def _check_members(
    scheme: SecurityScheme,
    members: Mapping[str, Any],
    *,
    required: set[str],
    optional: set[str] | frozenset[str] = frozenset(),
    wanted: str,
) -> None:
    missing = sorted(required - members.keys())
    further = sorted(members.keys() - required - optional)
    if missing or further:
        what = f"{missing[0]!r} is missing" if missing else f"{further[0]!r} does not belong to it"
        raise CredentialError(
            f"A credential for the security scheme {scheme.name!r} ({scheme.summary}) is {wanted}: {what}.",
            pointer=f"/{(missing or further)[0]}",
        )


def _user_password(members: Mapping[str, Any]) -> UserPassword:
    username = _text(members["username"], "username")
    if ":" in username:
        raise CredentialError("A user name cannot hold a colon (RFC 7617 section 2).", pointer="/username")
    return UserPassword(username, Secret(_text(members["password"], "password")))


def _client(scheme: SecurityScheme, members: Mapping[str, Any]) -> ClientCredentials:
    method = members.get("token_endpoint_auth_method", _usual_method(members))
    if method not in _CLIENT_METHODS:
        raise CredentialError(
            f"`token_endpoint_auth_method` is one of {', '.join(sorted(_CLIENT_METHODS))}.",
            pointer="/token_endpoint_auth_method",
        )
    name = "private_key" if method == "private_key_jwt" else "client_secret"
    secret = members.get(name)
    if secret is None and method != "none":
        raise CredentialError(f"{method} needs a `{name}`.", pointer=f"/{name}")
    if {"client_secret", "private_key"} & members.keys() - {name}:
        raise CredentialError(f"{method} takes a `{name}` and nothing else that is secret.", pointer=f"/{name}")
    if name == "private_key":
        secret = _pem(name, secret, _PRIVATE_KEY)
    elif secret is not None:
        secret = _text(secret, name)
    return ClientCredentials(
        client_id=_text(members["client_id"], "client_id"),
        client_secret=None if secret is None else Secret(secret),
        token_endpoint_auth_method=method,
        scopes=_scopes(members.get("scopes")),
        grant_type=_grant_type(scheme, members, method),
    )


def _grant_type(scheme: SecurityScheme, members: Mapping[str, Any], method: str) -> str:
    """Read the grant that was named, or choose the first that the scheme offers and the client can make."""
    if "grant_type" in members:
        if members["grant_type"] not in _FLOWS:
            raise CredentialError(f"`grant_type` is one of {', '.join(_FLOWS)}.", pointer="/grant_type")
        return str(members["grant_type"])
    # A public client has nothing to show for itself (RFC 6749 section 4.4).
    usable = (each for each in _grants(scheme) if each != CLIENT_CREDENTIALS or method != "none")
    return next(usable, CLIENT_CREDENTIALS)


def _usual_method(members: Mapping[str, Any]) -> str:
    if "private_key" in members:
        return "private_key_jwt"
    return "client_secret_basic" if "client_secret" in members else "none"


def _certificate(members: Mapping[str, Any]) -> ClientCertificate:
    """Check the form; whether certificate and key belong together is for TLS to say."""
    certificate = _pem("certificate", members["certificate"], _CERTIFICATE)
    return ClientCertificate(certificate, Secret(_pem("private_key", members["private_key"], _PRIVATE_KEY)))


def _pem(name: str, given: Any, form: re.Pattern[str]) -> str:
    if not isinstance(given, str) or len(given) > _MAX_PEM or not form.fullmatch(given):
        sentence = f"`{name}` must be PEM (RFC 7468), and a key must not be encrypted."
        raise CredentialError(sentence, pointer=f"/{name}")
    return given.strip() + "\n"


def _value(scheme: SecurityScheme, given: Any) -> Secret:
    value = _text(given, "value")
    if scheme.type == "apiKey":
        _check_place(scheme, value)
        return Secret(value)
    name = scheme.http_scheme or "Bearer"
    if value.lower().startswith(f"{name.lower()} "):
        raise CredentialError(
            f"`value` is the token alone: {name!r} is put in front of it by the gateway.", pointer="/value"
        )
    if name.lower() == "bearer" and not _PRINTABLE.fullmatch(value):
        raise CredentialError("A bearer token has no spaces and ASCII characters only (RFC 6750).", pointer="/value")
    return Secret(value)


def read_field_value(given: Any) -> Secret:
    """Read the value of a header field (RFC 9110 section 5.5); raises `CredentialError`."""
    value = _text(given, "value")
    _check_ends(value)
    return Secret(value)


def _check_ends(value: str) -> None:
    if value != value.strip():
        raise CredentialError("`value` begins or ends with a space.", pointer="/value")


def _check_place(scheme: SecurityScheme, value: str) -> None:
    """Refuse what would end the place it is written to: spaces around a field value, `;` in a cookie."""
    if scheme.location != "query":
        _check_ends(value)
    if scheme.location == "cookie" and ";" in value:
        raise CredentialError("A cookie's value cannot hold a semicolon (RFC 6265 section 4.1.1).", pointer="/value")


def _scopes(given: Any) -> frozenset[str] | None:
    if given is None:
        return None
    texts = given.split() if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
        raise CredentialError("`scopes` is a list of texts.", pointer="/scopes")
    return frozenset(texts)


def _text(given: Any, name: str) -> str:
    """Check a secret or the name that goes with it, without repeating any of it."""
    problem = ""
    if not isinstance(given, str) or not given:
        problem = "must be a text that is not empty"
    elif _BREAKING.search(given) or _SURROGATE.search(given):
        problem = "holds a line break or another control character"
    elif len(given) > _MAX_LENGTH:
        problem = f"is longer than {_MAX_LENGTH:,} characters"
    elif given == MASK:
        problem = (
            "is the mask that stands for a secret, not the secret; leave the credential as it is, or send a new one"
        )
    if problem:
        raise CredentialError(f"`{name}` {problem}.", pointer=f"/{name}")
    return str(given)
