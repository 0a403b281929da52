"""Validation errors -> problems that a model can correct: what was expected where, what came, and a near miss."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any, ClassVar, Final

from converters import examples, json_schema, patterns, pointers
from converters.errors import ArgumentProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import jsonschema_rs

MAX_PROBLEMS: Final = 20
_MAX_EXPLAINED: Final = 100
_MAX_NAME: Final = 200
"""Characters of a text that is compared with others: it takes the square of its length."""
_MAX_SHOWN: Final = 80
_MAX_EXAMPLE: Final = 300
_MAX_CALL: Final = 1_000
_MAX_OPTIONS: Final = 20
_TYPE_NAMES: Final[Mapping[str, str]] = {
    "object": "an object",
    "array": "a list",
    "string": "a text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
# keyword -> what is expected, with the keyword's value
_EXPECTATIONS: Final[Mapping[str, str]] = {
    "const": "exactly {}",
    "minimum": "a number of at least {}",
    "maximum": "a number of at most {}",
    "exclusiveMinimum": "a number greater than {}",
    "exclusiveMaximum": "a number less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "a text of at least {} characters",
    "maxLength": "a text of at most {} characters",
    "pattern": "a text that matches the pattern {}",
    "format": "a text in the format {}",
    "minItems": "a list of at least {} items",
    "maxItems": "a list of at most {} items",
    "uniqueItems": "a list that holds no item twice",
    "contains": "a list with a fitting item",
    "minProperties": "an object of at least {} properties",
    "maxProperties": "an object of at most {} properties",
    "not": "a value that the schema does not exclude",
}


class Explainer:
    """Explains the errors of one input schema."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Explain by `schema`, whose `$defs` examples are made with."""
        self._schema = schema
        self._definitions: Mapping[str, Any] = schema.get("$defs", {})

    def problems(self, errors: Iterable[jsonschema_rs.ValidationError]) -> tuple[tuple[ArgumentProblem, ...], bool]:
        """Give one problem per mistake, in the order of the arguments, at most `MAX_PROBLEMS`; and are there more."""
        found: dict[ArgumentProblem, None] = {}
        for count, error in enumerate(errors):
            found.update(dict.fromkeys(self._of(error)))
            # Several errors can be one problem, and explaining costs more than finding.
            if len(found) > MAX_PROBLEMS or count >= _MAX_EXPLAINED:
                return tuple(found)[:MAX_PROBLEMS], True
        return tuple(found), False

    def minimal_call(self) -> str:
        """Give the arguments of a minimal valid call as JSON, or "" where none is known."""
        return self._example(self._schema, limit=_MAX_CALL)

    def _of(self, error: jsonschema_rs.ValidationError) -> list[ArgumentProblem]:
        explain = self._BY_KIND.get(error.kind.name)
        if explain is not None:
            return explain(self, error)
        expected = _EXPECTATIONS.get(error.kind.name, "a value that meets `" + error.kind.name + "` {}")
        wanted = error.kind.value
        wanted = patterns.as_written(wanted) if error.kind.name == "pattern" else wanted
        return [self._problem(error, expected.format(shown(wanted)))]

    def _problem(self, error: jsonschema_rs.ValidationError, expected: str, hint: str = "") -> ArgumentProblem:
        return ArgumentProblem(f"arg_{error.kind.name}", at(error), expected, shown(error.instance), hint)

    # --- kinds of errors

    def _required(self, error: jsonschema_rs.ValidationError) -> list[ArgumentProblem]:
        name = str(error.kind.value)
        wanted = self._properties(error).get(name)
        what = "argument" if not error.instance_path else "property"
        kind = _TYPE_NAMES.get(str(self._opened(wanted).get("type")))
        expected = f"the required {what} {name!r}" + (f" ({kind})" if kind else "")
        hint = self._for_example(wanted) if wanted is not None else ""
        return [ArgumentProblem("arg_required", pointers.join(at(error), name), expected, "nothing", hint)]

    def _unknown(self, error: jsonschema_rs.ValidationError) -> list[ArgumentProblem]:
        known = self._properties(error)
        what = "argument" if not error.instance_path else "property"
        return [
            ArgumentProblem(
                "arg_unknown",
                pointers.join(at(error), name),
                f"no {what} of this name",
                repr(name),
                self._near(name, error, known, what),
            )
            for name in error.kind.as_dict()["unexpected"][: MAX_PROBLEMS + 1]
        ]

    def _near(self, name: str, error: jsonschema_rs.ValidationError, known: Mapping[str, Any], what: str) -> str:
        """Say where an unknown name probably belongs."""
        value = error.instance[name] if isinstance(error.instance, dict) else None
        if isinstance(value, dict) and value.keys() & known.keys():
            return f"What it holds are {what}s of their own: put them beside the others."
        if close := _close(name, known):
            return f"Did you mean {close!r}?"
        holders = [holder for holder, schema in known.items() if name in self._opened(schema).get("properties", {})]
        if holders:
            return f"It is a property of {holders[0]!r}: put it there."
        if error.instance_path and name in self._schema.get("properties", {}):
            return "It is an argument of its own: put it beside the others."
        return f"Known {what}s: {', '.join(list(known)[:_MAX_OPTIONS])}." if known else ""

    def _enum(self, error: jsonschema_rs.ValidationError) -> list[ArgumentProblem]:
        options = list(error.kind.as_dict()["options"])
        listed = ", ".join(shown(option) for option in options[:_MAX_OPTIONS])
        more = f" and {len(options) - _MAX_OPTIONS} more" if len(options) > _MAX_OPTIONS else ""
        texts = {str(option).lower(): option for option in options}
        near = _close(str(error.instance).lower(), texts)
        hint = f"Did you mean {shown(texts[near])}?" if near is not None else ""
        return [self._problem(error, f"one of {listed}{more}", hint)]

    def _type(self, error: jsonschema_rs.ValidationError) -> list[ArgumentProblem]:
        kinds = error.kind.as_dict()["types"]
        expected = " or ".join(_TYPE_NAMES.get(kind, kind) for kind in kinds)
        return [self._problem(error, expected, self._rewritten(error, kinds))]

    def _rewritten(self, error: jsonschema_rs.ValidationError, kinds: Sequence[str]) -> str:
        """Say how to write what was probably meant."""
        value = error.instance
        if value is None:
            return "Leave it out if there is no value."
        if "array" in kinds and self._fits([value], self._parent(error)):
            return f"Write {shown([value])}."
        if isinstance(value, str) and set(kinds) & {"integer", "number", "boolean"}:
            literal = _literal(value)
            if literal is not None and any(_is(literal, kind) for kind in kinds):
                return f"Write {shown(literal)} without quotes."
        return self._for_example(self._parent(error))

    def _alternatives(self, error: jsonschema_rs.ValidationError) -> list[ArgumentProblem]:
        """Explain the one alternative that the value comes nearest to; where there is none, all of them."""
        branches = [branch for branch in error.kind.as_dict().get("context", ()) if branch]
        if not branches:
            return [self._problem(error, "a value that fits exactly one alternative, not several")]
        distances = [_distance(error, branch) for branch in branches]
        nearest = min(distances)
        if distances.count(nearest) == 1 and nearest < _OTHER_KIND:
            return [problem for each in branches[distances.index(nearest)] for problem in self._of(each)]
        if told_apart := self._told_apart(error, branches):
            return told_apart
        kinds = list(dict.fromkeys(kind for branch in branches for each in branch for kind in _wanted_kinds(each)))
        if nearest >= _OTHER_KIND and kinds:
            return [self._problem(error, " or ".join(kinds), self._for_example(self._parent(error)))]
        ways = "; ".join(dict.fromkeys(self._of(branch[0])[0].expected for branch in branches[:_MAX_OPTIONS]))
        return [
            self._problem(error, f"one of {len(branches)} alternatives: {ways}", self._for_example(self._parent(error)))
        ]

    def _told_apart(
        self, error: jsonschema_rs.ValidationError, branches: Sequence[Sequence[jsonschema_rs.ValidationError]]
    ) -> list[ArgumentProblem]:
        """Explain by the one value that chooses among the alternatives, where there is one and it chooses none."""
        choosing = [[each for each in branch if each.kind.name in {"const", "enum"}] for branch in branches]
        places = {at(each) for branch in choosing for each in branch}
        if not all(choosing) or len(places) != 1 or places == {at(error)}:
            return []
        first = choosing[0][0]
        options = [value for branch in choosing for each in branch for value in _options(each)]
        texts = {str(option).lower(): option for option in options}
        near = _close(str(first.instance).lower(), texts)
        hint = f"Did you mean {shown(texts[near])}?" if near is not None else ""
        expected = "one of " + ", ".join(dict.fromkeys(shown(option) for option in options))
        return [ArgumentProblem("arg_enum", at(first), expected, shown(first.instance), hint)]

    _BY_KIND: ClassVar[Mapping[str, Callable[[Explainer, Any], list[ArgumentProblem]]]] = {
        "required": _required,
        "additionalProperties": _unknown,
        "unevaluatedProperties": _unknown,
        "enum": _enum,
        "type": _type,
        "anyOf": _alternatives,
        "oneOf": _alternatives,
    }

    # --- the schema at an error

    def _parent(self, error: jsonschema_rs.ValidationError) -> Any:
        """Find the schema that holds the keyword which the value broke."""
        found: Any = self._schema
        for part in error.schema_path[:-1]:
            try:
                found = found[part]
            except (KeyError, IndexError, TypeError):
                return None
        return found

    def _properties(self, error: jsonschema_rs.ValidationError) -> Mapping[str, Any]:
        properties = self._opened(self._parent(error)).get("properties", {})
        return properties if isinstance(properties, dict) else {}

    def _opened(self, schema: Any) -> dict[str, Any]:
        return examples.merged(schema, self._definitions) if isinstance(schema, dict) else {}

    def _for_example(self, schema: Any) -> str:
        example = self._example(schema, limit=_MAX_EXAMPLE)
        return f"For example {example}." if example else ""

    def _example(self, schema: Any, *, limit: int) -> str:
        """Write a minimal value of a schema as JSON; "" where none is known that is valid and short."""
        if not isinstance(schema, dict):
            return ""
        try:
            value = examples.minimal(schema, self._definitions)
        except examples.NoExampleError:
            return ""
        text = json.dumps(value, ensure_ascii=False, default=str)
        return text if len(text) <= limit and self._fits(value, schema) else ""

    def _fits(self, value: Any, schema: Any) -> bool:
        return isinstance(schema, dict) and json_schema.is_valid(value, {**schema, "$defs": dict(self._definitions)})


_OTHER_KIND: Final = 1_000
_OTHER_VALUE: Final = 100


def _distance(error: jsonschema_rs.ValidationError, branch: Sequence[jsonschema_rs.ValidationError]) -> int:
    """Measure how far a value is from an alternative: another type, another discriminating value, or mere mistakes."""
    distance = 0
    for each in branch:
        if each.kind.name == "type" and each.instance_path == error.instance_path:
            distance += _OTHER_KIND
        elif each.kind.name in {"const", "enum"}:
            distance += _OTHER_VALUE
        else:
            distance += 1
    return distance


def _close(name: str, known: Iterable[str]) -> str | None:
    """Find the text of `known` that is nearly `name`."""
    if len(name) > _MAX_NAME:
        return None
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.6)), None)


def _options(error: jsonschema_rs.ValidationError) -> list[Any]:
    return [error.kind.value] if error.kind.name == "const" else list(error.kind.as_dict()["options"])


def _wanted_kinds(error: jsonschema_rs.ValidationError) -> list[str]:
    kinds = error.kind.as_dict()["types"] if error.kind.name == "type" else ()
    return [_TYPE_NAMES.get(kind, kind) for kind in kinds]


def at(error: jsonschema_rs.ValidationError) -> str:
    """Give the JSON Pointer of the value that an error is about."""
    return pointers.from_tokens(error.instance_path)


def shown(value: Any) -> str:
    """Write a value as JSON, shortened."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except ValueError:
        text = repr(value)
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"


def _literal(text: str) -> Any:
    try:
        return json.loads(text.strip().lower())
    except (ValueError, RecursionError):
        return None


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, int) if kind == "integer" else isinstance(value, (int, float)) and kind == "number"
