"""Parameter values -> text on the wire: the seven styles (OAS 3.1 section 4.8.12.3, RFC 6570), every `explode`.

Everything is percent-encoded here, once; what comes out is put into the request as it is. An undefined value (an empty
list or object, or null inside one) writes nothing, as RFC 6570 section 2.3 says.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, quote_plus

from converters import json_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# `allowReserved` leaves RFC 3986 reserved characters as they are, but for those that would end the value: they delimit
# the query or its pairs (OAS 3.1.1 section 4.8.12.3).
_RESERVED: Final = ":/?@!$'()*,;="
_PATH_RESERVED: Final = _RESERVED.replace("?", "")
# Most values, which quoting would look through letter by letter.
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9._~-]*")
_PLAIN_DIGITS: Final = 40
# What most parameters are, and is written alike whether exploded or not.
_SCALARS: Final = frozenset({str, int})
_STRAY_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_DELIMITERS: Final = {"spaceDelimited": "%20", "pipeDelimited": "%7C", "tabDelimited": "%09"}
# Outside of the query, Swagger 2.0's `ssv`, `tsv` and `pipes`; nothing is percent-encoded in a header.
_RAW_DELIMITERS: Final = {"spaceDelimited": " ", "pipeDelimited": "|", "tabDelimited": "\t"}


def scalar(value: Any) -> str:
    """Write one value as text: texts as they are, numbers in plain notation, the rest as JSON."""
    if isinstance(value, str):
        return value
    if type(value) is int:
        return str(value)
    if isinstance(value, Decimal) and abs(value.adjusted()) < _PLAIN_DIGITS:
        # `1E3` is an integer of JSON, but hardly any reader of a query takes it for one.
        return format(value, "f")
    return "" if value is None else json_values.write(value)


def encode(text: str, *, allow_reserved: bool = False) -> str:
    """Percent-encode a value (RFC 3986 section 2); unreserved characters stay.

    With `allow_reserved`, reserved characters and what is percent-encoded already stay too (RFC 6570 section 3.2.3).
    """
    if not allow_reserved:
        return text if _UNRESERVED.fullmatch(text) else quote(text, safe="")
    return _STRAY_PERCENT.sub("%25", quote(text, safe=_RESERVED + "%"))


def _entries(value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((key, each) for key, each in value.items() if each is not None)


def _items(value: list[Any]) -> Iterator[Any]:
    return (each for each in value if each is not None)


def _is_undefined(value: Any) -> bool:
    """Tell whether a value is a list or object without a defined member (RFC 6570 section 2.3)."""
    if isinstance(value, dict):
        value = [*value.values()]
    return isinstance(value, list) and all(each is None for each in value)


# --- path


def path_segment(name: str, value: Any, style: str, *, explode: bool, allow_reserved: bool = False) -> str:
    """Write a path parameter with style simple, label, matrix or one of the delimited ones.

    Reserved characters stay as in `encode`, but for the question mark, which would end the path; a percent sign is
    always encoded, so that no dot or slash comes in under a mask.
    """
    if style == "simple" and not allow_reserved and type(value) in _SCALARS:
        return encode(scalar(value))

    def written(each: Any) -> str:
        return quote(scalar(each), safe=_PATH_RESERVED) if allow_reserved else encode(scalar(each))

    if value is None or _is_undefined(value):
        return ""
    if style == "matrix":
        return _matrix(encode(name), value, written, explode=explode)
    prefix, joint = {"label": (".", "." if explode else ",")}.get(style, ("", _DELIMITERS.get(style, ",")))
    return prefix + _joined(value, written, joint, explode=explode)


def _joined(value: Any, written: Callable[[Any], str], joint: str, *, explode: bool) -> str:
    if isinstance(value, list):
        return joint.join(written(each) for each in _items(value))
    if isinstance(value, dict):
        link = "=" if explode else joint
        return joint.join(f"{written(key)}{link}{written(each)}" for key, each in _entries(value))
    return written(value)


def _matrix(name: str, value: Any, written: Callable[[Any], str], *, explode: bool) -> str:
    pairs = [(name, _joined(value, written, ",", explode=False))]
    if isinstance(value, list) and explode:
        pairs = [(name, written(each)) for each in _items(value)]
    elif isinstance(value, dict) and explode:
        pairs = [(written(key), written(each)) for key, each in _entries(value)]
    # An empty value has no `=` (RFC 6570 section 3.2.7).
    return "".join(f";{key}={text}" if text else f";{key}" for key, text in pairs)


# --- query


def query_pairs(name: str, value: Any, style: str, *, explode: bool, allow_reserved: bool = False) -> list[str]:
    """Write a query parameter as `name=value` pairs, percent-encoded, to be joined by `&`."""

    def written(each: Any) -> str:
        return encode(scalar(each), allow_reserved=allow_reserved)

    if _is_undefined(value):
        return []
    key = encode(name)
    if style == "deepObject":
        return [f"{encode(path)}={written(each)}" for path, each in _deep(name, value)]
    if isinstance(value, list) and explode:
        return [f"{key}={written(each)}" for each in _items(value)]
    if isinstance(value, dict) and explode:
        return [f"{encode(entry)}={written(each)}" for entry, each in _entries(value)]
    return [f"{key}={_joined(value, written, _DELIMITERS.get(style, ','), explode=False)}"]


def _deep(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Write `deepObject` as bracketed paths; nesting and lists (by index) go beyond the specification."""
    if isinstance(value, dict):
        for entry, each in _entries(value):
            yield from _deep(f"{path}[{entry}]", each)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _deep(f"{path}[{index}]", each)
    else:
        yield path, value


# --- header and cookie


def header_value(value: Any, style: str, *, explode: bool) -> str:
    """Write a header parameter with style simple; header values are not percent-encoded (RFC 9110 section 5.5)."""
    return _joined(value, scalar, _RAW_DELIMITERS.get(style, ","), explode=explode)


def cookie_pairs(name: str, value: Any, style: str, *, explode: bool) -> list[str]:
    """Write a cookie parameter as `name=value` pairs, to be joined by `; `.

    Style `cookie` (OAS 3.2) leaves values as they are; `form` percent-encodes them.
    """

    def written(each: Any) -> str:
        return scalar(each) if style == "cookie" else encode(scalar(each))

    if _is_undefined(value):
        return []
    if isinstance(value, list) and explode:
        return [f"{name}={written(each)}" for each in _items(value)]
    if isinstance(value, dict) and explode:
        return [f"{written(key)}={written(each)}" for key, each in _entries(value)]
    return [f"{name}={_joined(value, written, ',', explode=False)}"]


# --- forms


def form_pairs(
    name: str, value: Any, style: str | None, *, explode: bool | None, allow_reserved: bool = False
) -> list[str]:
    """Write one property of a form body as pairs (OAS 3.1 section 4.8.15.1.2, application/x-www-form-urlencoded).

    Without an explicit style a list repeats its name and an object is JSON, the default content type of objects.
    """
    if style is None and explode is None and not allow_reserved:
        values = _items(value if isinstance(value, list) else [value])
        return [f"{_form_encoded(name)}={_form_encoded(scalar(each))}" for each in values]
    if value is None:
        return []
    pairs = query_pairs(name, value, style or "form", explode=_exploded(style, explode), allow_reserved=allow_reserved)
    # A form writes a space as `+` (WHATWG URL section 5.2).
    return [each.replace("%20", "+") for each in pairs]


def _form_encoded(text: str) -> str:
    """Encode as WHATWG URL section 5.2 does, which leaves `*` and not `~`."""
    return quote_plus(text, safe="*").replace("~", "%7E")


def _exploded(style: str | None, explode: bool | None) -> bool:  # noqa: FBT001 - as declared
    return explode if explode is not None else style in {None, "form", "deepObject"}


def form_fields(name: str, value: Any, style: str | None, *, explode: bool | None) -> list[tuple[str, str]]:
    """Write one property of multipart/form-data by style as (name, text), not encoded (OAS 3.2 section 4.15.1.2)."""
    if _is_undefined(value):
        return []
    if style == "deepObject":
        return [(path, scalar(each)) for path, each in _deep(name, value)]
    if _exploded(style, explode) and isinstance(value, list):
        return [(name, scalar(each)) for each in _items(value)]
    if _exploded(style, explode) and isinstance(value, dict):
        return [(entry, scalar(each)) for entry, each in _entries(value)]
    return [(name, header_value(value, style or "form", explode=False))]
