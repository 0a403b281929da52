"""HTTP response -> tool result (contract, "Tool results"); total: no response of an API raises here."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from converters import media_types
from converters.texts import shortened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from converters.outputs import OutputChecker

_BAD_REQUEST: Final = 400
_REDIRECT: Final = 300
_OK: Final = 200
_MAX_MESSAGE: Final = 4_000
_MESSAGE_KEYS: Final = ("detail", "message", "error_description", "error_message", "title", "error", "errors", "reason")
_CHARSET: Final = re.compile(r"charset\s*=\s*\"?([\w.:+-]+)", re.IGNORECASE)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """What came back from the API: `content_type` as sent (or ""), `body` decoded from any content encoding."""

    status: int
    content_type: str
    body: bytes
    reason: str = ""
    location: str = ""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The MCP result of a call: content blocks, and `structured`, the text of a JSON object, or None.

    The text is kept as the API wrote it, so that every digit survives.
    """

    content: tuple[Mapping[str, Any], ...]
    structured: str | None = None
    is_error: bool = False
    meta: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Give the MCP CallToolResult object as JSON values."""
        result: dict[str, Any] = {"content": list(self.content)}
        if self.structured is not None:
            result["structuredContent"] = json.loads(self.structured)
        result["isError"] = self.is_error
        if self.meta:
            result["_meta"] = dict(self.meta)
        return result


def failed(message: str, meta: Mapping[str, Any] | None = None) -> ToolResult:
    """Make the result of a call that was not, or could not be, performed."""
    return ToolResult((_text(message),), is_error=True, meta=meta or {})


def tool_result(response: ApiResponse, output: OutputChecker | None = None) -> ToolResult:
    """Shape a response: JSON, text, images, audio and other bytes each as their content block; 4xx, 5xx as errors.

    `output` checks answers of a tool that lists an output schema; such a result always has structured content.
    """
    if response.status >= _REDIRECT:
        return failed(_error_message(response))
    result = _shaped(response, output)
    if output is None or result.structured is not None:
        return result
    block = result.content[0]
    structured, warning = output.for_text(block["text"] if response.body and block["type"] == "text" else "")
    meta = {**result.meta, **({"causeway/warning": warning} if warning else {})}
    return replace(result, structured=structured, meta=meta)


def _shaped(response: ApiResponse, output: OutputChecker | None) -> ToolResult:
    kind = media_types.essence(response.content_type)
    if not response.body:
        return ToolResult((_text(f"{_status_line(response)}: the API answered without a body."),))
    text = _decoded(response)
    if text is not None and (media_types.is_json(kind) or _looks_like_json(text)):
        return _json_result(text, output)
    if kind.startswith(("image/", "audio/")):
        encoded = base64.b64encode(response.body).decode()
        return ToolResult(({"type": kind.partition("/")[0], "data": encoded, "mimeType": kind},))
    if text is not None and (not kind or media_types.is_text(kind) or media_types.is_json(kind)):
        return ToolResult((_text(text),))
    return ToolResult((_blob(response.body, kind or "application/octet-stream"),))


def _json_result(text: str, output: OutputChecker | None) -> ToolResult:
    """Give JSON as text and, where it is an object, as structured content; JSON that is not strict is repaired."""
    try:
        value = _STRICT.decode(text)
        if _ESCAPED_SURROGATE.search(text) and _SURROGATE.search(_compact(value)):
            text = _SURROGATE.sub("\ufffd", _compact(value))
    except _NotStrictError:
        value = json.loads(text, parse_constant=lambda _: None, parse_float=_finite_or_none)
        text = _SURROGATE.sub("\ufffd", _compact(value))
    except (ValueError, RecursionError):
        return ToolResult((_text(text),), meta={"causeway/warning": "The response says it is JSON, but it is not."})
    if output is None:
        return ToolResult((_text(text),), structured=text if isinstance(value, dict) else None)
    structured, warning = output.structured(text, value)
    return ToolResult((_text(text),), structured=structured, meta={"causeway/warning": warning} if warning else {})


class _NotStrictError(Exception):
    """The text uses NaN or Infinity, which JSON does not have, or a number that is read as one of them."""


def _refuse(name: str) -> Any:
    raise _NotStrictError(name)


def _finite(literal: str) -> float:
    value = float(literal)
    return value if math.isfinite(value) else _refuse(literal)


def _finite_or_none(literal: str) -> float | None:
    value = float(literal)
    return value if math.isfinite(value) else None


# Made once: `json.loads` with hooks makes a decoder for every answer.
_STRICT: Final = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _looks_like_json(text: str) -> bool:
    """Tell whether a text that is not declared as JSON is a JSON object or list all the same."""
    if text[:1] not in {"{", "["}:
        return False
    try:
        json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError, _NotStrictError):
        return False
    return True


def _decoded(response: ApiResponse) -> str | None:
    """Decode the body by its charset, else UTF-8; None where it is not text. A byte order mark is dropped."""
    kind = media_types.essence(response.content_type)
    is_textual = not kind or media_types.is_text(kind) or media_types.is_json(kind)
    declared = _CHARSET.search(response.content_type)
    for charset in (declared[1] if declared else "", "utf-8-sig"):
        try:
            return response.body.decode(charset or "utf-8-sig").strip("\ufeff")
        except (LookupError, UnicodeDecodeError, ValueError):
            continue
    return response.body.decode("latin-1") if is_textual and kind else None


def _text(text: str) -> dict[str, Any]:
    # Half of a surrogate pair, as UTF-7 and JSON escapes can write it, could not be sent on.
    return {"type": "text", "text": _SURROGATE.sub("\ufffd", text)}


def _blob(body: bytes, kind: str) -> dict[str, Any]:
    digest = hashlib.sha256(body).hexdigest()[:32]
    resource = {
        "uri": f"urn:causeway:result:{digest}",
        "mimeType": kind,
        "blob": base64.b64encode(body).decode(),
    }
    return {"type": "resource", "resource": resource}


def _status_line(response: ApiResponse) -> str:
    try:
        reason = response.reason or HTTPStatus(response.status).phrase
    except ValueError:
        reason = ""
    return f"{response.status} {reason}".strip()


def _error_message(response: ApiResponse) -> str:
    """Say what went wrong in the API's own words: status, reason and the body's message, never an HTML page."""
    status = _status_line(response)
    if response.status < _BAD_REQUEST:
        return f"{status}: the API answered with a redirect, which was not followed."
    text = _decoded(response)
    if text is None or not text.strip():
        return f"{status}."
    message = _message_in(text.strip())
    return f"{status}: {shortened(message, _MAX_MESSAGE)}" if message else f"{status}."


def _message_in(text: str) -> str:
    if text[:1] in {"{", "["}:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return text
        found = _message_of(value)
        return found if found and found == text else f"{found}\n{text}" if found else text
    if "<" in text[:200] and ("<html" in text[:2000].lower() or "<!doctype" in text[:200].lower()):
        title = _TITLE.search(text)
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
