"""How log lines are written: as JSON objects for a collector, or as text for a person.

Whatever a value holds, one line comes of it: control characters are escaped, long values cut, credentials hidden.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from app.telemetry.records import RequestRecord, current_record
from app.telemetry.texts import MAX_BYTES, MAX_NAME, fit, fit_name
from converters import json_values

if TYPE_CHECKING:
    from app.settings import Settings

REQUESTS: Final = "causeway.requests"
"""The logger of request records."""

_SERVER_PARTS: Final = {"mcp": (2, 3), "connect": (2, 3), "api": (4, 6)}
"""Where in a path the names of the namespace and the server stand, by the path's first part."""


def configure(settings: Settings) -> None:
    """Have every logger of this process write as the settings say, to standard error."""
    handler = LineHandler(sys.stderr)
    handler.setFormatter(JsonLines() if settings.log_format == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("app", REQUESTS):
        logging.getLogger(name).setLevel(settings.log_threshold.upper())


class RequestLog(logging.LogRecord):
    """A request's record on its way through logging.

    There is one for each call, so it is made without what logging asks the interpreter for: line, thread and process
    would be the same in all of them.
    """

    def __init__(self, request: RequestRecord) -> None:
        """Tell what is known of `request`, now."""
        created = time.time()
        # In its dictionary, because that is where logging's formatters look.
        self.__dict__ = {**_OF_ALL, "msg": request, "created": created, "msecs": created % 1 * 1000}


_OF_ALL: Final = {
    **vars(logging.LogRecord(REQUESTS, logging.INFO, "", 0, "", (), None)),
    **dict.fromkeys(("thread", "threadName", "taskName")),
}
"""What is the same in the logs of all requests."""


class LineHandler(logging.StreamHandler[Any]):
    """A log that cannot be written, because a disk is full or a reader left, stops nothing else."""

    lost = 0
    """Lines that could not be written, by all handlers of this process."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Count the line."""
        _ = record
        LineHandler.lost += 1


class JsonLines(logging.Formatter):
    """One JSON object per line; `time` is UTC."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        line = {
            "time": f"{_second(int(record.created))}.{int(record.msecs):03d}Z",
            "level": _LEVELS.get(record.levelname) or record.levelname.lower(),
            "logger": record.name,
        }
        if isinstance(record.msg, RequestRecord):
            line["message"] = "request"
            line.update(members(record.msg))
        else:
            line |= {"message": fit(record.getMessage()), **_of_request()}
            if record.exc_info:
                line["exception"] = _tail(self.formatException(record.exc_info))
        return json_values.to_bytes(line).decode()


class TextLines(logging.Formatter):
    """One line each, and below it the indented lines of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        if isinstance(record.msg, RequestRecord):
            told = " ".join(f"{name}={_quoted(value)}" for name, value in members(record.msg).items())
        else:
            told = fit(record.getMessage())
        line = f"{record.levelname.lower()} {record.name}: {told}"
        if not record.exc_info:
            return line
        return "\n    ".join([line, *map(fit, self.formatException(record.exc_info).splitlines()[-_MAX_TRACE:])])


_LEVELS: Final = {name: name.lower() for name in logging.getLevelNamesMapping()}
_MAX_TRACE: Final = 40
"""Lines of an exception, the last ones."""


def members(request: RequestRecord) -> dict[str, Any]:
    """Give what a request record tells, by name; what is not known of it is left out."""
    path = request.path
    place = _place_again(path) if len(path) <= MAX_NAME else _place(path)
    found: dict[str, Any] = {
        "request_id": request.request_id,
        "method": fit_name(request.method),
        "path": place.path,
        "status": request.status,
        "code": request.code or _code(request.status),
        "milliseconds": round(request.seconds * 1000, 1),
    }
    if place.namespace:
        found["namespace"] = place.namespace
    if place.server:
        found["server"] = place.server
    if request.tool:
        found["tool"] = fit_name(request.tool)
    if request.revision is not None:
        found["revision"] = request.revision
    if request.subject:
        found["subject"] = fit_name(request.subject)
    if request.trace_id:
        found["trace_id"] = request.trace_id
    return found


class _Place(NamedTuple):
    """A path as it is told, and what it names."""

    path: str
    namespace: str
    server: str


def _place(path: str) -> _Place:
    parts = path.split("/", 8)
    places = _SERVER_PARTS.get(parts[1] if len(parts) > 1 else "")
    if places is None or (parts[1] == "api" and parts[3:4] != ["namespaces"]):
        return _Place(fit(path), "", "")
    namespace, server = (fit(parts[place]) if place < len(parts) else "" for place in places)
    return _Place(fit(path), namespace, server)


@lru_cache(maxsize=4096)
def _place_again(path: str) -> _Place:
    """Give what `_place` gives; the same few paths come with every call."""
    return _place(path)


@lru_cache(maxsize=8)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _code(status: int) -> str:
    if not status:
        return "client_gone"
    return "ok" if status < 400 else f"http_{status}"  # noqa: PLR2004 - where errors begin (RFC 9110 section 15)


def _of_request() -> dict[str, str]:
    record = current_record()
    return {} if record is None else {"request_id": record.request_id}


def _tail(trace: str) -> str:
    """Give the end of an exception, which says what went wrong."""
    return fit(trace[-MAX_BYTES // 2 :])


def _quoted(value: Any) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if not text or " " in text or '"' in text else text
