"""Traces as a collector gets them, and that nothing is in them that nobody may read."""

from __future__ import annotations

import builtins
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.settings import load
from app.telemetry.traces import open_traces
from tests.app.backends import Backend, Received, backend, json_reply, reply
from tests.app.descriptions import description, operation
from tests.app.gateways import KEY, SERVERS, Gateway, gateway
from tests.app.telemetry.collector import Collector, collecting, trace_to
from tests.app.telemetry.test_logs import Lines, called

ARGUMENTS = {
    "id": "canary-in-the-path",
    "q": "canary-in-the-query",
    "X-Note": "canary-in-a-field",
    "text": "canary-body",
}
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"
SECRET = "canary-credential"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


def document(url: str) -> dict[str, Any]:
    parameters = [
        {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
        {"name": "q", "in": "query", "schema": {"type": "string"}},
        {"name": "X-Note", "in": "header", "schema": {"type": "string"}},
    ]
    body = {"content": {"application/json": {"schema": {"properties": {"text": {"type": "string"}}}}}}
    described = operation("note", parameters=parameters, requestBody=body, security=[{"key": []}])
    scheme = {"key": {"type": "apiKey", "in": "query", "name": "key"}}
    return {
        **description({"/notes/{id}": {"post": described}}),
        "servers": [{"url": url}],
        "components": {"securitySchemes": scheme},
    }


@asynccontextmanager
async def traced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, collector: Collector, **settings: Any
) -> AsyncIterator[Gateway]:
    """Run a gateway that sends traces; what is left is sent at its end."""
    trace_to(collector, monkeypatch)
    async with gateway(tmp_path, monkeypatch, admin_key=KEY, egress_allow=("127.0.0.0/8",), **settings) as running:
        yield running


async def published(running: Gateway, api: Backend) -> None:
    await running.create(document(api.url))
    put = await running.http.put(f"{SERVERS}/pets/credentials/key", json={"value": SECRET})
    assert put.status_code == 200, put.text


def echo(running: Backend) -> None:
    async def respond(request: Received, writer: Any) -> None:
        writer.write(json_reply(f'{{"told": "{request.target} {SECRET}"}}'.encode()))

    running.respond = respond


async def test_a_call_is_one_trace_from_the_client_to_the_api(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None, collector: Collector
) -> None:
    """K01, K02: with no argument, query, credential, key or answer in it."""
    async with backend() as api:
        echo(api)
        async with traced(tmp_path, monkeypatch, collector) as running:
            await published(running, api)
            running.http.headers["traceparent"] = TRACEPARENT
            answer = await called(running, "note", ARGUMENTS)
            assert answer.json()["result"]["isError"] is False
    request, call, sent = (
        next(each for each in collector.spans(name) if each.trace == TRACE)
        for name in ("POST /mcp/{namespace}/{server}", "tools/call note", "POST")
    )
    assert [each.kind for each in (request, call, sent)] == ["SERVER", "SERVER", "CLIENT"]
    assert [each.parent for each in (request, call, sent)] == [SPAN, request.span, call.span]
    assert [each.has_failed or each.events for each in (request, call, sent)] == [0, 0, 0]
    assert request.attributes.pop("causeway.request_id") == answer.headers["x-request-id"]
    assert request.attributes == {
        "http.request.method": "POST",
        "http.route": "/mcp/{namespace}/{server}",
        "http.response.status_code": 200,
        "url.path": "/mcp/default/pets",
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "causeway.code": "ok",
    }
    assert call.attributes == {
        "mcp.method.name": "tools/call",
        "mcp.protocol.version": "2025-11-25",
        "jsonrpc.request.id": "1",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "note",
        "network.transport": "tcp",
        "network.protocol.name": "http",
        "causeway.namespace": "default",
        "causeway.server": "pets",
        "causeway.code": "ok",
    }
    assert sent.attributes == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "server.address": "127.0.0.1",
        "server.port": int(api.url.rpartition(":")[2]),
        "url.scheme": "http",
        "causeway.upstream.server": "default/pets",
    }
    everything = b"".join(collector.bodies)
    assert not [each for each in (*ARGUMENTS.values(), SECRET, KEY, "told") if each.encode() in everything]
    assert not [each for each in collector.spans() if "?" in str(each.attributes)]
    assert set(collector.paths) == {"/v1/traces"}
    # What the operator did not allow is not sent: the API learns nothing of the trace.
    assert not api.requests[0].values("traceparent")


async def test_an_import_is_a_span_of_the_request_that_asked_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None, collector: Collector
) -> None:
    async with traced(tmp_path, monkeypatch, collector) as running:
        await running.create(document("http://127.0.0.1:1"))
        bad = await running.http.post(SERVERS, json={"name": "bad", "document": "no description"})
        assert bad.status_code == 422, bad.text
    done, failed = collector.spans("import")
    assert done.attributes == {
        "causeway.namespace": "default",
        "causeway.server": "pets",
        "causeway.source": "document",
        "causeway.operations": 1,
        "causeway.tools": 1,
        "causeway.skipped": 0,
    }
    requests = collector.spans("POST /api/v1/namespaces/{namespace}/servers")
    assert [done.parent, failed.parent] == [each.span for each in requests]
    assert [each.attributes["http.response.status_code"] for each in requests] == [201, 422]
    assert (done.has_failed, failed.has_failed, failed.attributes["error.type"]) == (False, True, bad.json()["code"])
    assert done.resource["service.name"] == "causeway"
    assert done.resource["service.version"]


async def test_failures_are_told_by_their_codes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None, collector: Collector
) -> None:
    """D11, K02: a tool that is not there names no span, and no sentence of an error is told."""
    async with (
        backend(reply("500 Oops", b"canary-of-the-answer")) as api,
        traced(tmp_path, monkeypatch, collector) as it,
    ):
        await published(it, api)
        await called(it, "note", {"id": "1"})
        await called(it, "note", {})
        await called(it, "canary-tool", {})
        await it.http.post("/mcp/default/pets", json={"jsonrpc": "2.0", "id": "x" * 5000, "method": "canary/method"})
        await it.http.get("/canary-path", headers={"Authorization": "Bearer none"})
        await it.http.request("CANARY", SERVERS)
    api_error, refused = collector.spans("tools/call note")
    assert (api_error.attributes["error.type"], api_error.attributes["causeway.code"]) == ("tool_error", "api_error")
    assert (refused.attributes["error.type"], refused.attributes["causeway.code"]) == ("tool_error", "arg_required")
    unknown = collector.span("tools/call")
    assert "gen_ai.tool.name" not in unknown.attributes
    assert (unknown.attributes["error.type"], unknown.attributes["rpc.response.status_code"]) == ("-32602", "-32602")
    made_up = collector.span("mcp")
    assert made_up.attributes["mcp.method.name"] == "_OTHER"
    assert len(made_up.attributes["jsonrpc.request.id"]) < 200
    [sent] = [each for each in collector.spans("POST") if each.kind == "CLIENT"]
    assert (sent.attributes["error.type"], sent.has_failed) == ("500", True)
    assert collector.span("GET").attributes["http.response.status_code"] == 401
    assert collector.span("HTTP").attributes["http.request.method"] == "_OTHER"
    everything = b"".join(collector.bodies)
    assert b"canary-path" in everything
    for each in (b"canary-of-the-answer", b"canary-tool", b"canary/method", b"CANARY", b"Traceback"):
        assert each not in everything


async def test_the_span_of_a_message_follows_what_its_meta_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None, collector: Collector
) -> None:
    """MCP, SEP-414: `_meta` comes before the HTTP request, which is linked."""
    async with traced(tmp_path, monkeypatch, collector) as running:
        await running.create()
        assert await running.mcp("tools/list", {"_meta": {"traceparent": TRACEPARENT}})
        for wrong in ("00-zero-1-01", 5, TRACEPARENT + "0" * 1000):
            await running.mcp("ping", {"_meta": {"traceparent": wrong}})
    listed = collector.span("tools/list")
    assert (listed.trace, listed.parent) == (TRACE, SPAN)
    around = {each.span for each in collector.spans("POST /mcp/{namespace}/{server}")}
    assert set(listed.links) <= around
    assert len(listed.links) == 1
    assert {each.parent for each in collector.spans("ping")} <= around
    assert len(collector.spans("ping")) == 3


async def test_an_api_gets_the_trace_only_where_the_operator_allows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None, collector: Collector
) -> None:
    async with backend(json_reply(b"{}")) as api:
        async with traced(tmp_path, monkeypatch, collector, trace_upstream=True) as running:
            await published(running, api)
            await called(running, "note", {"id": "1"})
        [sent] = [each for each in collector.spans("POST") if each.kind == "CLIENT"]
        [told] = api.requests[0].values("traceparent")
        assert told.startswith(f"00-{sent.trace}-{sent.span}-")


async def test_a_record_names_its_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None, collector: Collector, written: Lines
) -> None:
    async with traced(tmp_path, monkeypatch, collector) as running:
        await running.http.get("/api/v1/namespaces", headers={"traceparent": TRACEPARENT})
        await running.http.get(
            "/api/v1/namespaces", headers=[("traceparent", TRACEPARENT), ("traceparent", TRACEPARENT)]
        )
        await running.http.get("/healthz")
    named, twice, untraced = written.records()
    assert named["trace_id"] == TRACE
    assert twice["trace_id"] not in {TRACE, ""}
    assert "trace_id" not in untraced
    assert len(collector.spans()) == 2


@pytest.mark.parametrize(
    ("environment", "is_on"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, False),
    ],
)
def test_the_variables_of_opentelemetry_turn_traces_on(
    environment: dict[str, str], is_on: bool, monkeypatch: pytest.MonkeyPatch, clean_environment: None
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert load().exports_traces is is_on


def test_without_the_extra_a_gateway_says_that_no_traces_are_sent_and_starts(
    monkeypatch: pytest.MonkeyPatch, clean_environment: None, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("opentelemetry.exporter"):
            raise ModuleNotFoundError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with caplog.at_level(logging.WARNING):
        assert open_traces(load(), "1") is None
    assert "causeway[otel]" in caplog.text


def test_where_traces_are_off_nothing_of_them_is_loaded(tmp_path: Path) -> None:
    """Zero cost: neither the SDK nor the exporter nor its HTTP client."""
    check = (
        "import sys; from app.main import Application; from app.settings import load; "
        f"Application(load(data_dir={str(tmp_path)!r}), public_url='http://127.0.0.1'); "
        "sys.exit(', '.join(each for each in sys.modules "
        "if each.startswith(('opentelemetry.sdk', 'opentelemetry.exporter', 'requests'))) or 0)"
    )
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", check], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


async def test_a_collector_that_is_away_fails_no_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None, collector: Collector
) -> None:
    """What cannot be sent is dropped, and a gateway that stops waits for it no longer than it may."""
    collector.url = "http://127.0.0.1:1"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    async with backend(json_reply(b"{}")) as api, traced(tmp_path, monkeypatch, collector) as running:
        await published(running, api)
        assert (await called(running, "note", {"id": "1"})).json()["result"]["isError"] is False
        assert isinstance(await running.http.get("/healthz"), httpx2.Response)
