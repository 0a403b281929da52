"""What stands in the log, whatever was sent."""

from __future__ import annotations

import io
import json
import logging
import sys
from typing import Any

import httpx2
import pytest

from app.settings import load
from app.telemetry.logs import REQUESTS, JsonLines, LineHandler, RequestLog, TextLines, configure
from app.telemetry.records import RequestRecord
from app.telemetry.requests import RequestRecords
from app.telemetry.texts import MAX_BYTES, fit
from tests.app.asgi import Exchange
from tests.app.backends import backend, json_reply
from tests.app.gateways import Gateway

MOST_STEPS = 38
SECRET = "s3cr3t-of-the-owner"
HOSTILE = {
    "a line of its own": 'x\r\n{"level":"error","message":"forged"}',
    "ANSI": "\x1b[2J\x1b[31mred",
    "other breaks": "a\u2028b\u2029c\x85d",
    "a turned direction": "\u202egnp.exe",
    "half a character": "\ud800",
    "a megabyte": "x" * 1_000_000,
    "a megabyte of controls": "\x00" * 1_000_000,
}


class Lines(logging.Handler):
    """Keeps what would be written."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.formatter = formatter
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("formatter", [JsonLines(), TextLines()], ids=["json", "text"])
def test_a_hostile_value_is_one_line_of_bounded_length(formatter: logging.Formatter, value: str) -> None:
    """D10, in messages as in records of requests."""
    message = logging.LogRecord("app", logging.WARNING, "", 0, "met %s", (value,), None)
    request = RequestLog(RequestRecord("1", value, value, tool=value, subject=value))
    for record in (message, request):
        line = formatter.format(record)
        assert len(line.splitlines()) == 1
        assert line.isprintable()
        # Four of the values of a request are the hostile one, and JSON escapes escapes once more.
        assert len(line.encode()) < 6 * MAX_BYTES


@pytest.mark.parametrize(
    "text",
    [
        f"GET https://api.example.com/pets?api_key={SECRET} failed",
        f"https://user:{SECRET}@api.example.com/ failed",
        f"Authorization: Bearer {SECRET}",
        f'{{"client_secret": "{SECRET}"}}',
        f"access_token={SECRET}&x=1",
        f"the key cwk_{SECRET.replace('-', '0')} is revoked",
    ],
)
def test_what_looks_like_a_credential_is_hidden(text: str) -> None:
    """K01, K02."""
    shown = fit(text)
    assert SECRET not in shown
    assert SECRET.replace("-", "0") not in shown
    assert "***" in shown


def test_an_exception_is_told_without_its_credentials_and_lines_of_its_own() -> None:
    """D10, K02."""
    error = ValueError(f"https://api.example.com/?key={SECRET}\nerror forged: \x1b[2J")
    record = logging.LogRecord("app", logging.ERROR, "", 0, "failed", (), (ValueError, error, None))
    told = json.loads(JsonLines().format(record))
    assert SECRET not in told["exception"]
    assert "\n" not in told["exception"]
    lines = TextLines().format(record).splitlines()
    assert all(line.startswith("    ") for line in lines[1:])
    assert SECRET not in "".join(lines)


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    class Full:
        def write(self, _: str) -> None:
            raise OSError(28, "No space left on device")

        def flush(self) -> None: ...

    handler, lost = LineHandler(Full()), LineHandler.lost
    handler.handle(logging.LogRecord("app", logging.ERROR, "", 0, "x", (), None))
    assert lost + 1 == LineHandler.lost


def test_the_record_of_a_call_takes_few_steps() -> None:
    """Counted and not timed: what all that logging does by itself took five times as long."""
    handler = LineHandler(io.StringIO())
    handler.setFormatter(JsonLines())
    request = RequestRecord("1", "POST", "/mcp/default/pets", "key:9f3b2c1d", "ok", "get_pet", 3, 200, 0.01)
    handler.handle(RequestLog(request))
    steps = 0

    def profile(_frame: Any, event: str, _: Any) -> None:
        nonlocal steps
        steps += event in {"call", "c_call"}

    sys.setprofile(profile)
    try:
        handler.handle(RequestLog(request))
    finally:
        sys.setprofile(None)
    assert steps <= MOST_STEPS, steps


@pytest.mark.parametrize("method", ["getMessage", "__repr__", "__str__"])
def test_the_record_of_a_request_is_one_that_other_handlers_can_write(method: str) -> None:
    record = RequestLog(RequestRecord("the-id-of-it", "GET", "/"))
    assert getattr(record, method)()
    written = logging.Formatter("%(asctime)s %(name)s %(levelname)s %(filename)s:%(lineno)d %(threadName)s %(message)s")
    assert "the-id-of-it" in written.format(record)


async def test_each_request_leaves_one_record_with_its_id_and_code(served: Gateway, written: Lines) -> None:
    """U6."""
    async with backend(json_reply(b'{"id": 1}')) as api:
        await served.create(base_url=api.url)
        written.lines.clear()
        answers = [
            await served.http.get("/healthz"),
            await served.http.get("/api/v1/namespaces/default/servers/none"),
            await served.http.get(f"/healthz?api_key={SECRET}"),
            await served.http.get("/api/v1/namespaces", headers={"Authorization": "Bearer none"}),
            await served.http.post("/mcp/default/none", json={}),
            await called(served, "get_pet", {"petId": 1}),
            await called(served, "get_pet", {}),
            await called(served, "none", {}),
        ]
    records = written.records()
    assert [each["request_id"] for each in records] == [each.headers["x-request-id"] for each in answers]
    assert len({each["request_id"] for each in records}) == len(answers)
    assert [each["status"] for each in records] == [each.status_code for each in answers]
    codes = [each["code"] for each in records]
    assert codes[:5] == ["ok", "server_not_found", "credential_in_url", "unauthorized", "server_not_found"]
    assert codes[5:] == ["ok", "arg_required", "tool_unknown"]
    assert {"namespace": "default", "server": "pets", "tool": "get_pet", "revision": 1}.items() <= records[5].items()
    assert records[5]["subject"] == "admin"
    assert "subject" not in records[3]
    assert SECRET not in "".join(written.lines)


async def called(gateway: Gateway, tool: str, arguments: dict[str, Any], *, server: str = "pets") -> httpx2.Response:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    headers = {"MCP-Protocol-Version": "2025-11-25", "Accept": "application/json, text/event-stream"}
    return await gateway.http.post(f"/mcp/default/{server}", json=message, headers=headers)


GIVEN = "from-the-proxy-1"


@pytest.mark.parametrize(
    ("trusted", "given", "is_taken"),
    [
        (("127.0.0.0/8",), GIVEN, True),
        ((), GIVEN, False),
        (("10.0.0.0/8",), GIVEN, False),
        (("127.0.0.0/8",), "short", False),
        (("127.0.0.0/8",), "x" * 200, False),
        (("127.0.0.0/8",), 'an-id-"with-quotes', False),
    ],
)
async def test_only_a_trusted_proxy_names_a_request_and_only_by_a_sane_id(
    trusted: tuple[str, ...], given: str, is_taken: bool
) -> None:
    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    answer = await Exchange(RequestRecords(inner, trusted=trusted), headers=[("X-Request-Id", given)]).run()
    assert answer is not None
    assert (answer.header("x-request-id") == given) is is_taken
    assert answer.header("x-request-id")


def test_records_are_written_as_json_and_left_out_as_text(clean_environment: None) -> None:
    root, named = logging.getLogger(), [logging.getLogger(name) for name in ("app", REQUESTS)]
    before = root.handlers[:], root.level, [each.level for each in named]
    try:
        for log_format, level, is_written in [("json", None, True), ("text", None, False), ("json", "warning", False)]:
            configure(load(log_format=log_format, log_level=level))
            assert logging.getLogger(REQUESTS).isEnabledFor(logging.INFO) is is_written
    finally:
        root.handlers[:], root.level = before[0], before[1]
        for each, number in zip(named, before[2], strict=True):
            each.setLevel(number)
