"""HTTP response -> tool result (contract, "Tool results"); total: no response of an API raises here."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from converters import answer_budget, error_answers, json_values, media_types, multipart_answers, streams
from converters.answers import ApiResponse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from converters.outputs import OutputChecker

__all__ = ["ApiResponse", "Limits", "Overflow", "ToolResult", "failed", "tool_result"]

_REDIRECT: Final = 300
_MEDIA: Final = ("image/", "audio/")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class Limits:
    """What of an answer goes into a result; more is kept apart, to be read as a resource."""

    text: int = 100_000
    """Characters of a text or of JSON."""
    binary: int = 1024 * 1024
    """Bytes of an image, a sound or a file."""


@dataclass(frozen=True, slots=True)
class Overflow:
    """A whole answer that was too large for its result; `notes` say what of it the result lacks."""

    content: bytes
    media_type: str
    notes: tuple[str, ...] = ()


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The MCP result of a call: content blocks, and `structured`, the text of a JSON object, or None.

    The text is kept as the API wrote it, so that every digit survives.
    """

    content: tuple[Mapping[str, Any], ...]
    structured: str | None = None
    is_error: bool = False
    meta: Mapping[str, Any] = field(default_factory=dict)
    overflow: Overflow | None = None

    def with_resource(self, uri: str) -> ToolResult:
        """Tell where the whole answer can be read, and what of it is missing here."""
        if self.overflow is None:
            return self
        whole = self.overflow
        size, kind = len(whole.content), whole.media_type
        if whole.notes:
            note = f"The answer was too large and is shortened: {'; '.join(whole.notes)}. "
            note += f"The whole answer ({size:,} bytes, {kind}) is the resource {uri}, which is read in pieces."
            block: dict[str, Any] = _text(note)
        else:
            block = {"type": "resource_link", "uri": uri, "name": "answer", "mimeType": kind, "size": size}
        meta = {**self.meta, "causeway/resource": {"uri": uri, "size": size, "mimeType": kind}}
        return replace(self, content=(*self.content, block), meta=meta)

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


def tool_result(
    response: ApiResponse, output: OutputChecker | None = None, limits: Limits = DEFAULT_LIMITS
) -> ToolResult:
    """Shape a response: JSON, text, images, audio and other bytes each as their content block; 4xx, 5xx as errors.

    `output` checks answers of a tool that lists an output schema; such a result always has structured content.
    """
    if response.status >= _REDIRECT:
        return failed(error_answers.message(response), {"causeway/status": response.status})
    result = _shaped(response, output, limits)
    if output is None or result.structured is not None:
        return result
    block = result.content[0]
    structured, warning = output.for_text(block["text"] if response.body and block["type"] == "text" else "")
    meta = {**result.meta, **({"causeway/warning": warning} if warning else {})}
    return replace(result, structured=structured, meta=meta)


def _shaped(response: ApiResponse, output: OutputChecker | None, limits: Limits) -> ToolResult:
    kind = media_types.essence(response.content_type)
    if not response.body:
        return ToolResult((_text(f"{error_answers.status_line(response)}: the API answered without a body."),))
    if kind.startswith("multipart/") and (parts := multipart_answers.parts(response.body, response.content_type)):
        return _of_parts(response, parts, limits)
    if (stream := streams.kind_of(response.content_type)) is not None:
        return _of_stream(response, stream, output, limits)
    text = None if kind.startswith(_MEDIA) else response.text()
    if text is not None and (media_types.is_json(kind) or _looks_like_json(text)):
        return _json_result(text, output, limits)
    if text is not None and (not kind or media_types.is_text(kind) or media_types.is_json(kind)):
        return _text_result(text, kind or "text/plain", response.content_location, limits)
    return _binary_result(response.body, kind or "application/octet-stream", response.content_location, limits)


def _of_parts(response: ApiResponse, parts: Sequence[tuple[str, bytes, str]], limits: Limits) -> ToolResult:
    """Give the content blocks of each part; a part that says where it is from is an embedded resource."""
    blocks: list[Mapping[str, Any]] = []
    # Every part has its share, so that all together keep to the limits.
    share = replace(limits, text=max(1, limits.text // len(parts)), binary=max(1, limits.binary // len(parts)))
    is_cut = False
    for content_type, content, location in parts:
        part = ApiResponse(response.status, content_type, content, content_location=location)
        text = part.text()
        if location and text is not None and len(text) <= share.text:
            blocks.append(_embedded_text(text, media_types.essence(content_type), location))
            continue
        shaped = _shaped(part, None, share)
        blocks += shaped.content
        is_cut = is_cut or shaped.overflow is not None
    overflow = Overflow(response.body, "multipart/mixed", ("parts are shortened",)) if is_cut else None
    return ToolResult(tuple(blocks), overflow=overflow)


def _of_stream(response: ApiResponse, kind: streams.Kind, output: OutputChecker | None, limits: Limits) -> ToolResult:
    """Give what a stream answered in the end: one piece as an answer of its own, several as lines."""
    pieces = streams.answer(streams.items(response.body, kind))
    if not pieces:
        return ToolResult((_text(f"{error_answers.status_line(response)}: the API's stream held no answer."),))
    text = "\n".join(pieces)
    if len(pieces) == 1 and _looks_like_json(text):
        return _json_result(text, output, limits)
    return _text_result(text, "text/plain", "", limits)


def _text_result(text: str, kind: str, location: str, limits: Limits) -> ToolResult:
    if len(text) > limits.text:
        cut = answer_budget.trimmed_text(text, limits.text)
        return ToolResult(
            (_text(cut.text),), overflow=Overflow(text.encode("utf-8", "replace"), kind, tuple(cut.notes))
        )
    return ToolResult((_embedded_text(text, kind, location) if location else _text(text),))


def _binary_result(body: bytes, kind: str, location: str, limits: Limits) -> ToolResult:
    if len(body) > limits.binary:
        said = _text(f"The API answered with {len(body):,} bytes of {kind}.")
        return ToolResult((said,), overflow=Overflow(body, kind))
    encoded = base64.b64encode(body).decode()
    if kind.startswith(_MEDIA) and not location:
        return ToolResult(({"type": kind.partition("/")[0], "data": encoded, "mimeType": kind},))
    uri = location or f"urn:causeway:result:{hashlib.sha256(body).hexdigest()[:32]}"
    return ToolResult(({"type": "resource", "resource": {"uri": uri, "mimeType": kind, "blob": encoded}},))


def _embedded_text(text: str, kind: str, location: str) -> dict[str, Any]:
    text = _SURROGATE.sub("\ufffd", text)
    return {"type": "resource", "resource": {"uri": location, "mimeType": kind or "text/plain", "text": text}}


def _json_result(text: str, output: OutputChecker | None, limits: Limits) -> ToolResult:
    """Give JSON as text and, where it is an object, as structured content; JSON that is not strict is repaired."""
    overflow = None
    if len(text) > limits.text:
        cut = answer_budget.trimmed_json(text, limits.text)
        overflow = Overflow(text.encode("utf-8", "replace"), "application/json", tuple(cut.notes))
        text = cut.text
    if json_values.is_plain(text):
        return _plain_json_result(text, output, overflow)
    try:
        value = _STRICT.decode(text)
        if _ESCAPED_SURROGATE.search(text) and _SURROGATE.search(_compact(value)):
            text = _SURROGATE.sub("\ufffd", _compact(value))
    except _NotStrictError:
        value = json.loads(text, parse_constant=lambda _: None, parse_float=_finite_or_none)
        text = _SURROGATE.sub("\ufffd", _compact(value))
    except (ValueError, RecursionError):
        meta = {"causeway/warning": "The response says it is JSON, but it is not."}
        return ToolResult((_text(text),), meta=meta, overflow=overflow)
    if output is None:
        return ToolResult((_text(text),), structured=text if isinstance(value, dict) else None, overflow=overflow)
    structured, warning = output.structured(text, value)
    meta = {"causeway/warning": warning} if warning else {}
    return ToolResult((_text(text),), structured=structured, meta=meta, overflow=overflow)


def _plain_json_result(text: str, output: OutputChecker | None, overflow: Overflow | None) -> ToolResult:
    """Give JSON whose text can stand in a message as it is; it is read only where it is to be checked."""
    # JSON that begins with a brace is an object.
    is_object = text.lstrip(" \t\n\r").startswith("{")
    content = ({"type": "text", "text": text},)
    if output is None:
        return ToolResult(content, structured=text if is_object else None, overflow=overflow)
    if is_object and output.accepts(json_values.read_quickly(text)):
        return ToolResult(content, structured=text, overflow=overflow)
    structured, warning = output.structured(text, _STRICT.decode(text))
    meta = {"causeway/warning": warning} if warning else {}
    return ToolResult(content, structured=structured, meta=meta, overflow=overflow)


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
    if json_values.is_plain(text):
        return True
    try:
        json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError, _NotStrictError):
        return False
    return True


def _text(text: str) -> dict[str, Any]:
    # Half of a surrogate pair, as UTF-7 and JSON escapes can write it, could not be sent on.
    return {"type": "text", "text": text if text.isascii() else _SURROGATE.sub("\ufffd", text)}
