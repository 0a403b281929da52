"""Whole gateways in this process: the real wiring of `app.main` on SQLite, called without a socket."""

from __future__ import annotations

import base64
import hashlib
import json
import pickle
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

import app.parts
from app.main import Application
from app.services.compile_worker import answered
from app.services.compiling import Compiler
from app.settings import load
from tests.app.descriptions import PETS

KEY = "an-admin-key-of-some-length"
SECRET_KEY = base64.b64encode(hashlib.sha256(b"a secret key for tests").digest()).decode()
PUBLIC_URL = "http://127.0.0.1:8080"
SERVERS = "/api/v1/namespaces/default/servers"


class InProcessCompiler(Compiler):
    """The compiler without its process, which takes half a second to start.

    Validating stays in a process: it forbids the process it runs in to use the network.
    """

    @staticmethod
    async def _run(job: bytes) -> bytes:
        read = pickle.loads(job)  # noqa: S301 - pickled a moment ago
        return (
            await super(InProcessCompiler, InProcessCompiler)._run(job)
            if read.validate_only
            else json.dumps(answered(read)).encode()
        )


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway and an HTTP client of it."""

    application: Application
    http: httpx2.AsyncClient

    async def create(self, document: Any = PETS, *, name: str | None = "pets", **members: Any) -> dict[str, Any]:
        """Import a description as a server."""
        body = {"document": document, **({"name": name} if name else {}), **members}
        answer = await self.http.post(SERVERS, json=body)
        assert answer.status_code == 201, answer.text
        server: dict[str, Any] = answer.json()
        return server

    async def mcp(self, method: str, params: dict[str, Any] | None = None, *, server: str = "pets") -> dict[str, Any]:
        """Ask an MCP server as a client of 2025-11-25 does."""
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
        headers = {"MCP-Protocol-Version": "2025-11-25", "Accept": "application/json, text/event-stream"}
        answer = await self.http.post(f"/mcp/default/{server}", json=message, headers=headers)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()["result"]
        return result

    async def listed(self, *, server: str = "pets") -> list[str]:
        """Give the names of the tools that clients see."""
        return [tool["name"] for tool in (await self.mcp("tools/list", server=server))["tools"]]


@asynccontextmanager
async def gateway(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    compiler: type[Compiler] = InProcessCompiler,
    reached_at: str = PUBLIC_URL,
    **settings: Any,
) -> AsyncIterator[Gateway]:
    """Run a gateway whose data lie in `folder`; with `admin_key` it is one in service mode."""
    monkeypatch.setattr(app.parts, "Compiler", compiler)
    if "admin_key" in settings:
        settings = {"secret_key": SECRET_KEY, **settings}
    application = Application(load(data_dir=folder, **settings), public_url=reached_at)
    headers = {"Authorization": f"Bearer {settings['admin_key']}"} if "admin_key" in settings else {}
    transport = httpx2.ASGITransport(application, raise_app_exceptions=False)
    async with (
        application.running(),
        httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL, headers=headers) as http,
    ):
        yield Gateway(application, http)
