"""Users who agree on another device: the code that they enter there, and our asking whether they have (RFC 8628).

An authorization is under way in the process that began it; where that stops, the next call begins another one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.errors import TokenFailedError, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.outbound import TokenEndpoint
    from app.registry.connections import ConnectionKey
    from converters.device_authorization import DeviceAuthorization
    from converters.token_requests import AccessToken, TokenRequest

    Keep = Callable[[ConnectionKey, TokenRequest, AccessToken], Awaitable[None]]

_MAX_UNDER_WAY: Final = 1_000
_SLOW_DOWN: Final = 5.0
_MAX_PAUSE: Final = 300.0


@dataclass(slots=True)
class _UnderWay:
    request: TokenRequest
    begun: asyncio.Task[DeviceAuthorization]
    asking: asyncio.Task[None] | None = None


class DeviceFlows:
    """The device authorizations of all users; made once, closed at the end."""

    def __init__(
        self, endpoint: TokenEndpoint, keep: Keep, *, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """Ask `endpoint`, and give `keep` the tokens of who agreed; `pause` waits some seconds."""
        self._endpoint = endpoint
        self._keep = keep
        self._pause = pause
        self._under_way: dict[ConnectionKey, _UnderWay] = {}

    async def close(self) -> None:
        """End what is under way."""
        tasks = [task for each in self._under_way.values() for task in (each.begun, each.asking) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def authorization(self, key: ConnectionKey, request: TokenRequest, authorities: str) -> DeviceAuthorization:
        """Give what a user is to do: the same for all calls, until they did it or the code expires.

        Raises:
            UpstreamError: when the authorization server gives no code.

        """
        under_way = self._under_way.get(key)
        if under_way is None or under_way.request != request:
            under_way = self._begin(key, request, authorities)
        # A call that is given up does not end what others wait for.
        return await asyncio.shield(under_way.begun)

    def _begin(self, key: ConnectionKey, request: TokenRequest, authorities: str) -> _UnderWay:
        if len(self._under_way) >= _MAX_UNDER_WAY:
            text = "The call was not sent: too many users are about to connect an account; try again in a few minutes."
            raise TokenFailedError(text, is_transient=True)
        before = self._under_way.pop(key, None)
        if before is not None and before.asking is not None:
            before.asking.cancel()
        begun = asyncio.create_task(self._endpoint.ask_device(request, authorities=authorities))
        under_way = self._under_way[key] = _UnderWay(request, begun)
        under_way.asking = asyncio.create_task(self._followed(key, under_way, authorities))
        return under_way

    async def _followed(self, key: ConnectionKey, under_way: _UnderWay, authorities: str) -> None:
        try:
            device = await under_way.begun
            async with asyncio.timeout(device.lifetime):
                got = await self._agreed(under_way.request, device, authorities)
            await self._keep(key, under_way.request, got)
        except (UpstreamError, TimeoutError):
            # The next call begins anew, and is told what the authorization server says then.
            return
        finally:
            if self._under_way.get(key) is under_way:
                del self._under_way[key]

    async def _agreed(self, request: TokenRequest, device: DeviceAuthorization, authorities: str) -> AccessToken:
        """Ask until the user agreed, as often as the server permits (section 3.5); raises `UpstreamError` if not."""
        pause = device.interval
        while True:
            await self._pause(pause)
            try:
                return await self._endpoint.ask(request, device.parameters(), authorities=authorities)
            except TokenFailedError as error:
                if error.error == "slow_down":
                    pause = max(pause + _SLOW_DOWN, error.interval or 0.0)
                elif error.is_transient:
                    pause *= 2
                elif error.error != "authorization_pending":
                    raise
            pause = min(pause, _MAX_PAUSE)
