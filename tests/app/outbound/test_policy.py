from __future__ import annotations

import ipaddress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.destinations import Destination
from app.errors import EgressDeniedError
from app.outbound.policy import ALWAYS_DENIED, PRIVATE, EgressPolicy, effective

SERVICE = EgressPolicy()
LOCAL = EgressPolicy(allow_private=True)
EVERYTHING = (Destination.read("0.0.0.0/0"), Destination.read("::/0"))
WIDE_OPEN = EgressPolicy(allow_private=True, allow=EVERYTHING)

PUBLIC = ["93.184.216.34", "1.1.1.1", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946", "2a00:1450:4001:81b::200e"]
LOOPBACK = ["127.0.0.1", "127.0.0.2", "127.255.255.255", "::1"]
PRIVATE_USE = [
    *("10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255"),
    *("fc00::1", "fd12:3456::1", "100.64.0.1", "100.127.255.255"),
]
SPECIAL = [
    *("192.0.0.1", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1"),
    *("2001:db8::1", "3fff::1", "100::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:20::1"),
    *("64:ff9b:1::1", "64:ff9b:1::a9fe:a9fe", "5f00::1", "fec0::1"),
]
LINK_LOCAL = [
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "169.254.255.255",
    "fe80::1",
    "fe80::1%eth0",
    "febf::1",
]
METADATA = ["100.100.100.200", "168.63.129.16", "fd00:ec2::254", "fd00:ec2::23"]
NOWHERE = ["0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "239.255.255.255", "ff02::1", "240.0.0.1", "255.255.255.255"]  # noqa: S104
# The same address in every range that carries an IPv4 address inside.
DISGUISES = ["::ffff:{dotted}", "::ffff:{hex}", "64:ff9b::{hex}", "::{hex}", "2002:{hex}::", "2002:{hex}:1::5"]


def disguised(address: str) -> list[str]:
    number = int(ipaddress.IPv4Address(address))
    words = f"{number >> 16:x}:{number & 0xFFFF:x}"
    return [each.format(dotted=address, hex=words) for each in DISGUISES]


@pytest.mark.parametrize("address", PUBLIC)
@pytest.mark.parametrize("policy", [SERVICE, LOCAL, WIDE_OPEN], ids=["service", "local", "wide open"])
def test_public_addresses_are_open(policy: EgressPolicy, address: str) -> None:
    assert policy.permits(address, 443)


@pytest.mark.parametrize("address", [*LOOPBACK, *PRIVATE_USE, *SPECIAL])
def test_loopback_private_and_special_ranges_are_open_in_local_mode_alone(address: str) -> None:
    assert not SERVICE.permits(address, 443)
    assert LOCAL.permits(address, 443)


@pytest.mark.parametrize("address", [*LINK_LOCAL, *METADATA, *NOWHERE])
@pytest.mark.parametrize("policy", [SERVICE, LOCAL, WIDE_OPEN], ids=["service", "local", "wide open"])
def test_link_local_metadata_and_unroutable_addresses_are_never_open(policy: EgressPolicy, address: str) -> None:
    assert not policy.permits(address, 443)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "192.168.1.1"])
def test_an_address_in_disguise_is_the_address_inside(address: str) -> None:
    for each in disguised(address):
        assert not SERVICE.permits(each, 443), each
        assert LOCAL.permits(each, 443), each


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "100.100.100.200", "168.63.129.16", "0.1.2.3", "255.255.255.255"]
)
def test_what_is_never_open_is_not_in_disguise_either(address: str) -> None:
    for each in disguised(address):
        assert not WIDE_OPEN.permits(each, 443), each


def test_a_public_address_in_disguise_is_open() -> None:
    assert [SERVICE.permits(each, 443) for each in disguised("93.184.216.34")] == [True] * len(DISGUISES)


@pytest.mark.parametrize(
    "address",
    ["", "localhost", "2130706433", "0177.0.0.1", "0x7f.1", "127.1", "127.0.0.1.", "1.2.3.4/32", "[::1]", "１.1.1.1"],
)
def test_what_is_no_address_is_not_permitted(address: str) -> None:
    assert not WIDE_OPEN.permits(address, 443)


def test_an_operator_opens_exactly_the_networks_listed() -> None:
    policy = EgressPolicy(allow=(Destination.read("10.20.0.0/16"), Destination.read("fd00:20::/32")))
    assert policy.permits("10.20.1.1", 443)
    assert policy.permits("::ffff:10.20.1.1", 443)
    assert policy.permits("fd00:20::1", 443)
    assert not policy.permits("10.21.1.1", 443)
    assert not policy.permits("fd00:21::1", 443)
    assert not policy.permits("127.0.0.1", 443)


def test_what_an_operator_denies_wins_over_everything() -> None:
    network = (Destination.read("10.20.0.0/16"), Destination.read("93.184.216.0/24"))
    for policy in (EgressPolicy(allow=network, deny=network), EgressPolicy(allow_private=True, deny=network)):
        assert not policy.permits("10.20.1.1", 443)
        assert not policy.permits("93.184.216.34", 443)
        assert not policy.permits("64:ff9b::5db8:d822", 443)
        assert policy.permits("1.1.1.1", 443)


@pytest.mark.parametrize("port", [22, 25, 6379, 5432, 2375, 2376, 11211, 27017, 10250])
@pytest.mark.parametrize("policy", [SERVICE, LOCAL, WIDE_OPEN], ids=["service", "local", "wide open"])
def test_ports_that_speak_no_http_are_open_only_where_an_operator_lists_them(policy: EgressPolicy, port: int) -> None:
    """S11."""
    assert not policy.permits("1.1.1.1", port)
    listing = replace(policy, allow=(Destination.read(f"1.1.1.0/24:{port}"), Destination.read(f"[fd00::]/8:{port}")))
    assert listing.permits("1.1.1.1", port)
    assert listing.permits("fd00::1", port)
    assert not listing.permits("1.1.2.1", port)
    assert not listing.permits("1.1.1.1", 23)


def test_a_network_with_a_port_is_open_at_that_port_alone() -> None:
    policy = EgressPolicy(allow=(Destination.read("10.0.0.5:8443"),), deny=(Destination.read("1.1.1.1:8080"),))
    assert policy.permits("10.0.0.5", 8443)
    assert not policy.permits("10.0.0.5", 443)
    assert policy.permits("1.1.1.1", 443)
    assert not policy.permits("1.1.1.1", 8080)


@pytest.mark.parametrize(
    ("listed", "host", "is_open"),
    [
        ("api.corp", "api.corp", True),
        ("api.corp", "API.Corp.", True),
        ("api.corp", "b.api.corp", False),
        ("*.corp", "b.api.corp", True),
        ("*.corp", "corp", False),
        ("*.corp", "evilcorp", False),
        ("api.corp:8443", "api.corp", True),
        ("api.corp:8080", "api.corp", False),
        ("bücher.example", "xn--bcher-kva.example", True),
        ("localhost", "localhost", True),
    ],
)
def test_a_host_that_is_listed_by_its_name_may_have_a_private_address(listed: str, host: str, is_open: bool) -> None:
    policy = EgressPolicy(allow=(Destination.read(listed),))
    assert policy.towards(host, 8443).permits("10.0.0.1", 8443) is is_open
    assert not policy.permits("10.0.0.1", 8443)
    assert not policy.towards(host, 8443).permits("169.254.169.254", 8443)


def test_a_port_that_is_listed_with_a_host_is_open_there_alone() -> None:
    policy = EgressPolicy(allow=(Destination.read("docker.corp:2375"), Destination.read("other.corp")))
    assert policy.towards("docker.corp", 2375).permits("10.0.0.1", 2375)
    assert not policy.towards("other.corp", 2375).permits("10.0.0.1", 2375)
    assert not policy.towards("docker.corp", 2376).permits("10.0.0.1", 2376)


@pytest.mark.parametrize(
    "host", ["metadata.google.internal", "METADATA.google.internal.", "metadata", "instance-data", "evil.example"]
)
def test_a_host_that_is_denied_by_its_name_is_denied_whatever_is_open(host: str) -> None:
    """S04, for names that do not even resolve here; the error names no address."""
    policy = replace(WIDE_OPEN, allow=(*EVERYTHING, Destination.read(host)), deny=(Destination.read("evil.example"),))
    with pytest.raises(EgressDeniedError) as caught:
        policy.towards(host, 443)
    assert caught.value.code == "egress_denied"
    assert not any(character.isdigit() for character in caught.value.message)


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.0/99",
        "a b",
        "",
        ":80",
        "host:0",
        "host:65536",
        "http://a",
        "*",
        "a/b",
        "1.2.3",
        "0x7f.1",
        "2130706433",
        "-a",
    ],
)
def test_what_is_no_destination_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"port|network"):
        Destination.read(text)


@pytest.mark.parametrize(
    ("text", "network", "host", "port"),
    [
        ("10.0.0.5", "10.0.0.5/32", "", None),
        ("10.1.2.3/8:80", "10.0.0.0/8", "", 80),
        ("fd00::1", "fd00::1/128", "", None),
        ("[fd00::1]", "fd00::1/128", "", None),
        ("[fd00::]/8:8443", "fd00::/8", "", 8443),
        ("Db.Corp:5432", None, "db.corp", 5432),
    ],
)
def test_a_destination_is_a_network_or_a_name_with_a_port_or_without(
    text: str, network: str | None, host: str, port: int | None
) -> None:
    read = Destination.read(text)
    assert (read.network and str(read.network), read.host, read.port) == (network, host, port)


def test_nothing_is_open_unless_somebody_says_so() -> None:
    assert (SERVICE.allow_private, SERVICE.allow, SERVICE.deny) == (False, (), ())


@given(st.integers(0, 2**32 - 1))
def test_every_disguise_is_seen_through(number: int) -> None:
    address = ipaddress.IPv4Address(number)
    for each in disguised(str(address)):
        if each not in {"::0:0", "::0:1"}:
            assert effective(ipaddress.ip_address(each)) == address


@given(st.ip_addresses())
def test_service_mode_permits_nothing_that_the_standard_library_calls_private(address: ipaddress.IPv4Address) -> None:
    inner = effective(address)
    if inner.is_private or inner.is_loopback or inner.is_link_local or inner.is_multicast or inner.is_reserved:
        in_our_table = any(inner.version == each.version and inner in each for each in (*ALWAYS_DENIED, *PRIVATE))
        assert SERVICE.permits(str(address), 443) is not in_our_table


@pytest.mark.parametrize("version", [4, 6])
def test_the_table_holds_every_range_that_the_standard_library_calls_private(version: int) -> None:
    constants = ipaddress._IPv4Constants if version == 4 else ipaddress._IPv6Constants  # type: ignore[attr-defined]  # noqa: SLF001
    for network in constants._private_networks:  # noqa: SLF001
        assert not SERVICE.permits(str(network[0]), 443), network
        assert not SERVICE.permits(str(network[-1]), 443), network
