"""What this process uses, as Prometheus' client libraries name it."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Final

from app.telemetry.metrics import Gauge, Sample

_STARTED: Final = time.time()
_STATM: Final = Path("/proc/self/statm")
_DESCRIPTORS: Final = Path("/proc/self/fd")


def process_gauges() -> tuple[Gauge, ...]:
    """Give what can be known of this process on this system."""
    gauges = [
        Gauge("process_cpu_seconds_total", "Processor time used.", lambda: [_cpu()], kind="counter", across="each"),
        Gauge("process_start_time_seconds", "When the process started.", lambda: [Sample({}, _STARTED)], across="each"),
        # What was begun and never ends is seen here first.
        Gauge("causeway_tasks", "Tasks of the event loop.", lambda: [Sample({}, len(asyncio.all_tasks()))]),
    ]
    if _STATM.exists():
        gauges.append(Gauge("process_resident_memory_bytes", "Memory in use.", lambda: [_memory()], across="each"))
        gauges.append(Gauge("process_open_fds", "Open files and connections.", lambda: [_descriptors()], across="each"))
    return tuple(gauges)


def _cpu() -> Sample:
    return Sample({}, time.process_time())


def _memory() -> Sample:
    return Sample({}, int(_STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE"))


def _descriptors() -> Sample:
    return Sample({}, len(list(_DESCRIPTORS.iterdir())))
