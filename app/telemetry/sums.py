"""What several processes have counted, together.

A sum of counters must never go down: Prometheus takes that for a restart, and counts all of it once more. So what a
process has told stays in the sum when the process is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.telemetry.metrics import Counts, Looked, Reading, Sample

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable, Iterator

_Labels = frozenset[tuple[str, str]]


class Sums:
    """The readings of processes, each named by whoever keeps this."""

    def __init__(self) -> None:
        """Know no process yet."""
        self._latest: dict[Hashable, Reading] = {}
        self._gone = Reading(Counts(), [])

    def tell(self, process: Hashable, reading: Reading) -> None:
        """Learn what a process has counted by now."""
        self._latest[process] = reading

    def ended(self, process: Hashable) -> None:
        """Keep what a process has counted, and forget what it was."""
        last = self._latest.pop(process, None)
        if last is not None:
            counters = [each for each in last.gauges if _stays(each)]
            self._gone.counts.include(last.counts)
            self._gone = self._gone._replace(gauges=list(_together([*self._gone.gauges, *counters])))

    def reading(self, answered: Collection[Hashable]) -> Reading:
        """Give the sum; what is not counted but looked up is that of the processes that have `answered` just now."""
        counts = Counts()
        counts.include(self._gone.counts)
        gauges = [*self._gone.gauges]
        for process, reading in self._latest.items():
            counts.include(reading.counts)
            gauges += [each for each in reading.gauges if process in answered or _stays(each)]
        workers = Looked(*_WORKERS, [Sample({}, len(answered))])
        return Reading(counts, [*_together(gauges), workers])


_WORKERS: Final = ("causeway_workers", "Worker processes that have answered.", "gauge", "sum")


def _stays(gauge: Looked) -> bool:
    return gauge.kind == "counter" and gauge.across == "sum"


def _together(gauges: Iterable[Looked]) -> Iterator[Looked]:
    by_name: dict[str, list[Looked]] = {}
    for each in gauges:
        by_name.setdefault(each.name, []).append(each)
    for found in by_name.values():
        samples = [sample for each in found for sample in each.samples]
        yield found[0]._replace(samples=samples if found[0].across == "each" else _joined(samples, found[0].across))


def _joined(samples: Iterable[Sample], across: str) -> list[Sample]:
    found: dict[_Labels, Sample] = {}
    for labels, value in samples:
        key = frozenset(labels.items())
        before = found.get(key)
        if before is not None:
            value = before.value + value if across == "sum" else min(before.value, value)  # noqa: PLW2901 - of the same series
        found[key] = Sample(labels, value)
    return list(found.values())
