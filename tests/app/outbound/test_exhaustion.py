"""A gateway that has no room for another connection blames no API for it."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app.errors import UpstreamBusyError
from app.outbound import HttpUpstream
from tests.app.backends import backend
from tests.app.outbound.plans import LOCAL, OK, plan


@contextmanager
def no_more_open_files() -> Iterator[None]:
    """Leave this process the files that it has open, and no other."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Descriptors are given from the lowest free one on: the limit is above what they may be, and not on their number.
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_calls_that_find_no_open_file_left_do_not_count_against_the_api() -> None:
    """F26: they may be tried again in a moment, and the breaker stays closed."""
    upstream = HttpUpstream(LOCAL)
    try:
        async with backend(OK) as api:
            with no_more_open_files():
                for _ in range(12):
                    with pytest.raises(UpstreamBusyError, match="no room for another connection") as refused:
                        await upstream.send(plan(api.url), deadline=10)
                    assert refused.value.retry_after == 1.0
            assert (await upstream.send(plan(api.url), deadline=10)).status == 200
            assert [each.state for each in upstream.health()] == ["closed"]
            assert len(api.requests) == 1
    finally:
        await upstream.close()
