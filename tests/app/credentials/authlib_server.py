"""An authorization server by authlib's own framework, which judges our requests by another's reading of the RFCs.

Clients prove themselves by `client_secret_basic` or `client_secret_post` (RFC 6749 section 2.3.1). There are the grants
of client credentials, of authorization codes with PKCE, which it requires (RFC 7636), and of refresh tokens, each good
for one use. Its one user agrees to everything.
"""

# mypy: disable-error-code="misc, no-untyped-def"
# authlib publishes no types: what is derived from it has those of its documentation.
from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin, OAuth2Request, grants
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7636 import CodeChallenge

from tests.app.backends import Received, json_reply, reply

USER = "alice"
METHODS = ("client_secret_basic", "client_secret_post")


@dataclass(frozen=True, slots=True)
class Client(ClientMixin):
    """A registered client (RFC 7591), with the one way in which it proves itself."""

    client_id: str
    client_secret: str
    token_endpoint_auth_method: str
    redirect_uri: str = ""

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_allowed_scope(self, scope: str | None) -> str:
        return scope or ""

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == self.redirect_uri

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == self.client_secret

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:  # noqa: ARG002 - authlib's interface
        return method == self.token_endpoint_auth_method

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in {"client_credentials", "authorization_code", "refresh_token"}


@dataclass(slots=True)
class Granted:
    """A code or a refresh token, and what it was granted for."""

    text: str
    client: Client
    scope: str
    redirect_uri: str = ""
    code_challenge: str = ""
    code_challenge_method: str = ""

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def check_client(self, client: Client) -> bool:
        return client == self.client


class _ClientCredentials(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS


class _AuthorizationCode(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def save_authorization_code(self, code: str, request: Any) -> None:
        asked = request.payload.data
        self.server.codes[code] = Granted(
            code,
            request.client,
            request.payload.scope,
            asked["redirect_uri"],
            asked["code_challenge"],
            asked["code_challenge_method"],
        )

    def query_authorization_code(self, code: str, client: Client) -> Granted | None:
        found: Granted | None = self.server.codes.get(code)
        return found if found and found.client == client else None

    def delete_authorization_code(self, authorization_code: Granted) -> None:
        del self.server.codes[authorization_code.text]

    def authenticate_user(self, authorization_code: Granted) -> str:  # noqa: ARG002 - there is one
        return USER


class _RefreshToken(grants.RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Granted | None:
        found: Granted | None = self.server.refreshable.get(refresh_token)
        return found

    def authenticate_user(self, refresh_token: Granted) -> str:  # noqa: ARG002 - there is one
        return USER

    def revoke_old_credential(self, refresh_token: Granted) -> None:
        del self.server.refreshable[refresh_token.text]


class AuthlibServer(AuthorizationServer):
    """The server; `live` are the access tokens that its API accepts, `answered` the status of each token response."""

    def __init__(self, *clients: Client) -> None:
        super().__init__()
        self.clients = {each.client_id: each for each in clients}
        self.codes: dict[str, Granted] = {}
        self.refreshable: dict[str, Granted] = {}
        self.live: list[str] = []
        self.answered: list[int] = []
        numbers = iter(range(1_000))
        self.register_token_generator(
            "default",
            BearerTokenGenerator(
                lambda **_: f"access-token-{next(numbers)}",
                lambda **_: f"refresh-token-{next(numbers)}",
            ),
        )
        self.register_grant(_ClientCredentials)
        self.register_grant(_AuthorizationCode, [CodeChallenge(required=True)])
        self.register_grant(_RefreshToken)

    async def answer(self, received: Received) -> bytes:
        """Answer at the authorization endpoint, and with POST at the token endpoint."""
        if received.line.startswith("POST"):
            response: _Response = self.create_token_response(received)
            self.answered.append(response.status)
        else:
            grant = self.get_consent_grant(received, end_user=USER)
            response = self.create_authorization_response(received, grant_user=USER, grant=grant)
        return response.to_bytes()

    async def api(self, received: Received) -> bytes:
        """Answer a call of the API that trusts this server: 401 without a live token."""
        (given,) = received.values("Authorization") or [""]
        if given.removeprefix("Bearer ") not in self.live:
            return reply("401 Unauthorized", b"", "WWW-Authenticate: Bearer")
        return json_reply(b'{"id": 7}')

    # What authlib asks of who integrates it.

    def query_client(self, client_id: str) -> Client | None:
        return self.clients.get(client_id)

    def save_token(self, token: dict[str, Any], request: Any) -> None:
        self.live.append(token["access_token"])
        if "refresh_token" in token:
            granted = Granted(token["refresh_token"], request.client, token.get("scope", ""))
            self.refreshable[granted.text] = granted

    def send_signal(self, *_: Any, **__: Any) -> None:
        """Tell nobody."""

    def create_oauth2_request(self, request: Any) -> OAuth2Request:
        return request if isinstance(request, OAuth2Request) else _request(request)

    def handle_response(self, status: int, body: Any, headers: Any) -> _Response:
        return _Response(status, body, dict(headers))


class _Request(OAuth2Request):
    """A request as authlib reads it; it takes http for https, because it does not work on loopback otherwise."""

    def __init__(self, method: str, target: str, headers: Mapping[str, str], form: Mapping[str, str]) -> None:
        super().__init__(method, f"https://authorization.test{target}", headers=headers)
        self._arguments = dict(parse_qsl(urlsplit(target).query))
        self._form = dict(form)
        self.payload = BasicOAuth2Payload({**self._arguments, **self._form})

    @property
    def args(self) -> dict[str, str]:
        return self._arguments

    @property
    def form(self) -> dict[str, str]:
        return self._form


def _request(received: Received) -> _Request:
    headers = {name.title(): value for name, value in received.headers}
    form = dict(parse_qsl(received.body.decode(), strict_parsing=bool(received.body)))
    return _Request(received.line.split(" ")[0], received.target, headers, form)


@dataclass(frozen=True, slots=True)
class _Response:
    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        body = json.dumps(self.body).encode() if self.body else b""
        return reply(f"{self.status} Status", body, *(f"{name}: {value}" for name, value in self.headers.items()))
