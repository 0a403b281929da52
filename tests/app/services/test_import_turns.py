"""D08: imports of one namespace take turns, and leave those of others theirs."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from app.errors import TooManyRequestsError
from app.services.import_turns import WAITING, ImportTurns
from tests.app.descriptions import PETS
from tests.app.gateways import KEY, InProcessCompiler, gateway
from tests.app.tenants import NAMESPACES


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


async def test_no_more_run_in_all_than_may_and_every_namespace_has_its_turn() -> None:
    turns, running, most, done = ImportTurns(2, in_all=4), Counter[str](), 0, asyncio.Event()

    async def work(namespace: str) -> None:
        nonlocal most
        async with turns.of(namespace):
            running[namespace] += 1
            most = max(most, running.total())
            await done.wait()
            running[namespace] -= 1

    tasks = [asyncio.ensure_future(work(f"team-{number % 3}")) for number in range(12)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert sorted(running.values()) == [1, 1, 2]
    done.set()
    await asyncio.wait_for(asyncio.gather(*tasks), 20)
    assert most == 4


async def test_imports_of_one_namespace_at_once_wait_and_another_s_is_not_held_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None
) -> None:
    """D08: of 25 at once 2 run, 20 wait and 3 are refused; meanwhile another namespace imports."""
    running, most, done = 0, 0, asyncio.Event()

    class Slow(InProcessCompiler):
        async def compile(self, job: Any) -> dict[str, Any]:
            nonlocal running, most
            if b"Slow" in job.document:
                running, most = running + 1, max(most, running + 1)
                await done.wait()
                running -= 1
            return await super().compile(job)

    slow = json.dumps({**PETS, "info": {"title": "Slow", "version": "1"}})
    async with gateway(tmp_path, monkeypatch, compiler=Slow, admin_key=KEY) as running_gateway:
        http = running_gateway.http
        for name in ("team-a", "team-b"):
            assert (await http.post(NAMESPACES, json={"name": name})).status_code == 201
        asked = [
            asyncio.ensure_future(
                http.post(f"{NAMESPACES}/team-a/servers", json={"name": f"s{number}", "document": slow})
            )
            for number in range(25)
        ]
        async with asyncio.timeout(60):
            while sum(each.done() for each in asked) < 3 or running < 2:  # noqa: ASYNC110 - those that wait tell nobody
                await asyncio.sleep(0.01)
            refused = [each.result() for each in asked if each.done()]
            assert {(each.status_code, each.json()["code"]) for each in refused} == {(429, "too_many_requests")}
            assert all(int(each.headers["retry-after"]) > 0 for each in refused)
            made = await http.post(f"{NAMESPACES}/team-b/servers", json={"name": "pets", "document": PETS})
            assert (made.status_code, running, len(refused)) == (201, 2, 3)
            done.set()
            answers = await asyncio.gather(*asked)
    assert Counter(each.status_code for each in answers) == {201: 22, 429: 3}
    assert most == 2
