"""Check a call's arguments against the tool's input schema before anything is sent.

Every problem is told at once, each with its JSON Pointer, what was expected, what came, and a near miss, so that a
model can correct itself. What plainly means something else is repaired, and the repair told. The validator is safe from
ReDoS and never fetches.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import jsonschema_rs

from converters import argument_errors, json_values, patterns, pointers
from converters.argument_problems import Explainer
from converters.errors import ArgumentProblem, ArgumentsError
from converters.healing import Healer, Repair

if TYPE_CHECKING:
    from collections.abc import Mapping

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
# What is inside a text that held JSON can need repair itself.
_ROUNDS: Final = 3
_TOO_MANY: Final = ArgumentProblem(
    "arg_too_many",
    "",
    "arguments that fit the input schema",
    f"more than {argument_errors.MAX_VALUES:,} values, of which a later one does not",
    "Send fewer at once to learn which.",
)


@dataclass(frozen=True, slots=True)
class CheckedArguments:
    """Arguments that fit, and what was repaired so that they do."""

    values: Mapping[str, Any]
    repairs: tuple[Repair, ...] = ()


class ArgumentChecker:
    """Checks calls of one tool; compiled once, used for every call."""

    def __init__(self, input_schema: Mapping[str, Any]) -> None:
        """Compile the validator."""
        self._schema = patterns.for_validator(input_schema)
        self._validator = jsonschema_rs.Draft202012Validator(
            self._schema, offline=True, pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=100_000)
        )

    def check(self, arguments: Mapping[str, Any], *, heal_numbers: bool = False) -> CheckedArguments:
        """Accept `arguments`, repaired where that is plain, or say everything that is wrong with them.

        `heal_numbers` also reads texts as the numbers and booleans that they spell.

        Raises:
            ArgumentsError: with one problem per mistake, at most 20, and a minimal valid call. Of more than
                2,000 values, the problems in the beginnings of lists and objects.

        """
        _refuse_broken_text(arguments)
        if self._validator.is_valid(arguments):
            return CheckedArguments(arguments)
        values, repairs = self._healed(arguments, numbers=heal_numbers)
        if repairs and self._validator.is_valid(values):
            return CheckedArguments(values, tuple(repairs))
        raise self._refusal(values)

    def _refusal(self, values: Mapping[str, Any]) -> ArgumentsError:
        errors = argument_errors.find(self._validator, values)
        explainer = Explainer(self._schema)
        problems, has_more = explainer.problems(errors.found)
        note = "There are more problems: correct these first." if has_more else ""
        if not errors.are_all:
            note = "Only the beginnings of long lists and objects were looked at: there may be more problems."
        return ArgumentsError(problems or (_TOO_MANY,), explainer.minimal_call(), note=note)

    def _healed(self, arguments: Mapping[str, Any], *, numbers: bool) -> tuple[Mapping[str, Any], list[Repair]]:
        healer = Healer(self._schema, numbers=numbers)
        values, done = arguments, list[Repair]()
        for _ in range(_ROUNDS):
            values, repairs = healer.repair(values, argument_errors.find(self._validator, values).found)
            if not repairs:
                break
            # A text that held JSON can have held halves of characters too.
            _refuse_broken_text(values)
            done += repairs
        return values, done


def _refuse_broken_text(arguments: Mapping[str, Any]) -> None:
    if json_values.is_writable(arguments):
        return
    broken = _broken_text(arguments)
    if broken is not None:
        raise ArgumentsError((ArgumentProblem("arg_not_text", broken, "Unicode text", "half of a surrogate pair"),))


def _broken_text(arguments: Mapping[str, Any]) -> str | None:
    """Give the pointer of the first text that is not Unicode: JSON can escape half of a surrogate pair."""
    waiting: list[tuple[Any, Any, Any]] = [(None, "", arguments)]
    while waiting:
        # Where a value stands is a chain of its holders: few calls need it, and none needs it of each value.
        place = waiting.pop()
        _, key, value = place
        if _is_broken(key) or _is_broken(value):
            return _pointer(place)
        if isinstance(value, dict):
            waiting.extend((place, name, each) for name, each in value.items())
        elif isinstance(value, list):
            waiting.extend((place, index, each) for index, each in enumerate(value))
    return None


def _is_broken(value: Any) -> bool:
    return isinstance(value, str) and not value.isascii() and _SURROGATE.search(value) is not None


def _pointer(place: tuple[Any, Any, Any]) -> str:
    holder, key, _ = place
    # A name that is broken itself cannot be written: its holder is named.
    return "" if holder is None else _pointer(holder) if _is_broken(key) else pointers.join(_pointer(holder), key)
