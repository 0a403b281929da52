"""Who changed and called what, for those who may see it."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from app.registry.audit import Audit
from app.registry.errors import RegistryUnavailable
from app.services import audit as service
from tests.app.backends import backend, json_reply
from tests.app.gateways import SERVERS, Gateway
from tests.app.telemetry.test_logs import called
from tests.app.tenants import make_key

AUDIT = "/api/v1/audit"
DESCRIPTION = {"document": {"openapi": "3.1.0", "info": {"title": "Pets", "version": "1"}, "paths": {}}}


async def entries(gateway: Gateway, answer: httpx2.Response) -> list[dict[str, Any]]:
    """Give the entries of the request that was answered so."""
    listed = await gateway.http.get(AUDIT, params={"request_id": answer.headers["x-request-id"]})
    assert listed.status_code == 200, listed.text
    items: list[dict[str, Any]] = listed.json()["items"]
    return items


async def test_a_change_is_in_the_audit_once_by_who_made_it(served: Gateway) -> None:
    """U6."""
    created = await served.http.post("/api/v1/namespaces", json={"name": "team"})
    key = await make_key(served, "admin", name="team", namespace="default")
    imported = await served.http.post(SERVERS, json=DESCRIPTION)
    renamed = await served.http.patch(
        f"{SERVERS}/pets", json={"enabled": False}, headers={"Authorization": f"Bearer {key['key']}"}
    )
    assert (created.status_code, imported.status_code, renamed.status_code) == (201, 201, 200), imported.text
    told = [(await entries(served, each)) for each in (created, imported, renamed)]
    assert [len(each) for each in told] == [1, 1, 1]
    names = ("subject", "action", "namespace", "server", "code")
    assert [tuple(each[0][name] for name in names) for each in told] == [
        ("admin", "create_namespace", "team", "", "ok"),
        ("admin", "create_server", "default", "pets", "ok"),
        (f"key:{key['id']}", "update_server", "default", "pets", "ok"),
    ]


async def test_what_is_refused_or_read_is_not_in_the_audit(served: Gateway) -> None:
    refused = await served.http.patch(f"{SERVERS}/none", json={"enabled": False})
    read = await served.http.get(SERVERS)
    assert (refused.status_code, read.status_code) == (404, 200)
    assert await entries(served, refused) == []
    assert await entries(served, read) == []


async def test_a_change_that_cannot_be_in_the_audit_is_not_made(
    served: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> None:
        raise RegistryUnavailable

    with monkeypatch.context() as patched:
        patched.setattr(Audit, "add", away)
        assert (await served.http.post("/api/v1/namespaces", json={"name": "unseen"})).status_code == 503
    found = (await served.http.get("/api/v1/namespaces")).json()["items"]
    assert "unseen" not in [each["name"] for each in found]


async def test_a_tool_call_is_in_the_audit_without_its_arguments(served: Gateway) -> None:
    async with backend(json_reply(b"{}")) as api:
        await served.create(base_url=api.url)
        answers = [await called(served, "add_pet", {"name": "canary-argument"}), await called(served, "get_pet", {})]
    found = [(await entries(served, each))[0] for each in answers]
    assert [(each["tool"], each["code"], each["revision"]) for each in found] == [
        ("add_pet", "ok", 1),
        ("get_pet", "arg_required", 1),
    ]
    assert {each["action"] for each in found} == {"tools/call"}
    assert "canary-argument" not in (await served.http.get(f"{AUDIT}/export")).text


async def test_the_audit_of_others_is_not_there(served: Gateway) -> None:
    """K10, A04."""
    await served.http.post("/api/v1/namespaces", json={"name": "theirs"})
    await served.http.post(
        "/api/v1/namespaces/theirs/servers",
        json=DESCRIPTION,
    )
    ours = await make_key(served, "admin", name="ours", namespace="default")
    headers = {"Authorization": f"Bearer {ours['key']}"}
    for path in (AUDIT, f"{AUDIT}/export", f"{AUDIT}?namespace=theirs"):
        answer = await served.http.get(path, headers=headers)
        assert answer.status_code == 200
        assert "theirs" not in answer.text
    call = await make_key(served, "call", name="calls", namespace="default")
    refused = await served.http.get(AUDIT, headers={"Authorization": f"Bearer {call['key']}"})
    assert refused.status_code == 403


async def test_the_export_is_every_entry_as_lines(served: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_EXPORT_PAGE", 2)
    for number in range(5):
        await served.http.post("/api/v1/namespaces", json={"name": f"n{number}"})
    answer = await served.http.get(f"{AUDIT}/export", params={"action": "create_namespace"})
    numbers = [json.loads(line)["number"] for line in answer.text.splitlines()]
    assert len(numbers) >= 5
    assert numbers == sorted(set(numbers), reverse=True)


async def test_calls_never_wait_for_the_audit_and_those_without_room_are_counted(served: Gateway) -> None:
    audit = service.Audit(served.application.database, days=90, max_waiting=3)
    for number in range(5):
        audit.called("local", ("default", "pets", f"tool{number}"), revision=1, code="ok")
    assert audit.lost == 2
    await audit.write()
    listed = (await served.http.get(AUDIT, params={"subject": "local"})).json()["items"]
    assert [each["tool"] for each in listed] == ["tool2", "tool1", "tool0"]


async def test_what_is_only_tried_or_refused_is_not_in_the_audit_whatever_is_kept_of_the_request(
    served: Gateway,
) -> None:
    """Nor is a description that is there already; one that is imported is, once, although it is sent twice."""
    await served.create(DESCRIPTION["document"])
    changed = {"document": {**DESCRIPTION["document"], "info": {"title": "Pets", "version": "2"}}}
    url, key = f"{SERVERS}/pets/document", {"Idempotency-Key": "once"}
    tried = await served.http.put(url, params={"dry_run": True}, json=changed, headers={"Idempotency-Key": "dry"})
    refused = await served.http.put(url, json={"document": {}}, headers={"Idempotency-Key": "refused"})
    same = await served.http.put(url, json=DESCRIPTION)
    imported = [await served.http.put(url, json=changed, headers=key) for _ in range(2)]
    answers = [tried, refused, same, *imported]
    assert [each.status_code for each in answers] == [200, 422, 200, 200, 200], [each.text for each in answers]
    assert [len(await entries(served, each)) for each in answers] == [0, 0, 0, 1, 0]


async def test_deleting_what_is_declared_no_more_names_what_was_deleted(served: Gateway) -> None:
    for name in ("cats", "dogs"):
        declaration = {"name": name, "source": {"file": "openapi.json"}}
        files = {"declaration": json.dumps(declaration), "document": json.dumps(DESCRIPTION["document"])}
        put = await served.http.put(
            f"{SERVERS}/{name}/declaration", files={part: (None, text) for part, text in files.items()}
        )
        assert put.status_code == 200, put.text
    prune = "/api/v1/namespaces/default/prune"
    tried = await served.http.post(prune, params={"dry_run": True}, json={"keep": []})
    pruned, again = [await served.http.post(prune, json={"keep": []}) for _ in range(2)]
    assert (tried.json(), pruned.json(), again.json()) == (
        {"items": ["cats", "dogs"]},
        {"items": ["cats", "dogs"]},
        {"items": []},
    )
    found = [await entries(served, each) for each in (tried, pruned, again)]
    assert [len(each) for each in found] == [0, 1, 0]
    assert found[1][0]["target"] == "cats, dogs"
