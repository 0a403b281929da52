"""Readers of requests, written from the specifications and not from this code: what the API behind gets to see.

Each gives back the values of the arguments as the texts, lists and objects that the wire can hold; `as_text` gives the
same of a value that was sent.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, unquote

Nested = Any


def as_text(value: Any) -> Nested:
    """Give a value as the wire has it: scalars as texts; nothing of what is null, nor of what is empty."""
    if isinstance(value, list):
        return [as_text(each) for each in value if each is not None]
    if isinstance(value, dict):
        return {key: as_text(each) for key, each in value.items() if each is not None}
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def _pairs(flat: list[str]) -> dict[str, str]:
    """Read `R,100,G,200` (OAS 3.1.1 section 4.8.12.6, objects that are not exploded)."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _assignments(texts: list[str]) -> dict[str, str]:
    """Read `R=100`, `G=200`; RFC 6570 section 3.2.7 leaves `=` out where the value is empty."""
    return {unquote(key): unquote(value) for key, _, value in (each.partition("=") for each in texts)}


def path_segment(segment: str, kind: str, *, style: str, explode: bool) -> Nested:
    """Read a path parameter called `p` (RFC 6570 sections 3.2.2, 3.2.5 and 3.2.7)."""
    if style == "matrix":
        return _matrix(segment, kind, explode=explode)
    text, separator = segment, ","
    if style == "label":
        text, separator = segment.removeprefix("."), "." if explode else ","
    if kind == "text":
        return unquote(text)
    parts = text.split(separator)
    if kind == "object":
        return _assignments(parts) if explode else _pairs([unquote(each) for each in parts])
    return [unquote(each) for each in parts]


def _matrix(segment: str, kind: str, *, explode: bool) -> Nested:
    parts = segment.removeprefix(";").split(";")
    if kind == "object" and explode:
        return _assignments(parts)
    values = [each.partition("=")[2] for each in parts]
    if kind == "text":
        return unquote(values[0])
    if kind == "array" and explode:
        return [unquote(each) for each in values]
    flat = [unquote(each) for each in values[0].split(",")]
    return _pairs(flat) if kind == "object" else flat


def query(text: str, kind: str, *, style: str, explode: bool, name: str = "p") -> Nested:
    """Read a query parameter (OAS 3.1.1 section 4.8.12.6); None where the query has none of it."""
    pairs = [each.partition("=") for each in text.split("&")] if text else []
    if style == "deepObject":
        return _deep([(unquote(key), unquote(value)) for key, _, value in pairs], name)
    if kind == "object" and explode:
        return {unquote(key): unquote(value) for key, _, value in pairs}
    values = [value for key, _, value in pairs if unquote(key) == name]
    if kind == "text":
        return unquote(values[0]) if values else None
    if kind == "array" and explode:
        return [unquote(each) for each in values]
    separator = {"form": ",", "spaceDelimited": "%20", "pipeDelimited": "%7C"}[style]
    flat = [unquote(each) for each in values[0].split(separator)] if values else []
    return _pairs(flat) if kind == "object" else flat


def _deep(pairs: list[tuple[str, str]], name: str) -> dict[str, Nested]:
    """Read `p[a][b]=1`, with lists by index, as the qs library does."""
    found: dict[str, Nested] = {}
    for key, value in pairs:
        tokens = key.removeprefix(name).removeprefix("[").removesuffix("]").split("][")
        holder = found
        for token in tokens[:-1]:
            holder = holder.setdefault(token, {})
        holder[tokens[-1]] = value
    return {key: _listed(each) for key, each in found.items()}


def _listed(value: Nested) -> Nested:
    if not isinstance(value, dict):
        return value
    read = {key: _listed(each) for key, each in value.items()}
    return list(read.values()) if list(read) == [str(index) for index in range(len(read))] else read


def header(text: str, kind: str, *, explode: bool) -> Nested:
    """Read a header parameter (style simple): nothing is encoded."""
    parts = text.split(",")
    if kind == "text":
        return text
    if kind == "object":
        return dict(each.split("=", 1) for each in parts) if explode else _pairs(parts)
    return parts


def cookie(text: str, kind: str, *, explode: bool) -> Nested:
    """Read a cookie parameter (style form) as RFC 6265 section 5.4 joins them."""
    pairs = [each.partition("=") for each in text.split("; ")]
    if kind == "object" and explode:
        return {unquote(key): unquote(value) for key, _, value in pairs}
    values = [value for _, _, value in pairs]
    if kind == "text":
        return unquote(values[0])
    if kind == "array" and explode:
        return [unquote(each) for each in values]
    flat = [unquote(each) for each in values[0].split(",")]
    return _pairs(flat) if kind == "object" else flat


def form(body: bytes) -> dict[str, list[str]]:
    """Read application/x-www-form-urlencoded (WHATWG URL section 5.1)."""
    found: dict[str, list[str]] = {}
    for key, value in parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body), errors="strict"):
        found.setdefault(key, []).append(value)
    return found


def multipart(content_type: str, body: bytes) -> list[tuple[dict[str, str], bytes]]:
    """Read a multipart body as (headers in lower case, content) per part (RFC 2046 section 5.1.1)."""
    delimiter = b"\r\n--" + content_type.partition("boundary=")[2].encode()
    preamble, *parts, epilogue = (b"\r\n" + body).split(delimiter)
    assert (preamble, epilogue) == (b"", b"--\r\n")
    found = []
    for part in parts:
        lines, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        headers = [line.split(": ", 1) for line in lines.decode().split("\r\n")]
        found.append(({name.lower(): value for name, value in headers}, content))
    return found


def json_value(body: bytes) -> Any:
    """Read JSON with every digit."""
    return json.loads(body, parse_float=Decimal, parse_int=Decimal)


def xml_element(body: bytes, *lists: str) -> dict[str, Nested]:
    """Read the root's attributes and elements; those called like one of `lists` repeat."""
    root = ET.fromstring(body.decode())  # noqa: S314 - our own
    found: dict[str, Nested] = dict(root.attrib)
    for child in root:
        if child.tag in lists:
            found.setdefault(child.tag, []).append(child.text or "")
        else:
            found[child.tag] = child.text or ""
    return found
