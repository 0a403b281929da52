"""Tool calls to the APIs behind them: what happens to a request from plan to answer, on one page.

Each upstream, which is an origin that one MCP server calls, has a breaker, a bounded number of requests at once and a
bounded number of calls that wait to be sent again. The deadline bounds all of a call: waiting for its turn, connecting,
redirects within the origin, retries and reading.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from app.errors import (
    RedirectDeniedError,
    ResponseTooLargeError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamResetError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)
from app.outbound.breaker import Breaker, BreakerRules, BreakerState
from app.outbound.deadlines import within
from app.outbound.exchanges import Exchanges
from app.outbound.redirects import MAX_REDIRECTS, redirected
from app.outbound.retries import SAFE_METHODS, Retries, RetryRules
from app.outbound.slots import SlotRules, Slots
from app.outbound.tls import TlsContexts
from converters.authorization import NO_AUTHORIZATION, Authorization, Reply

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from app.outbound.exchanges import OnChunk
    from app.outbound.policy import EgressPolicy
    from converters.request_plans import RequestPlan
    from converters.results import ApiResponse

MAX_RESPONSE: Final = 10 * 1024 * 1024
CONNECT_TIMEOUT: Final = 5.0
_MAX_LANES: Final = 10_000
_ORIGIN: Final = re.compile(r"[^:]*://[^/?#]*")
_SERVER_ERROR: Final = 500
_UNWELL: Final = frozenset({408, 429})
# Errors that count against an API. Of the others, the first two show that it answers, the rest were never sent.
_OUTAGES: Final = (UpstreamTimeoutError, UpstreamUnreachableError, UpstreamResetError, UpstreamProtocolError)
_ANSWERS: Final = (ResponseTooLargeError, RedirectDeniedError)


@dataclass(frozen=True, slots=True)
class UpstreamRules:
    """What every upstream is held to; `clock` is the breakers' and gives seconds."""

    breaker: BreakerRules = field(default_factory=BreakerRules)
    slots: SlotRules = field(default_factory=SlotRules)
    retries: RetryRules = field(default_factory=RetryRules)
    clock: Callable[[], float] = time.monotonic


class UpstreamHealth(NamedTuple):
    """The state of one upstream's breaker."""

    server: str
    origin: str
    state: BreakerState
    active: int


class _Lane:
    """One upstream: what is known about it and under way to it."""

    __slots__ = ("breaker", "slots", "waiting")

    def __init__(self, rules: UpstreamRules) -> None:
        self.breaker = Breaker(rules.breaker, rules.clock)
        self.slots = Slots(rules.slots)
        self.waiting = 0

    @property
    def is_idle(self) -> bool:
        return self.breaker.is_closed and not self.slots.active and not self.waiting


class _Call(NamedTuple):
    """One call on its way."""

    lane: _Lane
    plan: RequestPlan
    authorization: Authorization
    authorities: str
    retries: Retries
    on_chunk: OnChunk | None


class HttpUpstream:
    """Sends request plans; made once, closed at the end."""

    def __init__(
        self,
        policy: EgressPolicy,
        *,
        max_response: int = MAX_RESPONSE,
        connect_timeout: float = CONNECT_TIMEOUT,
        rules: UpstreamRules | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Connect only where `policy` permits; a decoded response body has at most `max_response` bytes.

        `connect_timeout` in seconds bounds making a connection; `tls` says which certificates are trusted, by default
        those that the system trusts.
        """
        self._exchanges = Exchanges(policy, max_response=max_response, connect_timeout=connect_timeout, tls=tls)
        self._contexts = TlsContexts()
        self._rules = rules or UpstreamRules()
        self._lanes: dict[tuple[str, str], _Lane] = {}

    async def close(self) -> None:
        """Close the connections."""
        await self._exchanges.close()

    def health(self) -> list[UpstreamHealth]:
        """List the upstreams that were called, with the state of their breakers and the requests under way."""
        return [
            UpstreamHealth(server, origin, lane.breaker.state, lane.slots.active)
            for (server, origin), lane in self._lanes.items()
        ]

    async def send(  # noqa: PLR0913 - all of a call, each by name
        self,
        plan: RequestPlan,
        *,
        deadline: float,
        server: str = "",
        is_repeatable: bool = False,
        authorization: Authorization = NO_AUTHORIZATION,
        authorities: str = "",
        on_chunk: OnChunk | None = None,
    ) -> ApiResponse:
        """Send one request and read its answer within `deadline` seconds.

        `server` names the MCP server that calls; `is_repeatable` says that the request may be sent again although its
        method may change something. `authorization` is added last, also to a request that is sent again or redirected,
        which never leaves the origin; `authorities` are the certificates (PEM) to trust, "" for the usual ones.
        `on_chunk` is told the media type and each piece of a success's body as it comes.

        Raises:
            UpstreamError: when there is no answer, with a sentence fit for the caller.

        """
        lane = self._lane(server, plan.url)
        is_probe = lane.breaker.admit()
        # A probe is one request, whatever its method.
        is_repeatable = not is_probe and (is_repeatable or plan.method in SAFE_METHODS)
        try:
            with within(deadline):
                ends = asyncio.get_running_loop().time() + deadline
                retries = Retries(self._rules.retries, is_allowed=is_repeatable, ends=ends)
                response = await self._follow(_Call(lane, plan, authorization, authorities, retries, on_chunk))
        except TimeoutError:
            lane.breaker.failed(is_probe=is_probe)
            raise UpstreamTimeoutError(f"The API did not answer within {deadline:g} seconds.") from None
        except BaseException as error:
            _record_error(lane.breaker, error, is_probe=is_probe)
            raise
        if response.status >= _SERVER_ERROR or response.status in _UNWELL:
            lane.breaker.failed(is_probe=is_probe)
        else:
            lane.breaker.succeeded(is_probe=is_probe)
        return response

    def _lane(self, server: str, url: str) -> _Lane:
        found = _ORIGIN.match(url)
        key = (server, found[0] if found else "")
        lane = self._lanes.get(key)
        if lane is None:
            if len(self._lanes) >= _MAX_LANES:
                self._lanes = {each: kept for each, kept in self._lanes.items() if not kept.is_idle}
            lane = self._lanes[key] = _Lane(self._rules)
        return lane

    async def _follow(self, call: _Call) -> ApiResponse:
        url = call.plan.url
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._retried(call, url)
            target = redirected(call.plan.method, url, response)
            if target is None:
                return response
            url = target
        raise RedirectDeniedError(f"The API redirected more than {MAX_REDIRECTS} times.")

    async def _retried(self, call: _Call, url: str) -> ApiResponse:
        while True:
            outcome = await self._exchange(call, url)
            pause = call.retries.after(outcome, _now())
            if pause is None or not await self._paused(call.lane, pause):
                if isinstance(outcome, UpstreamError):
                    raise outcome
                return outcome

    async def _paused(self, lane: _Lane, pause: float) -> bool:
        """Wait before sending again; gives False, at once or in the end, where that is no longer wanted."""
        if lane.waiting >= self._rules.retries.max_waiting or not lane.breaker.is_closed:
            return False
        lane.waiting += 1
        try:
            await asyncio.sleep(pause)
        finally:
            lane.waiting -= 1
        return lane.breaker.is_closed

    async def _exchange(self, call: _Call, url: str) -> ApiResponse | UpstreamError:
        slots = call.lane.slots
        if not slots.take():
            await slots.wait()
        try:
            return await self._authorized(call, url)
        except UpstreamError as error:
            return error
        finally:
            slots.give_back()

    async def _authorized(self, call: _Call, url: str) -> ApiResponse:
        """Send with credentials added, once more where the API's challenge asks for it (RFC 7616)."""
        plan = call.plan
        if call.authorization.digest is None and call.authorization.certificate is None and not call.authorities:
            attempt = call.authorization.applied(url, plan.headers)
            return await self._exchanges.exchange(plan, attempt, call.on_chunk)
        flow = call.authorization.flow(plan.method, url, plan.headers, client_nonce=_client_nonce, body=plan.body)
        context = self._contexts.find(call.authorities, call.authorization.certificate)
        attempt = next(flow)
        while True:
            response = await self._exchanges.exchange(plan, attempt, call.on_chunk, tls=context)
            try:
                attempt = flow.send(Reply(response.status, response.challenges))
            except StopIteration:
                return response


def _client_nonce() -> str:
    return secrets.token_hex(16)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _record_error(breaker: Breaker, error: BaseException, *, is_probe: bool) -> None:
    if isinstance(error, _OUTAGES):
        breaker.failed(is_probe=is_probe)
    elif isinstance(error, _ANSWERS):
        breaker.succeeded(is_probe=is_probe)
    else:
        breaker.abandoned(is_probe=is_probe)
