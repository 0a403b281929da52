"""An ASGI server's side of one exchange, by hand: bodies in chunks, lying headers, clients that hang up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.security.callers import LOCAL, Caller, set_caller

Event = MutableMapping[str, Any]
Asgi = Callable[[Event, Callable[[], Awaitable[Event]], Callable[[Event], Awaitable[None]]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What an application answered."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)


@dataclass
class Exchange:
    """One request to an ASGI application; `hang_up` is what a server reports when the client goes away."""

    app: Asgi
    method: str = "POST"
    path: str = "/"
    headers: Sequence[tuple[str, str]] = ()
    chunks: Sequence[bytes] = (b"",)
    kind: str = "http"
    caller: Caller = LOCAL
    sent: list[Event] = field(default_factory=list)
    read: int = 0
    _gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> Answer | None:
        """Give the answer, or None where the application sent none."""
        path, _, query = self.path.partition("?")
        scope: Event = {
            "type": self.kind,
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": self.method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in self.headers],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 8080),
        }
        set_caller(scope, self.caller)
        await self.app(scope, self._receive, self._send)
        if not self.sent:
            return None
        starts = [event for event in self.sent if event["type"] == "http.response.start"]
        assert len(starts) == 1, f"{len(starts)} answers to one request"
        found = tuple((name.decode(), value.decode()) for name, value in starts[0]["headers"])
        return Answer(starts[0]["status"], found, b"".join(each.get("body", b"") for each in self.sent))

    def hang_up(self) -> None:
        self._gone.set()

    async def _receive(self) -> Event:
        if self.read < len(self.chunks):
            self.read += 1
            more = self.read < len(self.chunks)
            return {"type": "http.request", "body": self.chunks[self.read - 1], "more_body": more}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, event: Event) -> None:
        self.sent.append(event)


async def answer(app: Asgi, **request: Any) -> Answer:
    """Make one request that has to be answered."""
    given = await Exchange(app, **request).run()
    assert given is not None, "no answer"
    return given
