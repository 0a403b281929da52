"""Answers against output schemas: what a client may see as structured content.

Clients check structured content against the output schema they were listed, and refuse a call whose answer does not
match, or has none. APIs break their own descriptions all the time. So an answer that does not match is changed as
little as it takes, and says so; the content blocks always hold it as it came.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import jsonschema_rs

if TYPE_CHECKING:
    from collections.abc import Mapping

UNEXPECTED: Final = "unexpected_answer"
"""The property that holds an answer which is not what the output schema describes."""

_NULLS_REMOVED: Final = (
    "The answer has null where its description has none; structuredContent leaves those properties out."
)
_WRAPPED: Final = (
    "The answer is not what its description says; structuredContent has it as "
    f"`{UNEXPECTED}`, where it is JSON or text."
)


class OutputChecker:
    """Checks answers of one tool; compiled once, used for every call."""

    def __init__(self, output_schema: Mapping[str, Any]) -> None:
        """Compile the validator."""
        self._validator = jsonschema_rs.Draft202012Validator(dict(output_schema), offline=True)

    def accepts(self, value: Any) -> bool:
        """Tell whether an answer matches as it is."""
        return self._validator.is_valid(value)

    def structured(self, text: str, value: Any) -> tuple[str, str]:
        """Give the structured content for a JSON answer, `text` read as `value`, and a warning or "".

        The API's own text is kept where it matches, so that every digit survives.
        """
        if isinstance(value, dict):
            if self._validator.is_valid(value):
                return text, ""
            without = _without_nulls(value)
            if without is not None and self._validator.is_valid(without):
                return _compact(without), _NULLS_REMOVED
        return f'{{"{UNEXPECTED}":{text}}}', _WRAPPED

    @staticmethod
    def for_text(text: str) -> tuple[str, str]:
        """Give the structured content for an answer that is text, or nothing, and a warning or ""."""
        return (_compact({UNEXPECTED: text}), _WRAPPED) if text else ("{}", "")


def _without_nulls(value: Any) -> Any:
    """Leave out properties that are null; gives None for what is nested too deep to be gone through."""
    try:
        return _cleared(value)
    except RecursionError:
        return None


def _cleared(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _cleared(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_cleared(each) for each in value]
    return value


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
