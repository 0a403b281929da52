"""Processes of one PostgreSQL database ask each other; here each end is an object of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from app.registry import notifications, process_channel
from app.registry.notifications import open_notifications
from app.registry.process_channel import ProcessChannel
from tests.databases import postgresql_database, sqlite_database


@pytest.fixture
async def url(postgresql: str) -> AsyncIterator[str]:
    async with postgresql_database(postgresql) as given:
        yield given


@asynccontextmanager
async def process(url: str, receiver: Callable[[bytes], Awaitable[bytes]]) -> AsyncIterator[ProcessChannel]:
    opened = open_notifications(url)
    assert opened is not None
    channel = ProcessChannel(opened)
    channel.receive(receiver)
    await opened.open()
    try:
        yield channel
    finally:
        await channel.close()
        await opened.close()


async def reversed_body(body: bytes) -> bytes:
    return body[::-1]


@pytest.mark.parametrize("size", [0, 1, 5_849, 5_850, 5_851, 1_000_000])
async def test_a_message_of_any_size_is_answered(url: str, size: int) -> None:
    body = bytes(each % 251 for each in range(size))
    async with process(url, reversed_body) as one, process(url, reversed_body) as two:
        assert await one.request(two.process, body) == body[::-1]


async def test_many_messages_at_once_each_get_their_own_answer(url: str) -> None:
    bodies = [str(each).encode() * 3_000 for each in range(50)]
    async with process(url, reversed_body) as one, process(url, reversed_body) as two:
        there = asyncio.gather(*(one.request(two.process, body) for body in bodies))
        back = asyncio.gather(*(two.request(one.process, body) for body in bodies))
        assert await there == await back == [body[::-1] for body in bodies]


async def test_a_process_that_is_not_there_does_not_answer(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_channel, "_ANSWER_SECONDS", 0.2)
    async with process(url, reversed_body) as one:
        assert await one.request("0123456789abcdef", b"hello") is None


async def test_a_process_listens_again_when_its_connection_broke(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "_RECONNECT_SECONDS", 0.05)
    monkeypatch.setattr(process_channel, "_ANSWER_SECONDS", 0.5)
    async with process(url, reversed_body) as one, process(url, reversed_body) as two:
        admin = await asyncpg.connect(url)
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
        await admin.close()
        async with asyncio.timeout(10):
            while await one.request(two.process, b"again") != b"niaga":  # noqa: ASYNC110 - it asks until it is answered
                await asyncio.sleep(0.05)


def test_a_file_of_sqlite_is_used_by_one_process(tmp_path: Path) -> None:
    assert open_notifications(sqlite_database(tmp_path)) is None
