"""Secrets in HashiCorp Vault's key/value engine, version 1 or 2, over its HTTP API (OpenBao's is the same).

What was read is kept for some minutes; several that want it at once ask once. A Vault that is away does not take away
what was read before, one that refuses or has no such secret does.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from app.destinations import Destination
from app.errors import UpstreamError, UpstreamUnreachableError
from app.outbound.exchanges import Exchanges
from converters.authorization import Attempt
from converters.request_plans import RequestPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.outbound.policy import EgressPolicy

_MAX_ANSWER: Final = 1024 * 1024
_TIMEOUT: Final = 5.0
# How long a Vault that did not answer is left alone, so that loading many servers does not wait for each.
_PAUSE: Final = 5.0
_OK: Final = 200
_REFUSALS: Final = frozenset({400, 403, 404})
_MAX_KEPT: Final = 10_000


@dataclass(slots=True)
class _Entry:
    """What is known of one path."""

    values: Mapping[str, Any] | None = None
    until: float = 0.0
    reading: asyncio.Task[Mapping[str, Any] | None] | None = None


class Vault:
    """Reads secrets from one Vault; made once, closed at the end."""

    def __init__(
        self,
        policy: EgressPolicy,
        address: str,
        token: Callable[[], str],
        *,
        ttl: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask at `address` with what `token` gives; what was read is kept for `ttl` seconds.

        The operator names the address, so that it is open although `policy` may not list it; other places are not, and
        a proxy is for what lies outside.
        """
        parts = urlsplit(address)
        own = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        place = Destination.read(f"{own}:{parts.port or (443 if parts.scheme == 'https' else 80)}")
        opened = replace(policy, allow=(*policy.allow, place), proxy="")
        self._exchanges = Exchanges(opened, max_response=_MAX_ANSWER, connect_timeout=_TIMEOUT)
        self._address = address.rstrip("/")
        self._token = token
        self._ttl = ttl
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._away_until = 0.0

    async def close(self) -> None:
        """End what is under way and close the connections."""
        tasks = [each.reading for each in self._entries.values() if each.reading]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._exchanges.close()

    async def read(self, path: str, *, is_fresh: bool = False) -> Mapping[str, Any] | None:
        """Give the fields at a path of the API (`secret/data/pets` in version 2, `secret/pets` in version 1).

        Gives None where there is nothing for this token. `is_fresh` asks although something is known.

        Raises:
            UpstreamError: when Vault cannot be asked and nothing is known from before.

        """
        if len(self._entries) >= _MAX_KEPT:
            self._entries = {each: entry for each, entry in self._entries.items() if entry.reading}
        entry = self._entries.setdefault(path, _Entry())
        if self._clock() < entry.until and not is_fresh:
            return entry.values
        if entry.reading is None:
            entry.reading = asyncio.create_task(self._refreshed(path, entry))
        return await asyncio.shield(entry.reading)

    async def _refreshed(self, path: str, entry: _Entry) -> Mapping[str, Any] | None:
        try:
            entry.values = await self._asked(path)
            # What there is not yet may be put there by who asks again.
            entry.until = self._clock() + (self._ttl if entry.values else 0.0)
        except UpstreamError:
            if entry.values is None:
                raise
        finally:
            entry.reading = None
        return entry.values

    async def _asked(self, path: str) -> Mapping[str, Any] | None:
        if self._clock() < self._away_until:
            raise UpstreamUnreachableError("Vault did not answer a moment ago.")
        url = f"{self._address}/v1/{path}"
        headers = (("X-Vault-Token", self._token()), ("X-Vault-Request", "true"))
        try:
            async with asyncio.timeout(_TIMEOUT):
                answer = await self._exchanges.exchange(RequestPlan("GET", url, (), None, ()), Attempt(url, headers))
        except (TimeoutError, UpstreamError):
            self._away_until = self._clock() + _PAUSE
            raise UpstreamUnreachableError("Vault could not be asked.") from None
        if answer.status in _REFUSALS:
            return None
        if answer.status != _OK:
            raise UpstreamUnreachableError(f"Vault answered {answer.status}.")
        return _fields(answer.body)


def _fields(body: bytes) -> Mapping[str, Any] | None:
    """Read the fields of a secret; in version 2 they stand beside what is told about the secret's version."""
    try:
        found = json.loads(body)["data"]
        if isinstance(found, dict) and found.keys() == {"data", "metadata"}:
            found = found["data"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UpstreamUnreachableError("Vault's answer cannot be read.") from None
    return found if isinstance(found, dict) else None
