"""While a large description is imported and first listed, the event loop goes on (acceptance rule U4)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from app.services.compiling import Compiler
from tests.app.gateways import gateway

LAG = 0.25
OPERATIONS = 1_000


@asynccontextmanager
async def longest_turn() -> AsyncIterator[list[float]]:
    """Watch the loop; gives, at the end, the most CPU seconds it spent between two turns of a waiting task.

    CPU time of this thread, and not time that passes: how busy the machine is changes nothing.
    """
    found = [0.0]

    async def watch() -> None:
        last = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            found[0] = max(found[0], now - last)
            last = now

    watching = asyncio.ensure_future(watch())
    try:
        yield found
    finally:
        watching.cancel()


def large() -> dict[str, Any]:
    """Describe an API of a thousand operations, each with a nested body of its own."""
    text = {"type": "string", "description": "A text that says something of what it is for. " * 3}
    fields = {f"field{n}": {"type": "object", "properties": dict.fromkeys("abcdefgh", text)} for n in range(4)}
    content = {"application/json": {"schema": {"type": "object", "properties": fields}}}
    operation = {"requestBody": {"content": content}, "responses": {"200": {"description": "Fine."}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Large", "version": "1"},
        "servers": [{"url": "http://127.0.0.1:9"}],
        "paths": {f"/things/{n}": {"post": operation} for n in range(OPERATIONS)},
    }


async def test_an_import_and_the_first_list_leave_the_loop_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None
) -> None:
    document = json.dumps(large()).encode()
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
    async with gateway(tmp_path, monkeypatch, compiler=Compiler) as local:
        async with longest_turn() as longest:
            uploaded = await local.http.post(
                "/api/v1/namespaces/default/servers", files={"document": ("large.json", document, "application/json")}
            )
            listed = await local.http.post("/mcp/default/large", json=asked, headers=headers)

        assert uploaded.json()["counts"]["tools"] == OPERATIONS
        assert len(listed.json()["result"]["tools"]) == OPERATIONS
        assert longest[0] < LAG
