"""Patterns of JSON Schema (ECMA-262, as 2020-12 section 6.4 recommends) -> what the validator's engine takes for them.

The validator reads the classes of digits, words and spaces by ECMA-262, but its `.` takes every character except the
line feed. Descriptions and tools keep their patterns as written: a schema is read for the validator alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# "." of ECMA-262 (section 22.2.2.7, CompileAtom; LineTerminator, section 12.3)
_ANY: Final = "[^\n\r\u2028\u2029]"
_TOKEN: Final = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|\.", re.DOTALL)
# Where `s` is switched on or off, "." is what the switch says.
_DOT_ALL: Final = re.compile(r"\(\?[a-z]*-?[a-z]*s[a-z]*-?[a-z]*[:)]")

_SCHEMAS_BY_NAME: Final = frozenset({"properties", "$defs", "dependentSchemas"})
_VALUES: Final = frozenset({"const", "enum", "default", "examples"})


def for_validator(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Give a schema whose patterns mean to the validator what they mean in ECMA-262."""
    return {keyword: _argument(keyword, argument) for keyword, argument in schema.items()}


def as_written(pattern: str) -> str:
    """Give the pattern that `for_validator` was given."""
    return pattern.replace(_ANY, ".")


def _argument(keyword: str, argument: Any) -> Any:
    if keyword == "pattern" and isinstance(argument, str):
        return _translated(argument)
    if keyword in _VALUES:
        return argument
    if keyword == "patternProperties" and isinstance(argument, dict):
        return {_translated(name): _schema(each) for name, each in argument.items()}
    if keyword in _SCHEMAS_BY_NAME and isinstance(argument, dict):
        return {name: _schema(each) for name, each in argument.items()}
    return [_schema(each) for each in argument] if isinstance(argument, list) else _schema(argument)


def _schema(value: Any) -> Any:
    return for_validator(value) if isinstance(value, dict) else value


def _translated(pattern: str) -> str:
    if "." not in pattern or _DOT_ALL.search(pattern):
        return pattern
    return _TOKEN.sub(lambda token: _ANY if token[0] == "." else token[0], pattern)
