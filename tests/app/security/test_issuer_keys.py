from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from app.errors import UpstreamUnreachableError
from app.security.issuer_keys import (
    FRESH_SECONDS,
    KEPT_SECONDS,
    RETRY_SECONDS,
    UNKNOWN_KEY_SECONDS,
    IssuerKeys,
    KeysUnavailableError,
    is_safe_url,
    metadata_urls,
)
from tests.app.security.tokens import ISSUER, key_set, rsa_key

METADATA, KEYS = f"{ISSUER}/.well-known/oauth-authorization-server", f"{ISSUER}/keys"


@dataclass
class Web:
    """What is at which URL, and when it is."""

    pages: dict[str, Any] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)
    now: float = 0.0
    is_away: bool = False
    hold: asyncio.Event | None = None

    async def fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        if self.hold is not None:
            await self.hold.wait()
        if self.is_away or url not in self.pages:
            raise UpstreamUnreachableError("The document URL answered 500.")
        page = self.pages[url]
        return page if isinstance(page, bytes) else json.dumps(page).encode()


def web(**metadata: Any) -> Web:
    return Web({METADATA: {"issuer": ISSUER, "jwks_uri": KEYS, **metadata}, KEYS: key_set(rsa_key())})


@asynccontextmanager
async def issuer_keys(at: Web, **options: Any) -> AsyncIterator[IssuerKeys]:
    keys = IssuerKeys(at.fetch, clock=lambda: at.now, **options)
    try:
        yield keys
    finally:
        await keys.close()


async def test_keys_are_found_by_the_issuers_metadata_once() -> None:
    at = web()
    async with issuer_keys(at) as keys:
        found = [await keys.keys(ISSUER, "", "r1") for _ in range(5)]
    assert at.fetched == [METADATA, KEYS]
    assert all(each is found[0] and each.knows("r1") for each in found)


async def test_many_at_once_make_one_fetch() -> None:
    at = web()
    async with issuer_keys(at) as keys:
        await asyncio.gather(*(keys.keys(ISSUER, "", "r1") for _ in range(50)))
    assert at.fetched == [METADATA, KEYS]


async def test_where_the_keys_are_may_be_told_in_place_of_metadata() -> None:
    at = web()
    async with issuer_keys(at) as keys:
        await keys.keys(ISSUER, KEYS, "r1")
    assert at.fetched == [KEYS]


def test_metadata_are_looked_for_where_the_specification_says() -> None:
    assert metadata_urls("https://a.example") == (
        "https://a.example/.well-known/oauth-authorization-server",
        "https://a.example/.well-known/openid-configuration",
    )
    assert metadata_urls("https://a.example/realms/one") == (
        "https://a.example/.well-known/oauth-authorization-server/realms/one",
        "https://a.example/.well-known/openid-configuration/realms/one",
        "https://a.example/realms/one/.well-known/openid-configuration",
    )


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"issuer": f"{ISSUER}/"},
        {"jwks_uri": "http://keys.example"},
        {"jwks_uri": None},
        {"jwks_uri": "file:///etc/passwd"},
    ],
)
async def test_metadata_of_another_issuer_or_without_keys_are_not_used(metadata: dict[str, Any]) -> None:
    at = web(**metadata)
    async with issuer_keys(at) as keys:
        with pytest.raises(KeysUnavailableError):
            await keys.keys(ISSUER, "", "r1")
    assert KEYS not in at.fetched


# --- A09


async def test_a_new_key_makes_one_fetch() -> None:
    """A09."""
    at = web()
    async with issuer_keys(at) as keys:
        await keys.keys(ISSUER, "", "r1")
        at.now += 1
        at.pages[KEYS] = key_set(rsa_key("r2"))
        assert (await keys.keys(ISSUER, "", "r2")).knows("r2")
        assert not (await keys.keys(ISSUER, "", "r1")).knows("r1")
    assert at.fetched == [METADATA, KEYS, KEYS]


async def test_unknown_keys_make_one_fetch_a_minute() -> None:
    """A09."""
    at = web()
    async with issuer_keys(at) as keys:
        await keys.keys(ISSUER, "", "r1")
        for number in range(100):
            at.now += (UNKNOWN_KEY_SECONDS - 1) / 100
            await keys.keys(ISSUER, "", f"unknown {number}")
        assert at.fetched == [METADATA, KEYS, KEYS]
        at.now += UNKNOWN_KEY_SECONDS
        await keys.keys(ISSUER, "", "unknown")
    assert at.fetched == [METADATA, KEYS, KEYS, KEYS]


async def test_an_issuer_that_is_away_has_its_old_keys_for_a_day() -> None:
    """A09."""
    at = web()
    async with issuer_keys(at) as keys:
        found = await keys.keys(ISSUER, "", "r1")
        at.is_away = True
        at.now += FRESH_SECONDS + 1
        for _ in range(10):
            assert await keys.keys(ISSUER, "", "r1") is found
            await asyncio.sleep(0)
        assert await keys.keys(ISSUER, "", "r9") is found
        at.now += KEPT_SECONDS
        with pytest.raises(KeysUnavailableError):
            await keys.keys(ISSUER, "", "r1")


async def test_old_keys_serve_while_new_ones_are_slow() -> None:
    """A09."""
    at = web()
    async with issuer_keys(at) as keys:
        found = await keys.keys(ISSUER, "", "r1")
        at.hold = asyncio.Event()
        at.now += FRESH_SECONDS + 1
        assert await keys.keys(ISSUER, "", "r1") is found
        at.hold.set()


@pytest.mark.parametrize("page", [b"", b"{}", b"[1]", b"x" * 100, b'{"keys": 5}'])
async def test_what_is_no_set_of_keys_leaves_the_old_ones(page: bytes) -> None:
    """A09."""
    at = web()
    async with issuer_keys(at) as keys:
        found = await keys.keys(ISSUER, "", "r1")
        at.pages[KEYS] = page
        assert await keys.keys(ISSUER, "", "other") is found


async def test_an_issuer_that_never_answered_is_asked_again_after_seconds() -> None:
    """A09."""
    at = web()
    at.is_away = True
    async with issuer_keys(at) as keys:
        for _ in range(20):
            with pytest.raises(KeysUnavailableError, match="could not be fetched"):
                await keys.keys(ISSUER, "", "r1")
        assert len(at.fetched) == len(metadata_urls(ISSUER))
        at.is_away = False
        at.now += RETRY_SECONDS
        assert (await keys.keys(ISSUER, "", "r1")).knows("r1")


async def test_an_issuer_that_hangs_is_given_up() -> None:
    """A09."""
    at = web()
    at.hold = asyncio.Event()
    async with issuer_keys(at, timeout=0.05) as keys:
        with pytest.raises(KeysUnavailableError, match="within"):
            await keys.keys(ISSUER, "", "r1")


async def test_a_client_that_hangs_up_does_not_end_the_fetch_of_the_others() -> None:
    at = web()
    at.hold = asyncio.Event()
    async with issuer_keys(at) as keys:
        one, other = (asyncio.create_task(keys.keys(ISSUER, "", "r1")) for _ in range(2))
        while not at.fetched:  # noqa: ASYNC110 - what is fetched is written down
            await asyncio.sleep(0.001)
        one.cancel()
        at.hold.set()
        assert (await other).knows("r1")


@pytest.mark.parametrize(
    ("url", "is_safe"),
    [
        ("https://login.example", True),
        ("https://login.example:8443/realms/one", True),
        ("http://127.0.0.1:9000", True),
        ("http://localhost:9000", True),
        ("http://login.example", False),
        ("https://user:secret@login.example", False),
        ("https://login.example#x", False),
        ("https://", False),
        ("https://[::1", False),
        ("https://a b", False),
        ("https://a\n.example", False),
        ("ftp://login.example", False),
        ("login.example", False),
        ("", False),
    ],
)
def test_an_issuer_is_at_a_safe_url(url: str, is_safe: bool) -> None:
    assert is_safe_url(url) is is_safe
