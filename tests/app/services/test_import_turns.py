"""D08: imports of one namespace take turns, and leave those of others theirs."""

from __future__ import annotations

import asyncio

import pytest

from app.errors import TooManyRequestsError
from app.services.import_turns import WAITING, ImportTurns


async def test_two_of_a_namespace_run_the_others_wait_and_those_beyond_are_refused() -> None:
    turns, running, done = ImportTurns(2), [0, 0], asyncio.Event()

    async def work(namespace: str) -> None:
        async with turns.of(namespace):
            running[0] += 1
            running[1] = max(running)
            await done.wait()
            running[0] -= 1

    tasks = [asyncio.ensure_future(work("team-a")) for _ in range(2 + WAITING)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert running[0] == 2
    with pytest.raises(TooManyRequestsError) as refused:
        await work("team-a")
    assert refused.value.retry_after > 0
    other = asyncio.ensure_future(work("team-b"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert running[0] == 3
    tasks[5].cancel()
    done.set()
    await asyncio.gather(other, *tasks, return_exceptions=True)
    assert running == [0, 3]
    assert not turns._free  # noqa: SLF001 - memory is seen in no other way
    assert not turns._there  # noqa: SLF001 - as above
    await asyncio.wait_for(work("team-a"), 5)
