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

from converters import pointers
from converters.argument_problems import Explainer
from converters.errors import ArgumentProblem, ArgumentsError
from converters.healing import Healer, Repair

if TYPE_CHECKING:
    from collections.abc import Mapping

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
# What is inside a text that held JSON can need repair itself.
_ROUNDS: Final = 3


@dataclass(frozen=True, slots=True)
class CheckedArguments:
    """Arguments that fit, and what was repaired so that they do."""

    values: Mapping[str, Any]
    repairs: tuple[Repair, ...] = ()


class ArgumentChecker:
    """Checks calls of one tool; compiled once, used for every call."""

    def __init__(self, input_schema: Mapping[str, Any]) -> None:
        """Compile the validator."""
        self._schema = input_schema
        self._validator = jsonschema_rs.Draft202012Validator(
            dict(input_schema), offline=True, pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=100_000)
        )

    def check(self, arguments: Mapping[str, Any], *, heal_numbers: bool = False) -> CheckedArguments:
        """Accept `arguments`, repaired where that is plain, or say everything that is wrong with them.

        `heal_numbers` also reads texts as the numbers and booleans that they spell.

        Raises:
            ArgumentsError: with one problem per mistake, at most 20, and a minimal valid call.

        """
        _refuse_broken_text(arguments)
        if self._validator.is_valid(arguments):
            return CheckedArguments(arguments)
        values, repairs = self._healed(arguments, numbers=heal_numbers)
        if repairs and self._validator.is_valid(values):
            return CheckedArguments(values, tuple(repairs))
        explainer = Explainer(self._schema)
        raise ArgumentsError(explainer.problems(self._validator.iter_errors(values)), explainer.minimal_call())

    def _healed(self, arguments: Mapping[str, Any], *, numbers: bool) -> tuple[Mapping[str, Any], list[Repair]]:
        healer = Healer(self._schema, numbers=numbers)
        values, done = arguments, list[Repair]()
        for _ in range(_ROUNDS):
            values, repairs = healer.repair(values, self._validator.iter_errors(values))
            if not repairs:
                break
            # A text that held JSON can have held halves of characters too.
            _refuse_broken_text(values)
            done += repairs
        return values, done


def _refuse_broken_text(arguments: Mapping[str, Any]) -> None:
    broken = _broken_text(arguments)
    if broken is not None:
        raise ArgumentsError((ArgumentProblem("arg_not_text", broken, "Unicode text", "half of a surrogate pair"),))


def _broken_text(arguments: Mapping[str, Any]) -> str | None:
    """Give the pointer of the first text that is not Unicode: JSON can escape half of a surrogate pair."""
    waiting: list[tuple[str, Any]] = [("", arguments)]
    while waiting:
        at, value = waiting.pop()
        if isinstance(value, str):
            if not value.isascii() and _SURROGATE.search(value):
                return at
        elif isinstance(value, dict):
            for name, each in value.items():
                if not name.isascii() and _SURROGATE.search(name):
                    return at
                waiting.append((pointers.join(at, name), each))
        elif isinstance(value, list):
            waiting.extend((f"{at}/{index}", each) for index, each in enumerate(value))
    return None
