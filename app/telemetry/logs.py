"""How log lines are written: as JSON objects for a collector, or as text for a person.

Whatever a value holds, one line comes of it: control characters are escaped, long values cut, credentials hidden.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from app.telemetry.records import RequestRecord, current_record
from app.telemetry.texts import MAX_BYTES, fit, fit_name

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
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        if isinstance(record.msg, RequestRecord):
            line |= {"message": "request", **members(record.msg)}
        else:
            line |= {"message": fit(record.getMessage()), **_of_request()}
            if record.exc_info:
                line["exception"] = _tail(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


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


_MAX_TRACE: Final = 40
"""Lines of an exception, the last ones."""


def members(request: RequestRecord) -> dict[str, Any]:
    """Give what a request record tells, by name; what is not known of it is left out."""
    namespace, server = _names(request.path)
    found = {
        "request_id": request.request_id,
        "method": fit_name(request.method),
        "path": fit(request.path),
        "status": request.status,
        "code": request.code or _code(request.status),
        "milliseconds": round(request.seconds * 1000, 1),
        "namespace": fit_name(namespace),
        "server": fit_name(server),
        "tool": fit_name(request.tool),
        "revision": request.revision,
        "subject": fit_name(request.subject),
    }
    return {name: value for name, value in found.items() if value not in {"", None}}


def _names(path: str) -> tuple[str, str]:
    parts = path.split("/", 8)
    places = _SERVER_PARTS.get(parts[1] if len(parts) > 1 else "")
    if places is None or (parts[1] == "api" and parts[3:4] != ["namespaces"]):
        return "", ""
    namespace, server = (parts[place] if place < len(parts) else "" for place in places)
    return namespace, server


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
