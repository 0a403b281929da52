"""Lines of JSON Pointers in a JSON text, found in one pass that skips unwanted values at C speed."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_DECODER: Final = json.JSONDecoder()
_WHITESPACE: Final = " \t\n\r"

Path = tuple[str, ...]


def line_starts(text: str) -> list[int]:
    """Give the character offset at which each line starts."""
    starts, at = [0], text.find("\n")
    while at >= 0:
        starts.append(at + 1)
        at = text.find("\n", at + 1)
    return starts


def trie(paths: set[Path]) -> dict[str, Any]:
    """Arrange paths as nested mappings, token by token."""
    root: dict[str, Any] = {}
    for path in paths:
        node = root
        for token in path:
            node = node.setdefault(token, {})
    return root


def with_ancestors(found: Mapping[Path, int], paths: set[Path]) -> dict[Path, int]:
    """Give each path its own line, or that of its nearest ancestor that was found."""
    lines: dict[Path, int] = {}
    for path in paths:
        near = path
        while near and near not in found:
            near = near[:-1]
        lines[path] = found.get(near, 1)
    return lines


def lines_of_json(text: str, paths: set[Path]) -> dict[Path, int]:
    """Find the 1-based line where each path's key (or list item) stands; `text` is known to be valid JSON."""
    starts = line_starts(text)
    found: dict[Path, int] = {}
    stack: list[tuple[int, Path, dict[str, Any]]] = [(_skip(text, 0), (), trie(paths))]
    while stack:
        at, path, wanted = stack.pop()
        for token, key_at, value_at in _children(text, at, wanted):
            below = (*path, token)
            found[below] = bisect_right(starts, key_at)
            if wanted[token] and text[value_at] in "{[":
                stack.append((value_at, below, wanted[token]))
    return with_ancestors(found, paths)


_TOKENS: Final = re.compile(r'(?P<key>"(?:[^"\\]|\\.)*")\s*:|"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)


def duplicate_key_lines(text: str, key: str) -> tuple[int, int]:
    """Find the 1-based lines of the first two `key`s in one object of a JSON text that is known to have such."""
    opened: list[int | None] = []
    for token in _TOKENS.finditer(text):
        if token["key"] is not None:
            if _DECODER.decode(token["key"]) != key:
                continue
            earlier = opened[-1]
            if earlier is not None:
                return text.count("\n", 0, earlier) + 1, text.count("\n", 0, token.start()) + 1
            opened[-1] = token.start()
        elif token.group() in "{[":
            opened.append(None)
        elif token.group() in "}]":
            opened.pop()
    return 1, 1


def _skip(text: str, at: int) -> int:
    while text[at] in _WHITESPACE:
        at += 1
    return at


def _children(text: str, at: int, wanted: Mapping[str, Any]) -> list[tuple[str, int, int]]:
    """List the wanted children of the container at `at` as (token, offset of the key, offset of the value)."""
    is_object, close = text[at] == "{", "}" if text[at] == "{" else "]"
    children: list[tuple[str, int, int]] = []
    at, index = _skip(text, at + 1), 0
    while text[at] != close and len(children) < len(wanted):
        key_at, token = at, str(index)
        if is_object:
            token, at = _DECODER.raw_decode(text, at)
            at = _skip(text, _skip(text, at) + 1)
        if token in wanted:
            children.append((token, key_at, at))
        _, at = _DECODER.raw_decode(text, at)
        at, index = _skip(text, at), index + 1
        if text[at] == ",":
            at = _skip(text, at + 1)
    return children
