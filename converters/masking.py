"""Masking: no form of a secret that is in use leaves in a result, an error or a log.

An API may give back what it was sent: an echo, an error page with the request in it, a link with the key. A secret is
looked for as it is and as base64 (alone, with its user, and inside of longer base64), percent-encoded, JSON-escaped and
HTML-escaped.
"""

from __future__ import annotations

import base64
import html
import json
import re
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import quote, quote_plus

from converters.credentials import MASK, ClientCertificate, ClientCredentials, Token

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from converters.credentials import Credential

MIN_LENGTH: Final = 6
"""Characters of the shortest form that is masked: a shorter one would be found in every other answer."""

_WIDE: Final = ("utf-16-le", "utf-16-be")
_GROUP: Final = 3
_MIN_CORE: Final = 8
# Characters at the beginning that depend on the bytes before, for a secret that begins 0, 1 or 2 bytes into a group.
_SHARED: Final = (0, 2, 3)


class Masking(Protocol):
    """What gives texts and bodies without the secrets that it knows."""

    def text(self, text: str) -> str:
        """Give the text with the mask in the place of every secret."""
        ...

    def body(self, body: bytes) -> bytes:
        """Give the body with the mask in the place of every secret."""
        ...


class Mask:
    """Finds the secrets of one server; made once per change of its credentials, used for every answer."""

    def __init__(self, credentials: Iterable[Credential]) -> None:
        """Take the credentials whose secrets are to be masked."""
        texts = {
            form for each in credentials for text in _secrets(each) for read in _readings(text) for form in _forms(read)
        }
        # The longest first, so that one that begins with another is masked whole.
        found = sorted((each for each in texts if len(each) >= MIN_LENGTH), key=lambda each: (-len(each), each))
        # What holds another form is found by that one.
        self._texts = [each for each in found if not any(other in each for other in found if other != each)]
        self._bytes = [each.encode() for each in self._texts]
        self._wide = [each.encode(coding) for each in self._texts for coding in _WIDE]
        wide = [each.encode(coding) for each in found for coding in _WIDE]
        self._text_pattern = re.compile("|".join(map(re.escape, found)) or "(?!)")
        self._bytes_pattern = re.compile(
            b"|".join(map(re.escape, [*(each.encode() for each in found), *wide])) or b"(?!)"
        )

    def text(self, text: str) -> str:
        """Give the text with the mask in the place of every secret."""
        for each in self._texts:
            if each in text:
                return self._text_pattern.sub(MASK, text)
        return text

    def body(self, body: bytes) -> bytes:
        """Give the body with the mask in the place of every secret; UTF-16 is looked through as well."""
        # Searching for one after the other is several times as fast as one pattern of alternatives.
        forms = [*self._bytes, *self._wide] if b"\0" in body else self._bytes
        for each in forms:
            if each in body:
                return self._bytes_pattern.sub(MASK.encode(), body)
        return body


NO_MASK: Final = Mask(())
"""Masks nothing: there is no credential."""


def together(*masks: Masking) -> Masking:
    """Give what masks everything that these do."""
    masking = [each for each in masks if each is not NO_MASK]
    if not masking:
        return NO_MASK
    return masking[0] if len(masking) == 1 else _All(masking)


class _All:
    def __init__(self, masks: Sequence[Masking]) -> None:
        self._masks = masks

    def text(self, text: str) -> str:
        for each in self._masks:
            text = each.text(text)
        return text

    def body(self, body: bytes) -> bytes:
        for each in self._masks:
            body = each.body(body)
        return body


def _secrets(credential: Credential) -> Iterator[str]:
    if isinstance(credential, Token):
        yield credential.value.reveal()
        return
    if isinstance(credential, ClientCertificate):
        yield credential.private_key.reveal().strip()
        return
    if isinstance(credential, ClientCredentials):
        name, secret = credential.client_id, credential.client_secret
    else:
        name, secret = credential.username, credential.password
    if secret is not None:
        yield secret.reveal()
        yield f"{name}:{secret.reveal()}"
    if secret is not None and isinstance(credential, ClientCredentials):
        # As client_secret_basic writes it (RFC 6749 section 2.3.1), and as others would.
        yield quote(secret.reveal(), safe="")
        yield quote_plus(secret.reveal())


def _readings(secret: str) -> Iterator[str]:
    """Give a secret as it is and as many servers read it from a header field, whose bytes they take for Latin-1."""
    yield secret
    if not secret.isascii():
        yield secret.encode().decode("latin-1")


def _forms(secret: str) -> Iterator[str]:
    yield secret
    for ensure_ascii in (True, False):
        escaped = json.dumps(secret, ensure_ascii=ensure_ascii)[1:-1]
        yield escaped
        yield escaped.replace("/", "\\/")
    for encoded in (quote(secret, safe=""), quote(secret), quote_plus(secret)):
        yield encoded
        yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), encoded)
    yield html.escape(secret)
    yield from _base64_forms(secret.encode())


def _base64_forms(secret: bytes) -> Iterator[str]:
    """Give the base64 of a secret, and what is always the same of it wherever it begins within longer base64."""
    for skipped in range(_GROUP):
        first, last = _SHARED[skipped], (skipped + len(secret)) % _GROUP
        encoded = base64.b64encode(bytes(skipped) + secret).decode().rstrip("=")
        # A last group that is not full shares its last character with what follows.
        core = encoded[first : len(encoded) - (1 if last else 0)]
        if len(core) >= _MIN_CORE:
            yield core
            yield core.translate(_URL_SAFE)


_URL_SAFE: Final = str.maketrans("+/", "-_")
