"""A02, D07: what a key costs that is not valid, counted and not timed; `benchmarks/refusals.py` takes the time."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any

import pytest

from app.registry import Database
from app.security.keys import new_key
from tests.app.asgi import Answer, answer
from tests.app.gateways import Gateway
from tests.app.tenants import KEYS, make_key

PATHS = ("/api/v1/keys", "/mcp/default/pets")


@contextmanager
def counted() -> Iterator[list[str]]:
    """Write down which functions of ours are called, and what they call."""
    called: list[str] = []

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        path = frame.f_code.co_filename
        if event in {"call", "c_call"} and ("/app/" in path or "/converters/" in path) and "/tests/" not in path:
            called.append(frame.f_code.co_qualname if event == "call" else f"{argument.__name__}()")

    sys.setprofile(profile)
    try:
        yield called
    finally:
        sys.setprofile(None)


def asked(*_: Any, **__: Any) -> None:
    raise AssertionError("the database was asked")


async def shown(at: Gateway, key: str, path: str) -> Answer:
    headers = [("Host", "127.0.0.1:8080"), ("Authorization", f"Bearer {key}")]
    return await answer(at.application, method="GET", path=path, headers=headers)


@pytest.fixture
async def refused(served: Gateway, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Give keys that are not valid, each for another reason."""
    revoked = await make_key(served, "call")
    assert (await served.http.delete(f"{KEYS}/{revoked['id']}")).status_code == 204
    expiring = await make_key(served, "call", expires_at=(datetime.now(UTC) + timedelta(minutes=5)).isoformat())
    later = (datetime.now(UTC) + timedelta(minutes=10)).timestamp()
    monkeypatch.setattr(served.application.access.keys._known, "_clock", lambda: later)  # noqa: SLF001 - its clock
    unknown = new_key().text
    last = "0" if unknown[-1] != "0" else "1"
    return {
        "unknown": unknown,
        "mistyped": unknown[:-1] + last,
        "revoked": revoked["key"],
        "expired": expiring["key"],
    }


@pytest.mark.parametrize("path", PATHS)
async def test_a_key_is_refused_by_the_same_work_and_words_whatever_is_wrong_with_it(
    served: Gateway, refused: dict[str, str], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A02: neither the answer nor the work tells a key that was good once from one that never was."""
    # Issuers are read every few seconds, whoever asks for what.
    monkeypatch.setattr(served.application.access.issuers, "_clock", lambda: 1e12)
    await served.application.access.issuers.trusted("default")
    monkeypatch.setattr(Database, "transaction", asked)
    answers, works = {}, {}
    for _ in range(2):  # what is made once, at the first request, is made
        for kind, key in refused.items():
            with counted() as called:
                given = await shown(served, key, path)
            works[kind] = called
            answers[kind] = given.status, given.body, dict(given.headers) | {"x-request-id": ""}
    assert answers["unknown"][0] == 401
    assert json.loads(answers["unknown"][1])["code"] == "unauthorized"
    assert all(each == answers["unknown"] for each in answers.values())
    assert works["unknown"].count("compare_digest()") == 1
    assert all(each == works["unknown"] for each in works.values())


async def test_five_thousand_bad_keys_cost_as_much_each_and_leave_nothing(
    served: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D07: a hash and a look into memory each, no slow hash, no question to the database, nothing remembered."""
    good = await make_key(served, "call")
    known = served.application.access.keys._known  # noqa: SLF001 - memory is seen in no other way

    def held() -> list[int]:
        return [len(each) for each in vars(known).values() if hasattr(each, "__len__")]

    with monkeypatch.context() as patched:
        patched.setattr(Database, "transaction", asked)
        keys = [new_key().text for _ in range(5_000)]
        await shown(served, keys[0], PATHS[0])
        before = held()
        with counted() as first:
            await shown(served, keys[0], PATHS[0])
        for each in keys:
            assert (await shown(served, each, PATHS[0])).status == 401
        with counted() as last:
            await shown(served, keys[0], PATHS[0])
        assert last == first
        assert held() == before
        assert sum("sha256" in each for each in last) == 1
        assert (await shown(served, good["key"], "/api/openapi.json")).status == 200
