"""What a gateway tells its operator as it runs: log lines on standard error, and traces."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import httpx2

from tests.app.telemetry.collector import Collector, Exported, collecting
from tests.e2e.backends import Backend, described
from tests.e2e.gateways import started_gateway, wait_until

FORGED = '{"level":"error","message":"forged"}'
HOSTILE = f"x\r\n{FORGED}\n\x1b[2J\x1b[31m\u2028\u202e{'y' * 20_000}"
SECRET = "s3cr3t-of-the-owner"
MOST_BYTES = 8 * 1024


def test_whatever_is_asked_each_request_is_one_line_and_one_trace(tmp_path: Path, backend: Backend) -> None:
    """D10, U6, K02."""
    with collecting() as collector:
        settings = {
            "CAUSEWAY_LOG_FORMAT": "json",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }
        with started_gateway(tmp_path, settings=settings, is_quiet=False) as gateway:
            gateway.publish("pets", described(backend.url, {"/pets": {"get": {"operationId": "list_pets"}}}))
            assert gateway.call("pets", "list_pets")["isError"] is False
            message = {"jsonrpc": "2.0", "id": HOSTILE, "method": "tools/call", "params": {"name": HOSTILE}}
            answers = [
                gateway.http.post(gateway.mcp_url("pets"), json=message),
                gateway.http.get(f"{gateway.url}/%0d%0a%1b%5b2J{FORGED}", params={"api_key": SECRET}),
                gateway.http.get(f"{gateway.api}/{quote(HOSTILE[:5000])}"),
                gateway.http.get(gateway.url, headers={"X-Request-Id": FORGED, "User-Agent": SECRET}),
                gateway.http.delete(f"{gateway.url}/healthz?token={SECRET}"),
            ]
            wait_until(lambda: len(requests_of(collector)) == 1 + len(answers), "the traces", seconds=60)
    told = gateway.errors.read_bytes()
    lines = told.splitlines()
    records = [json.loads(line) for line in lines]
    ids = [each["request_id"] for each in records if each["message"] == "request"]
    assert ids[-len(answers) :] == [each.headers["x-request-id"] for each in answers]
    assert len(ids) == len(set(ids)) == 2 + len(answers)
    assert all("code" in each for each in records)
    assert max(map(len, lines)) < MOST_BYTES
    assert not [each for each in ("\x1b", "\u2028", "\u202e", SECRET) if each.encode() in told]
    assert [each.status_code >= httpx2.codes.BAD_REQUEST for each in answers[1:]] == [True] * 4

    named = {each["request_id"]: each["trace_id"] for each in records if "trace_id" in each}
    assert {each.attributes["causeway.request_id"]: each.trace for each in requests_of(collector)} == named
    assert collector.span("tools/call list_pets").attributes["causeway.code"] == "ok"
    assert SECRET.encode() not in b"".join(collector.bodies)


def requests_of(collector: Collector) -> list[Exported]:
    """Give the spans of HTTP requests; that of `/healthz` has none."""
    return [each for each in collector.spans() if each.kind == "SERVER" and not each.parent]
