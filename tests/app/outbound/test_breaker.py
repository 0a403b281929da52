from __future__ import annotations

import pytest

from app.errors import UpstreamUnavailableError
from app.outbound.breaker import Breaker, BreakerRules


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(BreakerRules(), clock)


def state(breaker: Breaker) -> str:
    return breaker.state


def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        breaker.failed(is_probe=breaker.admit())


def succeed(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        breaker.succeeded(is_probe=breaker.admit())


def test_it_opens_at_the_tenth_failure_in_a_row(breaker: Breaker) -> None:
    fail(breaker, 9)
    assert state(breaker) == "closed"
    fail(breaker)
    assert state(breaker) == "open"


def test_a_success_starts_the_row_again(breaker: Breaker) -> None:
    succeed(breaker, 20)
    fail(breaker, 9)
    succeed(breaker)
    fail(breaker, 9)
    assert state(breaker) == "closed"


def test_it_opens_when_half_of_twenty_calls_failed(breaker: Breaker) -> None:
    for _ in range(9):
        succeed(breaker)
        fail(breaker)
    assert state(breaker) == "closed"
    succeed(breaker)
    fail(breaker)
    assert state(breaker) == "open"
    with pytest.raises(UpstreamUnavailableError, match="10 of the last 20 calls failed"):
        breaker.admit()


def test_less_than_half_of_many_keeps_it_closed(breaker: Breaker) -> None:
    for _ in range(50):
        succeed(breaker, 2)
        fail(breaker)
    assert state(breaker) == "closed"


def test_failures_are_forgotten_after_the_window(breaker: Breaker, clock: Clock) -> None:
    for _ in range(9):
        succeed(breaker)
        fail(breaker)
    clock.now += 31
    succeed(breaker)
    fail(breaker)
    assert state(breaker) == "closed"


def test_failures_spread_over_the_window_count_together(breaker: Breaker, clock: Clock) -> None:
    for _ in range(10):
        succeed(breaker)
        fail(breaker)
        clock.now += 2.4
    assert state(breaker) == "open"


def test_while_open_it_says_why_and_for_how_long(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 10)
    clock.now += 3.5
    with pytest.raises(UpstreamUnavailableError) as caught:
        breaker.admit()
    assert caught.value.retry_after == 27
    assert caught.value.message == (
        "Calls to this API are paused, because the last 10 calls failed; try again in 27 seconds."
    )
    clock.now += 26
    with pytest.raises(UpstreamUnavailableError, match="in 1 second\\."):
        breaker.admit()


def test_after_thirty_seconds_one_call_is_let_through_and_closes_it(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 10)
    clock.now += 30
    assert state(breaker) == "half-open"
    assert breaker.admit()
    for _ in range(3):
        with pytest.raises(UpstreamUnavailableError):
            breaker.admit()
    breaker.succeeded(is_probe=True)
    assert state(breaker) == "closed"
    # It starts afresh: what failed before counts no more.
    fail(breaker, 9)
    assert state(breaker) == "closed"


def test_a_probe_that_fails_opens_it_again(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 10)
    clock.now += 30
    breaker.failed(is_probe=breaker.admit())
    assert state(breaker) == "open"
    clock.now += 29
    with pytest.raises(UpstreamUnavailableError):
        breaker.admit()
    clock.now += 1
    assert breaker.admit()


def test_a_probe_that_was_cancelled_leaves_its_place_to_the_next(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 10)
    clock.now += 30
    breaker.abandoned(is_probe=breaker.admit())
    assert state(breaker) == "half-open"
    assert breaker.admit()


def test_calls_from_before_it_opened_change_nothing(breaker: Breaker, clock: Clock) -> None:
    early = [breaker.admit() for _ in range(3)]
    fail(breaker, 10)
    clock.now += 20
    breaker.succeeded(is_probe=early[0])
    breaker.failed(is_probe=early[1])
    breaker.abandoned(is_probe=early[2])
    assert state(breaker) == "open"
    clock.now += 10
    assert state(breaker) == "half-open"
