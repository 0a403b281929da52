from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.security.callers import ADMIN
from tests.app.gateways import KEY, Gateway, gateway


def hide_settings(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Hide the settings of whoever runs the tests: neither environment nor `causeway.toml` holds any."""
    monkeypatch.chdir(folder)
    for name in list(os.environ):
        if name.upper().startswith(("CAUSEWAY_", "OTEL_")):
            monkeypatch.delenv(name)


@pytest.fixture
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hide_settings(monkeypatch, tmp_path)


@pytest.fixture
async def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None) -> AsyncIterator[Gateway]:
    """Run a gateway in local mode."""
    async with gateway(tmp_path, monkeypatch) as running:
        yield running


@pytest.fixture(scope="module")
async def kept(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """Run a gateway in service mode; its client has the key, and loopback is open to calls."""
    folder = tmp_path_factory.mktemp("gateway")
    with pytest.MonkeyPatch.context() as monkeypatch:
        hide_settings(monkeypatch, folder)
        async with gateway(folder, monkeypatch, admin_key=KEY, egress_allow=("127.0.0.0/8",)) as running:
            yield running


@pytest.fixture
async def served(kept: Gateway) -> AsyncIterator[Gateway]:
    """Give the module's gateway, without servers and with the namespace `default` alone."""
    yield kept
    servers = kept.application.publishing.servers
    async with kept.application.database.transaction() as registry:
        namespaces = (await registry.namespaces.list()).items
    for namespace in namespaces:
        while page := (await servers.list(namespace.name, by=ADMIN, cursor=None, limit=50)).items:
            for each in page:
                await servers.delete(namespace.name, each.name)
        if namespace.name != "default":
            async with kept.application.database.transaction() as registry:
                await registry.namespaces.delete(namespace.name)
