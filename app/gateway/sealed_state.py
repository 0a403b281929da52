"""What clients keep for us and bring back: sealed, so that it says only what we wrote, to whom we gave it.

Any process that has the operator's key reads it, so that nothing has to be shared between processes.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections import OrderedDict
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from app.security.sealing import Sealed, UnreadableSecretError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.security.sealing import SecretKeys

_MAX_SPENT: Final = 100_000
_MAX_OPENED: Final = 4_096
_MAX_TEXT: Final = 4_096
"""Texts that were opened and are remembered, and the characters of one."""


class SpentHere:
    """The states that were brought to this process, where it is the only one that can read them."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with none; `clock` gives seconds."""
        self._clock = clock
        self._until: OrderedDict[str, float] = OrderedDict()

    async def spend(self, state: str, *, seconds: float) -> bool:
        """Tell whether `state` has not counted before, and have it counted; after `seconds` it may be forgotten."""
        now = self._clock()
        while self._until and (len(self._until) > _MAX_SPENT or next(iter(self._until.values())) < now):
            self._until.popitem(last=False)
        if state in self._until:
            return False
        self._until[state] = now + seconds
        return True


class SealedState:
    """Seals small JSON values for a place and a time."""

    def __init__(self, keys: SecretKeys, *, clock: Callable[[], float] = time.time) -> None:
        """Seal with `keys`; `clock` gives seconds since 1970."""
        self._keys = keys
        self._clock = clock
        # A client of the handshake era sends its session with every request, and opening one costs more than a check.
        self._unsealed = lru_cache(maxsize=_MAX_OPENED)(self._unseal)

    def seal(self, value: Any, place: Sequence[Any], *, seconds: float) -> str:
        """Give a text, in the characters of URLs, that `open` reads for `seconds` at the same place."""
        content = json.dumps([self._clock() + seconds, value], separators=(",", ":")).encode()
        sealed = self._keys.seal(content, place)
        return f"{sealed.key_id}.{base64.urlsafe_b64encode(sealed.content).rstrip(b'=').decode()}"

    def open(self, text: str, place: Sequence[Any]) -> Any:
        """Give the value that was sealed for this place; None for anything else, and when its time is over."""
        if len(text) > _MAX_TEXT:
            return None
        try:
            until, value = self._unsealed(text, tuple(place))
        except (binascii.Error, ValueError, UnreadableSecretError):
            return None
        return value if self._clock() < until else None

    def _unseal(self, text: str, place: tuple[Any, ...]) -> tuple[float, Any]:
        """Give until when a text counts, and its value; what cannot be read raises, and is not remembered."""
        key_id, _, encoded = text.partition(".")
        content = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        until, value = json.loads(self._keys.open(Sealed(key_id, content), place))
        return until, value
