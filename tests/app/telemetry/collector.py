"""A collector on loopback that takes spans by OTLP over HTTP, in protobuf."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from app.telemetry import traces

KINDS = {1: "INTERNAL", 2: "SERVER", 3: "CLIENT"}
FAILED = 2


@dataclass
class Exported:
    """One span as it came."""

    name: str
    kind: str
    trace: str
    span: str
    parent: str
    links: list[str]
    attributes: dict[str, Any]
    has_failed: bool
    events: int
    resource: dict[str, Any]


@dataclass
class Collector:
    """What came; read it when the gateway has ended, which sends what is left."""

    url: str
    bodies: list[bytes] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def spans(self, name: str = "") -> list[Exported]:
        """Give the spans, those of a name or all."""
        found = [each for body in self.bodies for each in _spans(body)]
        return [each for each in found if not name or each.name == name]

    def span(self, name: str) -> Exported:
        """Give the one span of a name."""
        [found] = self.spans(name)
        return found


def _spans(body: bytes) -> Iterator[Exported]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope in resource.scope_spans:
            for each in scope.spans:
                yield Exported(
                    each.name,
                    KINDS[each.kind],
                    each.trace_id.hex(),
                    each.span_id.hex(),
                    each.parent_span_id.hex(),
                    [link.span_id.hex() for link in each.links],
                    _values(each.attributes),
                    each.status.code == FAILED,
                    len(each.events),
                    _values(resource.resource.attributes),
                )


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


def trace_to(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have gateways send their traces to a collector, and take the time for the last ones that a slow machine needs."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setattr(traces, "_LAST_SECONDS", 60.0)


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector."""

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            collector.paths.append(self.path)
            collector.headers.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    collector = Collector(f"http://127.0.0.1:{server.server_port}")
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    serving.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        serving.join()
