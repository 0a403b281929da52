"""What is told of tool calls: to the request's record, and to the metrics."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, Protocol

from app.errors import AuditUnavailableError
from app.telemetry.records import current_record

if TYPE_CHECKING:
    from app.gateway.ports import Upstream
    from app.gateway.snapshots import ServerSnapshot
    from app.security.callers import Caller
    from app.telemetry.metrics import Metrics
    from converters.request_plans import RequestPlan
    from converters.results import ApiResponse

_RETRY_SECONDS: Final = 2.0
_NOT_SENT: Final = (
    "The call was not sent: the audit cannot be written now, and this gateway makes no call without it. Try again in "
    "some seconds."
)


class CallAudit(Protocol):
    """Who keeps which calls were made; it never makes one wait."""

    @property
    def is_keeping(self) -> bool:
        """Whether a call that is made now will be kept, as far as can be known before."""
        ...

    def called(self, caller: str, place: tuple[str, str, str], *, revision: int, code: str) -> None:
        """Note a call by its caller's subject; `place` is the namespace, the server and the tool."""
        ...


class CallReports:
    """The gateway's `CallLog`."""

    def __init__(self, metrics: Metrics, audit: CallAudit | None, *, is_required: bool = False) -> None:
        """Count calls in `metrics`, and note each in `audit`, where there is one.

        With `is_required` none is made that the audit would not keep.
        """
        self._metrics = metrics
        self._audit = audit
        self._required = audit if is_required else None

    def upstream(self, inner: Upstream) -> Upstream:
        """Give what sends through `inner` and tells of it."""
        measured = MeasuredUpstream(inner, self._metrics)
        return measured if self._required is None else AuditedUpstream(measured, self._required)

    def called(self, snapshot: ServerSnapshot, tool: str, caller: Caller, *, code: str, seconds: float) -> None:
        """Count a call, and complete the record of its request."""
        self._metrics.called(snapshot.namespace, snapshot.name, tool, code=code, seconds=seconds)
        if self._audit is not None:
            place = (snapshot.namespace, snapshot.name, tool)
            self._audit.called(caller.subject, place, revision=snapshot.revision, code=code)
        record = current_record()
        if record is not None:
            record.tool, record.code, record.revision = tool, code, snapshot.revision


class AuditedUpstream:
    """An `Upstream` that sends nothing while calls could not be in the audit."""

    def __init__(self, inner: Upstream, audit: CallAudit) -> None:
        """Send through `inner` as long as `audit` keeps what is called."""
        self._inner = inner
        self._audit = audit

    async def send(self, plan: RequestPlan, **call: Any) -> ApiResponse:
        """Send one request as `inner` does; raises `AuditUnavailableError` besides."""
        if not self._audit.is_keeping:
            raise AuditUnavailableError(_NOT_SENT, is_transient=True, retry_after=_RETRY_SECONDS)
        return await self._inner.send(plan, **call)


class MeasuredUpstream:
    """An `Upstream` that counts how long the APIs took, whatever they answered."""

    def __init__(self, inner: Upstream, metrics: Metrics) -> None:
        """Send through `inner`, counting in `metrics`."""
        self._inner = inner
        self._metrics = metrics

    async def send(self, plan: RequestPlan, **call: Any) -> ApiResponse:
        """Send one request as `inner` does."""
        began = perf_counter()
        try:
            return await self._inner.send(plan, **call)
        finally:
            self._metrics.sent(call["server"], perf_counter() - began)
