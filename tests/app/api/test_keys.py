"""A01, A03, A04: keys are made, shown once, and stop being accepted."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.app.api.test_servers import problem
from tests.app.gateway.streams import listening
from tests.app.gateways import KEY, SERVERS, Gateway, gateway
from tests.app.tenants import KEYS, NAMESPACES, caller, client, make_key


async def test_a_key_is_shown_once_and_opens_what_it_is_for(served: Gateway) -> None:
    made = await make_key(served, "call", name="CI of pets", servers=["pets"])
    assert (made["scopes"], made["namespace"], made["servers"], made["tools"]) == (["call"], "default", ["pets"], ["*"])
    assert (made["created_by"], made["revoked_at"], made["expires_at"]) == ("admin", None, None)
    listed = await served.http.get(KEYS)
    assert made["key"] not in listed.text
    assert {k: v for k, v in made.items() if k != "key"} in listed.json()["items"]
    async with client(served, made["key"]) as http:
        assert (await http.get(SERVERS)).status_code == 200


async def test_the_database_holds_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None
) -> None:
    async with gateway(tmp_path, monkeypatch, admin_key=KEY) as running:
        made = await make_key(running, "call")
    stored = b"".join(each.read_bytes() for each in sorted(tmp_path.glob("causeway.db*")))  # noqa: ASYNC240 - nothing else runs
    assert made["id"].encode() in stored
    assert made["key"][10:].encode() not in stored


def changed(key: str) -> str:
    """Give the key with another last character."""
    return key[:-1] + ("1" if key.endswith("0") else "0")


async def test_a_revoked_key_is_refused_like_one_that_never_was(served: Gateway) -> None:
    made = await make_key(served, "call")
    async with client(served, made["key"]) as http, client(served, changed(made["key"])) as wrong:
        assert (await http.get(SERVERS)).status_code == 200
        assert (await served.http.delete(f"{KEYS}/{made['id']}")).status_code == 204
        refused, unknown = await http.get(SERVERS), await wrong.get(SERVERS)
        assert refused.status_code == unknown.status_code == 401
        assert refused.content == unknown.content
        told = [{**each.headers, "x-request-id": ""} for each in (refused, unknown)]
        assert told[0] == told[1]
    shown = next(each for each in (await served.http.get(KEYS)).json()["items"] if each["id"] == made["id"])
    assert shown["revoked_at"]
    assert (await served.http.delete(f"{KEYS}/{made['id']}")).status_code == 204
    assert problem(await served.http.delete(f"{KEYS}/0123")) == (404, "key_not_found")


async def test_another_instance_learns_of_keys_that_come_and_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None
) -> None:
    async with (
        gateway(tmp_path, monkeypatch, admin_key=KEY) as one,
        gateway(tmp_path, monkeypatch, admin_key=KEY) as two,
    ):
        made = await make_key(one, "call")
        async with client(two, made["key"]) as http:
            await two.application.access.keys.refresh()
            assert (await http.get(SERVERS)).status_code == 200
            await one.http.delete(f"{KEYS}/{made['id']}")
            await two.application.access.keys.refresh()
            assert (await http.get(SERVERS)).status_code == 401


async def test_open_streams_end_with_their_key_also_where_another_instance_revoked_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None
) -> None:
    """A03: what was opened with a key ends with it, when an instance looks for keys that came or went."""
    async with (
        gateway(tmp_path, monkeypatch, admin_key=KEY) as one,
        gateway(tmp_path, monkeypatch, admin_key=KEY) as two,
    ):
        await two.create()
        later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        revoked, expiring = await make_key(one, "call"), await make_key(one, "call", expires_at=later)
        await two.application.access.keys.refresh()
        first, second, third = (
            listening(
                two.application,
                "/mcp/default/pets/sse",
                headers=[("host", "127.0.0.1"), ("accept", "text/event-stream"), ("authorization", f"Bearer {each}")],
            )
            for each in (revoked["key"], expiring["key"], KEY)
        )
        async with first as of_revoked, second as of_expiring, third as of_operator:
            assert {each.status for each in (of_revoked, of_expiring, of_operator)} == {200}
            await one.http.delete(f"{KEYS}/{revoked['id']}")
            await two.application.access.keys.refresh()
            await of_revoked.ended()
            assert not of_expiring.task.done()
            in_two_hours = time.time() + 7200
            monkeypatch.setattr(two.application.access.keys._known, "_clock", lambda: in_two_hours)  # noqa: SLF001 - its clock
            await two.application.access.keys.refresh()
            await of_expiring.ended()
            assert not of_operator.task.done()


async def test_a_key_outlives_a_restart_and_its_last_use_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: None
) -> None:
    async with gateway(tmp_path, monkeypatch, admin_key=KEY) as running:
        made = await make_key(running, "call")
        async with client(running, made["key"]) as http:
            await http.get(SERVERS)
    async with gateway(tmp_path, monkeypatch, admin_key=KEY) as running, client(running, made["key"]) as http:
        assert (await http.get(SERVERS)).status_code == 200
        assert (await running.http.get(KEYS)).json()["items"][0]["last_used_at"] is not None


SOON = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "request_invalid"),
    ({"scopes": []}, "request_invalid"),
    ({"scopes": ["root"]}, "request_invalid"),
    ({"scopes": ["call"], "servers": []}, "request_invalid"),
    ({"scopes": ["call"], "tools": []}, "request_invalid"),
    ({"scopes": ["call"], "expires_at": SOON.removesuffix("+00:00")}, "request_invalid"),
    ({"scopes": ["call"], "expires_at": "2020-01-01T00:00:00Z"}, "key_invalid"),
    ({"scopes": ["call"], "expires_at": "9999-12-31T23:59:59-12:00"}, "key_invalid"),
    ({"scopes": ["call", "import"], "tools": ["get_pet"]}, "key_invalid"),
    ({"scopes": ["call"], "limits": {"streams": 0}}, "request_invalid"),
    ({"scopes": ["call"], "secret": "mine"}, "request_invalid"),
]


@pytest.mark.parametrize(("body", "code"), WRONG, ids=range(len(WRONG)))
async def test_a_key_that_makes_no_sense_is_refused(served: Gateway, body: dict[str, Any], code: str) -> None:
    assert problem(await served.http.post(KEYS, json=body)) == (422, code)


async def test_a_key_for_a_namespace_that_is_not_there_is_not_made(served: Gateway) -> None:
    answer = await served.http.post(KEYS, json={"scopes": ["call"], "namespace": "nowhere"})
    assert problem(answer) == (404, "namespace_not_found")


async def test_a_key_makes_no_key_that_can_do_more_than_itself(served: Gateway) -> None:
    """K10: neither a namespace, nor a server, nor a scope is gained by making a key."""
    for name in ("team-a", "team-b"):
        await served.http.post(NAMESPACES, json={"name": name})
    async with (
        caller(served, "admin", namespace="team-a") as team,
        caller(served, "admin", namespace="team-a", servers=["pets"]) as pets,
    ):
        made = (await team.post(KEYS, json={"scopes": ["admin"]})).json()
        assert (made["namespace"], made["created_by"][:4]) == ("team-a", "key:")
        for other in ("team-b", "nowhere"):
            answer = await team.post(KEYS, json={"scopes": ["call"], "namespace": other})
            assert problem(answer) == (404, "namespace_not_found")
        everywhere = await team.post(KEYS, json={"scopes": ["call"], "namespace": "*"})
        assert problem(everywhere) == (403, "insufficient_scope")
        assert (await pets.post(KEYS, json={"scopes": ["call"]})).json()["servers"] == ["pets"]
        wider = await pets.post(KEYS, json={"scopes": ["call"], "servers": ["orders"]})
        assert problem(wider) == (403, "insufficient_scope")
        assert problem(await pets.delete(f"{KEYS}/{made['id']}")) == (404, "key_not_found")


async def test_a_key_lists_and_revokes_those_of_its_namespace_only(served: Gateway) -> None:
    """K10."""
    for name in ("team-a", "team-b"):
        await served.http.post(NAMESPACES, json={"name": name})
    foreign = [await make_key(served, "call", namespace="team-b"), await make_key(served, "call", namespace="*")]
    async with caller(served, "admin", namespace="team-a") as team:
        listed = (await team.get(KEYS)).json()["items"]
        assert {each["namespace"] for each in listed} == {"team-a"}
        for each in foreign:
            absent = await team.delete(f"{KEYS}/0123456789abcdef")
            answer = await team.delete(f"{KEYS}/{each['id']}")
            assert problem(answer) == (404, "key_not_found")
            assert answer.text.replace(each["id"], "0123456789abcdef") == absent.text
    revoked = {each["id"]: each["revoked_at"] for each in (await served.http.get(KEYS)).json()["items"]}
    assert [revoked[each["id"]] for each in foreign] == [None, None]


async def test_a_deleted_namespace_takes_its_keys_with_it_at_once(served: Gateway) -> None:
    await served.http.post(NAMESPACES, json={"name": "team-a"})
    async with caller(served, "call", namespace="team-a") as team:
        assert (await team.get(f"{NAMESPACES}/team-a/servers")).status_code == 200
        assert (await served.http.delete(f"{NAMESPACES}/team-a")).status_code == 204
        assert (await team.get(f"{NAMESPACES}/team-a/servers")).status_code == 401


async def test_local_mode_stays_open_when_keys_are_made(local: Gateway) -> None:
    made = await make_key(local, "call")
    async with client(local, None) as anonymous, client(local, made["key"]) as keyed:
        assert (await anonymous.get(KEYS)).status_code == 200
        assert problem(await keyed.get(KEYS)) == (403, "insufficient_scope")
