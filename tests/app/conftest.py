from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.app.gateways import Gateway, gateway


@pytest.fixture
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the settings of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.upper().startswith("CAUSEWAY_"):
            monkeypatch.delenv(name)


@pytest.fixture
async def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None) -> AsyncIterator[Gateway]:
    """Run a gateway in local mode."""
    async with gateway(tmp_path, monkeypatch) as running:
        yield running
