"""A17: who guesses a secret waits."""

from __future__ import annotations

import pytest

from app.security.attempts import Attempts
from app.security.authentication import AdminKey, Authentication, Refusal
from app.security.callers import ADMIN
from app.security.keys import ApiKeys, new_key

KEY = b"an-admin-key-of-some-length"
HERE, ELSEWHERE = "203.0.113.1", "203.0.113.2"


def attempts(now: list[float]) -> Attempts:
    return Attempts(clock=lambda: now[0])


async def shown(to: Authentication, key: bytes, address: str = HERE) -> int:
    """Show a key, and give the status of the answer; 200 for who has it."""
    found = await to.caller("/api/v1/keys", [(b"x-api-key", key)], address=address)
    if not isinstance(found, Refusal):
        assert found is ADMIN
        return 200
    assert (found.status == 429) == any(name == b"retry-after" for name, _ in found.headers)
    return found.status


async def test_guesses_of_the_operator_s_key_are_ten_a_minute_for_each_address() -> None:
    now = [0.0]
    known = Authentication([ApiKeys(), AdminKey(KEY.decode(), attempts(now))])
    assert [await shown(known, b"guess-%d" % number) for number in range(12)] == [401] * 10 + [429] * 2
    assert await shown(known, KEY) == 429
    assert await shown(known, KEY, ELSEWHERE) == 200
    now[0] = 59.9
    assert await shown(known, KEY) == 429
    now[0] = 60.0
    assert await shown(known, KEY) == 200
    assert await shown(known, b"guess") == 401


async def test_api_keys_and_access_tokens_are_no_guesses() -> None:
    """They cannot be guessed, and a client with an old one must not lock others out."""
    keys = ApiKeys()
    keys.know([])
    known = Authentication([keys, AdminKey(KEY.decode(), attempts([0.0]))])
    for credential in (new_key().text.encode(), b"eyJhbGciOiJSUzI1NiJ9.e30.c2ln"):
        assert {await shown(known, credential) for _ in range(30)} == {401}
    assert await shown(known, KEY) == 200


@pytest.mark.parametrize(
    ("addresses", "is_one"),
    [
        ([f"2001:db8::{number:x}" for number in range(1, 11)], True),
        ([f"2001:db8:0:{number:x}::1" for number in range(1, 11)], False),
        (["::ffff:203.0.113.1", "203.0.113.1"] * 5, True),
        ([f"203.0.113.{number}" for number in range(1, 11)], False),
        (["", "unix:"] * 5, True),
    ],
    ids=["one network of IPv6", "ten networks", "IPv4 in two spellings", "ten of IPv4", "no address"],
)
def test_an_address_is_whose_it_is(addresses: list[str], is_one: bool) -> None:
    counted = attempts([0.0])
    for each in addresses:
        counted.failed(each)
    assert (counted.wait(addresses[0]) > 0) == is_one


def test_the_minute_does_not_depend_on_the_clock_on_the_wall_and_memory_is_bounded() -> None:
    """F25."""
    counted = Attempts()
    assert counted._clock.__name__ == "monotonic"  # noqa: SLF001 - which clock it is shows in no other way
    for number in range(10_050):
        counted.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(counted._failed) == 10_000  # noqa: SLF001 - memory is seen in no other way
