from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from app.telemetry.logs import REQUESTS, JsonLines
from tests.app.telemetry.test_logs import Lines


@pytest.fixture
def written() -> Iterator[Lines]:
    """Give the records of the requests of a test as they are written."""
    log, lines = logging.getLogger(REQUESTS), Lines(JsonLines())
    before = log.level
    log.addHandler(lines)
    log.setLevel(logging.INFO)
    yield lines
    log.removeHandler(lines)
    log.setLevel(before)
