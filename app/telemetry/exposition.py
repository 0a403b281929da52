"""Metrics as Prometheus reads them (text format 0.0.4)."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Final

from app.telemetry.metrics import BOUNDS, server_labels

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from app.telemetry.metrics import Counts, Histogram, Looked, Reading

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_LABELS: Final = ("namespace", "server", "tool")
_BOUNDS: Final = (*map(str, BOUNDS), "+Inf")


def exposition(reading: Reading) -> str:
    """Write everything that was read."""
    return "\n".join([*_of_counts(reading.counts), *_of_gauges(reading.gauges), ""])


def _of_counts(counts: Counts) -> Iterator[str]:
    calls = [(dict(zip(_LABELS, key, strict=True)), each) for key, each in counts.calls.items()]
    yield from _head("causeway_calls_total", "counter", "Tool calls by outcome: ok, or the code of the error.")
    for labels, each in calls:
        for code, count in each.codes.items():
            yield _line("causeway_calls_total", {**labels, "code": code}, count)
    latencies = [(labels, each.latency) for labels, each in calls]
    yield from _histogram("causeway_call_seconds", "How long tool calls took.", latencies)
    sent = [(server_labels(key), each) for key, each in counts.upstream.items()]
    yield from _histogram("causeway_upstream_seconds", "How long APIs took to answer.", sent)
    imports = [({"code": key}, each) for key, each in counts.imports.items()]
    yield from _histogram("causeway_import_seconds", "How long imports of descriptions took.", imports)


def _of_gauges(gauges: Iterable[Looked]) -> Iterator[str]:
    for gauge in gauges:
        yield from _head(gauge.name, gauge.kind, gauge.text)
        for sample in gauge.samples:
            yield _line(gauge.name, sample.labels, sample.value)


def _histogram(name: str, text: str, found: Iterable[tuple[Mapping[str, str], Histogram]]) -> Iterator[str]:
    yield from _head(name, "histogram", text)
    for labels, each in found:
        # Once for all parts: with thousands of tools there are tens of thousands of lines.
        shown = _shown(labels)
        for bound, count in zip(_BOUNDS, accumulate(each.parts), strict=True):
            yield f'{name}_bucket{{{shown},le="{bound}"}} {count}'
        yield f"{name}_sum{{{shown}}} {each.seconds:.10g}"
        yield f"{name}_count{{{shown}}} {count}"


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    shown = _shown(labels)
    return f"{name}{{{shown}}} {value:.10g}" if shown else f"{name} {value:.10g}"


def _shown(labels: Mapping[str, str]) -> str:
    return ",".join([f'{label}="{_escaped(text)}"' for label, text in labels.items()])


def _head(name: str, kind: str, text: str) -> tuple[str, str]:
    return f"# HELP {name} {text}", f"# TYPE {name} {kind}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
