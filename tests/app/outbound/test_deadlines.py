"""A deadline ends what it bounds, and nothing else."""

from __future__ import annotations

import asyncio

import pytest

from app.outbound.deadlines import within

LONG = 600


async def test_what_takes_too_long_is_cancelled_and_that_is_a_timeout() -> None:
    task = asyncio.current_task()
    assert task is not None
    with pytest.raises(TimeoutError), within(0.01):
        await asyncio.sleep(LONG)
    assert task.cancelling() == 0


async def test_what_ends_in_time_is_left_alone() -> None:
    with within(0.01):
        given = await asyncio.sleep(0, "given")
    assert given == "given"
    # The clock was stopped.
    await asyncio.sleep(0.05)


async def test_an_error_inside_stays_what_it_is() -> None:
    with pytest.raises(ValueError, match="of the work"), within(LONG):
        raise ValueError("of the work")


async def test_a_cancellation_by_somebody_else_stays_one() -> None:
    started = asyncio.Event()

    async def work() -> None:
        with within(LONG):
            started.set()
            await asyncio.sleep(LONG)

    task = asyncio.create_task(work())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_a_cancellation_in_the_same_moment_wins() -> None:
    async def work() -> None:
        loop, own = asyncio.get_running_loop(), asyncio.current_task()
        assert own is not None
        with within(0):
            loop.call_later(0, own.cancel)
            await asyncio.sleep(LONG)

    task = asyncio.create_task(work())
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_inner_of_two_deadlines_ends_alone() -> None:
    with within(LONG):
        with pytest.raises(TimeoutError), within(0.01):
            await asyncio.sleep(LONG)
        assert await asyncio.sleep(0, "on it goes") == "on it goes"
