"""Destinations of requests as an operator lists them: networks or host names, each with a port or for every port."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_HOST: Final = re.compile(r"(?:\*\.)?[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?")
_MAX_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class Destination:
    """A `network`, or a `host` name (with `*.` in front every name below it), at one `port`, or at all with None."""

    network: Network | None
    host: str = ""
    port: int | None = None

    @classmethod
    def read(cls, text: str) -> Destination:
        """Read `10.0.0.0/8`, `10.0.0.5:2375`, `[fd00::]/8`, `[fd00::5]:2375`, `api.corp` or `*.corp:8443`.

        Raises:
            ValueError: for anything else.

        """
        whole = None if "]:" in text else _network(text)
        if whole is not None:
            return cls(whole)
        place, _, digits = text.rpartition(":")
        port = int(digits) if place and digits.isdecimal() else None
        if port is None:
            place = text
        elif not 0 < port <= _MAX_PORT:
            raise ValueError(f"{text!r} has a port that there is not")
        network = _network(place)
        if network is not None:
            return cls(network, port=port)
        host = normalized(place)
        if not _HOST.fullmatch(host) or is_numeric(host):
            raise ValueError(f"{text!r} is neither a network (CIDR) nor a host name, with or without a port")
        return cls(None, host, port)

    def holds_address(self, address: Address) -> bool:
        """Tell whether an address is in the network; the port is for the caller to compare."""
        return self.network is not None and address.version == self.network.version and address in self.network

    def holds_host(self, host: str) -> bool:
        """Tell whether a normalized host name is this one or below it; the port is for the caller to compare."""
        if self.host.startswith("*."):
            return host.endswith(self.host[1:])
        return bool(self.host) and host == self.host

    def is_at(self, port: int) -> bool:
        """Tell whether it is for a port."""
        return self.port is None or self.port == port


def normalized(host: str) -> str:
    """Give a host name as names are compared: in lower case, as IDNA, without the dot of the root."""
    name = host.rstrip(".").lower()
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode()
    except UnicodeError:
        return name


def is_numeric(host: str) -> bool:
    """Tell whether a resolver would read a host as an IPv4 address: no name ends with a number (RFC 3696 section 2)."""
    return bool(re.fullmatch(r"(?:0x[0-9a-f]*|[0-9]+)", host.rstrip(".").rpartition(".")[2]))


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return None
