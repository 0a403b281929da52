"""The authorization code grant with PKCE: what the browser is sent with, and what it comes back with.

RFC 6749 section 4.1, RFC 7636, and RFC 9207 for the issuer. Values in, values out.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from converters.credentials import AUTHORIZATION_CODE
from converters.errors import ConverterError
from converters.origins import origin
from converters.token_requests import told

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from converters.token_requests import ServerMetadata


class AuthorizationResponseError(ConverterError):
    """An authorization response gives no code that may be used."""


def authorization_url(
    endpoint: str, *, client_id: str, redirect_uri: str, scopes: Iterable[str], state: str, verifier: str
) -> str:
    """Write the authorization request (RFC 6749 section 4.1.1) with the challenge of RFC 7636, by S256 always.

    The endpoint's own query stays (section 3.1); a parameter of ours in it gives way, because none may come twice.
    """
    scope = " ".join(scopes)
    parameters = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        **({"scope": scope} if scope else {}),
        "state": state,
        "code_challenge": challenge(verifier),
        "code_challenge_method": "S256",
    }
    base, _, query = endpoint.partition("?")
    kept = [pair for pair in query.split("&") if pair and pair.partition("=")[0] not in parameters]
    return f"{base}?{'&'.join([*kept, urlencode(parameters)])}"


def challenge(verifier: str) -> str:
    """Give the code challenge of a verifier by S256 (RFC 7636 section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def read_code(response: Mapping[str, str], metadata: ServerMetadata | None, endpoint: str) -> str:
    """Give the code of an authorization response (RFC 6749 sections 4.1.2 and 4.1.2.1), its issuer checked.

    The issuer is the one of the metadata, and must be there where they say so (RFC 9207 section 2.4). Without metadata
    one that is told must have the origin of the authorization endpoint, so that the answer of one server is not taken
    for that of another (RFC 9700 section 4.4).

    Raises:
        AuthorizationResponseError: with what is wrong.

    """
    issuer = response.get("iss")
    if issuer is None and metadata is not None and metadata.sends_issuer:
        raise AuthorizationResponseError("The answer does not say which authorization server gave it.")
    if issuer is not None and not _is_issuer(issuer, metadata, endpoint):
        raise AuthorizationResponseError("The answer comes from another authorization server than the one asked.")
    if "error" in response:
        raise AuthorizationResponseError(f"The authorization server did not agree:{told(response)}.")
    code = response.get("code")
    if not code:
        raise AuthorizationResponseError("The answer holds no code.")
    return code


def _is_issuer(issuer: str, metadata: ServerMetadata | None, endpoint: str) -> bool:
    if metadata is not None:
        return issuer == metadata.issuer
    try:
        return origin(issuer) == origin(endpoint)
    except ValueError:
        return False


def code_parameters(code: str, *, redirect_uri: str, verifier: str) -> dict[str, str]:
    """Write the parameters that a code is exchanged with (RFC 6749 section 4.1.3, RFC 7636 section 4.5)."""
    return {
        "grant_type": AUTHORIZATION_CODE,
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
    }


def refresh_parameters(refresh_token: str) -> dict[str, str]:
    """Write the parameters that a token is renewed with, its scopes unchanged (RFC 6749 section 6)."""
    return {"grant_type": "refresh_token", "refresh_token": refresh_token}
