"""Access tokens in memory: asked for once for however many calls, renewed before they expire.

A token belongs to one MCP server and one request for it (scheme, client, scopes, endpoint), so that a changed
credential or description never meets a token of before. Nothing of it is stored.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from app.errors import UpstreamError
from converters.credentials import Token
from converters.masking import NO_MASK, Mask

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from app.outbound.token_endpoint import TokenEndpoint
    from converters.credentials import Credential, Secret
    from converters.token_requests import AccessToken, TokenRequest

_MAX_ENTRIES: Final = 10_000
# A token is renewed when a tenth of its life is left, at most so many seconds before its end.
_MAX_SKEW: Final = 30.0
_SKEW_SHARE: Final = 0.1
# Where the server does not say how long a token lives, the API says so by a 401.
_UNKNOWN_LIFETIME: Final = 3600.0
# A token is masked for as long as a call may take, whatever becomes of it.
_MASKED_SECONDS: Final = 300.0
_MAX_RECENT: Final = 16
_REFUSAL_PAUSE: Final = 10.0
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 5.0


@dataclass(slots=True)
class _Entry:
    """What is known about one token; times are the clock's."""

    token: Secret | None = None
    refused: Secret | None = None
    renew_at: float = 0.0
    expires_at: float = 0.0
    renewable_at: float = -math.inf
    failure: UpstreamError | None = None
    failures: int = 0
    retry_at: float = 0.0
    asking: asyncio.Task[Secret | UpstreamError] | None = None


class TokenSharing(Protocol):
    """The tokens of other processes that do the same work."""

    async def obtained(
        self,
        server: str,
        request: TokenRequest,
        *,
        useless: Collection[Secret],
        ask: Callable[[], Awaitable[AccessToken]],
    ) -> AccessToken:
        """Give a token that another process got and that is not `useless`, else what `ask` gives."""
        ...


class AccessTokens:
    """The tokens of all servers; made once, closed at the end."""

    def __init__(
        self,
        endpoint: TokenEndpoint,
        *,
        sharing: TokenSharing | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask `endpoint`, where none is had by `sharing`; `clock` gives seconds."""
        self._endpoint = endpoint
        self._sharing = sharing
        self._clock = clock
        self._entries: dict[str, dict[TokenRequest, _Entry]] = {}
        self._recent: dict[str, deque[tuple[Secret, float]]] = {}
        self._masks: dict[str, Mask] = {}

    async def close(self) -> None:
        """End what is under way and close the connections."""
        tasks = [each.asking for entries in self._entries.values() for each in entries.values() if each.asking]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._endpoint.close()

    async def token(
        self, server: str, request: TokenRequest, *, authorities: str = "", refused: Secret | None = None
    ) -> Secret:
        """Give a token that lives for a while yet.

        `refused` is one that the API answered with 401: another is asked for in its place. That is done once in ten
        seconds, so that an API that refuses every token does not make us ask without end: then `refused` comes back.

        Raises:
            UpstreamError: when there is none. What failed is not tried again for half a second, then one second and
                so on to five: until then the error comes back at once, with the seconds left.

        """
        entry = self._entry(server, request)
        now = self._clock()
        if entry.token is not None and entry.token == refused:
            if now < entry.renewable_at:
                return refused
            entry.renewable_at = now + _REFUSAL_PAUSE
            entry.token, entry.refused = None, refused
        if entry.token is not None and now < entry.renew_at:
            return entry.token
        outcome = await self._asked(server, request, entry, authorities)
        if not isinstance(outcome, UpstreamError):
            return outcome
        now = self._clock()
        if entry.token is not None and now < entry.expires_at:
            # A token that could not be renewed in time is good until it expires.
            return entry.token
        seconds = math.ceil(max(entry.retry_at - now, 0.0))
        raise type(outcome)(outcome.message, is_transient=outcome.is_transient, retry_after=seconds)

    async def _asked(
        self, server: str, request: TokenRequest, entry: _Entry, authorities: str
    ) -> Secret | UpstreamError:
        if entry.asking is None:
            if entry.failure is not None and self._clock() < entry.retry_at:
                return entry.failure
            entry.asking = asyncio.create_task(self._ask(server, request, entry, authorities))
        # A call that is given up does not end what others wait for.
        return await asyncio.shield(entry.asking)

    async def _ask(self, server: str, request: TokenRequest, entry: _Entry, authorities: str) -> Secret | UpstreamError:
        try:
            got = await self._obtained(server, request, entry, authorities)
        except UpstreamError as error:
            entry.failure = error
            entry.failures += 1
            pause = min(_FIRST_PAUSE * 2 ** min(entry.failures - 1, 10), _LONGEST_PAUSE)
            entry.retry_at = self._clock() + pause
            return error
        finally:
            entry.asking = None
        _keep(entry, got, self._clock())
        self._recent.setdefault(server, deque(maxlen=_MAX_RECENT)).append((got.value, self._clock() + _MASKED_SECONDS))
        self._mask_anew(server)
        return got.value

    async def _obtained(self, server: str, request: TokenRequest, entry: _Entry, authorities: str) -> AccessToken:
        async def ask() -> AccessToken:
            return await self._endpoint.ask(request, authorities=authorities)

        if self._sharing is None:
            return await ask()
        useless = {each for each in (entry.token, entry.refused) if each is not None}
        return await self._sharing.obtained(server, request, useless=useless, ask=ask)

    def _entry(self, server: str, request: TokenRequest) -> _Entry:
        entries = self._entries.setdefault(server, {})
        if request not in entries and sum(map(len, self._entries.values())) >= _MAX_ENTRIES:
            self._forget_the_expired()
            entries = self._entries.setdefault(server, {})
        return entries.setdefault(request, _Entry())

    def _forget_the_expired(self) -> None:
        now = self._clock()
        for server, entries in list(self._entries.items()):
            kept = {each: entry for each, entry in entries.items() if entry.asking or now < entry.expires_at}
            self._entries[server] = kept
            self._mask_anew(server)

    def retain(self, server: str, credentials: Collection[Credential]) -> None:
        """Forget the tokens of a server that were not got with one of these credentials."""
        entries = self._entries.get(server, {})
        self._entries[server] = {each: entry for each, entry in entries.items() if each.client in credentials}
        for each in {server, *self._recent}:
            self._mask_anew(each)

    def mask(self, server: str) -> Mask:
        """Give what masks the tokens of a server as they are now, and those that calls under way may still hold."""
        return self._masks.get(server, NO_MASK)

    def _mask_anew(self, server: str) -> None:
        """Take the tokens there are and the last ones there were: calls outlive a token that is replaced or dropped."""
        recent = self._recent.get(server, deque())
        while recent and recent[0][1] <= self._clock():
            recent.popleft()
        entries = self._entries.get(server, {})
        found = {each.token for each in entries.values() if each.token is not None} | {each for each, _ in recent}
        if found:
            self._masks[server] = Mask(Token(each) for each in found)
        else:
            self._masks.pop(server, None)
        if not recent:
            self._recent.pop(server, None)
        if not entries:
            self._entries.pop(server, None)


def _keep(entry: _Entry, got: AccessToken, now: float) -> None:
    lifetime = _UNKNOWN_LIFETIME if got.lifetime is None else got.lifetime
    entry.token = got.value
    entry.expires_at = now + lifetime
    entry.renew_at = entry.expires_at - min(lifetime * _SKEW_SHARE, _MAX_SKEW)
    entry.failure, entry.failures = None, 0
