from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from app.errors import UpstreamProtocolError, UpstreamResetError
from app.outbound.retries import Retries, RetryRules, retry_after_seconds
from converters.results import ApiResponse

RESET = UpstreamResetError("It broke.", is_transient=True)


def retries(*, jitter: float = 0.5, is_allowed: bool = True, ends: float = 100.0) -> Retries:
    return Retries(RetryRules(jitter=lambda: jitter), is_allowed=is_allowed, ends=ends)


def answer(status: int, retry_after: str = "") -> ApiResponse:
    return ApiResponse(status, "", b"", retry_after=retry_after)


@pytest.mark.parametrize("status", [408, 502, 503, 504])
def test_answers_that_are_about_the_moment_are_asked_for_again_twice(status: int) -> None:
    left = retries()
    assert [left.after(answer(status), 0) for _ in range(3)] == [0.125, 0.25, None]


@pytest.mark.parametrize("status", [200, 204, 304, 400, 401, 404, 409, 422, 500, 501, 505])
def test_every_other_answer_is_final(status: int) -> None:
    assert retries().after(answer(status, "1"), 0) is None


def test_too_many_requests_is_asked_again_once() -> None:
    left = retries()
    assert left.after(answer(429, "2"), 0) == 2.5
    assert left.after(answer(429, "2"), 0) is None


def test_errors_are_retried_where_they_may_pass() -> None:
    left = retries()
    assert left.after(UpstreamProtocolError("This is not HTTP."), 0) is None
    assert [left.after(RESET, 0) for _ in range(3)] == [0.125, 0.25, None]


def test_nothing_is_retried_that_must_not_be_repeated() -> None:
    left = retries(is_allowed=False)
    assert left.after(RESET, 0) is None
    assert left.after(answer(503, "1"), 0) is None


def test_the_pause_is_anything_up_to_its_bound() -> None:
    assert retries(jitter=0.0).after(RESET, 0) == 0.0
    assert retries(jitter=1.0).after(RESET, 0) == 0.25


def test_many_who_are_told_the_same_do_not_come_back_together() -> None:
    pauses = [retries(jitter=part / 50).after(answer(429, "2"), 0) or 0.0 for part in range(50)]
    assert (min(pauses), max(pauses)) == (2.0, 2.98)
    assert len(set(pauses)) == 50


def test_a_retry_after_of_more_than_ten_seconds_is_not_waited_for() -> None:
    assert retries(jitter=0.0).after(answer(503, "10"), 0) == 10.0
    assert retries(jitter=0.0).after(answer(503, "11"), 0) is None


def test_no_retry_begins_after_the_deadline() -> None:
    left = retries(jitter=0.0, ends=100.0)
    assert left.after(answer(503, "3"), 97.0) is None
    assert left.after(answer(503, "3"), 96.9) == 3.0


@pytest.mark.parametrize("text", ["", "soon", "-5", "1.5", "٣", "Wed, 99 Foo 2026 00:00:00 GMT", "Thu, 01 Jan 1970"])
def test_a_retry_after_that_is_none_is_nothing(text: str) -> None:
    assert retry_after_seconds(text) == 0.0


def test_a_retry_after_is_seconds_or_a_date() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=5)
    assert retry_after_seconds(" 120 ") == 120.0
    assert retry_after_seconds("9" * 400) > 10
    for text in (format_datetime(soon, usegmt=True), soon.strftime("%a %b %d %H:%M:%S %Y")):
        assert 3 < retry_after_seconds(text) <= 5
    assert retry_after_seconds(format_datetime(soon - timedelta(days=1), usegmt=True)) == 0.0
