"""What a validator has against arguments, in bounded time.

The validator finds every error before it gives the first: a list of a million wrong items would hold up every other
call for half a minute. So of arguments of very many values only the beginnings are asked about.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import jsonschema_rs

    Path = tuple[str | int, ...]

MAX_VALUES: Final = 2_000
_MAX_ENTRIES: Final = 200
"""Entries of each list and object that are looked at where all together are more than `MAX_VALUES`."""
# Errors that the rest of a value does not change.
_CERTAIN: Final = frozenset({"type", "additionalProperties"})


@dataclass(frozen=True, slots=True)
class Errors:
    """Errors in the order of the arguments; `are_all` unless only a part of the arguments was looked at."""

    found: Sequence[jsonschema_rs.ValidationError]
    are_all: bool


def find(validator: jsonschema_rs.Draft202012Validator, arguments: Mapping[str, Any]) -> Errors:
    """Find the errors of arguments that do not fit: all, or those of the beginnings of large lists and objects."""
    if not _is_more_than(MAX_VALUES, arguments):
        return Errors(list(validator.iter_errors(arguments)), are_all=True)
    part = _Beginnings(arguments)
    return Errors([each for each in validator.iter_errors(part.values) if part.has(each)], are_all=False)


def _is_more_than(most: int, arguments: Mapping[str, Any]) -> bool:
    waiting: list[Any] = [arguments]
    while waiting and most >= 0:
        each = waiting.pop()
        if isinstance(each, (dict, list)):
            most -= len(each)
            if most >= 0:
                waiting += each.values() if isinstance(each, dict) else each
    return most < 0


class _Beginnings:
    """A copy of arguments in which long lists and objects end early."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self._left = MAX_VALUES
        self._cut: set[Path] = set()
        self._above: set[Path] = set()
        self.values = self._beginning(arguments, ())
        waiting: deque[tuple[Any, Path]] = deque([(self.values, ())])
        while waiting:
            holder, path = waiting.popleft()
            for key, each in list(_entries(holder)):
                if isinstance(each, (dict, list)):
                    holder[key] = self._beginning(each, (*path, key))
                    waiting.append((holder[key], (*path, key)))

    def _beginning(self, value: Any, path: Path) -> Any:
        count = min(len(value), _MAX_ENTRIES, self._left)
        self._left -= count
        if count < len(value):
            self._cut.add(path)
            self._above.update(path[:length] for length in range(len(path) + 1))
        return value[:count] if isinstance(value, list) else dict(islice(value.items(), count))

    def has(self, error: jsonschema_rs.ValidationError) -> bool:
        """Tell whether the whole arguments have this error too."""
        path, kind = tuple(error.instance_path), error.kind.name
        if kind == "required":
            return path not in self._cut
        return kind in _CERTAIN or path not in self._above


def _entries(holder: Any) -> Iterator[tuple[str | int, Any]]:
    return iter(holder.items() if isinstance(holder, dict) else enumerate(holder))
