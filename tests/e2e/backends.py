"""A loopback HTTP server that writes down every byte it is sent and answers from a table."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Received:
    """A request as it came over the wire."""

    line: bytes
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def method(self) -> str:
        return self.line.split(b" ")[0].decode("ascii")

    @property
    def target(self) -> str:
        return self.line.split(b" ")[1].decode("latin-1")

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(found) <= 1
        return found[0] if found else None


Behaviour = Callable[[Received, socket.socket], None]


def answer(
    body: bytes = b'{"ok":true}', *, status: str = "200 OK", content_type: str = "application/json", **headers: str
) -> bytes:
    """Write a whole response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", f"Content-Type: {content_type}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class Backend:
    """What was received, and the table of answers: bytes, or a function that writes to the connection itself."""

    listener: socket.socket
    table: dict[tuple[str, str], bytes | Behaviour] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    hang_ups: list[float] = field(default_factory=list)
    connections: set[socket.socket] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def reset(self) -> None:
        """Forget requests and answers; connections stay."""
        self.table.clear()
        self.received.clear()
        self.hang_ups.clear()

    def only(self) -> Received:
        """Give the one request there was."""
        assert len(self.received) == 1, self.received
        return self.received[0]

    def hang(self, _: Received, connection: socket.socket) -> None:
        """Answer nothing, and write down when the other side gives up."""
        with contextlib.suppress(OSError):
            connection.recv(1)
        self.hang_ups.append(time.monotonic())

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.add(connection)
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            reader = connection.makefile("rb")
            with reader:
                while (received := _read(reader)) is not None:
                    self.received.append(received)
                    reply = self.table.get((received.method, received.path), answer())
                    if callable(reply):
                        reply(received, connection)
                        break
                    connection.sendall(reply)
        self.connections.discard(connection)


def _read(reader: Any) -> Received | None:
    line = reader.readline().rstrip(b"\r\n")
    if not line:
        return None
    headers = []
    while text := reader.readline().rstrip(b"\r\n"):
        name, _, value = text.partition(b":")
        headers.append((name.decode("latin-1"), value.strip().decode("latin-1")))
    named = {name.lower(): value for name, value in headers}
    if "chunked" in named.get("transfer-encoding", ""):
        body = b""
        while size := int(reader.readline(), 16):
            body += reader.read(size)
            reader.readline()
        reader.readline()
    else:
        body = reader.read(int(named.get("content-length", "0")))
    return Received(line, tuple(headers), body)


@contextmanager
def running_backend() -> Iterator[Backend]:
    """Listen on a free loopback port."""
    listener = socket.create_server(("127.0.0.1", 0))
    backend = Backend(listener)
    thread = threading.Thread(target=backend._accept, daemon=True)  # noqa: SLF001 - its own thread
    thread.start()
    try:
        yield backend
    finally:
        # Closing alone does not wake a thread that is waiting in accept() or recv().
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
        for connection in list(backend.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        deadline = time.monotonic() + 5
        while backend.connections and time.monotonic() < deadline:
            time.sleep(0.01)


def described(server: str, paths: dict[str, Any], *, title: str = "Recorded", **more: Any) -> dict[str, Any]:
    """Write a description of an API at `server`; operations without responses get one."""
    completed = {
        path: {
            method: operation if method == "parameters" else {"responses": {"200": {"description": "OK"}}, **operation}
            for method, operation in item.items()
        }
        for path, item in paths.items()
    }
    return {
        "openapi": "3.0.3",
        "info": {"title": title, "version": "1"},
        "servers": [{"url": server}],
        "paths": completed,
        **more,
    }


def parameter(name: str, place: str, schema: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Write a parameter; those of the path are required."""
    required = {"required": True} if place == "path" else {}
    return {"name": name, "in": place, "schema": schema or {"type": "string"}, **required, **more}
