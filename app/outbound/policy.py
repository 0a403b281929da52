"""Where requests may go: decided on the address that is connected to, for every answer of the resolver.

The table of special ranges is ours (IANA special-purpose registries): `ipaddress.is_global` calls NAT64, multicast and
some cloud addresses global.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from app.destinations import Address, Destination, Network, is_numeric, normalized
from app.errors import EgressDeniedError

if TYPE_CHECKING:
    from app.settings import Settings


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


CLOSED_PORTS: Final = frozenset(
    {
        # What speaks something else than HTTP and would take it for commands: the "bad ports" of the Fetch standard
        # (section 2.8.1) up to 10080.
        *(1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104),
        *(109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515),
        *(526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049),
        *(3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080),
        # File shares, remote desktops, databases, caches and queues.
        *(445, 873, 1433, 1521, 3306, 3389, 4369, 5432, 5672, 5900, 6379, 6432, 9042, 11211, 27017, 27018),
        # Who reaches these commands the machine: Docker, etcd, kubelet.
        *(2375, 2376, 2379, 2380, 10250, 10255),
    }
)
"""Open where an operator lists the port, with a network or a host."""

CLOSED_HOSTS: Final = frozenset({"metadata", "metadata.google.internal", "metadata.goog", "instance-data"})
"""Names of metadata services, which no setting opens: refused as names, wherever they may lead."""


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """What may be connected to.

    `allow_private` opens loopback and private addresses (local mode); `allow` and `deny` are the operator's lists, and
    `deny` wins. `open_ports` are open whatever is listed. `proxy` is the URL of a proxy that all requests go through,
    "" for none: then names are the proxy's to resolve, and only what a URL says can be checked here.
    """

    allow_private: bool = False
    allow: tuple[Destination, ...] = ()
    deny: tuple[Destination, ...] = ()
    open_ports: frozenset[int] = frozenset()
    proxy: str = field(default="", repr=False)

    def permits(self, address: str, port: int) -> bool:
        """Tell whether an IP address may be connected to at a port."""
        try:
            parsed = effective(ipaddress.ip_address(address.partition("%")[0]))
        except ValueError:
            return False
        if _within(parsed, ALWAYS_DENIED) or any(each.holds_address(parsed) and each.is_at(port) for each in self.deny):
            return False
        listed = {each.port for each in self.allow if each.holds_address(parsed) and each.is_at(port)}
        if port in CLOSED_PORTS and port not in self.open_ports | listed:
            return False
        return self.allow_private or bool(listed) or not _within(parsed, PRIVATE)

    def towards(self, host: str, port: int) -> EgressPolicy:
        """Give the policy for the addresses of a host, by what is listed of names; mostly it is this one.

        Raises:
            EgressDeniedError: where nothing may go to that host, whatever its address.

        """
        name = normalized(host)
        if name in CLOSED_HOSTS or any(each.holds_host(name) and each.is_at(port) for each in self.deny):
            raise denied()
        listed = {each.port for each in self.allow if each.holds_host(name) and each.is_at(port)}
        if not listed:
            return self
        opened = frozenset({port} & listed)
        return replace(self, allow_private=True, open_ports=self.open_ports | opened)

    def check_unresolved(self, host: str, port: int) -> None:
        """Check what can be checked of a host that a proxy resolves: an address, else the port and `localhost`.

        Raises:
            EgressDeniedError: where it may not be connected to.

        """
        if ":" in host or is_numeric(host):
            is_open = self.permits(host, port)
        else:
            is_local = f".{normalized(host)}".endswith(".localhost")
            is_open = (self.allow_private or not is_local) and (port not in CLOSED_PORTS or port in self.open_ports)
        if not is_open:
            raise denied()


def denied() -> EgressDeniedError:
    """Make the error of a request that may not go where it is meant to; it does not say which address a name has."""
    return EgressDeniedError("The egress policy of this gateway does not allow requests to that host.")


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


def egress_policy(settings: Settings, public_url: str) -> EgressPolicy:
    """Make the policy; in service mode the gateway itself is nothing that its tools may call."""
    own = () if settings.is_local else _own_addresses(settings, public_url)
    return EgressPolicy(
        allow_private=settings.is_local,
        allow=tuple(map(Destination.read, settings.egress_allow)),
        deny=(*map(Destination.read, settings.egress_deny), *own),
        proxy=settings.egress_proxy.get_secret_value() if settings.egress_proxy else "",
    )


def _own_addresses(settings: Settings, public_url: str) -> tuple[Destination, ...]:
    public = urlsplit(public_url)
    places = {(settings.host.strip("[]"), settings.port)}
    if not public.path:
        # Under a path there are others at the same address; requests that come back are stopped by their hops.
        places.add((public.hostname or "", public.port or (443 if public.scheme == "https" else 80)))
    places |= {(loopback, settings.port) for loopback in ("127.0.0.0/8", "::1", "localhost")}
    wildcards = {"", "0.0.0.0", "::"}  # noqa: S104 - compared, not bound
    return tuple(replace(Destination.read(host), port=port) for host, port in places if host not in wildcards)
