"""Where the access token of a call comes from: the owner's client has one for all, or each user has one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from converters.credentials import USER_GRANTS

if TYPE_CHECKING:
    from app.outbound import AccessTokens
    from app.security.callers import Caller
    from app.services.user_tokens import UserTokens
    from converters.credentials import Secret
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
        return await self._clients.token(server, request, authorities=authorities, refused=refused)

    def mask(self, server: str, caller: Caller) -> Masking:
        """Give what masks the tokens of both."""
        return _Both(self._clients.mask(server), self._users.mask(server, caller.subject))


class _Both:
    def __init__(self, first: Masking, second: Masking) -> None:
        self._masks = first, second

    def text(self, text: str) -> str:
        for each in self._masks:
            text = each.text(text)
        return text

    def body(self, body: bytes) -> bytes:
        for each in self._masks:
            body = each.body(body)
        return body
