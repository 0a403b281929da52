"""Descriptions fetched again: on a schedule with validators, by a request; a bad one replaces nothing."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import update

from app.registry.tables import SourceCheckRow, now
from app.services import refreshing
from tests.app.backends import Backend, backend, json_reply, reply
from tests.app.descriptions import PETS, operation, written
from tests.app.gateways import SERVERS, Gateway

URL = f"{SERVERS}/pets"


@pytest.fixture(scope="module", autouse=True)
def nobody_else_looks() -> Iterator[None]:
    """Keep the gateway from looking by itself, so that each look is the test's."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(refreshing, "LOOK_SECONDS", 3600.0)
        yield


MORE = copy.deepcopy(PETS)
MORE["paths"]["/cats"] = {"get": operation("list_cats")}
LESS = copy.deepcopy(PETS)
del LESS["paths"]["/pets/{petId}"]


def validated(document: Any, etag: str) -> bytes:
    return reply("200 OK", written(document), "Content-Type: application/json", f'ETag: "{etag}"')


async def imported(gateway: Gateway, source: Backend, **policies: Any) -> None:
    """Import from a source, to be fetched again every hour."""
    body = {"name": "pets", "document_url": f"http://127.0.0.1:{source.port}/openapi.json"}
    answer = await gateway.http.post(SERVERS, json=body)
    assert answer.status_code == 201, answer.text
    await gateway.http.patch(URL, json={"policies": {"refresh_interval": 3600, **policies}})


async def look(gateway: Gateway) -> Any:
    """Let the time of every source come, look, and give the server."""
    async with gateway.application.database.transaction() as registry:
        await registry.sources._session.execute(update(SourceCheckRow).values(due_at=now()))  # noqa: SLF001 - nobody else turns clocks
    await gateway.application.publishing.refreshing.look()
    return (await gateway.http.get(URL)).json()


async def test_a_document_that_changed_is_imported_and_one_that_did_not_is_not_sent(served: Gateway) -> None:
    async with backend(
        validated(PETS, "1"), validated(PETS, "1"), reply("304 Not Modified"), validated(MORE, "2"),
        reply("304 Not Modified"),
    ) as source:  # fmt: skip
        await imported(served, source)
        assert [(await look(served))["revision"] for _ in range(4)] == [1, 1, 2, 2]
        asked = [each.values("if-none-match") for each in source.requests]
    assert asked == [[], [], ['"1"'], ['"1"'], ['"2"']]
    assert "list_cats" in await served.listed()


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (json_reply(b"{}"), "openapi"),
        (reply("404 Not Found"), "404"),
        (json_reply(b"<html>"), ""),
    ],
)
async def test_what_is_bad_replaces_nothing_and_is_shown_until_it_is_good_again(
    served: Gateway, bad: bytes, told: str
) -> None:
    async with backend(json_reply(written(PETS)), json_reply(written(PETS)), bad, json_reply(written(PETS))) as source:
        await imported(served, source)
        assert (await look(served))["conditions"] == []
        before = await served.listed()
        shown = await look(served)
        assert (shown["revision"], await served.listed()) == (1, before)
        (condition,) = shown["conditions"]
        assert condition["code"] == "source_failed"
        assert told in condition["message"]
        assert condition["since"]
        assert (await look(served))["conditions"] == []


async def test_the_review_policy_holds_and_a_draft_that_was_dropped_stays_dropped(served: Gateway) -> None:
    """T06."""
    async with backend(json_reply(written(PETS)), json_reply(written(LESS))) as source:
        await imported(served, source, review="review")
        assert (await look(served))["draft_revision"] == 2
        await served.http.post(f"{URL}/revisions/1/activate")
        shown = await look(served)
    assert (shown["revision"], shown["draft_revision"]) == (1, None)


async def test_a_frozen_server_says_so(served: Gateway) -> None:
    async with backend(json_reply(written(PETS)), json_reply(written(MORE))) as source:
        await imported(served, source, review="freeze")
        shown = await look(served)
    assert shown["revision"] == 1
    assert "frozen" in shown["conditions"][0]["message"]


async def test_a_request_refreshes_now(served: Gateway) -> None:
    async with backend(json_reply(written(PETS)), json_reply(written(MORE)), reply("500 Oh")) as source:
        await imported(served, source)
        answer = await served.http.post(f"{URL}/refresh")
        assert (answer.status_code, answer.json()["revision"]) == (200, 2)
        assert [each["tool"] for each in answer.json()["result"]["changes"]] == ["list_cats"]
        failed = await served.http.post(f"{URL}/refresh")
        assert (failed.status_code, failed.json()["code"]) == (502, "upstream_unreachable")
        (condition,) = (await served.http.get(URL)).json()["conditions"]
    assert condition["message"] == failed.json()["detail"]


async def test_what_was_uploaded_has_nowhere_to_be_fetched_from(served: Gateway) -> None:
    await served.create()
    answer = await served.http.post(f"{URL}/refresh")
    assert (answer.status_code, answer.json()["code"]) == (409, "source_missing")
    assert (await served.http.post(f"{SERVERS}/nobody/refresh")).status_code == 404


async def test_a_split_description_is_read_whole_each_time(served: Gateway) -> None:
    split = copy.deepcopy(PETS)
    split["paths"]["/pets"] = {"$ref": "pets.json"}
    replies = {"/openapi.json": written(split), "/pets.json": json.dumps(PETS["paths"]["/pets"]).encode()}

    async with backend(*(json_reply(replies[path]) for path in ("/openapi.json", "/pets.json") * 2),
                       json_reply(replies["/openapi.json"]),
                       json_reply(json.dumps({"get": operation("find_pets")}).encode())) as source:  # fmt: skip
        await imported(served, source)
        assert (await look(served))["revision"] == 1
        assert (await look(served))["revision"] == 2
    assert "find_pets" in await served.listed()


async def test_what_a_source_changes_is_in_the_audit_and_what_it_does_not_is_not(served: Gateway) -> None:
    async with backend(json_reply(written(PETS)), json_reply(written(MORE)), json_reply(written(MORE)),
                       reply("500 Oh"), reply("500 Oh")) as source:  # fmt: skip
        await imported(served, source)
        began = now().isoformat()
        for _ in range(3):
            await look(served)
        failed = await served.http.post(f"{URL}/refresh")
    assert failed.status_code == 502
    listed = await served.http.get("/api/v1/audit", params={"action": "refresh_server", "since": began})
    assert [(each["subject"], each["server"]) for each in listed.json()["items"]] == [("source", "pets")]
