"""What a gateway is measured between: the API behind the tools, and the floor, as ASGI applications for uvicorn.

The floor does only the unavoidable: it reads a body, asks the same API for the same with aiohttp, and answers. With
`BENCH_LIST`, a file, it answers `/list` with its bytes.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

import aiohttp

SMALL: Final = b'{"id":5,"name":"doggie","photoUrls":["a"],"status":"available"}'
LARGE: Final = json.dumps(
    {"items": [{"id": i, "name": f"doggie {i}", "ok": True, "price": i + 0.5} for i in range(1560)]}
).encode()
"""Some 100 KB, within what a result may hold."""

_LIST: Final = Path(os.environ["BENCH_LIST"]) if "BENCH_LIST" in os.environ else None


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Be an API that says what it was asked: the path and the body."""
    if scope["type"] == "http":
        body = b""
        while (event := await receive())["type"] == "http.request":
            body += event.get("body", b"")
            if not event.get("more_body"):
                break
        await answer(send, json.dumps({"path": scope["path"], "body": body.decode()}).encode())


async def answer(send: Any, body: bytes) -> None:
    """Answer 200 with a JSON body."""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def api(scope: Any, receive: Any, send: Any) -> None:
    """Be the API."""
    if scope["type"] == "http":
        while (await receive()).get("more_body"):
            pass
        await answer(send, LARGE if scope["path"] == "/large" else SMALL)


class Floor:
    """One request in, one request out."""

    def __init__(self) -> None:
        """Start without a session: it belongs to the event loop."""
        self._session: aiohttp.ClientSession | None = None
        self._list = b""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Ask the API and pass its answer on."""
        body = (await receive())["body"]
        if scope["path"] == "/list" and _LIST is not None:
            self._list = self._list or _LIST.read_bytes()
            await answer(send, self._list)
            return
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        base = os.environ["BENCH_API"]
        if scope["path"] == "/post":
            asked = self._session.post(f"{base}/pets", data=body, headers={"Content-Type": "application/json"})
        else:
            asked = self._session.get(f"{base}/large" if scope["path"] == "/large" else f"{base}/pets/5?fields=name")
        async with asked as response:
            await answer(send, await response.read())


floor = Floor()
