"""The gateway comes back with what it had, however it went."""

from __future__ import annotations

import resource
import threading
from pathlib import Path
from typing import Any

import httpx2

from tests.e2e.backends import Backend, described, parameter
from tests.e2e.gateways import Gateway, started_gateway, wait_until

READY_SECONDS = 5
"""Of a processor: on a busy machine a start waits for its turn, and so does this test."""


def processor_seconds() -> float:
    """Give what the processes used that were started from here and have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_after_kill_9_the_servers_are_there_as_they_were_and_callable(tmp_path: Path, backend: Backend) -> None:
    with started_gateway(tmp_path) as first:
        first.publish("notes", description("http://127.0.0.1:9"))
        moved = first.http.patch(f"{first.api}/notes", json={"base_url": f"{backend.url}/prefix"})
        renamed = first.http.patch(f"{first.api}/notes/tools/get_note", json={"name": "read_note"})
        assert (moved.status_code, renamed.status_code) == (200, 200), (moved.text, renamed.text)
        assert first.call("notes", "read_note", {"id": "a"})["isError"] is False
        before = first.servers()
        first.kill()

    used = processor_seconds()
    with started_gateway(tmp_path) as second:
        assert second.http.get(f"{second.url}/readyz").status_code == 200
        assert second.servers() == before
        assert second.tool_names("notes") == ["read_note"]
        assert second.call("notes", "read_note", {"id": "b"})["isError"] is False

    assert processor_seconds() - used < READY_SECONDS
    assert [each.target for each in backend.received] == ["/prefix/notes/a", "/prefix/notes/b"]


def test_kill_9_in_the_middle_of_an_import_stores_nothing_partial(tmp_path: Path, backend: Backend) -> None:
    paths: dict[str, Any] = {f"/notes/{number}": {"get": {}} for number in range(2000)}
    with started_gateway(tmp_path) as first:
        first.publish("notes", description(backend))
        before = first.servers()
        # The connection is closed on us, or the answer never comes: either way it is not an answer.
        import_and_kill(first, described(backend.url, paths))

    with started_gateway(tmp_path) as second:
        assert second.servers() == before
        answer = second.create(name="big", document=described(backend.url, paths))
        assert answer.status_code == 201, answer.text
        assert answer.json()["counts"]["tools"] == 2000


def description(place: Backend | str) -> dict[str, object]:
    url = place if isinstance(place, str) else place.url
    return described(
        url, {"/notes/{id}": {"get": {"operationId": "get_note", "parameters": [parameter("id", "path")]}}}
    )


def import_and_kill(gateway: Gateway, document: dict[str, object]) -> None:
    def send() -> None:
        try:
            gateway.create(name="big", document=document)
        except httpx2.TransportError:
            return
        raise AssertionError

    sender = threading.Thread(target=send)
    sender.start()
    wait_until(lambda: compiling(gateway), "the compile process")
    gateway.kill()
    sender.join(10)
    assert not sender.is_alive()


def compiling(gateway: Gateway) -> bool:
    children = Path(f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children")
    return bool(children.read_text().split())
