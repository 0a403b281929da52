"""Leading a user to where they connect an account, in the client's own way (2026-07-28, "Elicitation", URL mode).

Every other client is given the URL in the text of the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.gateway.sessions import Elicitable
from app.gateway.snapshots import modern_envelope, to_bytes

if TYPE_CHECKING:
    from app.gateway.kernel import Era
    from app.gateway.messages import Message
    from app.gateway.snapshots import ServerSnapshot
    from converters.results import ToolResult

_ANSWER: Final = "account"


def asking_for_account(result: ToolResult, snapshot: ServerSnapshot, message: Message, era: Era) -> bytes | None:
    """Give the `input_required` result in place of one that lacks an account; None where there is nothing to ask.

    A client that has asked already gets the result as it is, so that one that asks nobody does not go on for ever.
    """
    url = result.meta.get("causeway/url")
    responses = (message.params or {}).get("inputResponses")
    has_asked = isinstance(responses, dict) and _ANSWER in responses
    if url is None or has_asked or not era.is_modern:
        return None
    if not Elicitable.from_capabilities(era.client_capabilities).by_url:
        return None
    params: dict[str, Any] = {"mode": "url", "url": url, "message": result.content[0]["text"]}
    request = {"method": "elicitation/create", "params": params}
    return to_bytes({**modern_envelope(snapshot), "resultType": "input_required", "inputRequests": {_ANSWER: request}})
