"""A gateway with few open files and a full disk for its log: it says what it cannot do, and recovers."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.app.backends import Backend, backend, json_reply, then_wait
from tests.e2e.backends import described
from tests.e2e.gateways import START_SECONDS, Gateway, request, start_gateway, wait_until

PATHS = {"/pets": {"get": {"operationId": "list_pets"}}}
FULL_DISK = Path("/dev/full")
FILES, CLIENTS = 256, 300
SECONDS = 60

pytestmark = pytest.mark.skipif(not FULL_DISK.exists(), reason="this system has no disk that is always full")


class Client:
    """A connection of its own, kept open."""

    def __init__(self, gateway: Gateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._host = f"127.0.0.1:{gateway.port}"
        self._reader, self._writer = reader, writer

    @classmethod
    async def connected(cls, gateway: Gateway) -> Client:
        return cls(gateway, *await asyncio.open_connection("127.0.0.1", gateway.port))

    async def send(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Send a request; gives status and JSON of its answer."""
        content = json.dumps(body).encode()
        fields = (f"Host: {self._host}", "Content-Type: application/json", f"Content-Length: {len(content)}")
        self._writer.write("\r\n".join([f"{method} {path} HTTP/1.1", *fields, "", ""]).encode() + content)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        assert length is not None, head
        return int(head.split(" ")[1]), json.loads(await self._reader.readexactly(int(length[1])))

    async def call(self) -> tuple[int, Any]:
        return await self.send("POST", "/mcp/default/pets", request("tools/call", name="list_pets"))

    def close(self) -> None:
        self._writer.close()


async def all_have_come(api: Backend, calls: list[asyncio.Task[tuple[int, Any]]]) -> None:
    """Wait until every call is at the API or was answered by the gateway."""
    async with asyncio.timeout(SECONDS):
        while len(api.requests) + sum(each.done() for each in calls) < len(calls):  # noqa: ASYNC110 - as it says
            await asyncio.sleep(0.05)


async def test_a_gateway_without_open_files_answers_503_goes_on_with_its_work_and_recovers(tmp_path: Path) -> None:
    """F26: 256 open files, 300 clients, a log that cannot be written; U1: it is alive all the time."""
    under = ("sh", "-c", f'ulimit -n {FILES}; exec "$0" "$@" 2>{FULL_DISK}')
    gateway = start_gateway(tmp_path, settings={"CAUSEWAY_LOG_FORMAT": "json"}, under=under)
    wait_until(lambda: b"serving at" in gateway.output.read_bytes(), "the announcement", seconds=START_SECONDS)
    gateway.url = gateway.output.read_text().partition("\n")[0].rpartition(" ")[2]
    try:
        async with backend(then_wait(b"")) as api:
            await asyncio.to_thread(gateway.publish, "pets", described(api.url, PATHS))
            gateway.http.close()
            await _exhausted(gateway, api)
            api.replies = (json_reply(b'{"ok":true}'),)
            with httpx2.Client(trust_env=False, timeout=SECONDS) as gateway.http:
                await asyncio.to_thread(_recovered, gateway)
    finally:
        code = gateway.stop()
    assert code == 0


async def _exhausted(gateway: Gateway, api: Backend) -> None:
    early = await Client.connected(gateway)
    clients = [await Client.connected(gateway) for _ in range(CLIENTS)]
    calls = [asyncio.create_task(each.call()) for each in clients]
    await all_have_come(api, calls)
    answered = [each.result() for each in calls if each.done()]
    assert {status for status, _ in answered} == {503}
    assert {body["code"] for _, body in answered} == {"too_many_connections"}
    # Whoever is in is served, and the work behind finds the files that it needs.
    path = "/api/v1/namespaces/default/servers/pets/document"
    status, server = await early.send("PUT", path, {"document": described(api.url, PATHS, title="Another title")})
    assert (status, server.get("revision")) == (200, 2), server
    assert len(api.requests) > FILES // 4
    for each in (early, *clients):
        each.close()
    await asyncio.gather(*calls, return_exceptions=True)


def _recovered(gateway: Gateway) -> None:
    def is_served() -> bool:
        return gateway.http.get(f"{gateway.url}/healthz").status_code == 200

    wait_until(is_served, "new connections are taken", seconds=SECONDS)
    assert gateway.call("pets", "list_pets")["isError"] is False
    lost = re.search(
        r"^causeway_lost_log_lines_total (\d+)", gateway.http.get(f"{gateway.url}/metrics").text, re.MULTILINE
    )
    assert lost is not None
    assert int(lost[1]) > CLIENTS // 4
