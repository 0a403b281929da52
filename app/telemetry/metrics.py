"""What is counted, for Prometheus.

Counting a call is on its path, so it is a few additions here, ten times cheaper than a metrics library's; the text is
made when somebody asks. Labels are names of servers and tools that exist, never what a client sent, and there are at
most `MAX_SERIES` of them: whatever is beyond is counted together as `other`.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from operator import add
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_SERIES: Final = 2000
"""Tools, and servers, that are counted each by itself."""
MAX_CODES: Final = 50
"""Codes per tool that are counted each by itself."""
BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds that the parts of a histogram end at."""
OTHER: Final = "other"

Across = Literal["sum", "least", "each"]
ToolKey = tuple[str, str, str]


class Sample(NamedTuple):
    """One value of a metric; `labels` by name."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Gauge:
    """Something that is looked up when it is asked for; `kind` is `gauge` or `counter`.

    `across` says what several processes together have: the sum, the least, or each its own.
    """

    name: str
    text: str
    samples: Callable[[], Iterable[Sample]]
    kind: str = "gauge"
    across: Across = "sum"


class Looked(NamedTuple):
    """What a gauge was when it was looked up."""

    name: str
    text: str
    kind: str
    across: Across
    samples: list[Sample]


@dataclass(slots=True)
class Histogram:
    """How many took how long."""

    parts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.parts[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds

    def include(self, other: Histogram) -> None:
        """Count all of another one."""
        self.parts = list(map(add, self.parts, other.parts))
        self.seconds += other.seconds


@dataclass(slots=True)
class CallCount:
    """The calls of one tool."""

    latency: Histogram = field(default_factory=Histogram)
    codes: dict[str, int] = field(default_factory=dict)

    def ended(self, code: str, count: int = 1) -> None:
        """Count calls that ended with `code`."""
        codes = self.codes
        if code not in codes and len(codes) >= MAX_CODES:
            code = OTHER
        codes[code] = codes.get(code, 0) + count


@dataclass(slots=True)
class Counts:
    """Calls by namespace, server and tool; requests to APIs by "namespace/server"; imports by outcome."""

    calls: dict[ToolKey, CallCount] = field(default_factory=dict)
    upstream: dict[str, Histogram] = field(default_factory=dict)
    imports: dict[str, Histogram] = field(default_factory=dict)

    def of_tool(self, key: ToolKey) -> CallCount:
        """Give the count of a tool, or of all those together that are too many."""
        if key not in self.calls and len(self.calls) >= MAX_SERIES:
            key = (OTHER, OTHER, OTHER)
        return self.calls.setdefault(key, CallCount())

    def include(self, other: Counts) -> None:
        """Count what another process counted."""
        for key, call in other.calls.items():
            mine = self.of_tool(key)
            mine.latency.include(call.latency)
            for code, count in call.codes.items():
                mine.ended(code, count)
        for found, its in ((self.upstream, other.upstream), (self.imports, other.imports)):
            for name, histogram in its.items():
                bounded(found, name).include(histogram)


class Reading(NamedTuple):
    """Everything that one process has to tell at one moment, or several processes together."""

    counts: Counts
    gauges: list[Looked]


class Metrics:
    """The counts of one process, which is where they begin and end."""

    def __init__(self, gauges: Iterable[Gauge] = ()) -> None:
        """Start at nothing, looking up `gauges` with the rest."""
        self._gauges = list(gauges)
        self._counts = Counts()

    def watch(self, gauge: Gauge) -> None:
        """Have something looked up with the rest."""
        self._gauges.append(gauge)

    def called(self, namespace: str, server: str, tool: str, *, code: str, seconds: float) -> None:
        """Count a tool call; `tool` is "" where there is no such tool."""
        key = (namespace, server, tool)
        found = self._counts.calls.get(key) or self._counts.of_tool(key)
        found.latency.add(seconds)
        found.ended(code)

    def sent(self, server: str, seconds: float) -> None:
        """Count a request to an API for a server, which is named `namespace/server`."""
        bounded(self._counts.upstream, server).add(seconds)

    def imported(self, outcome: str, seconds: float) -> None:
        """Count an import of a description; `outcome` is "ok" or the stable code of its error."""
        bounded(self._counts.imports, outcome).add(seconds)

    def read(self) -> Reading:
        """Give everything as it is now: a copy, which is written or sent while counting goes on."""
        counts = Counts()
        counts.include(self._counts)
        return Reading(counts, [_looked(each) for each in self._gauges])


def _looked(gauge: Gauge) -> Looked:
    samples = list(islice(gauge.samples(), MAX_SERIES))
    return Looked(gauge.name, gauge.text, gauge.kind, gauge.across, samples)


def of_this_process(reading: Reading) -> Reading:
    """Give a reading for other processes: what each has for itself says whose it is, by the label `process`."""
    process = {"process": str(os.getpid())}
    return Reading(
        reading.counts,
        [
            each._replace(samples=[Sample({**process, **labels}, value) for labels, value in each.samples])
            if each.across == "each"
            else each
            for each in reading.gauges
        ],
    )


def server_sample(server: str, value: float, **labels: str) -> Sample:
    """Give a value of a server, which is named `namespace/server`."""
    return Sample({**server_labels(server), **labels}, value)


def server_labels(key: str) -> dict[str, str]:
    """Give the labels of a server, which is named `namespace/server`."""
    namespace, _, server = key.partition("/")
    return {"namespace": namespace, "server": server}


def bounded(found: dict[str, Histogram], key: str) -> Histogram:
    """Give the histogram of a name, or of all those together that are too many."""
    histogram = found.get(key)
    if histogram is None:
        histogram = found.setdefault(OTHER if len(found) >= MAX_SERIES else key, Histogram())
    return histogram
