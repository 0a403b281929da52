"""Two gateways in this process on one PostgreSQL database, each with a folder of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.app.gateways import KEY, Gateway, gateway


@asynccontextmanager
async def pair(
    folder: Path, monkeypatch: pytest.MonkeyPatch, database_url: str, **settings: Any
) -> AsyncIterator[tuple[Gateway, Gateway]]:
    """Run two gateways in service mode whose calls may go to loopback."""
    given = {"admin_key": KEY, "egress_allow": ("127.0.0.0/8",), "database_url": database_url, **settings}
    async with (
        gateway(folder / "one", monkeypatch, **given) as one,
        gateway(folder / "two", monkeypatch, **given) as two,
    ):
        yield one, two
