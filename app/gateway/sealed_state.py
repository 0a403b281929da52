"""What clients keep for us and bring back: sealed, so that it says only what we wrote, to whom we gave it.

Any process that has the operator's key reads it, so that nothing has to be shared between processes.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from typing import TYPE_CHECKING, Any

from app.security.sealing import Sealed, UnreadableSecretError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.security.sealing import SecretKeys


class SealedState:
    """Seals small JSON values for a place and a time."""

    def __init__(self, keys: SecretKeys, *, clock: Callable[[], float] = time.time) -> None:
        """Seal with `keys`; `clock` gives seconds since 1970."""
        self._keys = keys
        self._clock = clock

    def seal(self, value: Any, place: Sequence[Any], *, seconds: float) -> str:
        """Give a text, in the characters of URLs, that `open` reads for `seconds` at the same place."""
        content = json.dumps([self._clock() + seconds, value], separators=(",", ":")).encode()
        sealed = self._keys.seal(content, place)
        return f"{sealed.key_id}.{base64.urlsafe_b64encode(sealed.content).rstrip(b'=').decode()}"

    def open(self, text: str, place: Sequence[Any]) -> Any:
        """Give the value that was sealed for this place; None for anything else, and when its time is over."""
        key_id, _, encoded = text.partition(".")
        try:
            content = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
            until, value = json.loads(self._keys.open(Sealed(key_id, content), place))
        except (binascii.Error, ValueError, UnreadableSecretError):
            return None
        return value if self._clock() < until else None
