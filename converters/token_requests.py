"""Access tokens by client credentials: what is asked for, and what the answer says (RFC 6749 sections 4.4 and 5).

All of it is values in, values out; `app.outbound` asks. How the client authenticates is not decided here either.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from converters.credentials import ClientCredentials, Secret
from converters.errors import ConverterError
from converters.origins import origin, requestable

if TYPE_CHECKING:
    from converters.security import SecurityScheme

_OK: Final = 200
_MAX_TEXT: Final = 300
_MAX_LIFETIME: Final = 10**9
_VSCHAR: Final = re.compile("[\x21-\x7e]+")
_NOT_PRINTABLE: Final = re.compile("[^\x20-\x7e]")
_DIGITS: Final = re.compile("[0-9]{1,12}")
_WELL_KNOWN: Final = "/.well-known/openid-configuration"


class TokenAnswerError(ConverterError):
    """An authorization server gave no token; the sentence continues "the token endpoint"."""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """One access token to ask for: equal requests share a token.

    `url` is the token endpoint or, with `is_discovered`, where the metadata say which it is. `scopes` are sorted.
    """

    scheme: str
    url: str
    is_discovered: bool
    client: ClientCredentials
    scopes: tuple[str, ...] = ()

    def form(self) -> str:
        """Write the parameters of the request, without what authenticates the client (RFC 6749 section 4.4.2)."""
        scope = {"scope": " ".join(self.scopes)} if self.scopes else {}
        return urlencode({"grant_type": "client_credentials", **scope})


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token; `lifetime` in seconds, None where the server did not say."""

    value: Secret
    lifetime: float | None


def token_source(scheme: SecurityScheme, base: str) -> str:
    """Give the URL from which tokens of a scheme come: the token URL, or that of the metadata that name it; or "".

    Relative ones are resolved against `base`, the URL of the operation's server (OAS 3.1 section 4.6).
    """
    written = scheme.token_url or scheme.discovery_url
    return requestable(written, base) if written else ""


def is_less_protected(url: str, base: str) -> bool:
    """Tell whether a secret would travel in the clear to `url`, other than the calls to `base` (RFC 6749 3.2)."""
    return origin(url).startswith("http:") and not base.startswith("http:")


def read_token(status: int, body: bytes) -> AccessToken:
    """Read the answer of a token endpoint (RFC 6749 sections 5.1 and 5.2).

    A token without `token_type` counts as a bearer token; one of another type cannot be used.

    Raises:
        TokenAnswerError: with the status and what the server says about the error; nothing else of the answer.

    """
    answer = _object(body)
    if status != _OK:
        raise TokenAnswerError(f"answered {status}{_told(answer)}.")
    kind, value = answer.get("token_type", "Bearer"), answer.get("access_token")
    if not isinstance(value, str) or not _VSCHAR.fullmatch(value):
        told = _told(answer) or ", and its body holds no `access_token` (RFC 6749 section 5.1)"
        raise TokenAnswerError(f"answered {status}{told}.")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise TokenAnswerError(f"answered with a token of the type {_shortened(str(kind))!r}, not a bearer token.")
    return AccessToken(Secret(value), _lifetime(answer.get("expires_in")))


def read_metadata(url: str, status: int, body: bytes) -> str:
    """Read the token endpoint from the metadata at `url` (OpenID Connect Discovery 1.0 sections 4.2 and 4.3).

    Raises:
        TokenAnswerError: when they are not the issuer's own, or name no endpoint that can be used.

    """
    metadata = _object(body)
    if status != _OK:
        raise TokenAnswerError(f"is not known: its metadata were answered with {status}.")
    issuer, endpoint = metadata.get("issuer"), metadata.get("token_endpoint")
    if not isinstance(issuer, str) or issuer.rstrip("/") + _WELL_KNOWN != url:
        raise TokenAnswerError("is not known: the metadata are those of another issuer than their URL says.")
    found = requestable(endpoint, "") if isinstance(endpoint, str) else ""
    if not found or is_less_protected(found, url):
        raise TokenAnswerError("is not known: the metadata name no `token_endpoint` that can be used.")
    return found


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _told(answer: dict[str, Any]) -> str:
    """Give the error code and its description (RFC 6749 section 5.2)."""
    code, description = answer.get("error"), answer.get("error_description")
    found = [_shortened(each) for each in (code, description) if isinstance(each, str) and each]
    return f" {': '.join(found)}" if found else ""


def _shortened(text: str) -> str:
    return _NOT_PRINTABLE.sub("?", text[:_MAX_TEXT]).rstrip(".")


def _lifetime(given: Any) -> float | None:
    """Read `expires_in`; some servers write the number as a text."""
    if isinstance(given, str) and _DIGITS.fullmatch(given):
        return float(given)
    is_number = isinstance(given, (int, float)) and not isinstance(given, bool)
    return float(min(max(given, 0), _MAX_LIFETIME)) if is_number and not math.isnan(given) else None
