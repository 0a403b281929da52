"""MCP servers as protected resources of OAuth 2.0 (MCP 2025-11-25 and 2026-07-28, "Authorization"; RFC 9728).

A server's URL is its resource identifier and the audience of its tokens: a token for one server opens no other. What a
token's scopes permit there is the namespace's to say.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from app.security.access_tokens import Expected, TokenError, looks_like_token, read_header, verify
from app.security.authentication import METADATA_PATH, Refusal, basic_challenge
from app.security.callers import EVERY, Caller
from app.security.issuer_keys import KeysUnavailableError
from app.security.signing_keys import ALGORITHMS
from converters.credentials import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.security.access_tokens import AccessToken
    from app.security.authentication import Presented
    from app.security.issuer_keys import IssuerKeys
    from app.security.signing_keys import SigningKeys

DEFAULT_SCOPE: Final = "mcp:call"
_MAX_VERIFIED: Final = 10_000
_SERVER_PATH: Final = re.compile(r"/mcp/([a-z0-9-]{1,63})/([A-Za-z0-9._-]{1,63})(?:/|\Z)")
"""No more than names have: what is in the path is repeated in headers."""


@dataclass(frozen=True, slots=True)
class ScopeGrant:
    """The servers of the namespace and their tools that a scope permits calling; by name, or `EVERY`."""

    servers: frozenset[str] = EVERY
    tools: frozenset[str] = EVERY


def _default_scopes() -> Mapping[str, ScopeGrant]:
    return {DEFAULT_SCOPE: ScopeGrant()}


@dataclass(frozen=True)
class TrustedIssuer:
    """The authorization server that a namespace trusts, by its issuer identifier, and what its scopes permit.

    With `jwks_uri` "" its metadata say where its keys are.
    """

    issuer: str
    jwks_uri: str = ""
    algorithms: tuple[str, ...] = ALGORITHMS
    scopes: Mapping[str, ScopeGrant] = field(default_factory=_default_scopes)

    def scopes_for(self, server: str, tool: str | None = None) -> tuple[str, ...]:
        """List the scopes that permit calling tools of a server, or one of its tools."""
        return tuple(
            scope
            for scope, grant in self.scopes.items()
            if _among(server, grant.servers) and (tool is None or _among(tool, grant.tools))
        )

    def caller(self, token: AccessToken, server: ServerName) -> Caller | None:
        """Say who has a token for a server, or None where none of its scopes permits anything there."""
        granted = token.scopes & set(self.scopes_for(server.name))
        if not granted:
            return None
        tools = frozenset[str]().union(*(self.scopes[scope].tools for scope in granted))
        namespaces, servers = frozenset({server.namespace}), frozenset({server.name})
        return Caller(f"{token.issuer}#{token.subject}", frozenset({"call"}), namespaces, servers, tools)


class ServerName(NamedTuple):
    """The two names in a server's URL."""

    namespace: str
    name: str


class IssuerSource(Protocol):
    """Which issuer a namespace trusts."""

    async def trusted(self, namespace: str) -> TrustedIssuer | None:
        """Give the issuer of a namespace; the same object as long as it does not change.

        Raises:
            app.security.issuer_keys.KeysUnavailableError: where that cannot be known now.

        """
        ...


class _Verified(NamedTuple):
    token: AccessToken
    issuer: TrustedIssuer
    keys: SigningKeys


def server_at(path: str) -> ServerName | None:
    """Read which server a path below `/mcp/` belongs to, whether it exists or not."""
    found = _SERVER_PATH.match(path)
    return ServerName(found[1], found[2]) if found else None


class ProtectedResources:
    """Says which tokens open the MCP servers, and where to get them."""

    def __init__(
        self, issuers: IssuerSource, keys: IssuerKeys, *, public_url: str, clock: Callable[[], float] = time.time
    ) -> None:
        """Trust what `issuers` say; clients know this gateway as `public_url`."""
        self._issuers = issuers
        self._keys = keys
        self._public_url = public_url.rstrip("/")
        self._clock = clock
        self._verified: OrderedDict[tuple[bytes, ServerName], _Verified] = OrderedDict()

    def resource(self, server: ServerName) -> str:
        """Give the resource identifier of a server: its URL."""
        return f"{self._public_url}/mcp/{server.namespace}/{server.name}"

    async def metadata(self, server: ServerName) -> dict[str, Any] | None:
        """Give the Protected Resource Metadata of a server (RFC 9728 section 2), where tokens open it.

        Whether there is the server is not said: nobody has shown who they are yet.
        """
        issuer = await self._issuers.trusted(server.namespace)
        if issuer is None:
            return None
        return {
            "resource": self.resource(server),
            "authorization_servers": [issuer.issuer],
            "scopes_supported": list(issuer.scopes_for(server.name)),
            "bearer_methods_supported": ["header"],
        }

    async def challenge(self, path: str) -> bytes:
        """Give the `WWW-Authenticate` of a request without credentials: it says where tokens for the server are got."""
        server = server_at(path)
        try:
            issuer = None if server is None else await self._issuers.trusted(server.namespace)
        except KeysUnavailableError:
            issuer = None
        if server is None or issuer is None:
            return await basic_challenge(path)
        return self._challenge(server, issuer.scopes_for(server.name)).encode()

    async def authenticate(self, presented: Presented) -> Caller | Refusal | None:
        """Give who shows an access token for a server, or why it does not count; None where no tokens open it."""
        server = server_at(presented.path)
        if server is None or not looks_like_token(presented.credential):
            return None
        try:
            issuer = await self._issuers.trusted(server.namespace)
            return (
                None if issuer is None else await self._caller(server, presented.credential.decode("latin-1"), issuer)
            )
        except KeysUnavailableError as error:
            return Refusal(503, "issuer_unavailable", str(error), ((b"retry-after", b"10"),))

    async def _caller(self, server: ServerName, token: str, issuer: TrustedIssuer) -> Caller | Refusal:
        scopes = issuer.scopes_for(server.name)
        try:
            verified = await self._verify(server, token, issuer)
        except TokenError as error:
            challenge = self._challenge(server, scopes, "invalid_token", str(error))
            return Refusal(401, "token_invalid", str(error), ((b"www-authenticate", challenge.encode()),))
        caller = issuer.caller(verified, server)
        if caller is None:
            sentence = "The access token has none of the scopes that are needed for this server."
            challenge = self._challenge(server, scopes, "insufficient_scope", sentence)
            return Refusal(403, "insufficient_scope", sentence, ((b"www-authenticate", challenge.encode()),))
        return replace(caller, token=Secret(token))

    async def missing_scope(self, caller: Caller, namespace: str, server: str, *, tool: str) -> str:
        """Give the challenge for a call that further scopes of a token would permit, "" where none would."""
        name = ServerName(namespace, server)
        try:
            issuer = await self._issuers.trusted(namespace)
        except KeysUnavailableError:
            issuer = None
        if issuer is None or not caller.subject.startswith(f"{issuer.issuer}#"):
            return ""
        scopes = issuer.scopes_for(server, tool)
        sentence = "The access token has no scope that permits calling this tool."
        return self._challenge(name, scopes, "insufficient_scope", sentence) if scopes else ""

    async def _verify(self, server: ServerName, token: str, issuer: TrustedIssuer) -> AccessToken:
        place = hashlib.sha256(token.encode()).digest(), server
        found = self._verified.get(place)
        header = read_header(token, issuer.algorithms)
        keys = await self._keys.keys(issuer.issuer, issuer.jwks_uri, header.key_id)
        if found is not None and found[1:] == (issuer, keys) and self._clock() < found.token.expires:
            return found.token
        expected = Expected(issuer.issuer, self.resource(server), issuer.algorithms)
        verified = verify(token, keys, expected, now=self._clock())
        self._verified[place] = _Verified(verified, issuer, keys)
        while len(self._verified) > _MAX_VERIFIED:
            self._verified.popitem(last=False)
        return verified

    def _challenge(self, server: ServerName, scopes: tuple[str, ...], error: str = "", reason: str = "") -> str:
        """Write the challenge (RFC 6750 section 3, RFC 9728 section 5.1)."""
        metadata = f"{self._public_url}{METADATA_PATH}/mcp/{server.namespace}/{server.name}"
        parameters = {
            "error": error,
            "error_description": reason.replace('"', "'"),
            "resource_metadata": metadata,
            "scope": " ".join(scopes),
        }
        return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in parameters.items() if value)


def _among(name: str, names: frozenset[str]) -> bool:
    return "*" in names or name in names
