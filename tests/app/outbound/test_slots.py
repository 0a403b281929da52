from __future__ import annotations

import asyncio

import pytest

from app.errors import UpstreamBusyError
from app.outbound.slots import SlotRules, Slots


async def waiting(slots: Slots, count: int) -> list[asyncio.Task[None]]:
    tasks = [asyncio.ensure_future(slots.wait()) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_slots_are_taken_up_to_the_size() -> None:
    slots = Slots(SlotRules(size=2))
    assert [slots.take() for _ in range(3)] == [True, True, False]
    slots.give_back()
    assert (slots.active, slots.take()) == (1, True)


async def test_whoever_waited_longest_is_next() -> None:
    slots = Slots(SlotRules(size=1))
    slots.take()
    first, second = await waiting(slots, 2)
    slots.give_back()
    await first
    assert (second.done(), slots.active) == (False, 1)
    slots.give_back()
    await second
    slots.give_back()
    assert slots.active == 0


async def test_nobody_overtakes_those_who_wait() -> None:
    slots = Slots(SlotRules(size=1))
    slots.take()
    (first,) = await waiting(slots, 1)
    slots.give_back()
    assert not slots.take()
    await first


async def test_too_many_who_wait_are_refused_at_once() -> None:
    slots = Slots(SlotRules(size=1, max_waiting=1))
    slots.take()
    (first,) = await waiting(slots, 1)
    with pytest.raises(UpstreamBusyError, match="1 calls to it are under way"):
        await slots.wait()
    slots.give_back()
    await first


async def test_a_wait_ends_in_time_and_leaves_no_trace() -> None:
    slots = Slots(SlotRules(size=1, max_wait=0.05))
    slots.take()
    with pytest.raises(UpstreamBusyError):
        await slots.wait()
    slots.give_back()
    assert slots.active == 0


@pytest.mark.parametrize("is_handed_over", [False, True])
async def test_a_cancelled_wait_loses_no_slot(is_handed_over: bool) -> None:
    slots = Slots(SlotRules(size=1))
    slots.take()
    (leaving,) = await waiting(slots, 1)
    if is_handed_over:
        # The slot is on its way to the task in the very moment that it is cancelled.
        slots.give_back()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    if not is_handed_over:
        slots.give_back()
    assert (slots.active, slots.take()) == (0, True)
