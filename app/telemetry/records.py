"""The record of one HTTP request: opened at the door, completed by whoever learns something on the way."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final


@dataclass(slots=True)
class Change:
    """What a request of the control plane is to change; `action` is its operation."""

    action: str
    namespace: str = ""
    server: str = ""
    tool: str = ""
    target: str = ""
    is_noted: bool = False


@dataclass(slots=True)
class RequestRecord:
    """What is known of one request.

    `path` has no query; `route` is its template in the control plane. `subject` names the caller, "" for nobody, and
    `code` is the stable code of the outcome. Of a tool call there are `tool`, "" where there is no such tool, and
    `revision` of the server. `trace_id` is that of W3C Trace Context, "" where there are no traces.
    """

    request_id: str
    method: str
    path: str
    subject: str = ""
    code: str = ""
    tool: str = ""
    revision: int | None = None
    status: int = 0
    seconds: float = 0.0
    change: Change | None = None
    route: str = ""
    trace_id: str = ""


_current: Final[ContextVar[RequestRecord | None]] = ContextVar("causeway.request", default=None)


def current_record() -> RequestRecord | None:
    """Give the record of the request that is being answered, None outside of one."""
    return _current.get()


def set_current(record: RequestRecord) -> None:
    """Have what follows in this task, and in tasks that it starts, belong to a request."""
    _current.set(record)


def note_route(route: str) -> None:
    """Tell by which route the request is answered."""
    record = _current.get()
    if record is not None:
        record.route = route


def note_code(code: str) -> None:
    """Tell what became of the request that is being answered; what was told first stays."""
    record = _current.get()
    if record is not None and not record.code:
        record.code = code


def note_change(change: Change | None) -> None:
    """Tell that the request that is being answered is to change something, or None that it is not."""
    record = _current.get()
    if record is not None:
        record.change = change


def note_target(*, namespace: str = "", server: str = "", target: str = "") -> None:
    """Tell what is being changed, where the request does not name it."""
    record = _current.get()
    if record is not None and record.change is not None:
        record.change.namespace = record.change.namespace or namespace
        record.change.server = record.change.server or server
        record.change.target = record.change.target or target


def note_subject(subject: str) -> None:
    """Tell who sent the request that is being answered."""
    record = _current.get()
    if record is not None:
        record.subject = subject
