"""`subscriptions/listen` (2026-07-28, "Subscriptions"): a POST whose answer is a stream of notices that stays open.

The first message acknowledges what of the wanted notices there will be: here those of another list of tools. Every one
carries the id of the request. The result ends the stream where the server ends it; a client ends it by closing it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.gateway.event_stream import event
from app.gateway.http_exchange import HttpError, accepted
from app.gateway.kernel import KernelError
from app.gateway.messages import INVALID_PARAMS, result_bytes
from app.gateway.open_streams import OpenStream
from app.gateway.snapshots import modern_envelope, to_bytes

if TYPE_CHECKING:
    from app.gateway.http_exchange import Headers, Receive, Send
    from app.gateway.messages import Message
    from app.gateway.open_streams import OpenStreams
    from app.gateway.ports import ToolCatalog
    from app.gateway.snapshots import ServerSnapshot
    from app.security.callers import Caller

LISTEN: Final = "subscriptions/listen"
_SUBSCRIPTION_ID: Final = "io.modelcontextprotocol/subscriptionId"


class Subscriptions:
    """Answers `subscriptions/listen`."""

    def __init__(self, catalog: ToolCatalog, streams: OpenStreams) -> None:
        """Tell of changes in `catalog`, on streams bounded by `streams`."""
        self._catalog = catalog
        self._streams = streams

    async def answer(
        self,
        snapshot: ServerSnapshot,
        message: Message,
        headers: Headers,
        *,
        caller: Caller,
        receive: Receive,
        send: Send,
    ) -> None:
        """Answer a request of `caller` with a stream.

        Raises:
            HttpError: where the client takes no stream, or the server has too many.
            KernelError: where the request does not say what it wants.

        """
        wanted = (message.params or {}).get("notifications")
        if not isinstance(wanted, dict):
            raise KernelError(INVALID_PARAMS, "`notifications` must be an object that names the notices wanted.")
        if not accepted(headers, "text/event-stream", "text/*"):
            raise HttpError(406, "Accept text/event-stream: the answer is a stream of events.")
        self._streams.check(snapshot.key, caller)
        is_honored = wanted.get("toolsListChanged") is True
        meta = {_SUBSCRIPTION_ID: message.request_id}
        stream = OpenStream(last=event(result_bytes(message.request_id, _ending(snapshot, meta))))
        honored = {"toolsListChanged": True} if is_honored else {}
        stream.push(_notice("notifications/subscriptions/acknowledged", {"notifications": honored, "_meta": meta}))
        changed = _notice("notifications/tools/list_changed", {"_meta": meta})

        def on_change(is_served: bool) -> None:  # noqa: FBT001 - a `Watcher`
            if not is_served:
                stream.end()
            elif is_honored:
                stream.push(changed)

        unwatch = self._catalog.watch(snapshot.namespace, snapshot.name, on_change, caller=caller)
        try:
            await self._streams.run(snapshot.key, stream, caller, receive=receive, send=send)
        finally:
            unwatch()


def _notice(method: str, params: dict[str, Any]) -> bytes:
    return event(to_bytes({"jsonrpc": "2.0", "method": method, "params": params}))


def _ending(snapshot: ServerSnapshot, meta: dict[str, Any]) -> bytes:
    envelope = modern_envelope(snapshot)
    return to_bytes({**envelope, "_meta": {**envelope["_meta"], **meta}})
