"""The keys of issuers, fetched when a token needs them, and kept.

Where they are is what the issuer's metadata say (RFC 8414 section 3, OpenID Connect Discovery section 4). Whoever can
send a token can name an unknown key, so that makes one fetch a minute at most; whoever runs the issuer may be away, so
its keys stay in use for a day.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from app.errors import UpstreamError
from app.security.signing_keys import KeySetError, SigningKeys, read_key_set

Fetch = Callable[[str], Awaitable[bytes]]
"""Fetches a URL under the egress policy, bounded in size; raises `app.errors.UpstreamError`."""

FRESH_SECONDS: Final = 3_600.0
KEPT_SECONDS: Final = 86_400.0
UNKNOWN_KEY_SECONDS: Final = 60.0
"""At least so long lies between two fetches because of a key that is not in the set."""
RETRY_SECONDS: Final = 10.0
"""At least so long lies between two fetches that failed, or that were due to age."""
_TIMEOUT: Final = 5.0
_MAX_ISSUERS: Final = 1_000
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class KeysUnavailableError(Exception):
    """There are no keys to check an issuer's tokens with; the sentence says why, without an address."""


@dataclass(slots=True)
class _Known:
    """What is known of one issuer's keys; times by the clock, in seconds."""

    keys: SigningKeys | None = None
    fetched: float = float("-inf")
    tried: float = float("-inf")
    tried_for_unknown: float = float("-inf")
    url: str = ""
    failure: str = ""
    fetching: asyncio.Task[None] | None = None


class IssuerKeys:
    """Gives the keys of issuers; one fetch at a time for each."""

    def __init__(self, fetch: Fetch, *, timeout: float = _TIMEOUT, clock: Callable[[], float] = time.monotonic) -> None:
        """Fetch by `fetch`; `timeout` in seconds bounds finding an issuer's keys."""
        self._fetch = fetch
        self._timeout = timeout
        self._clock = clock
        self._known: OrderedDict[tuple[str, str], _Known] = OrderedDict()

    async def keys(self, issuer: str, jwks_uri: str, key_id: str | None) -> SigningKeys:
        """Give the keys to check a token with that names `key_id`; with `jwks_uri` "" the metadata are asked.

        Raises:
            KeysUnavailableError: when there are none and none can be fetched now.

        """
        known = self._of(issuer, jwks_uri)
        if self._is_due(known, key_id) and known.fetching is None:
            known.tried = self._clock()
            known.fetching = asyncio.create_task(self._update(known, issuer, jwks_uri))
        # Old keys serve until there are new ones, unless they are not enough.
        if known.fetching is not None and not self._suffices(known, key_id):
            await asyncio.shield(known.fetching)
        if known.keys is None or self._clock() - known.fetched > KEPT_SECONDS:
            raise KeysUnavailableError(known.failure or "The issuer's keys are not known yet.")
        return known.keys

    async def close(self) -> None:
        """End the fetches that are under way."""
        tasks = [known.fetching for known in self._known.values() if known.fetching is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _of(self, issuer: str, jwks_uri: str) -> _Known:
        place = issuer, jwks_uri
        known = self._known.setdefault(place, _Known())
        self._known.move_to_end(place)
        while len(self._known) > _MAX_ISSUERS:
            self._known.popitem(last=False)
        return known

    def _suffices(self, known: _Known, key_id: str | None) -> bool:
        return known.keys is not None and known.keys.knows(key_id)

    def _is_due(self, known: _Known, key_id: str | None) -> bool:
        now = self._clock()
        if known.keys is None or now - known.fetched > FRESH_SECONDS:
            return now - known.tried >= RETRY_SECONDS
        if known.keys.knows(key_id) or now - known.tried_for_unknown < UNKNOWN_KEY_SECONDS:
            return False
        known.tried_for_unknown = now
        return True

    async def _update(self, known: _Known, issuer: str, jwks_uri: str) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                if self._clock() - known.fetched > FRESH_SECONDS or known.failure:
                    known.url = jwks_uri or await self._discovered(issuer)
                known.keys = read_key_set(await self._fetch(known.url))
            known.fetched, known.failure = self._clock(), ""
        except TimeoutError:
            known.failure = f"The issuer's keys could not be fetched within {self._timeout:g} seconds."
        except (UpstreamError, KeySetError, _MetadataError) as error:
            known.failure = f"The issuer's keys could not be fetched: {error}"
        finally:
            known.fetching = None

    async def _discovered(self, issuer: str) -> str:
        failure: Exception = _MetadataError("The issuer publishes no metadata.")
        for url in metadata_urls(issuer):
            try:
                return _key_set_url(await self._fetch(url), issuer)
            except (UpstreamError, _MetadataError) as error:
                failure = error
        raise failure


class _MetadataError(Exception):
    """An issuer's metadata are not what the specification wants."""


def metadata_urls(issuer: str) -> tuple[str, ...]:
    """List where an issuer's metadata may be, in the order of the MCP specification ("Authorization")."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    authorization_server, openid = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"
    paths = [authorization_server + path, openid + path, *([path + openid] if path else [])]
    return tuple(urlunsplit((parts.scheme, parts.netloc, each, "", "")) for each in paths)


def is_safe_url(url: str) -> bool:
    """Tell whether an issuer or its keys may be at a URL: https, or this machine; no query, fragment or user."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    is_plain = not parts.fragment and "@" not in parts.netloc and url.isprintable() and " " not in url
    is_private = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    return bool(parts.hostname) and is_plain and is_private


def _key_set_url(body: bytes, issuer: str) -> str:
    try:
        metadata: Any = json.loads(body)
    except (ValueError, RecursionError):
        metadata = None
    if not isinstance(metadata, dict):
        raise _MetadataError("The issuer's metadata are not a JSON object.")
    if metadata.get("issuer") != issuer:
        raise _MetadataError("The issuer's metadata are of another issuer.")
    found = metadata.get("jwks_uri")
    if not isinstance(found, str) or not is_safe_url(found):
        raise _MetadataError("The issuer's metadata have no `jwks_uri` with https.")
    return found
