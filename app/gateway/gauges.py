"""What the gateway knows that metrics tell: what is served, how the APIs are, what is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.telemetry.logs import LineHandler
from app.telemetry.metrics import Gauge, Sample, server_sample
from app.telemetry.texts import redacted
from app.telemetry.usage import process_gauges

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.gateway.catalog import SnapshotCatalog
    from app.gateway.server import McpEndpoint
    from app.outbound import HttpUpstream
    from app.outbound.redis_counts import RedisCounts

    Gauges = tuple[Gauge, ...]


def gateway_gauges(catalog: SnapshotCatalog, upstream: HttpUpstream, endpoint: McpEndpoint) -> Gauges:
    """Give everything that is looked up when metrics are read."""
    return (
        *_served(catalog),
        *_apis(upstream),
        Gauge(
            "causeway_open_streams",
            "Streams that clients keep open.",
            lambda: [server_sample(server, count) for server, count in endpoint.open_streams.items()],
        ),
        Gauge(
            "causeway_lost_log_lines_total",
            "Log lines that could not be written.",
            lambda: [Sample({}, LineHandler.lost)],
            kind="counter",
        ),
        *process_gauges(),
    )


def lost_audit(lost: Callable[[], int]) -> Gauge:
    """Give how many calls are not in the audit."""
    name, text = (
        "causeway_lost_audit_entries_total",
        "Tool calls that are not in the audit: they found no room to wait, or were refused.",
    )
    return Gauge(name, text, lambda: [Sample({}, lost())], kind="counter")


def redis_gauges(counts: RedisCounts) -> Gauges:
    """Give how the Redis is in which instances count together."""
    return (
        Gauge(
            "causeway_redis_up",
            "Whether calls are counted in Redis: 1, or 0 while each instance counts by itself.",
            lambda: [Sample({}, int(counts.is_up))],
            across="least",
        ),
        Gauge(
            "causeway_redis_failures_total",
            "Requests to Redis that failed or were not answered in time.",
            lambda: [Sample({}, counts.failures)],
            kind="counter",
        ),
    )


def _served(catalog: SnapshotCatalog) -> Gauges:
    return (
        Gauge(
            "causeway_server_revision",
            "The revision of each server that is served now.",
            lambda: [server_sample(each.key, each.revision) for each in catalog.all().values()],
            # Where they differ, one is behind.
            across="least",
        ),
    )


def _apis(upstream: HttpUpstream) -> Gauges:
    return (
        Gauge(
            "causeway_breaker_state",
            "How many processes have the breaker of each API in each state.",
            lambda: [
                server_sample(each.server, 1, origin=redacted(each.origin), state=each.state)
                for each in upstream.health()
            ],
        ),
        Gauge(
            "causeway_upstream_active",
            "Requests to each API that are under way.",
            lambda: [
                server_sample(each.server, each.active, origin=redacted(each.origin)) for each in upstream.health()
            ],
        ),
    )
