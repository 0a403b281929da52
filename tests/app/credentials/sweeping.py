"""What secrets look like elsewhere, and whether any of it is in what left by a channel."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterator
from urllib.parse import quote, quote_plus


def forms(secret: str) -> Iterator[str]:
    """Give what a secret looks like elsewhere; written apart from what masks them."""
    yield secret
    for given in (True, False):
        yield json.dumps(secret, ensure_ascii=given)[1:-1]
        yield json.dumps(json.dumps(secret, ensure_ascii=given))[3:-3]
    yield from (quote(secret, safe=""), quote(secret), quote_plus(secret), quote(quote(secret, safe=""), safe=""))
    yield html.escape(secret)
    for prefix in (b"", b"b", b"bo", b"bob:", b"client 1:"):
        coded = base64.b64encode(prefix + secret.encode()).decode()
        # What neighbours share with the secret says nothing of it.
        yield coded[4 * ((len(prefix) + 2) // 3) : -4]
        yield base64.urlsafe_b64encode(prefix + secret.encode()).decode()[4 * ((len(prefix) + 2) // 3) : -4]


def found_in(channels: dict[str, bytes], secrets: dict[str, str]) -> list[tuple[str, str, str]]:
    """List channel, secret and form of everything that is found."""
    return [
        (channel, name, form)
        for channel, content in channels.items()
        for name, secret in secrets.items()
        # A server that takes the bytes of a field for Latin-1 tells the second.
        for form in {*forms(secret), *forms(secret.encode().decode("latin-1"))}
        if form.encode() in content or form.encode("utf-16-le") in content
    ]
