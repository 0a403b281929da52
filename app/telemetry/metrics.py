"""What is counted, for Prometheus (text format 0.0.4).

Counting a call is on its path, so it is a few additions here, ten times cheaper than a metrics library's; the text is
made when somebody asks. Labels are names of servers and tools that exist, never what a client sent, and there are at
most `MAX_SERIES` of them: whatever is beyond is counted together as `other`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
MAX_SERIES: Final = 2000
"""Tools, and servers, that are counted each by itself."""
MAX_CODES: Final = 50
"""Codes per tool that are counted each by itself."""
BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds that the parts of a histogram end at."""
OTHER: Final = "other"

_LABELS: Final = ("namespace", "server", "tool")


class Sample(NamedTuple):
    """One value of a metric; `labels` by name."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Gauge:
    """Something that is looked up when it is asked for; `kind` is `gauge` or `counter`."""

    name: str
    text: str
    samples: Callable[[], Iterable[Sample]]
    kind: str = "gauge"


@dataclass(slots=True)
class Histogram:
    """How many took how long."""

    parts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.parts[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds


@dataclass(slots=True)
class _Calls:
    latency: Histogram = field(default_factory=Histogram)
    codes: dict[str, int] = field(default_factory=dict)


class Metrics:
    """The counts of one process, which is where they begin and end."""

    def __init__(self, gauges: Iterable[Gauge] = (), *, constant: Mapping[str, str] | None = None) -> None:
        """Start at nothing; `constant` labels stand at every sample."""
        self._gauges = list(gauges)
        self._constant = dict(constant or {})
        self._calls: dict[tuple[str, str, str], _Calls] = {}
        self._upstream: dict[str, Histogram] = {}
        self._imports: dict[str, Histogram] = {}

    def watch(self, gauge: Gauge) -> None:
        """Have something looked up with the rest."""
        self._gauges.append(gauge)

    def called(self, namespace: str, server: str, tool: str, *, code: str, seconds: float) -> None:
        """Count a tool call; `tool` is "" where there is no such tool."""
        key = (namespace, server, tool)
        found = self._calls.get(key)
        if found is None:
            if len(self._calls) >= MAX_SERIES:
                key = (OTHER, OTHER, OTHER)
            found = self._calls.setdefault(key, _Calls())
        found.latency.add(seconds)
        codes = found.codes
        if code not in codes and len(codes) >= MAX_CODES:
            code = OTHER
        codes[code] = codes.get(code, 0) + 1

    def sent(self, server: str, seconds: float) -> None:
        """Count a request to the API behind a server, named `namespace/server`."""
        _bounded(self._upstream, server).add(seconds)

    def imported(self, outcome: str, seconds: float) -> None:
        """Count an import of a description; `outcome` is "ok" or the stable code of its error."""
        _bounded(self._imports, outcome).add(seconds)

    def text(self) -> str:
        """Give everything as Prometheus reads it."""
        return "\n".join([*self._lines(), ""])

    def _lines(self) -> Iterator[str]:
        calls = [(dict(zip(_LABELS, key, strict=True)), each) for key, each in self._calls.items()]
        yield from _head("causeway_calls_total", "counter", "Tool calls by outcome: ok, or the code of the error.")
        for labels, each in calls:
            for code, count in each.codes.items():
                yield self._line("causeway_calls_total", {**labels, "code": code}, count)
        latencies = [(labels, each.latency) for labels, each in calls]
        yield from self._histogram("causeway_call_seconds", "How long tool calls took.", latencies)
        sent = [(_server(key), each) for key, each in self._upstream.items()]
        yield from self._histogram("causeway_upstream_seconds", "How long APIs took to answer.", sent)
        imports = [({"code": key}, each) for key, each in self._imports.items()]
        yield from self._histogram("causeway_import_seconds", "How long imports of descriptions took.", imports)
        for gauge in self._gauges:
            yield from _head(gauge.name, gauge.kind, gauge.text)
            for sample in islice(gauge.samples(), MAX_SERIES):
                yield self._line(gauge.name, sample.labels, sample.value)

    def _histogram(self, name: str, text: str, found: Iterable[tuple[Mapping[str, str], Histogram]]) -> Iterator[str]:
        yield from _head(name, "histogram", text)
        for labels, each in found:
            count = 0
            for bound, part in zip((*map(str, BOUNDS), "+Inf"), each.parts, strict=True):
                count += part
                yield self._line(f"{name}_bucket", {**labels, "le": bound}, count)
            yield self._line(f"{name}_sum", labels, each.seconds)
            yield self._line(f"{name}_count", labels, count)

    def _line(self, name: str, labels: Mapping[str, str], value: float) -> str:
        pairs = {**self._constant, **labels}.items()
        shown = ",".join(f'{label}="{_escaped(text)}"' for label, text in pairs)
        return f"{name}{{{shown}}} {value:.10g}" if shown else f"{name} {value:.10g}"


def server_sample(server: str, value: float, **labels: str) -> Sample:
    """Give a value of a server, which is named `namespace/server`."""
    return Sample({**_server(server), **labels}, value)


def _server(key: str) -> dict[str, str]:
    namespace, _, server = key.partition("/")
    return {"namespace": namespace, "server": server}


def _bounded(found: dict[str, Histogram], key: str) -> Histogram:
    histogram = found.get(key)
    if histogram is None:
        histogram = found.setdefault(OTHER if len(found) >= MAX_SERIES else key, Histogram())
    return histogram


def _head(name: str, kind: str, text: str) -> tuple[str, str]:
    return f"# HELP {name} {text}", f"# TYPE {name} {kind}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
