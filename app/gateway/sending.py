"""A planned request with its credentials on the way: with an access token where it needs one.

The API's 401 means that the request was not performed for want of valid credentials (RFC 9110 section 15.5.2), and its
body is at hand. So whatever its method it is sent once more with a new token, where one is to be had.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from app.errors import UpstreamTimeoutError

if TYPE_CHECKING:
    from app.gateway.ports import OnChunk, TokenSource, Upstream
    from app.gateway.snapshots import ServerSnapshot, ServerTool
    from app.security.callers import Caller
    from converters.authorization import Authorization
    from converters.credentials import Secret
    from converters.request_plans import RequestPlan
    from converters.results import ApiResponse
    from converters.token_requests import TokenRequest

_UNAUTHORIZED: Final = 401


class Sending:
    """One call of a tool, from its plan to the API's answer."""

    def __init__(
        self,
        upstream: Upstream,
        tokens: TokenSource,
        *,
        tool: ServerTool,
        snapshot: ServerSnapshot,
        caller: Caller,
        deadline: float,
    ) -> None:
        """Send for `caller` through `upstream` with tokens of `tokens`; `deadline` in seconds bounds all of it."""
        self._caller = caller
        self._upstream = upstream
        self._tokens = tokens
        self._tool = tool
        self._snapshot = snapshot
        self._seconds = deadline

    async def send(
        self, plan: RequestPlan, authorization: Authorization, *, on_chunk: OnChunk | None = None
    ) -> ApiResponse:
        """Send the request and give the answer; raises `UpstreamError` where there is none."""
        if authorization.token is None:
            return await self._sent(plan, authorization, on_chunk, seconds=self._seconds)
        ends = asyncio.get_running_loop().time() + self._seconds
        token = await self._token(authorization.token, ends=ends)
        response = await self._sent(plan, authorization.with_token(token), on_chunk, seconds=_left(ends))
        if response.status != _UNAUTHORIZED:
            return response
        other = await self._token(authorization.token, ends=ends, refused=token)
        if other == token:
            return response
        return await self._sent(plan, authorization.with_token(other), on_chunk, seconds=_left(ends))

    async def _token(self, request: TokenRequest, *, ends: float, refused: Secret | None = None) -> Secret:
        authorities = self._snapshot.certificate_authorities
        try:
            async with asyncio.timeout_at(ends):
                return await self._tokens.token(
                    self._snapshot.key, request, caller=self._caller, authorities=authorities, refused=refused
                )
        except TimeoutError:
            text = f"The call was not sent: there was no access token within {self._seconds:g} seconds."
            raise UpstreamTimeoutError(text) from None

    async def _sent(
        self, plan: RequestPlan, authorization: Authorization, on_chunk: OnChunk | None, *, seconds: float
    ) -> ApiResponse:
        return await self._upstream.send(
            plan,
            deadline=seconds,
            server=self._snapshot.key,
            is_repeatable=self._tool.is_repeatable,
            authorization=authorization,
            authorities=self._snapshot.certificate_authorities,
            on_chunk=on_chunk,
        )


def _left(ends: float) -> float:
    """Give the seconds that are left, in tenths because they are told."""
    return max(round(ends - asyncio.get_running_loop().time(), 1), 0.0)
