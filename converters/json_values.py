"""JSON texts whose numbers keep their value: what is read is written again digit for digit."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Final


def exact_number(literal: str) -> float | Decimal:
    """Read a number with a fraction or an exponent so that it is written again with the same value."""
    value = float(literal)
    return value if repr(value) == literal else Decimal(literal)


def read(text: str) -> Any:
    """Read one JSON value (RFC 8259), strictly: no key twice, no NaN.

    Raises:
        ValueError: for anything else; also `RecursionError` where it is nested too deep.

    """
    return _DECODER.decode(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) != len(pairs):
        raise ValueError("An object holds a key twice.")
    return built


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON.")


# Made once: `json.loads` with hooks makes a decoder for every text.
_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse, parse_float=exact_number)
