"""A server that is deleted or disabled while somebody uses it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.app.backends import Received, backend, json_reply
from tests.app.descriptions import description, operation
from tests.app.gateways import SERVERS, gateway

JSON = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
URL = "/mcp/default/pets"


def call(request_id: int = 1) -> dict[str, object]:
    params = {"name": "get_pet", "arguments": {}}
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}


@pytest.mark.parametrize("how", ["deleted", "disabled"])
async def test_a_call_under_way_is_answered_and_the_next_one_is_404(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """P06."""
    removed = asyncio.Event()

    async def respond(received: Received, writer: asyncio.StreamWriter) -> None:
        await removed.wait()
        writer.write(json_reply(b'{"id":1,"name":"Rex"}'))

    async with backend() as api, gateway(tmp_path, monkeypatch) as one:
        api.respond = respond
        await one.create(description({"/pet": {"get": operation("get_pet")}}, server=api.url))
        under_way = asyncio.create_task(one.http.post(URL, json=call(), headers=JSON))
        await api.received(1)
        server = f"{SERVERS}/pets"
        request = one.http.delete(server) if how == "deleted" else one.http.patch(server, json={"enabled": False})
        assert (await request).is_success
        refused = await one.http.post(URL, json=call(2), headers=JSON)
        assert (refused.status_code, refused.json()["code"]) == (404, "server_not_found")
        removed.set()
        answer = await under_way
        assert answer.status_code == 200
        result = answer.json()["result"]
        assert result["isError"] is False
        assert json.loads(result["content"][0]["text"]) == {"id": 1, "name": "Rex"}
        assert len(api.requests) == 1
