"""F30: what is kept of requests with an idempotency key, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.registry import Database
from app.registry.errors import IdempotencyKeyReused, IdempotentRequestRunning
from app.registry.records import IdempotentRequest, KeptAnswer
from app.registry.tables import now

REQUEST = IdempotentRequest("owner", "key", "default", "fingerprint")
OTHER = IdempotentRequest("owner", "key", "default", "another")
ANSWER = KeptAnswer(201, {"content-type": "application/json"}, b"{}")
SOON, PAST, LATER = timedelta(seconds=60), timedelta(seconds=-1), timedelta(hours=24)


async def claim(
    database: Database,
    request: IdempotentRequest = REQUEST,
    *,
    by: str = "one",
    lasts: timedelta = SOON,
    kept: timedelta = LATER,
) -> KeptAnswer | None:
    async with database.transaction() as registry:
        return await registry.idempotency_keys.claim(request, claim=by, until=now() + lasts, expires_at=now() + kept)


async def keep(database: Database, *, by: str = "one") -> None:
    async with database.transaction() as registry:
        await registry.idempotency_keys.keep(REQUEST, claim=by, answer=ANSWER)


async def test_an_answer_is_kept_for_the_same_request_and_refused_to_another(database: Database) -> None:
    assert await claim(database) is None
    with pytest.raises(IdempotentRequestRunning):
        await claim(database, by="two")
    with pytest.raises(IdempotencyKeyReused):
        await claim(database, OTHER, by="two")
    await keep(database)
    assert await claim(database, by="two") == ANSWER
    with pytest.raises(IdempotencyKeyReused):
        await claim(database, OTHER, by="two")


async def test_a_claim_that_ran_out_goes_to_the_next_and_the_last_one_keeps_nothing(database: Database) -> None:
    assert await claim(database, lasts=PAST) is None
    assert await claim(database, by="two") is None
    await keep(database, by="one")
    async with database.transaction() as registry:
        await registry.idempotency_keys.release(REQUEST, claim="one")
    with pytest.raises(IdempotentRequestRunning):
        await claim(database, by="three")
    await keep(database, by="two")
    assert await claim(database, by="three") == ANSWER


async def test_a_claim_that_is_extended_does_not_run_out(database: Database) -> None:
    await claim(database, lasts=PAST)
    async with database.transaction() as registry:
        await registry.idempotency_keys.extend(REQUEST, claim="one", seconds=60)
    with pytest.raises(IdempotentRequestRunning):
        await claim(database, by="two")


async def test_what_is_given_up_or_a_day_old_is_not_there_any_more(database: Database) -> None:
    await claim(database)
    async with database.transaction() as registry:
        await registry.idempotency_keys.release(REQUEST, claim="one")
    assert await claim(database, OTHER, kept=PAST) is None
    assert await claim(database) is None
    async with database.transaction(read_only=True) as registry:
        assert await registry.idempotency_keys.count("owner") == 1


async def test_what_was_kept_of_a_namespace_goes_with_it(database: Database) -> None:
    await claim(database)
    async with database.transaction() as registry:
        await registry.namespaces.delete("default")
        assert await registry.idempotency_keys.count("owner") == 0
