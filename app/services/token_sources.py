"""Where the access token of a call comes from: the owner's client has one for all, or each user has one.

That of a user is got by a connection, or in exchange for the access token that the user showed to this gateway.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app.errors import TokenFailedError, UpstreamError
from converters.credentials import TOKEN_EXCHANGE, USER_GRANTS, Token
from converters.masking import NO_MASK, Mask, together

if TYPE_CHECKING:
    from collections.abc import Collection

    from app.outbound import AccessTokens
    from app.security.callers import Caller
    from app.services.user_tokens import UserTokens
    from converters.credentials import Credential, Secret
    from converters.masking import Masking
    from converters.token_requests import TokenRequest


class TokenSources:
    """The gateway's `TokenSource`."""

    def __init__(self, clients: AccessTokens, users: UserTokens) -> None:
        """Take the tokens of clients and those of users."""
        self._clients = clients
        self._users = users

    async def token(
        self, server: str, request: TokenRequest, *, caller: Caller, authorities: str, refused: Secret | None = None
    ) -> Secret:
        """Give an access token for a call of `server` by `caller`."""
        if request.client.grant_type in USER_GRANTS:
            return await self._users.token(
                server, request, subject=caller.subject, authorities=authorities, refused=refused
            )
        if request.client.grant_type != TOKEN_EXCHANGE:
            return await self._clients.token(server, request, authorities=authorities, refused=refused)
        return await self._exchanged(server, request, caller=caller, authorities=authorities, refused=refused)

    async def _exchanged(
        self, server: str, request: TokenRequest, *, caller: Caller, authorities: str, refused: Secret | None
    ) -> Secret:
        """Give what the caller's token is exchanged for (RFC 8693 section 2); it is kept for this caller alone."""
        if caller.token is None:
            raise TokenFailedError(
                f"The call was not sent: for the security scheme {request.scheme!r} the access token of the caller is "
                "exchanged for one of the API, and this caller showed none. Call with an access token of the issuer "
                "that the namespace trusts."
            )
        exchange = replace(request, subject_token=caller.token)
        try:
            return await self._clients.token(_own(server, caller), exchange, authorities=authorities, refused=refused)
        except UpstreamError as error:
            told = Mask([Token(caller.token)]).text(error.message)
            raise type(error)(told, is_transient=error.is_transient, retry_after=error.retry_after) from None

    def retain(self, server: str, credentials: Collection[Credential]) -> None:
        """Forget the tokens of a server that were not got with one of these credentials; users' are read anew."""
        self._clients.retain(server, credentials)
        self._users.drop(server)

    def mask(self, server: str, caller: Caller) -> Masking:
        """Give what masks the tokens that a caller's calls may carry, and the caller's own."""
        own = NO_MASK if caller.token is None else Mask([Token(caller.token)])
        exchanged = self._clients.mask(_own(server, caller))
        return together(self._clients.mask(server), self._users.mask(server, caller.subject), exchanged, own)


def _own(server: str, caller: Caller) -> str:
    """Name the tokens of one caller, apart from those that all calls of a server carry."""
    return f"{server}#{caller.subject}"
