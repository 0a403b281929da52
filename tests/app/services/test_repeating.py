"""What is done beside the requests goes on, whatever goes wrong in one turn."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import pytest

from app.registry.changed_servers import ChangedServers
from app.registry.errors import RegistryUnavailable
from app.services import live_servers
from app.services.live_servers import LiveServers
from app.services.repeating import alongside, repeated
from app.services.tools import LoadedServer
from tests.app.gateways import Gateway


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Give what is logged, whatever the process was told to log before."""
    caplog.set_level(logging.WARNING, logger="app.services.repeating")
    return caplog


class Turns:
    """Fails as it is told, turn by turn, and then succeeds."""

    def __init__(self, *faults: Exception | None) -> None:
        self.faults = list(faults)
        self.over = asyncio.Event()

    async def __call__(self) -> None:
        if not self.faults:
            self.over.set()
            return
        fault = self.faults.pop(0)
        if fault is not None:
            raise fault


class NoStage:
    """Where nothing is served."""

    async def put(self, loaded: LoadedServer) -> None:
        """Serve nothing."""

    def drop(self, namespace: str, name: str) -> None:
        """Serve nothing still."""


async def test_a_turn_that_goes_wrong_is_told_and_the_next_one_is_taken(told: pytest.LogCaptureFixture) -> None:
    turns = Turns(ValueError("a defect"), ValueError("another one"))
    async with alongside(repeated(turns, seconds=0, name="counting")), asyncio.timeout(30):
        await turns.over.wait()
    assert [(each.levelno, each.message) for each in told.records] == [(logging.ERROR, "counting went wrong")] * 2


async def test_a_registry_that_is_away_is_told_once_each_time_it_goes(told: pytest.LogCaptureFixture) -> None:
    turns = Turns(RegistryUnavailable(), RegistryUnavailable(), None, RegistryUnavailable())
    async with alongside(repeated(turns, seconds=0, name="counting")), asyncio.timeout(30):
        await turns.over.wait()
    assert [each.levelno for each in told.records] == [logging.WARNING] * 2


async def test_what_runs_alongside_ends_with_the_block() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        ended.set()

    async with alongside(work()):
        await asyncio.sleep(0)
        assert not ended.is_set()
    assert ended.is_set()


async def test_servers_are_kept_up_to_date_after_something_went_wrong(
    served: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_servers, "_RETRY_SECONDS", 0)
    application, prepared = served.application, Turns(ValueError("a defect"))
    live = LiveServers(
        application.database,
        application.publishing.tools,
        stage=NoStage(),
        changed=ChangedServers(None),
    )
    async with alongside(live.follow(prepared)), asyncio.timeout(30):
        await prepared.over.wait()
