"""Where requests may go: decided on the address that is connected to, for every answer of the resolver.

The table of special ranges is ours (IANA special-purpose registries): `ipaddress.is_global` calls NAT64, multicast and
some cloud addresses global.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.errors import EgressDeniedError

if TYPE_CHECKING:
    from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


ALWAYS_DENIED: Final = _networks(
    "169.254.0.0/16", "fe80::/10",  # link-local, cloud metadata among it
    "100.100.100.200/32", "168.63.129.16/32", "fd00:ec2::/32",  # metadata of Alibaba, Azure and AWS
    "0.0.0.0/8", "::/128", "224.0.0.0/4", "ff00::/8", "240.0.0.0/4",  # this network, multicast, reserved, broadcast
)  # fmt: skip
"""No setting opens these."""

PRIVATE: Final = _networks(
    "127.0.0.0/8", "::1/128",  # loopback
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7",  # private use
    "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "192.88.99.0/24", "2001:db8::/32", "3fff::/20", "100::/64", "2001::/23",
    "64:ff9b:1::/48", "5f00::/16", "fec0::/10",  # NAT64 of a network's own, segment routing, site-local
)  # fmt: skip
"""Open in local mode, or where an operator lists them."""

# Ranges that carry an IPv4 address inside: what counts is the address they lead to.
_EMBEDDING: Final = (
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),
    (ipaddress.IPv6Network("::/96"), 0),
    (ipaddress.IPv6Network("2002::/16"), 80),
)


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """What may be connected to.

    `allow_private` opens loopback and private addresses (local mode); `allow` and `deny` are the operator's lists of
    networks, and `deny` wins.
    """

    allow_private: bool = False
    allow: tuple[Network, ...] = ()
    deny: tuple[Network, ...] = ()

    def permits(self, address: str) -> bool:
        """Tell whether an IP address may be connected to."""
        try:
            parsed = effective(ipaddress.ip_address(address.partition("%")[0]))
        except ValueError:
            return False
        if _within(parsed, ALWAYS_DENIED) or _within(parsed, self.deny):
            return False
        return self.allow_private or not _within(parsed, PRIVATE) or _within(parsed, self.allow)

    def permitted(self, addresses: Iterable[str]) -> list[str]:
        """Keep the addresses that may be connected to.

        Raises:
            EgressDeniedError: when none is left; it does not say which address a name has.

        """
        kept = [address for address in addresses if self.permits(address)]
        if not kept:
            raise EgressDeniedError("The egress policy of this gateway does not allow requests to that host.")
        return kept


def effective(address: Address) -> Address:
    """Give the address that packets reach: the IPv4 one inside mapped, NAT64 and 6to4 addresses."""
    if isinstance(address, ipaddress.IPv6Address) and address not in {
        ipaddress.IPv6Address("::1"),
        ipaddress.IPv6Address("::"),
    }:
        for network, shift in _EMBEDDING:
            if address in network:
                return ipaddress.IPv4Address((int(address) >> shift) & 0xFFFFFFFF)
    return address


def _within(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
