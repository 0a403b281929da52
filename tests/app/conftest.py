from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.registry import Database
from tests.app.gateways import KEY, Gateway, gateway
from tests.databases import sqlite_database


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


@pytest.fixture(scope="session")
async def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with a migrated database, which takes a while."""
    folder = tmp_path_factory.mktemp("migrated")
    database = Database.open(sqlite_database(folder))
    await database.migrate()
    await database.close()
    return folder


@pytest.fixture
async def served(
    tmp_path: Path, migrated: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None
) -> AsyncIterator[Gateway]:
    """Run a gateway in service mode, which starts fast; its client has the key, and loopback is open to calls."""
    shutil.copytree(migrated, tmp_path, dirs_exist_ok=True)
    async with gateway(tmp_path, monkeypatch, admin_key=KEY, egress_allow=("127.0.0.0/8",)) as running:
        yield running
