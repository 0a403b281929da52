"""What is made of stored definitions, such as validators and lists, within a bound over the whole process.

All of it can be made again, and most servers are idle: what was used longest ago is dropped first (acceptance L03).
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from typing import Final, Protocol


class Maker(Protocol):
    """Something that keeps what it has made until it is told to drop it."""

    def drop_made(self) -> None:
        """Drop what was made; it is made again when it is asked for."""
        ...


class MadeValues:
    """Who has made how much, the one used last at the end; whoever is gone elsewhere is forgotten."""

    def __init__(self, most: int) -> None:
        """Keep at most `most` bytes, as far as sizes are known; what was used last is kept, however large."""
        self._most = most
        self._sizes: OrderedDict[weakref.ref[Maker], int] = OrderedDict()
        self._total = 0

    @property
    def total(self) -> int:
        """The bytes that are kept."""
        return self._total

    def reference(self, maker: Maker) -> weakref.ref[Maker]:
        """Give what `maker` is known by; made once for each."""
        reference = weakref.ref(maker, self._forget)
        # A reference remembers its hash, and cannot tell it any more when its maker is gone.
        hash(reference)
        return reference

    def made(self, reference: weakref.ref[Maker], size: int) -> None:
        """Count what a maker has made, `size` bytes more, and make room."""
        self._sizes[reference] = self._sizes.get(reference, 0) + size
        self._total += size
        self.used(reference)
        while self._total > self._most and len(self._sizes) > 1:
            oldest = next(iter(self._sizes))
            maker = oldest()
            self._forget(oldest)
            if maker is not None:
                maker.drop_made()

    def used(self, reference: weakref.ref[Maker]) -> None:
        """Note that what a maker has made was used now."""
        self._sizes.move_to_end(reference)

    def _forget(self, reference: weakref.ref[Maker]) -> None:
        self._total -= self._sizes.pop(reference, 0)


MADE_VALUES: Final = MadeValues(256 * 1024 * 1024)
"""Those of this process; 1,000 servers with all of their tools in use have a quarter of a megabyte each."""
