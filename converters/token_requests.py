"""Access tokens: where they are asked for, with what, and what the answer says (RFC 6749 sections 4 to 6).

All of it is values in, values out; `app.outbound` asks. How the client authenticates is not decided here either.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from converters.credentials import (
    AUTHORIZATION_CODE,
    DEVICE_CODE,
    TOKEN_EXCHANGE,
    USER_GRANTS,
    ClientCredentials,
    Secret,
    flow_for,
)
from converters.errors import ConverterError
from converters.origins import origin, requestable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from converters.security import SecurityScheme

_OK: Final = 200
_MAX_TEXT: Final = 300
_MAX_LIFETIME: Final = 10**9
_VSCHAR: Final = re.compile("[\x21-\x7e]+")
_NOT_PRINTABLE: Final = re.compile("[^\x20-\x7e]")
_DIGITS: Final = re.compile("[0-9]{1,12}")
_OPENID: Final = "/.well-known/openid-configuration"
_OAUTH: Final = "/.well-known/oauth-authorization-server"


class TokenAnswerError(ConverterError):
    """An authorization server gave no token; the sentence continues "the token endpoint".

    `error` is the server's error code (RFC 6749 section 5.2), "" where it gave none; `interval` is how many seconds it
    wants between two requests, where it says so (RFC 8628 section 3.5).
    """

    def __init__(self, message: str, *, error: str = "", interval: float | None = None) -> None:
        """Keep the sentence and what the server said."""
        super().__init__(message)
        self.error = error
        self.interval = interval


class Endpoints(NamedTuple):
    """Where a grant is made, as URLs that can be requested, "" for what the description does not say.

    `metadata` is where the authorization server's metadata are (RFC 8414, OpenID Connect Discovery 1.0); what is not
    declared is taken from them.
    """

    token: str = ""
    refresh: str = ""
    authorization: str = ""
    device: str = ""
    metadata: str = ""
    revocation: str = ""

    @property
    def secret(self) -> tuple[str, ...]:
        """List where the client's secret goes, or, where only the metadata say that, the metadata."""
        return tuple(each for each in (self.token or self.metadata, self.refresh, self.device) if each)


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """One access token to ask for: equal requests share a token.

    `scopes` are sorted. `origin` is the API's, where the token is for one API alone; `subject_token` is what is
    exchanged for it (RFC 8693).
    """

    scheme: str
    endpoints: Endpoints
    client: ClientCredentials
    scopes: tuple[str, ...] = ()
    origin: str = ""
    subject_token: Secret | None = None

    @property
    def url(self) -> str:
        """The token endpoint or, where only the metadata say which it is, their URL."""
        return self.endpoints.token or self.endpoints.metadata

    def parameters(self) -> dict[str, str]:
        """Write the parameters of the request, without what authenticates the client (RFC 6749 section 4.4.2)."""
        scope = {"scope": " ".join(self.scopes)} if self.scopes else {}
        if self.subject_token is None:
            return {"grant_type": self.client.grant_type, **scope}
        return {
            "grant_type": TOKEN_EXCHANGE,
            "subject_token": self.subject_token.reveal(),
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
            **scope,
        }


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token; `lifetime` in seconds, None where the server did not say.

    `refresh_token` is what renews it; `scopes` are those granted, None where they are those asked for (section 5.1).
    """

    value: Secret
    lifetime: float | None
    refresh_token: Secret | None = None
    scopes: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ServerMetadata:
    """Authorization server metadata (RFC 8414 section 2), "" for what they do not name.

    `sends_issuer` says that authorization responses hold `iss` (RFC 9207 section 3); `has_pkce` is False where they
    list methods of PKCE without S256.
    """

    issuer: str
    endpoints: Endpoints
    sends_issuer: bool = False
    has_pkce: bool = True


def endpoints(scheme: SecurityScheme, grant_type: str, base: str) -> Endpoints:
    """Give where a scheme's tokens are got by a grant.

    Relative URLs are resolved against `base`, the URL of the operation's server (OAS 3.1 section 4.6).
    """

    def resolved(written: str) -> str:
        return requestable(written, base) if written else ""

    flow = flow_for(scheme, grant_type)
    if flow is None:
        return Endpoints(metadata=resolved(scheme.discovery_url))
    is_user_s = grant_type in USER_GRANTS
    return Endpoints(
        token=resolved(flow.token_url),
        refresh=resolved(flow.refresh_url) if is_user_s else "",
        authorization=resolved(flow.authorization_url) if grant_type == AUTHORIZATION_CODE else "",
        device=resolved(flow.device_authorization_url) if grant_type == DEVICE_CODE else "",
        metadata=resolved(scheme.metadata_url) if is_user_s else "",
    )


def is_complete(found: Endpoints, grant_type: str, scheme: SecurityScheme) -> bool:
    """Tell whether tokens can be got: every URL that the grant needs is known, or will be."""
    if scheme.type == "openIdConnect":
        return bool(found.metadata)
    if grant_type == AUTHORIZATION_CODE:
        return bool(found.token and found.authorization)
    return bool(found.token and (found.device or grant_type != DEVICE_CODE))


def is_less_protected(url: str, base: str) -> bool:
    """Tell whether a secret would travel in the clear to `url`, other than the calls to `base` (RFC 6749 3.2)."""
    return origin(url).startswith("http:") and not base.startswith("http:")


def read_token(status: int, body: bytes) -> AccessToken:
    """Read the answer of a token endpoint (RFC 6749 sections 5.1 and 5.2).

    A token without `token_type` counts as a bearer token; one of another type cannot be used.

    Raises:
        TokenAnswerError: with the status and what the server says about the error; nothing else of the answer.

    """
    answer = read_answer(status, body)
    kind, value = answer.get("token_type", "Bearer"), answer.get("access_token")
    if not isinstance(value, str) or not _VSCHAR.fullmatch(value):
        problem = told(answer) or ", and its body holds no `access_token` (RFC 6749 section 5.1)"
        raise TokenAnswerError(f"answered {status}{problem}.")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise TokenAnswerError(f"answered with a token of the type {_shortened(str(kind))!r}, not a bearer token.")
    refresh, scope = answer.get("refresh_token"), answer.get("scope")
    return AccessToken(
        Secret(value),
        read_seconds(answer.get("expires_in")),
        Secret(refresh) if isinstance(refresh, str) and refresh else None,
        tuple(scope.split()) if isinstance(scope, str) else None,
    )


def read_answer(status: int, body: bytes) -> dict[str, Any]:
    """Read the JSON object of a success; raises `TokenAnswerError` with what the server says about an error."""
    answer = _object(body)
    if status == _OK:
        return answer
    error = answer.get("error")
    raise TokenAnswerError(
        f"answered {status}{told(answer)}.",
        error=error if isinstance(error, str) else "",
        interval=read_seconds(answer.get("interval")),
    )


def read_metadata(url: str, status: int, body: bytes) -> ServerMetadata:
    """Read the metadata at `url` (OpenID Connect Discovery 1.0 sections 4.2 and 4.3, RFC 8414 sections 3.2 and 3.3).

    An endpoint that is not http or https, or less protected than the metadata themselves, counts as not named.

    Raises:
        TokenAnswerError: when they are not the issuer's own, or name no token endpoint that can be used.

    """
    metadata = _object(body)
    if status != _OK:
        raise TokenAnswerError(f"is not known: its metadata were answered with {status}.")
    issuer = metadata.get("issuer")
    if not isinstance(issuer, str) or url not in _metadata_urls(issuer):
        raise TokenAnswerError("is not known: the metadata are those of another issuer than their URL says.")

    def endpoint(name: str) -> str:
        written = metadata.get(name)
        found = requestable(written, "") if isinstance(written, str) else ""
        return "" if not found or is_less_protected(found, url) else found

    token = endpoint("token_endpoint")
    if not token:
        raise TokenAnswerError("is not known: the metadata name no `token_endpoint` that can be used.")
    methods = metadata.get("code_challenge_methods_supported")
    return ServerMetadata(
        issuer,
        Endpoints(
            token=token,
            authorization=endpoint("authorization_endpoint"),
            device=endpoint("device_authorization_endpoint"),
            metadata=url,
            revocation=endpoint("revocation_endpoint"),
        ),
        sends_issuer=metadata.get("authorization_response_iss_parameter_supported") is True,
        has_pkce=not isinstance(methods, list) or "S256" in methods,
    )


def _metadata_urls(issuer: str) -> set[str]:
    """List where an issuer's metadata may be: after it, or between host and path (RFC 8414 sections 3.1 and 5)."""
    at = issuer.rstrip("/")
    origin_of, _, path = at.partition("://")[2].partition("/")
    between = f"{at.partition('://')[0]}://{origin_of}"
    rest = f"/{path}" if path else ""
    return {at + _OPENID} | {between + well_known + rest for well_known in (_OPENID, _OAUTH)}


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def told(answer: Mapping[str, Any]) -> str:
    """Give the error code and its description (RFC 6749 section 5.2)."""
    code, description = answer.get("error"), answer.get("error_description")
    found = [_shortened(each) for each in (code, description) if isinstance(each, str) and each]
    return f" {': '.join(found)}" if found else ""


def _shortened(text: str) -> str:
    return _NOT_PRINTABLE.sub("?", text[:_MAX_TEXT]).rstrip(".")


def read_seconds(given: Any) -> float | None:
    """Read a number of seconds such as `expires_in`; some servers write it as a text."""
    if isinstance(given, str) and _DIGITS.fullmatch(given):
        return float(given)
    is_number = isinstance(given, (int, float)) and not isinstance(given, bool)
    return float(min(max(given, 0), _MAX_LIFETIME)) if is_number and not math.isnan(given) else None
