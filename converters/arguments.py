"""Check a call's arguments against the tool's input schema before anything is sent.

Every problem is told at once, each with its JSON Pointer, what was expected, what came, and a near miss, so that a
model can correct itself. The validator is safe from ReDoS and never fetches.
"""

from __future__ import annotations

import difflib
import json
import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

import jsonschema_rs

from converters import pointers
from converters.errors import ArgumentProblem, ArgumentsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_MAX_PROBLEMS: Final = 20
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_MAX_SHOWN: Final = 80
_MAX_OPTIONS: Final = 20
_TYPE_NAMES: Final = {"object": "an object", "array": "a list", "string": "a text", "integer": "an integer",
                      "number": "a number", "boolean": "true or false", "null": "null"}  # fmt: skip


class ArgumentChecker:
    """Checks calls of one tool; compiled once, used for every call."""

    def __init__(self, input_schema: Mapping[str, Any]) -> None:
        """Compile the validator."""
        self._schema = input_schema
        self._validator = jsonschema_rs.Draft202012Validator(
            dict(input_schema), offline=True, pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=100_000)
        )

    def check(self, arguments: Mapping[str, Any]) -> None:
        """Accept `arguments` or say everything that is wrong with them.

        Raises:
            ArgumentsError: with one problem per mistake, at most 20.

        """
        broken = _broken_text(arguments)
        if broken is not None:
            raise ArgumentsError((ArgumentProblem("arg_not_text", broken, "Unicode text", "half of a surrogate pair"),))
        if self._validator.is_valid(arguments):
            return
        found = [problem for error in self._validator.iter_errors(arguments) for problem in self._problems(error)]
        raise ArgumentsError(tuple(found[:_MAX_PROBLEMS]))

    def _problems(self, error: jsonschema_rs.ValidationError) -> list[ArgumentProblem]:
        describe = self._BY_KIND.get(error.kind.name)
        if describe is not None:
            return describe(self, error)
        return [ArgumentProblem(f"arg_{error.kind.name}", _at(error), _expectation(error), _shown(error.instance))]

    def _required(self, error: jsonschema_rs.ValidationError) -> list[ArgumentProblem]:
        name = str(error.kind.value)
        expected = f"the required argument {name!r}"
        properties = self._schema.get("properties", {})
        if not error.instance_path and isinstance(properties.get(name), dict):
            expected += _summary(properties[name])
        return [ArgumentProblem("arg_required", pointers.join(_at(error), name), expected, "nothing")]

    def _unknown(self, error: jsonschema_rs.ValidationError) -> list[ArgumentProblem]:
        known = self._schema.get("properties", {}) if not error.instance_path else {}
        problems = []
        for name in error.kind.as_dict()["unexpected"]:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
            hint = f"Did you mean {near[0]!r}?" if near else ""
            if not hint and known:
                hint = f"Known arguments: {', '.join(list(known)[:_MAX_OPTIONS])}."
            problems.append(
                ArgumentProblem(
                    "arg_unknown", pointers.join(_at(error), name), "no argument of this name", repr(name), hint
                )
            )
        return problems

    def _enum(self, error: jsonschema_rs.ValidationError) -> list[ArgumentProblem]:
        options = list(error.kind.as_dict()["options"])
        shown = ", ".join(_shown(option) for option in options[:_MAX_OPTIONS])
        more = f" and {len(options) - _MAX_OPTIONS} more" if len(options) > _MAX_OPTIONS else ""
        texts = {str(option).lower(): option for option in options}
        near = difflib.get_close_matches(str(error.instance).lower(), texts, n=1, cutoff=0.6)
        hint = f"Did you mean {_shown(texts[near[0]])}?" if near else ""
        return [ArgumentProblem("arg_enum", _at(error), f"one of {shown}{more}", _shown(error.instance), hint)]

    def _type(self, error: jsonschema_rs.ValidationError) -> list[ArgumentProblem]:
        kinds = error.kind.as_dict()["types"]
        expected = " or ".join(_TYPE_NAMES.get(kind, kind) for kind in kinds)
        return [ArgumentProblem("arg_type", _at(error), expected, _shown(error.instance))]

    _BY_KIND: ClassVar[Mapping[str, Callable[[ArgumentChecker, Any], list[ArgumentProblem]]]] = {
        "required": _required,
        "additionalProperties": _unknown,
        "enum": _enum,
        "type": _type,
    }


def _at(error: jsonschema_rs.ValidationError) -> str:
    return pointers.from_tokens(error.instance_path)


def _expectation(error: jsonschema_rs.ValidationError) -> str:
    """Say what a keyword wants, from the validator's words without the value, which is shown beside it."""
    return f"a value that meets `{error.kind.name}` {_shown(error.kind.value)}"


def _summary(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, str) and kind in _TYPE_NAMES:
        return f" ({_TYPE_NAMES[kind]})"
    return ""


def _shown(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except ValueError:
        text = repr(value)
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"


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
