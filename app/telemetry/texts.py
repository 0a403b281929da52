"""Texts that are fit for a log: one line, of bounded length, and without what nobody is to read."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

MAX_BYTES: Final = 2048
"""Of one value, encoded as UTF-8 after escaping."""

MAX_NAME: Final = 128
"""Characters of the longest text that is remembered as a name."""
_CUT: Final = "...[truncated]"
# Beside control characters, those that break lines (U+0085, U+2028, U+2029) or turn the direction of the text.
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SECRET: Final = re.compile(
    r"(?P<query>\b[a-z][a-z0-9+.-]*://[^\s?#\"'<>]*)[?#][^\s\"'<>]*"
    r"|(?P<scheme>\b(?:bearer|basic|digest))\s+[^\s,;\"']{6,}"
    r"|(?P<name>\b(?:api[_-]?key|access[_-]?token|refresh[_-]?token|client[_-]?secret|password|authorization)"
    r"[\"']?\s*[=:]\s*[\"']?)(?:[a-z]+ +)?[^\s&\"',;]+"
    r"|\bcw[ks]_[A-Za-z0-9]{8,}",
    re.IGNORECASE,
)
_USER: Final = re.compile(r"(://)[^\s/@]+@")


def fit(text: str) -> str:
    """Give a value as it may stand in a log: secrets hidden, unprintable characters escaped, at most `MAX_BYTES`."""
    is_cut = len(text) > MAX_BYTES
    shown = _UNPRINTABLE.sub(_escaped, redacted(text[: MAX_BYTES + 1]))
    encoded = shown.encode("utf-8", "backslashreplace")
    if not is_cut and len(encoded) <= MAX_BYTES:
        return shown
    return encoded[: MAX_BYTES - len(_CUT)].decode("utf-8", "ignore") + _CUT


def fit_name(text: str) -> str:
    """Give what `fit` gives, for names: the same few come with every request, and are not looked through each time."""
    return _fit_again(text) if len(text) <= MAX_NAME else fit(text)


@lru_cache(maxsize=4096)
def _fit_again(text: str) -> str:
    return fit(text)


def redacted(text: str) -> str:
    """Hide what looks like a credential: queries and users of URLs, authorization fields, keys of this gateway."""
    return _SECRET.sub(_hidden, _USER.sub(r"\1***@", text))


def _hidden(found: re.Match[str]) -> str:
    if found["query"]:
        return f"{found['query']}?***"
    if found["scheme"]:
        return f"{found['scheme']} ***"
    return f"{found['name'] or ''}***"


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
