"""Answers that are too large for a result are shortened, and can be read whole as resources."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from app.gateway.answers import PIECE, AnswerStore
from app.security.callers import EVERY, LOCAL, Caller
from converters.results import ApiResponse, Overflow
from tests.app.asgi import answer
from tests.app.gateway.endpoints import MODERN, PATH, FakeUpstream, ask, endpoint, envelope, headers, request

ROWS = json.dumps({"rows": [{"id": n, "name": "x" * 40} for n in range(5_000)]})
CALL = {"name": "list_pets", "arguments": {}}


async def called(response: ApiResponse, version: str = "2025-11-25") -> tuple[Any, dict[str, Any]]:
    served = endpoint(FakeUpstream(response))
    answer = await ask(served, "tools/call", CALL, version=version)
    result: dict[str, Any] = answer.json()["result"]
    return served, result


async def read(served: Any, uri: str, version: str = "2025-11-25") -> dict[str, Any]:
    answer: dict[str, Any] = (await ask(served, "resources/read", {"uri": uri}, version=version)).json()
    return answer


@pytest.mark.parametrize("version", ["2025-11-25", MODERN])
async def test_a_large_answer_is_shortened_and_read_on_piece_by_piece(version: str) -> None:
    served, result = await called(ApiResponse(200, "application/json", ROWS.encode()), version)
    shown, note = (block["text"] for block in result["content"])
    uri: str | None = result["_meta"]["causeway/resource"]["uri"]

    assert json.loads(shown) == result["structuredContent"]
    assert len(shown) <= PIECE
    assert note.startswith("The answer was too large and is shortened: /rows shows ")
    assert uri is not None
    assert uri in note
    whole = ""
    while uri:
        piece, *following = (await read(served, uri, version))["result"]["contents"]
        whole += piece["text"]
        uri = following[0]["uri"] if following else None
    assert whole == ROWS


async def test_a_large_file_is_a_link() -> None:
    content = b"\xff\x00" * 600_000
    served, result = await called(ApiResponse(200, "application/pdf", content))
    said, link = result["content"]

    assert said["text"] == "The API answered with 1,200,000 bytes of application/pdf."
    assert (link["type"], link["mimeType"], link["size"]) == ("resource_link", "application/pdf", len(content))
    (found,) = (await read(served, link["uri"]))["result"]["contents"]
    assert base64.b64decode(found["blob"]) == content


@pytest.mark.parametrize("version", ["2025-11-25", MODERN])
async def test_nobody_else_can_read_an_answer_that_was_kept_for_a_caller(version: str) -> None:
    """P07: another user of the same server who has the handle."""
    served = endpoint(FakeUpstream(ApiResponse(200, "application/json", ROWS.encode())))

    async def asked(who: str, method: str, **params: Any) -> dict[str, Any]:
        whole = envelope(**params) if version == MODERN else params
        named = [("Mcp-Method", method), ("Mcp-Name", params.get("name", params.get("uri", "")))]
        sent = headers(version, *(named if version == MODERN else []))
        caller = Caller(who, LOCAL.permissions, EVERY)
        answered: dict[str, Any] = (
            await answer(served, path=PATH, headers=sent, chunks=[request(method, whole)], caller=caller)
        ).json()
        return answered

    uri = (await asked("alice", "tools/call", **CALL))["result"]["_meta"]["causeway/resource"]["uri"]
    assert (await asked("bob", "resources/read", uri=uri))["error"]["code"] in {-32002, -32602}
    assert (await asked("alice", "resources/read", uri=uri))["result"]["contents"][0]["text"] == ROWS[:PIECE]


@pytest.mark.parametrize("uri", ["causeway://results/" + "a" * 22, "causeway://results/../x", "file:///etc/passwd"])
async def test_an_answer_that_is_not_there_says_what_to_do(uri: str) -> None:
    served = endpoint()

    assert (await read(served, uri))["error"]["code"] == -32002
    assert (await read(served, uri, MODERN))["error"]["code"] == -32602
    assert "call the tool again" in (await read(served, uri))["error"]["message"]


async def test_resources_are_announced_as_a_template() -> None:
    listed = (await ask(endpoint(), "resources/templates/list", {})).json()["result"]["resourceTemplates"]

    assert [each["uriTemplate"] for each in listed] == ["causeway://results/{id}{?from}"]
    assert (await ask(endpoint(), "resources/list", {})).json()["result"]["resources"] == []


MINE = ("default/pets", "one")


def test_an_answer_belongs_to_its_owner() -> None:
    store = AnswerStore()
    uri = store.keep(MINE, Overflow(b"secret", "text/plain"))

    assert store.read(("default/other", "one"), uri) is None
    assert store.read(("default/pets", "two"), uri) is None
    assert store.read(MINE, uri) == [{"uri": uri, "mimeType": "text/plain", "text": "secret"}]


def test_the_oldest_answers_go_first_and_old_ones_go() -> None:
    now = [0.0]
    store = AnswerStore(max_bytes=10, seconds=60, clock=lambda: now[0])
    first, second, third = (store.keep(("a/b", "one"), Overflow(b"12345", "text/plain")) for _ in range(3))

    assert store.read(("a/b", "one"), first) is None
    assert store.read(("a/b", "one"), second)
    assert store.read(("a/b", "one"), third)
    now[0] = 61
    assert store.read(("a/b", "one"), third) is None
    fourth = store.keep(("a/b", "one"), Overflow(b"x" * 9, "text/plain"))
    assert store.read(("a/b", "one"), fourth)


def test_a_namespace_that_keeps_much_gives_way_before_one_that_keeps_little() -> None:
    """One tenant's answers cannot push out another's."""
    store = AnswerStore(max_bytes=100)
    small = [store.keep(("small/pets", "one"), Overflow(b"x" * 10, "text/plain")) for _ in range(3)]
    large = [store.keep(("large/pets", "one"), Overflow(b"x" * 10, "text/plain")) for _ in range(50)]
    huge = store.keep(("large/pets", "one"), Overflow(b"x" * 1_000, "text/plain"))

    assert all(store.read(("small/pets", "one"), uri) for uri in small)
    assert not any(store.read(("large/pets", "one"), uri) for uri in [*large, huge])
    latest = store.keep(("large/other", "one"), Overflow(b"x" * 70, "text/plain"))
    assert store.read(("large/other", "one"), latest)
    assert all(store.read(("small/pets", "one"), uri) for uri in small)
