"""Wrong secrets from each address: who guesses is made to wait, and nobody else (acceptance A17).

For secrets that people choose or copy. API keys and access tokens are not counted: they cannot be guessed, and a flood
of them costs nothing.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST: Final = 10
_SECONDS: Final = 60.0
_MAX_REMEMBERED: Final = 10_000
"""Addresses whose attempts are remembered; those that tried longest ago are forgotten first."""
_IPV6_CLIENT: Final = 64
"""Bits of an IPv6 address that say whose it is: within them, anybody has as many as they like."""


class Attempts:
    """The wrong secrets of the last minute, in this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start without any; `clock` gives seconds that only grow."""
        self._clock = clock
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, address: str) -> int:
        """Give the seconds for which no secret from an address is looked at, right or wrong; 0 is none."""
        if not self._failed:
            return 0
        failed = self._failed.get(_client(address), ())
        since = self._clock() - _SECONDS
        recent = [each for each in failed if each > since]
        return 0 if len(recent) < _MOST else max(1, math.ceil(recent[-_MOST] - since))

    def failed(self, address: str) -> None:
        """Note that a secret from an address was wrong."""
        client = _client(address)
        self._failed.setdefault(client, deque(maxlen=_MOST)).append(self._clock())
        self._failed.move_to_end(client)
        if len(self._failed) > _MAX_REMEMBERED:
            self._failed.popitem(last=False)


def _client(address: str) -> str:
    try:
        read = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(read, ipaddress.IPv4Address):
        return str(read)
    if read.ipv4_mapped is not None:
        return str(read.ipv4_mapped)
    return str(ipaddress.ip_network((int(read), _IPV6_CLIENT), strict=False).network_address)
