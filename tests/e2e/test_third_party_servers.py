"""An API server that is not ours: Causeway serves what the running server publishes about itself."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.gateways import ERAS, Gateway, connected, wait_until

KINTO = """
[server:main]
use = egg:waitress#main
host = 127.0.0.1
port = %(http_port)s

[app:main]
use = egg:kinto
kinto.storage_backend = kinto.core.storage.memory
kinto.cache_backend = kinto.core.cache.memory
kinto.permission_backend = kinto.core.permission.memory
kinto.userid_hmac_secret = not-a-secret
kinto.bucket_create_principals = system.Everyone
kinto.bucket_write_principals = system.Everyone
multiauth.policies =
"""


@pytest.fixture(scope="module")
def kinto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run Kinto, a JSON document store, in memory and open to everybody; gives its URL."""
    folder = tmp_path_factory.mktemp("kinto")
    (folder / "kinto.ini").write_text(KINTO)
    port = free_port()
    url = f"http://127.0.0.1:{port}/v1"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, Path(sys.executable).with_name("kinto"), "start", "--ini=kinto.ini", f"--port={port}"],
            cwd=folder,
            env={"PATH": os.defpath, "HOME": str(folder), "PYTHONWARNINGS": "ignore"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:

        def is_up() -> bool:
            assert process.poll() is None, (folder / "log").read_text()
            try:
                return httpx2.get(f"{url}/__heartbeat__", trust_env=False).status_code == 200
            except httpx2.TransportError:
                return False

        wait_until(is_up, "Kinto's start", seconds=30)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def kinto_tools(gateway: Gateway, kinto: str) -> str:
    """Import what the running Kinto publishes, from where it publishes it; gives the MCP URL."""
    answer = gateway.create(name="kinto", document_url=f"{kinto}/__api__")
    assert answer.status_code == 201, answer.text
    counts = answer.json()["counts"]
    assert counts["operations"] == counts["tools"] > 30
    return gateway.mcp_url("kinto")


@pytest.mark.parametrize("mode", ERAS)
async def test_a_model_creates_reads_changes_and_deletes_records_of_a_running_kinto(
    kinto_tools: str, kinto: str, mode: str
) -> None:
    record: dict[str, Any] = {"bucket_id": f"library-{mode}", "collection_id": "books", "id": "moby-dick"}

    async with connected(kinto_tools, mode) as client:

        async def done(tool: str, **arguments: Any) -> dict[str, Any]:
            result = await client.call_tool(tool, arguments)
            assert not result.is_error, result.content
            assert isinstance(result.structured_content, dict)
            return result.structured_content

        bucket = await done("update_bucket", id=record["bucket_id"], data={"owner": "Ishmaël"})
        await done("create_collection", bucket_id=record["bucket_id"], data={"id": "books"})
        made = await done("update_record", **record, data={"title": "Moby-Dick", "pages": 635, "tags": ["sea", "鯨"]})
        read = await done("get_record", **record)
        await done("patch_record", **record, data={"pages": 636})
        changed = await done("get_records", bucket_id=record["bucket_id"], collection_id="books")
        gone = await done("delete_record", **record)
        missing = await client.call_tool("get_record", record)
        await done("delete_bucket", id=record["bucket_id"])

    assert bucket["data"]["owner"] == "Ishmaël"
    assert read["data"] == made["data"]
    assert (read["data"]["title"], read["data"]["tags"]) == ("Moby-Dick", ["sea", "鯨"])
    assert [each["pages"] for each in changed["data"]] == [636]
    assert gone["data"]["deleted"] is True
    assert missing.is_error
    assert "404" in missing.content[0].model_dump()["text"]
    buckets = httpx2.get(f"{kinto}/buckets/{record['bucket_id']}", trust_env=False)
    assert buckets.status_code in {401, 403, 404}


async def test_kinto_s_own_preconditions_reach_it_as_headers(kinto_tools: str) -> None:
    async with connected(kinto_tools, "auto") as client:
        first = await client.call_tool("update_bucket", {"id": "once", "If-None-Match": "*"})
        second = await client.call_tool("update_bucket", {"id": "once", "If-None-Match": "*"})

    assert not first.is_error
    assert second.is_error
    assert "412" in second.content[0].model_dump()["text"]
