from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import EgressDeniedError
from app.outbound.policy import ALWAYS_DENIED, PRIVATE, EgressPolicy, effective

SERVICE = EgressPolicy()
LOCAL = EgressPolicy(allow_private=True)
EVERYTHING = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
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
    assert policy.permits(address)


@pytest.mark.parametrize("address", [*LOOPBACK, *PRIVATE_USE, *SPECIAL])
def test_loopback_private_and_special_ranges_are_open_in_local_mode_alone(address: str) -> None:
    assert not SERVICE.permits(address)
    assert LOCAL.permits(address)


@pytest.mark.parametrize("address", [*LINK_LOCAL, *METADATA, *NOWHERE])
@pytest.mark.parametrize("policy", [SERVICE, LOCAL, WIDE_OPEN], ids=["service", "local", "wide open"])
def test_link_local_metadata_and_unroutable_addresses_are_never_open(policy: EgressPolicy, address: str) -> None:
    assert not policy.permits(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "192.168.1.1"])
def test_an_address_in_disguise_is_the_address_inside(address: str) -> None:
    for each in disguised(address):
        assert not SERVICE.permits(each), each
        assert LOCAL.permits(each), each


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "100.100.100.200", "168.63.129.16", "0.1.2.3", "255.255.255.255"]
)
def test_what_is_never_open_is_not_in_disguise_either(address: str) -> None:
    for each in disguised(address):
        assert not WIDE_OPEN.permits(each), each


def test_a_public_address_in_disguise_is_open() -> None:
    assert [SERVICE.permits(each) for each in disguised("93.184.216.34")] == [True] * len(DISGUISES)


@pytest.mark.parametrize(
    "address",
    ["", "localhost", "2130706433", "0177.0.0.1", "0x7f.1", "127.1", "127.0.0.1.", "1.2.3.4/32", "[::1]", "１.1.1.1"],
)
def test_what_is_no_address_is_not_permitted(address: str) -> None:
    assert not WIDE_OPEN.permits(address)


def test_an_operator_opens_exactly_the_networks_listed() -> None:
    policy = EgressPolicy(allow=(ipaddress.ip_network("10.20.0.0/16"), ipaddress.ip_network("fd00:20::/32")))
    assert policy.permits("10.20.1.1")
    assert policy.permits("::ffff:10.20.1.1")
    assert policy.permits("fd00:20::1")
    assert not policy.permits("10.21.1.1")
    assert not policy.permits("fd00:21::1")
    assert not policy.permits("127.0.0.1")


def test_what_an_operator_denies_wins_over_everything() -> None:
    network = (ipaddress.ip_network("10.20.0.0/16"), ipaddress.ip_network("93.184.216.0/24"))
    for policy in (EgressPolicy(allow=network, deny=network), EgressPolicy(allow_private=True, deny=network)):
        assert not policy.permits("10.20.1.1")
        assert not policy.permits("93.184.216.34")
        assert not policy.permits("64:ff9b::5db8:d822")
        assert policy.permits("1.1.1.1")


def test_of_many_addresses_only_the_permitted_ones_are_kept_in_order() -> None:
    assert SERVICE.permitted(["127.0.0.1", "1.1.1.1", "10.0.0.1", "8.8.8.8"]) == ["1.1.1.1", "8.8.8.8"]


@pytest.mark.parametrize("addresses", [[], ["127.0.0.1"], ["10.1.2.3", "::1"]])
def test_none_left_is_an_error_that_names_no_address(addresses: list[str]) -> None:
    with pytest.raises(EgressDeniedError) as caught:
        SERVICE.permitted(addresses)
    assert caught.value.code == "egress_denied"
    assert not any(character.isdigit() for character in caught.value.message)


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
        assert SERVICE.permits(str(address)) is not in_our_table


@pytest.mark.parametrize("version", [4, 6])
def test_the_table_holds_every_range_that_the_standard_library_calls_private(version: int) -> None:
    constants = ipaddress._IPv4Constants if version == 4 else ipaddress._IPv6Constants  # type: ignore[attr-defined]  # noqa: SLF001
    for network in constants._private_networks:  # noqa: SLF001
        assert not SERVICE.permits(str(network[0])), network
        assert not SERVICE.permits(str(network[-1])), network
