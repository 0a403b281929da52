"""Lines of JSON Pointers in a YAML text, found in a second pass over its events, only when a diagnostic asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from converters.json_positions import trie, with_ancestors
from converters.yaml_events import events

if TYPE_CHECKING:
    from converters.json_positions import Path


def lines_of_yaml(text: str, paths: set[Path]) -> dict[Path, int]:
    """Find the 1-based line where each path's key (or list item) stands; `text` is known to be valid YAML."""
    found: dict[Path, int] = {}
    cursor = _Cursor(trie(paths), found)
    for event in events(text):
        cursor.add(event)
    return with_ancestors(found, paths)


class _Cursor:
    """Follows the events along the wanted paths; what is not wanted is only counted through."""

    def __init__(self, wanted: dict[str, Any], found: dict[Path, int]) -> None:
        self._found = found
        # (path, wanted children, is a mapping, next index or pending key)
        self._open: list[tuple[Path, dict[str, Any], bool]] = []
        self._pending: list[Any] = []
        self._root = wanted
        self._skipped = 0

    def add(self, event: Any) -> None:
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            self._start(event)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._end()
        elif isinstance(event, (yaml.ScalarEvent, yaml.AliasEvent)) and not self._skipped:
            self._leaf(event)

    def _start(self, event: Any) -> None:
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        if self._skipped:
            self._skipped += 1
        elif not self._open:
            self._push((), self._root, is_mapping=is_mapping)
        else:
            path, wanted = self._value_place(event)
            if wanted:
                self._push(path, wanted, is_mapping=is_mapping)
            else:
                self._skipped = 1

    def _end(self) -> None:
        if self._skipped:
            self._skipped -= 1
            return
        self._open.pop()
        self._pending.pop()

    def _push(self, path: Path, wanted: dict[str, Any], *, is_mapping: bool) -> None:
        self._open.append((path, wanted, is_mapping))
        self._pending.append(None if is_mapping else 0)

    def _leaf(self, event: Any) -> None:
        if not self._open:
            return
        path, wanted, is_mapping = self._open[-1]
        if is_mapping and self._pending[-1] is None:
            key = getattr(event, "value", "")
            self._pending[-1] = key
            if key in wanted:
                self._found[(*path, key)] = event.start_mark.line + 1
        else:
            self._value_place(event)

    def _value_place(self, event: Any) -> tuple[Path, dict[str, Any]]:
        """Take the place of the value that starts here: its path and what is wanted below it."""
        path, wanted, is_mapping = self._open[-1]
        token = self._pending[-1] if is_mapping else str(self._pending[-1])
        if is_mapping:
            self._pending[-1] = None
        else:
            self._pending[-1] += 1
            if token in wanted:
                self._found[(*path, token)] = event.start_mark.line + 1
        return (*path, token), wanted.get(token, {})
