"""Connecting an account: a user agrees, is sent to the authorization server, and comes back with a code.

The way back is open once, for a quarter of an hour, to the browser that agreed: `state` names a stored attempt that is
removed when it comes back (RFC 6749 section 10.12), the attempt knows a digest of a cookie that only this browser has,
and the code is worth nothing without the verifier that is sealed in the attempt (RFC 7636).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from app.errors import TokenFailedError, UpstreamError
from app.registry.errors import ServerNotFound
from app.registry.records import ConnectionAttempt
from app.security.sealing import Sealed, UnreadableSecretError
from app.services.connect_links import ConnectRefusedError, Ticket
from converters.authorization_code import (
    AuthorizationResponseError,
    authorization_url,
    code_parameters,
    read_code,
)
from converters.credentials import AUTHORIZATION_CODE, ClientCredentials, Secret, Token
from converters.masking import Mask
from converters.origins import origin
from converters.token_requests import TokenRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.outbound import TokenEndpoint
    from app.registry import Database
    from app.registry.records import ServerRecord
    from app.security.sealing import SecretKeys
    from app.services.connect_links import ConnectLinks
    from app.services.credentials import Credentials
    from app.services.user_tokens import UserTokens
    from converters.authorization import HeldCredential
    from converters.token_requests import AccessToken, ServerMetadata

_PURPOSE: Final = "connect attempt"
_SECONDS: Final = 900.0
_CHANGED: Final = "What this link was made for has changed since. Call the tool again: it answers with a new one."
_GONE: Final = (
    "This way back was used before, has expired, or was not begun here. Open the link of the tool's answer anew."
)


@dataclass(frozen=True, slots=True)
class Consent:
    """What a user is asked to agree to: `provider` is the origin that they are sent to."""

    server: str
    title: str
    api: str
    scopes: tuple[str, ...]
    subject: str
    provider: str


@dataclass(frozen=True, slots=True)
class Departure:
    """Where a browser is sent, with `state`; `binding` is the secret that the browser keeps for the way back."""

    url: str
    state: str
    binding: str
    seconds: float


@dataclass(frozen=True, slots=True)
class _Place:
    """A ticket with what it is for as it is now."""

    ticket: Ticket
    server: ServerRecord
    request: TokenRequest
    metadata: ServerMetadata | None
    endpoint: str
    origins: frozenset[str]


class Connecting:
    """The use cases of a browser that connects an account."""

    def __init__(
        self,
        database: Database,
        keys: SecretKeys,
        credentials: Credentials,
        endpoint: TokenEndpoint,
        *,
        links: ConnectLinks,
        tokens: UserTokens,
    ) -> None:
        """Keep attempts in `database`, and give `tokens` what users agreed to."""
        self._database = database
        self._keys = keys
        self._credentials = credentials
        self._endpoint = endpoint
        self._links = links
        self._tokens = tokens

    async def consent(self, namespace: str, server: str, scheme: str, *, ticket: str) -> Consent:
        """Give what a link asks to agree to; raises `ConnectRefusedError`."""
        place = await self._place(self._links.read(namespace, server, scheme, ticket=ticket))
        return Consent(
            server=server,
            title=place.server.title,
            api=place.request.origin,
            scopes=place.request.scopes,
            subject=place.ticket.key.subject,
            provider=origin(place.endpoint),
        )

    async def depart(self, namespace: str, server: str, scheme: str, *, ticket: str) -> Departure:
        """Begin an attempt for a user who agreed; raises `ConnectRefusedError`."""
        place = await self._place(self._links.read(namespace, server, scheme, ticket=ticket))
        state, binding, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        content = {
            **place.ticket.to_json(),
            "scheme": scheme,
            "client_id": place.request.client.client_id,
            "verifier": verifier,
            "binding": _digest(binding),
        }
        key = _digest(state)
        sealed = self._keys.seal(json.dumps(content).encode(), (_PURPOSE, namespace, server, key), namespace=namespace)
        attempt = ConnectionAttempt(namespace, server, sealed.key_id, sealed.content)
        async with self._database.transaction() as registry:
            await registry.connections.begin(key, attempt, seconds=_SECONDS)
        url = authorization_url(
            place.endpoint,
            client_id=place.request.client.client_id,
            redirect_uri=self._links.redirect_uri,
            scopes=place.request.scopes,
            state=state,
            verifier=verifier,
        )
        return Departure(url, state, binding, _SECONDS)

    async def arrive(self, response: Mapping[str, str], *, binding: str | None) -> Consent:
        """Take an authorization response and keep the tokens that its code gives; `binding` is the browser's secret.

        Raises:
            ConnectRefusedError: with what is wrong; the attempt is over then, too.

        """
        attempt, content = await self._taken(response.get("state", ""))
        if binding is None or not hmac.compare_digest(_digest(binding), content["binding"]):
            raise ConnectRefusedError(
                "This browser is not the one that began to connect the account. Open the link anew."
            )
        ticket = Ticket.from_json(attempt.namespace, attempt.server, content["scheme"], given=content)
        place = await self._place(ticket)
        if place.request.client.client_id != content["client_id"]:
            raise ConnectRefusedError(_CHANGED)
        try:
            code = read_code(response, place.metadata, place.endpoint)
        except AuthorizationResponseError as error:
            raise ConnectRefusedError(str(error)) from None
        got = await self._exchanged(place, code, content["verifier"])
        try:
            await self._tokens.keep(ticket.key, place.request, got, origins=place.origins)
        except ServerNotFound:
            raise ConnectRefusedError(_CHANGED) from None
        return Consent(
            attempt.server, place.server.title, ticket.origin, ticket.scopes, ticket.key.subject, origin(place.endpoint)
        )

    async def _exchanged(self, place: _Place, code: str, verifier: str) -> AccessToken:
        parameters = code_parameters(code, redirect_uri=self._links.redirect_uri, verifier=verifier)
        authorities = place.server.certificate_authorities or ""
        try:
            return await self._endpoint.ask(place.request, parameters, authorities=authorities)
        except UpstreamError as error:
            secret = place.request.client.client_secret
            mask = Mask(Token(each) for each in (Secret(code), Secret(verifier), secret) if each is not None)
            reason = error.reason if isinstance(error, TokenFailedError) else ""
            raise ConnectRefusedError(f"No token was got: {mask.text(reason or error.message)}") from None

    async def _taken(self, state: str) -> tuple[ConnectionAttempt, dict[str, Any]]:
        key = _digest(state)
        async with self._database.transaction() as registry:
            attempt = await registry.connections.take(key)
        if attempt is None:
            raise ConnectRefusedError(_GONE)
        try:
            sealed = Sealed(attempt.key_id, attempt.content)
            place = (_PURPOSE, attempt.namespace, attempt.server, key)
            opened = self._keys.open(sealed, place, namespace=attempt.namespace)
        except UnreadableSecretError:
            raise ConnectRefusedError(_GONE) from None
        return attempt, json.loads(opened)

    async def _place(self, ticket: Ticket) -> _Place:
        """Look at what a ticket is for as it is now: the client, bound to these endpoints, and where it leads."""
        namespace, name, scheme, _ = ticket.key
        try:
            async with self._database.transaction(read_only=True) as registry:
                server = await registry.servers.get(namespace, name)
        except ServerNotFound:
            raise ConnectRefusedError(_CHANGED) from None
        held = self._credentials.held(namespace, name).by_scheme.get(scheme)
        client = _client(held, ticket)
        if held is None or client is None:
            raise ConnectRefusedError(_CHANGED)
        request = TokenRequest(scheme, ticket.endpoints, client, ticket.scopes, ticket.origin)
        try:
            metadata = await self._endpoint.metadata(request, authorities=server.certificate_authorities or "")
        except UpstreamError as error:
            reason = error.reason if isinstance(error, TokenFailedError) else ""
            raise ConnectRefusedError(f"The authorization server cannot be asked: {reason or error.message}") from None
        endpoint = ticket.endpoints.authorization or (metadata.endpoints.authorization if metadata else "")
        if not endpoint:
            raise ConnectRefusedError("The metadata of the authorization server name no endpoint that may be opened.")
        if metadata is not None and not metadata.has_pkce:
            raise ConnectRefusedError("The authorization server does not know PKCE with S256 (RFC 7636).")
        return _Place(ticket, server, request, metadata, endpoint, held.origins)


def _client(held: HeldCredential | None, ticket: Ticket) -> ClientCredentials | None:
    """Give the client where it may still be used for what the ticket says."""
    if held is None or not isinstance(held.credential, ClientCredentials) or ticket.origin not in held.origins:
        return None
    is_bound = {origin(each) for each in ticket.endpoints.secret} <= held.token_origins
    return held.credential if is_bound and held.credential.grant_type == AUTHORIZATION_CODE else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
