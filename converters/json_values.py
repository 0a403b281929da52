"""JSON texts (RFC 8259) whose numbers keep their value: what is read is written again digit for digit."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Final

import msgspec


def exact_number(literal: str) -> float | Decimal:
    """Read a number that has a fraction or an exponent so that `write` writes it with the same value.

    It is a float where that is exact to the digit, else a `Decimal`.
    """
    value = float(literal)
    return value if repr(value) == literal else Decimal(literal)


def exact_integer(literal: str) -> int | Decimal:
    """Read an integer; the negative zero, which `int` does not have, is a `Decimal`."""
    return Decimal(literal) if literal == "-0" else int(literal)


def read(text: str) -> Any:
    """Read one value, strictly: no key twice, no NaN.

    Raises:
        ValueError: for anything else; also `RecursionError` where it is nested too deep, `ArithmeticError` where a
            number is too large.

    """
    return _DECODER.decode(text)


def write(value: Any) -> str:
    """Write compact JSON, with every digit of a `Decimal`; raises `ValueError` for NaN."""
    try:
        return _ENCODER.encode(value)
    except TypeError:
        return _exact(value)


def to_bytes(value: Any) -> bytes:
    """Write compact JSON in UTF-8; half of a surrogate pair becomes a question mark, and NaN null: JSON has neither."""
    try:
        return _FAST_ENCODER.encode(value)
    except (ValueError, TypeError, OverflowError):
        return _ENCODER.encode(value).encode("utf-8", "replace")


def is_writable(value: Any) -> bool:
    """Tell quickly whether `to_bytes` writes a value as it is; False says little."""
    try:
        _FAST_ENCODER.encode(value)
    except (ValueError, TypeError, OverflowError):
        return False
    return True


def is_plain(text: str) -> bool:
    """Tell at a tenth of what reading costs whether a text is JSON that every reader understands alike.

    False says little: a reader is to be asked then. Such are also texts with a number that may be too large for a
    double, and with an escaped half of a surrogate pair.
    """
    try:
        _SCANNER.decode(text)
    except (ValueError, msgspec.MsgspecError, RecursionError):
        return False
    return not _may_overflow(text.encode())


def _may_overflow(raw: bytes) -> bool:
    """Tell whether valid JSON may hold a number too large for a double.

    What looks like one within a text, as in many hashes, is told apart by what stands before it, where there is not
    too much of that.
    """
    classes = raw.translate(_NUMBER_CLASSES)
    # Searched from the end, which takes half as long as from the beginning.
    found = classes.rfind(_LONG_EXPONENT)
    for _ in range(_MOST_LOOKED_AT):
        if found < 0:
            return _LONG_NUMBER in classes
        if _ends_with_number(raw[max(0, found - _LONGEST) : found + 1]):
            return True
        found = classes.rfind(_LONG_EXPONENT, 0, found)
    return True


def _ends_with_number(raw: bytes) -> bool:
    """Tell whether what ends here is a number rather than a part of a text: it follows what separates values."""
    before = raw.rstrip(b"0123456789.")
    return len(before) < len(raw) and before.removesuffix(b"-")[-1:] in _SEPARATORS


def read_quickly(text: str) -> Any:
    """Read what `is_plain`; integers beyond 64 bits come as floats."""
    return _FAST_DECODER.decode(text)


def size(value: Any, most: int) -> int:
    """Count the characters of a value as `write` writes it; counting ends beyond `most`, with any greater number."""
    counted = 0
    waiting = [value]
    while waiting and counted <= most:
        each = waiting.pop()
        if isinstance(each, str):
            counted += len(each) if len(each) > most else len(write(each))
        elif isinstance(each, (dict, list)):
            # The brackets, and a comma between entries.
            counted += 1 + max(1, len(each))
            if counted <= most:
                waiting += each if isinstance(each, list) else each.values()
                counted += sum(len(write(name)) + 1 for name in each) if isinstance(each, dict) else 0
        else:
            # A number as Python writes it; `True`, `False` and `None` are as long as their names in JSON.
            counted += len(str(each))
    return counted


def _exact(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{write(str(key))}:{_exact(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_exact, value)) + "]"
    return _ENCODER.encode(value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) != len(pairs):
        raise ValueError("An object holds a key twice.")
    return built


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON.")


# Made once: `json.loads` and `json.dumps` with options make a decoder and an encoder for every value.
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_refuse, parse_float=exact_number, parse_int=exact_integer
)
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
# These validate without keeping (`Raw`), and write without looking at each value through Python.
_SCANNER: Final = msgspec.json.Decoder(msgspec.Raw)
_FAST_DECODER: Final = msgspec.json.Decoder()
_FAST_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
# A double overflows beyond 308 digits, part of which the exponent stands for: digits and a plus sign count as "0".
_NUMBER_CLASSES: Final = bytes(
    ord("0") if byte in b"0123456789+" else ord("e") if byte in b"eE" else 0 for byte in range(256)
)
_LONG_EXPONENT: Final = b"0e000"
_LONG_NUMBER: Final = b"0" * 200
_LONGEST: Final = 256
_SEPARATORS: Final = frozenset({b"", b" ", b"\t", b"\n", b"\r", b"[", b",", b":"})
_MOST_LOOKED_AT: Final = 1000
