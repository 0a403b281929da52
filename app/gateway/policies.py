"""What the calls of one server are held to, where that is not what this gateway does anyway."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from converters.results import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

ToolListing = Literal["direct", "search", "auto"]
Confirm = Literal["never", "destructive"]


@dataclass(frozen=True, slots=True)
class Policies:
    """`limits` of results, whether texts are read as the numbers they spell, and the seconds of a call.

    Without `require_credentials`, calls of a server for which no credential was supplied at all are sent as they are.
    `tool_listing` says whether tools are listed, searched for by three in their place, or what their number asks for;
    None lists them, except for a client that is known not to take so many (`converters.client_profiles`).
    `passthrough_headers` are the fields of the caller's request that go to the API, with the names they have there.
    `confirm` says which calls the client's user is asked about first.
    """

    limits: Limits = DEFAULT_LIMITS
    heal_numbers: bool = False
    call_timeout: float | None = None
    require_credentials: bool = True
    tool_listing: ToolListing | None = None
    passthrough_headers: Mapping[str, str] = field(default_factory=dict)
    confirm: Confirm = "never"

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Policies:
        """Read what the control plane stored."""
        budget = stored.get("response_budget")
        return cls(
            limits=DEFAULT_LIMITS if budget is None else Limits(text=budget),
            heal_numbers=stored.get("heal_numbers") is True,
            call_timeout=stored.get("call_timeout"),
            require_credentials=stored.get("require_credentials") is not False,
            tool_listing=stored.get("tool_listing"),
            passthrough_headers=stored.get("passthrough_headers") or {},
            confirm=stored.get("confirm") or "never",
        )
