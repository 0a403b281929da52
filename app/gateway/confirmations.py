"""Asking the user before a call that destroys something, where the server's policy wants it.

How depends on the client ("Elicitation"): one of 2026-07-28 is given an `input_required` result and sends the call
again with the answer; one of the handshake era is asked while the call waits. A call whose user cannot be asked is
refused.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Any, Final

from app.errors import CausewayError
from app.gateway.kernel import KernelError
from app.gateway.messages import INVALID_PARAMS
from app.gateway.sessions import Elicitable
from app.gateway.snapshots import modern_envelope, to_bytes
from converters.results import ToolResult, failed
from converters.texts import shortened

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from app.gateway.kernel import Era
    from app.gateway.messages import Message
    from app.gateway.ports import SpentStates
    from app.gateway.sealed_state import SealedState
    from app.gateway.snapshots import ServerSnapshot, ServerTool
    from app.security.callers import Caller

    Ask = Callable[[dict[str, Any]], Awaitable[dict[str, Any] | None]]
    """Sends an `elicitation/create` with these parameters; gives its result, or None."""

STATE_SECONDS: Final = 600.0
_ANSWER: Final = "confirmation"
_MISSING_CAPABILITY: Final = -32021
_MAX_SHOWN: Final = 1_000


class Confirmations:
    """Asks users whether a call is meant."""

    def __init__(self, state: SealedState, spent: SpentStates) -> None:
        """Seal what clients bring back with `state`, and have it count once by `spent`."""
        self._state = state
        self._spent = spent

    async def refusal(  # noqa: PLR0913 - all of a call, each by name
        self,
        tool: ServerTool,
        arguments: Mapping[str, Any],
        *,
        snapshot: ServerSnapshot,
        message: Message,
        era: Era,
        caller: Caller,
        ask: Ask | None,
    ) -> ToolResult | bytes | None:
        """Give None for a call that its user confirmed, else its result; as bytes a rendered one that asks.

        Raises:
            KernelError: where the client cannot be asked, or brings back what it was not given.

        """
        params = _params(tool, arguments)
        if era.is_modern:
            return await self._by_result(tool, arguments, snapshot=snapshot, message=message, era=era, caller=caller)
        if ask is None:
            return _unasked(tool)
        return _judged(tool, await ask({**params, "mode": "form"} if era.version >= _WITH_MODES else params))

    async def _by_result(
        self,
        tool: ServerTool,
        arguments: Mapping[str, Any],
        *,
        snapshot: ServerSnapshot,
        message: Message,
        era: Era,
        caller: Caller,
    ) -> ToolResult | bytes | None:
        place = _place(tool, arguments, snapshot=snapshot, caller=caller)
        given = message.params or {}
        if "requestState" in given:
            number = self._opened(given["requestState"], place)
            responses = given.get("inputResponses")
            answer = responses.get(_ANSWER) if isinstance(responses, dict) else None
            if isinstance(answer, dict):
                return await self._spend(number, tool) or _judged(tool, answer)
        if not Elicitable.from_capabilities(era.client_capabilities).by_form:
            lacking: dict[str, Any] = {"requiredCapabilities": {"elicitation": {"form": {}}}}
            text = "This call has to be confirmed by the user, which takes the client's capability `elicitation`."
            raise KernelError(_MISSING_CAPABILITY, text, lacking)
        request = {"method": "elicitation/create", "params": {**_params(tool, arguments), "mode": "form"}}
        state = self._state.seal(secrets.token_urlsafe(16), place, seconds=STATE_SECONDS)
        asking = {**modern_envelope(snapshot), "resultType": "input_required"}
        return to_bytes({**asking, "inputRequests": {_ANSWER: request}, "requestState": state})

    def _opened(self, state: Any, place: tuple[str, ...]) -> str:
        """Give the number of a state that comes from who got it, for the call it was given for."""
        number: str | None = self._state.open(state, place) if isinstance(state, str) else None
        if number is None:
            raise KernelError(INVALID_PARAMS, _NOT_THE_STATE)
        return number

    async def _spend(self, number: str, tool: ServerTool) -> ToolResult | None:
        """Give None where a confirmation counts now, as it does once."""
        try:
            is_first = await self._spent.spend(number, seconds=STATE_SECONDS)
        except CausewayError as error:
            text = (
                f"The call of {tool.definition.name} was not sent: it cannot be told now whether its confirmation has "
                f"counted before. {error.message} Send the same request again in a while."
            )
            return failed(text, {"causeway/code": "not_confirmed"})
        if not is_first:
            raise KernelError(INVALID_PARAMS, _NOT_THE_STATE)
        return None


_NOT_THE_STATE: Final = (
    "`requestState` is not the one that this call was answered with, or it is over: send the call anew."
)
_WITH_MODES: Final = "2025-11-25"


def has_to_be_confirmed(tool: ServerTool) -> bool:
    """Tell whether the server's policy wants calls of a tool confirmed."""
    hints = tool.definition.annotations
    # What is not said to be harmless is not (2025-11-25, `ToolAnnotations`).
    return (
        tool.policies.confirm == "destructive" and hints.get("destructiveHint", not hints.get("readOnlyHint")) is True
    )


def _params(tool: ServerTool, arguments: Mapping[str, Any]) -> dict[str, Any]:
    definition = tool.definition
    shown = shortened(to_bytes(dict(arguments)).decode(), _MAX_SHOWN)
    text = f"Call {definition.name} ({definition.method.upper()} {definition.path}) with {shown}?"
    return {"message": f"{text} It may destroy something.", "requestedSchema": {"type": "object", "properties": {}}}


def _place(
    tool: ServerTool, arguments: Mapping[str, Any], *, snapshot: ServerSnapshot, caller: Caller
) -> tuple[str, ...]:
    digest = hashlib.sha256(to_bytes(dict(arguments))).hexdigest()
    return "mcp confirmation", snapshot.key, caller.subject, tool.definition.name, digest


def _judged(tool: ServerTool, answer: Mapping[str, Any] | None) -> ToolResult | None:
    action = None if answer is None else answer.get("action")
    if action == "accept":
        return None
    why = "the user declined" if action == "decline" else "the user did not confirm it"
    return failed(f"The call of {tool.definition.name} was not sent: {why}.", {"causeway/code": "not_confirmed"})


def _unasked(tool: ServerTool) -> ToolResult:
    text = (
        f"The call of {tool.definition.name} was not sent: it has to be confirmed by the user, and this client cannot "
        "ask (it takes the capability `elicitation`). The server's owner can lift that by the policy `confirm`."
    )
    return failed(text, {"causeway/code": "not_confirmed"})
