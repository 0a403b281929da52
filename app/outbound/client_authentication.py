"""How an OAuth client proves itself at a token endpoint, on authlib (RFC 6749 section 2.3, RFC 7523 section 2.2)."""

from __future__ import annotations

import base64
import contextlib
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from converters.credentials import ClientCredentials

_ASSERTION_SECONDS: Final = 60
_CURVES: Final[Mapping[str, str]] = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}


def authenticated(client: ClientCredentials, url: str, form: str) -> tuple[dict[str, str], str]:
    """Give the header fields and the form of a request to `url` with what authenticates the client.

    Raises:
        ValueError: when the client's private key cannot be used.

    """
    secret = client.client_secret.reveal() if client.client_secret else ""
    method: Any = client.token_endpoint_auth_method
    if method == "private_key_jwt":
        key, algorithm = signing_key(secret)
        # The audience is the token endpoint (RFC 7523 section 3); authlib's own lifetime is an hour.
        method = PrivateKeyJWT(url, claims={"exp": int(time.time()) + _ASSERTION_SECONDS}, alg=algorithm)
        secret = key
    elif method == "client_secret_basic":
        method = _basic
    _, headers, body = ClientAuth(client.client_id, secret, method).prepare("POST", url, {}, form)
    return headers, body


def _basic(
    client: ClientAuth, _method: str, url: str, headers: dict[str, str], body: str
) -> tuple[str, dict[str, str], str]:
    """Write both parts form-encoded first, as RFC 6749 section 2.3.1 has it and authlib's client does not.

    A space is written as %20 and not as a plus sign: servers that decode forms read both, and there are those that
    only undo percent-encoding.
    """
    pair = f"{quote(client.client_id, safe='')}:{quote(client.client_secret, safe='')}"
    headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return url, headers, body


def signing_key(pem: str) -> tuple[Any, str]:
    """Read a private key (PEM) and choose the algorithm that goes with it (RFC 7518 section 3.1).

    Raises:
        ValueError: when it is neither an RSA key nor one on a curve of JWS.

    """
    for kind in (RSAKey, ECKey):
        with contextlib.suppress(JoseError, ValueError, TypeError, KeyError):
            key = kind.import_key(pem)
            algorithm = _CURVES.get(key.curve_name) if isinstance(key, ECKey) else "RS256"
            if key.is_private and algorithm:
                return key, algorithm
    raise ValueError("The private key cannot sign.")
