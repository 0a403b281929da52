"""Answers that come piece by piece: Server-Sent Events (WHATWG HTML section 9.2) and sequences of JSON texts.

A piece can be news of the work (progress, a log message) or part of the answer; `StreamReader` splits the bytes as they
come, `news` tells the two apart.
"""

from __future__ import annotations

import codecs
import io
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from converters import media_types

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal["events", "lines"]

LOG_LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""Severities of RFC 5424 in the words of MCP (2025-11-25, "Logging"), least first."""

_LINES: Final = frozenset(
    {
        "application/jsonl", "application/json-lines", "application/jsonlines", "application/x-jsonlines",
        "application/ndjson", "application/x-ndjson", "application/stream+json", "application/x-json-stream",
        "application/json-seq",
    }
)  # fmt: skip
# A line of an event stream ends with CR LF, CR or LF; one of JSON Lines with LF; RFC 7464 starts texts with RS.
_EVENT_LINE: Final = re.compile(r"\r\n|\r|\n")
_TEXT_START: Final = re.compile("\x1e|\n")
_PROGRESS: Final = frozenset({"progress", "total", "message", "type"})
_LOG: Final = frozenset({"level", "logger", "data", "message", "type"})
_END: Final = "[DONE]"
_MAX_NEWS: Final = 64 * 1024
"""Characters of an item that may be news: what is larger is an answer, and is not read while others wait."""


@dataclass(frozen=True, slots=True)
class Item:
    """One event or line; `event` is the event's type, "" where none is given."""

    data: str
    event: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the work is, as MCP tells it (2025-11-25, "Progress")."""

    progress: float
    total: float | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class LogMessage:
    """A log message, as MCP tells it (2025-11-25, "Logging"); `level` is one of `LOG_LEVELS`."""

    level: str
    data: Any
    logger: str | None = None


def kind_of(content_type: str) -> Kind | None:
    """Tell how an answer of this media type comes piece by piece; None where it is one piece."""
    essence = media_types.essence(content_type)
    return "events" if essence == "text/event-stream" else "lines" if essence in _LINES else None


class StreamReader:
    """Splits bytes into items as they come; what is not UTF-8 is replaced."""

    def __init__(self, kind: Kind) -> None:
        """Start at the beginning of a stream."""
        self._kind = kind
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._separator = _EVENT_LINE if kind == "events" else _TEXT_START
        # The line that has begun, in a buffer: what came of it is not looked at again with every piece that follows.
        self._line = io.StringIO()
        self._held = ""
        self._event = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes, *, is_last: bool = False) -> list[Item]:
        """Give the items that `chunk` completes; the last chunk completes what is left."""
        lines = self._lines(self._decoder.decode(chunk, is_last), is_last=is_last)
        if self._kind == "lines":
            return [Item(line.strip()) for line in lines if line.strip()]
        return [item for line in lines for item in self._event_line(line)]

    def _lines(self, new: str, *, is_last: bool) -> list[str]:
        """Give the lines that `new` completes."""
        text = self._held + new
        # A CR at the end may be half of a CR LF.
        self._held = "\r" if text.endswith("\r") and self._kind == "events" and not is_last else ""
        begun, *others = self._separator.split(text.removesuffix(self._held))
        self._line.write(begun)
        if not others and not is_last:
            return []
        *lines, rest = [self._line.getvalue(), *others]
        self._line = io.StringIO()
        if is_last:
            return [*lines, rest, ""]
        self._line.write(rest)
        return lines

    def _event_line(self, line: str) -> Iterator[Item]:
        if not line:
            if self._data:
                yield Item("\n".join(self._data), self._event)
            self._event, self._data = "", []
            return
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._event = value


def items(body: bytes, kind: Kind) -> list[Item]:
    """Split a whole answer."""
    return StreamReader(kind).feed(body, is_last=True)


def news(item: Item) -> Progress | LogMessage | None:
    """Give what an item tells of the work; None where it is part of the answer."""
    if not item.data.startswith("{") or len(item.data) > _MAX_NEWS:
        return None
    try:
        value = json.loads(item.data)
    except (ValueError, RecursionError):
        return None
    progress, level = value.get("progress"), value.get("level")
    if _is_number(progress) and (item.event == "progress" or value.keys() <= _PROGRESS):
        total, message = value.get("total"), value.get("message")
        return Progress(progress, total if _is_number(total) else None, message if isinstance(message, str) else None)
    if level in LOG_LEVELS and (item.event == "log" or value.keys() <= _LOG):
        logger = value.get("logger")
        return LogMessage(level, value.get("data", value.get("message")), logger if isinstance(logger, str) else None)
    return None


def answer(found: list[Item]) -> list[str]:
    """Give the texts that are the answer: that of the last `result` event, else all that are not news."""
    results = [item.data for item in found if item.event == "result"]
    return results[-1:] or [item.data for item in found if item.data != _END and news(item) is None]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
