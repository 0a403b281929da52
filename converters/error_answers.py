"""Answers of 3xx, 4xx and 5xx -> a sentence in the API's own words, from which a model can go on."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from converters.texts import shortened

if TYPE_CHECKING:
    from converters.answers import ApiResponse

_BAD_REQUEST: Final = 400
_MAX_MESSAGE: Final = 4_000
_MAX_HEAD: Final = 8_000
_MESSAGE_KEYS: Final = ("detail", "message", "error_description", "error_message", "title", "error", "errors", "reason")
_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


def status_line(response: ApiResponse) -> str:
    """Give the status code and its reason, such as `404 Not Found`."""
    try:
        reason = response.reason or HTTPStatus(response.status).phrase
    except ValueError:
        reason = ""
    return f"{response.status} {reason}".strip()


def message(response: ApiResponse) -> str:
    """Say what went wrong in the API's own words: status, reason and the body's message, never an HTML page."""
    status = status_line(response)
    if response.status < _BAD_REQUEST:
        return f"{status}: the API answered with a redirect, which was not followed."
    text = response.text()
    said = _message_in(text.strip()) if text else ""
    found = f"{status}: {shortened(said, _MAX_MESSAGE)}" if said else f"{status}."
    when = response.retry_after if response.retry_after.isprintable() else ""
    if not when:
        return found
    return f"{found}\nTry again after {when[:40]}{' seconds' if when.isdecimal() else ''}."


def _message_in(text: str) -> str:
    if text[:1] in {"{", "["}:
        try:
            found = _message_of(json.loads(text))
        except (ValueError, RecursionError):
            return text
        return found if found and found == text else f"{found}\n{text}" if found else text
    if "<" in text[:200] and ("<html" in text[:2000].lower() or "<!doctype" in text[:200].lower()):
        # Titles that do not end are looked through again from each beginning.
        title = _TITLE.search(text[:_MAX_HEAD])
        return title[1].strip() if title else ""
    return text


def _message_of(value: Any) -> str:
    """Find the message in common error shapes: RFC 9457, OAuth, `{"error": {"message"}}`, `{"errors": [...]}`."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "; ".join(filter(None, (_message_of(each) for each in value[:5])))
    if isinstance(value, dict):
        for key in _MESSAGE_KEYS:
            if value.get(key) and (found := _message_of(value[key])):
                return found
    return ""
