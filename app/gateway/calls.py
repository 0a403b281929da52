"""tools/call: check the arguments, plan the request, send it, shape the answer.

Everything that can go wrong becomes a result that says so: a model can only correct what it can read.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from app.errors import AuthorizationRequiredError, CausewayError, UpstreamError
from app.gateway.answers import AnswerStore
from app.gateway.authorizing import (
    CallMask,
    CredentialMissingError,
    WithoutCredentials,
    WithoutTokens,
    authorized,
    masked,
    told,
)
from app.gateway.hops import TooManyHopsError, next_hop
from app.gateway.limits import Limits
from app.gateway.sending import Sending
from app.security.callers import NO_LIMITS
from converters import ArgumentsError
from converters.passed_fields import passed
from converters.request_plans import ServerUnknownError, plan
from converters.results import ToolResult, failed, tool_result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.gateway.ports import CallLog, CredentialSource, OnChunk, TokenSource, Upstream
    from app.gateway.snapshots import ServerSnapshot, ServerTool
    from app.security.callers import Caller
    from converters.healing import Repair
    from converters.masking import Masking
    from converters.outputs import OutputChecker
    from converters.request_plans import RequestPlan
    from converters.results import ApiResponse
    from converters.results import Limits as ResultLimits

# Reading and checking a megabyte of JSON takes tens of milliseconds, in which nobody else would be served.
_LARGE: Final = 128 * 1024


class UnknownToolError(CausewayError):
    """The server has no enabled tool of this name."""

    code = "tool_unknown"


class ToolGoneError(UnknownToolError):
    """The server had a tool of this name a while ago."""

    code = "tool_gone"

    def __init__(self, server: str, name: str) -> None:
        """Say what to do."""
        super().__init__(
            f"The server {server!r} has no tool {name!r} any more: its description or settings have changed. List its "
            "tools again, and call one of those."
        )


class ToolCalls:
    """Performs tool calls against the APIs behind them."""

    def __init__(
        self,
        upstream: Upstream,
        *,
        deadline: float,
        credentials: CredentialSource | None = None,
        tokens: TokenSource | None = None,
        limits: Limits | None = None,
        log: CallLog | None = None,
    ) -> None:
        """Send through `upstream` with `credentials` and `tokens`, by default none, within `limits` of each caller.

        `deadline` in seconds bounds one call; `log` is told of each.
        """
        self.answers = AnswerStore()
        self._upstream = upstream
        self._credentials = credentials or WithoutCredentials()
        self._tokens = tokens or WithoutTokens()
        self.limits = limits or Limits(NO_LIMITS)
        self._deadline = deadline
        self._log = log
        # One thread: more would not be faster, and would take more turns from the event loop.
        self._shaping = ThreadPoolExecutor(1, "large-answers")

    def mask(self, snapshot: ServerSnapshot, caller: Caller) -> Masking:
        """Give what masks the secrets of a server in what its API tells `caller`."""
        return CallMask(snapshot.key, self._credentials.held(snapshot.namespace, snapshot.name), self._tokens, caller)

    async def call(
        self,
        snapshot: ServerSnapshot,
        name: str,
        arguments: Mapping[str, Any],
        *,
        caller: Caller,
        on_chunk: OnChunk | None = None,
    ) -> ToolResult:
        """Perform one call for `caller`; raises only `UnknownToolError` and `TooManyRequestsError`.

        `on_chunk` is told the media type and each piece of the API's answer as it comes.
        """
        began = perf_counter()
        told, code = "", "cancelled"
        try:
            tool = find_tool(snapshot, name, caller)
            told = tool.name
            with self.limits.call(caller):
                await self.limits.count(caller)
                result = await self._call(snapshot, tool, arguments, caller=caller, on_chunk=on_chunk)
            code = _code(result)
        except CausewayError as error:
            code = error.code
            raise
        except Exception:
            code = CausewayError.code
            raise
        finally:
            if self._log is not None:
                self._log.called(snapshot, told, caller, code=code, seconds=perf_counter() - began)
        return result

    async def _call(
        self,
        snapshot: ServerSnapshot,
        tool: ServerTool,
        arguments: Mapping[str, Any],
        *,
        caller: Caller,
        on_chunk: OnChunk | None,
    ) -> ToolResult:
        held = self._credentials.held(snapshot.namespace, snapshot.name)
        mask = CallMask(snapshot.key, held, self._tokens, caller)
        deadline = min(self._deadline, snapshot.policies.call_timeout or self._deadline)
        try:
            request, repairs = planned(tool, arguments)
            request = _for_caller(request, caller, snapshot)
            authorization = authorized(tool, snapshot, held)
            sending = Sending(
                self._upstream, self._tokens, tool=tool, snapshot=snapshot, caller=caller, deadline=deadline
            )
            response = await sending.send(request, authorization, on_chunk=on_chunk)
        except ArgumentsError as error:
            return failed(_explained(tool, error), {"causeway/code": error.problems[0].code})
        except ServerUnknownError as error:
            return failed(error.message, {"causeway/code": "server_unknown"})
        except TooManyHopsError as error:
            return failed(error.message, {"causeway/code": error.code})
        except CredentialMissingError as error:
            return failed(error.message, {"causeway/code": error.code, "causeway/schemes": list(error.schemes)})
        except UpstreamError as error:
            return failed(mask.text(error.message), _meta(error))
        result = told(await self._shaped(response, tool, mask), tool, snapshot, held, status=response.status)
        if result.overflow is not None:
            result = result.with_resource(self.answers.keep((snapshot.key, caller.subject), result.overflow))
        return _with_repairs(result, repairs) if repairs else result

    async def _shaped(self, response: ApiResponse, tool: ServerTool, mask: CallMask) -> ToolResult:
        # Found here: what is made of definitions belongs to the event loop's thread.
        shape = partial(_result, response, tool.output_checker, tool.policies.limits, mask.now())
        if len(response.body) <= _LARGE:
            return shape()
        return await asyncio.get_running_loop().run_in_executor(self._shaping, shape)


def _code(result: ToolResult) -> str:
    if not result.is_error:
        return "ok"
    code: str = result.meta.get("causeway/code", "api_error")
    return code


def _result(response: ApiResponse, output: OutputChecker | None, limits: ResultLimits, mask: Masking) -> ToolResult:
    return tool_result(masked(response, mask), output, limits)


def find_tool(snapshot: ServerSnapshot, name: str, caller: Caller) -> ServerTool:
    """Find an enabled tool that `caller` may call, also by a name it had a while ago; raises `UnknownToolError`."""
    tool = snapshot.tool(name)
    if tool is not None and caller.may_call(snapshot.namespace, snapshot.name, tool.name):
        return tool
    if tool is not None and caller.may_call(snapshot.namespace, snapshot.name, name):
        return tool
    if name in snapshot.gone and caller.may_call(snapshot.namespace, snapshot.name, name):
        raise ToolGoneError(snapshot.name, name)
    raise UnknownToolError(f"The server {snapshot.name!r} has no tool {name[:100]!r}.")


class PlannedCall(NamedTuple):
    """A call that is ready to be sent, and what was repaired in its arguments."""

    request: RequestPlan
    repairs: tuple[Repair, ...]


def planned(tool: ServerTool, arguments: Mapping[str, Any], *, is_traced: bool = False) -> PlannedCall:
    """Check the arguments and build the request; nothing is sent. `is_traced` tells what its pieces come from.

    Raises:
        ArgumentsError: with everything that is wrong with the arguments.
        ServerUnknownError: when it is not known where the API is.

    """
    checked = tool.checker.check(arguments, heal_numbers=tool.policies.heal_numbers)
    request = plan(
        tool.definition, checked.values, base=tool.base, server_pointer=tool.server_pointer, is_traced=is_traced
    )
    return PlannedCall(request, checked.repairs)


def _for_caller(request: RequestPlan, caller: Caller, snapshot: ServerSnapshot) -> RequestPlan:
    """Add what the request of a caller carries beside the arguments; raises `TooManyHopsError`.

    What an owner lets through stands before an argument of the same name. A credential stands before both.
    """
    added = (*passed(caller.fields, snapshot.policies.passthrough_headers), next_hop(caller))
    return request.with_headers(added)


def _with_repairs(result: ToolResult, repairs: tuple[Repair, ...]) -> ToolResult:
    return replace(result, meta={**result.meta, "causeway/repaired": [repair.sentence() for repair in repairs]})


def _meta(error: UpstreamError) -> dict[str, Any]:
    meta: dict[str, Any] = {"causeway/code": error.code}
    if error.retry_after is not None:
        meta["causeway/retryAfter"] = error.retry_after
    if isinstance(error, AuthorizationRequiredError):
        meta["causeway/url"] = error.url
    return meta


def _explained(tool: ServerTool, error: ArgumentsError) -> str:
    count = len(error.problems)
    what = "one argument does not fit" if count == 1 else f"{count} arguments do not fit"
    return f"The call of {tool.definition.name} was not sent: {what}.\n{error.message}"
