"""The API of `specs/conformance/fixtures.yaml`: it answers what the conformance suite wants its tools to give."""

from __future__ import annotations

import base64
import socket
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

from tests.e2e.backends import Backend, Behaviour, Received, answer
from tests.e2e.gateways import Gateway

SERVER = "conformance"
DESCRIPTION = Path(__file__).parents[2] / "specs/conformance/fixtures.yaml"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
SILENCE = (
    b"RIFF$\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00"
    b"data\x00\x00\x00\x00"
)
PARTS = (
    b"--part\r\nContent-Type: text/plain\r\n\r\nMultiple content types test:\r\n"
    b"--part\r\nContent-Type: image/png\r\n\r\n" + PIXEL + b"\r\n"
    b"--part\r\nContent-Type: application/json\r\nContent-Location: test://mixed-content-resource\r\n\r\n"
    b'{"test":"data","value":123}\r\n--part--\r\n'
)
LOGGED = (
    b'{"level":"info","message":"Tool execution started"}\n',
    b'{"level":"info","message":"Tool processing data"}\n',
    b'{"level":"info","message":"Tool execution completed"}\n{"logged":3}\n',
)
LOGGED_IN_DETAIL = (
    b'{"level":"debug","message":"Reading"}\n',
    b'{"level":"error","message":"Something is wrong"}\n{"logged":2}\n',
)
DELETED = b"User response: it is deleted, state-ok"
CONFIRMED = ("", "/in-a-result", "/with-state", "/with-state-of-another", "/not-possible")
TRACKED = (
    b'event: progress\ndata: {"progress":0,"total":100}\n\n',
    b'event: progress\ndata: {"progress":50,"total":100}\n\n',
    b'event: progress\ndata: {"progress":100,"total":100}\n\nevent: result\ndata: {"done":true}\n\n',
)


def play(backend: Backend, gateway: Gateway) -> str:
    """Have `backend` answer as the description says, serve it by `gateway`, and give the MCP URL."""
    backend.table.update(
        {
            ("GET", "/simple-text"): answer(b"This is a simple text response for testing.", content_type="text/plain"),
            ("GET", "/image"): answer(PIXEL, content_type="image/png"),
            ("GET", "/audio"): answer(SILENCE, content_type="audio/wav"),
            ("GET", "/embedded-resource"): answer(
                b"This is an embedded resource content.",
                content_type="text/plain",
                Content_Location="test://embedded-resource",
            ),
            ("GET", "/multiple-content-types"): answer(PARTS, content_type="multipart/mixed; boundary=part"),
            ("GET", "/errors"): answer(
                b"This tool intentionally returns an error for testing",
                status="500 Internal Server Error",
                content_type="text/plain",
            ),
            ("POST", "/jobs/logged"): _in_steps("application/x-ndjson", LOGGED),
            ("POST", "/jobs/logged-in-detail"): _in_steps("application/x-ndjson", LOGGED_IN_DETAIL),
            ("POST", "/jobs/tracked"): _in_steps("text/event-stream", TRACKED),
            ("POST", "/jobs/watched"): _in_steps("text/event-stream", TRACKED),
            ("POST", "/changes"): _then_answer(_change_of_a_tool(gateway)),
            ("POST", "/people"): answer(b"", status="204 No Content"),
            **{("DELETE", f"/elicitations{each}"): answer(DELETED, content_type="text/plain") for each in CONFIRMED},
        }
    )
    served = gateway.upload(DESCRIPTION.read_bytes(), file_name="fixtures.yaml", name=SERVER, base_url=backend.url)
    assert served.status_code == 201, served.text
    policy = gateway.http.patch(f"{gateway.api}/{SERVER}", json={"policies": {"confirm": "destructive"}})
    assert policy.status_code == 200, policy.text
    return gateway.mcp_url(SERVER)


def _in_steps(content_type: str, steps: Sequence[bytes]) -> Behaviour:
    def behave(_: Received, connection: socket.socket) -> None:
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nConnection: close\r\n\r\n".encode())
        for step in steps:
            connection.sendall(step)
            time.sleep(0.05)

    return behave


def _then_answer(work: Callable[[], None]) -> Behaviour:
    def behave(_: Received, connection: socket.socket) -> None:
        work()
        connection.sendall(answer(b"", status="204 No Content", Connection="close"))

    return behave


def _change_of_a_tool(gateway: Gateway) -> Callable[[], None]:
    """Give what an operator does: change the description of a tool by the control plane."""
    numbers = count(1)

    def change() -> None:
        changed = {"description": f"Answer with plain text, edition {next(numbers)}."}
        answered = gateway.http.patch(f"{gateway.api}/{SERVER}/tools/test_simple_text", json=changed)
        assert answered.status_code == 200, answered.text

    return change
