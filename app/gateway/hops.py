"""How many gateways a call has come through, so that one that goes in a circle ends (acceptance S12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.errors import CausewayError
from converters.passed_fields import values_of

if TYPE_CHECKING:
    from app.security.callers import Caller

HOPS: Final = "Causeway-Hops"
"""The field that counts them, with the one that sends it."""
MAX_HOPS: Final = 3
_FIRST: Final = (HOPS, "1")
_HOPS: Final = HOPS.lower().encode()
_COUNTS: Final = {str(count): count for count in range(MAX_HOPS)}


class TooManyHopsError(CausewayError):
    """The call went through this many gateways already, most likely in a circle."""

    code = "too_many_hops"

    def __init__(self) -> None:
        """Say what to look at."""
        super().__init__(
            f"The call was not sent: it came through {MAX_HOPS} gateways already. Check whether this server's base URL "
            "leads back to a gateway."
        )


def next_hop(caller: Caller) -> tuple[str, str]:
    """Give the field that counts this gateway.

    Raises:
        TooManyHopsError: where it was counted often enough; what is no number counts as that.

    """
    said = values_of(caller.fields, _HOPS)
    if not said:
        return _FIRST
    count = _COUNTS.get(",".join(said))
    if count is None:
        raise TooManyHopsError
    return HOPS, str(count + 1)
