from __future__ import annotations

import pytest

from tests.app.api.test_servers import problem
from tests.app.descriptions import PETS
from tests.app.gateways import Gateway

NAMESPACES = "/api/v1/namespaces"


async def test_a_namespace_holds_servers_of_its_own(served: Gateway) -> None:
    answer = await served.http.post(NAMESPACES, json={"name": "team-a"})
    assert (answer.status_code, answer.json()["name"]) == (201, "team-a")
    await served.create()
    created = await served.http.post(f"{NAMESPACES}/team-a/servers", json={"name": "pets", "document": PETS})
    assert created.json()["endpoints"]["streamable_http"].endswith("/mcp/team-a/pets")
    listed = (await served.http.get(f"{NAMESPACES}/team-a/servers")).json()
    assert [each["name"] for each in listed["items"]] == ["pets"]


async def test_a_deleted_namespace_takes_its_servers_with_it(served: Gateway) -> None:
    await served.http.post(NAMESPACES, json={"name": "team-a"})
    await served.http.post(f"{NAMESPACES}/team-a/servers", json={"name": "pets", "document": PETS})
    await served.create()
    assert (await served.http.delete(f"{NAMESPACES}/team-a")).status_code == 204
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    assert (await served.http.post("/mcp/team-a/pets", json=ping)).status_code == 404
    assert (await served.http.post("/mcp/default/pets", json=ping)).status_code == 200
    assert problem(await served.http.get(f"{NAMESPACES}/team-a/servers")) == (404, "namespace_not_found")
    assert problem(await served.http.delete(f"{NAMESPACES}/team-a")) == (404, "namespace_not_found")


async def test_a_name_that_is_taken_is_a_conflict(served: Gateway) -> None:
    assert problem(await served.http.post(NAMESPACES, json={"name": "default"})) == (409, "namespace_exists")


@pytest.mark.parametrize("name", ["", "A", "-a", "a_b", "a/b", "a b", "é", "a" * 64, "a\n", ".."])
async def test_a_name_that_cannot_stand_in_a_url_is_refused(served: Gateway, name: str) -> None:
    answer = await served.http.post(NAMESPACES, json={"name": name})
    assert problem(answer) == (422, "request_invalid")
    assert answer.json()["pointer"] == "/name"


async def test_namespaces_are_listed_page_by_page(served: Gateway) -> None:
    for name in ("zoo", "ants"):
        await served.http.post(NAMESPACES, json={"name": name})
    first = (await served.http.get(NAMESPACES, params={"limit": 2})).json()
    rest = (await served.http.get(NAMESPACES, params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [each["name"] for each in [*first["items"], *rest["items"]]] == ["ants", "default", "zoo"]
    assert rest["next_cursor"] is None


async def test_a_quota_is_set_shown_and_kept_to(served: Gateway) -> None:
    """A namespace that is full is 403 `quota_exceeded`, and says of what it holds too much."""
    await served.http.post(NAMESPACES, json={"name": "team-a"})
    put = await served.http.put(f"{NAMESPACES}/team-a/quota", json={"servers": 1})
    assert put.json()["used"] == {"servers": 0, "tools": 0, "document_bytes": 0}
    servers = f"{NAMESPACES}/team-a/servers"
    assert (await served.http.post(servers, json={"name": "pets", "document": PETS})).status_code == 201
    refused = await served.http.post(servers, json={"name": "dogs", "document": PETS})
    assert problem(refused) == (403, "quota_exceeded")
    assert "'team-a' may hold 1 servers and would hold 2" in refused.json()["detail"]
    shown = (await served.http.get(f"{NAMESPACES}/team-a/quota")).json()
    assert (shown["servers"], shown["tools"], shown["document_bytes"]) == (1, None, None)
    assert (shown["used"]["servers"], shown["used"]["tools"] > 0, shown["used"]["document_bytes"] > 0) == (
        1,
        True,
        True,
    )
    assert problem(await served.http.get(f"{NAMESPACES}/nobody/quota")) == (404, "namespace_not_found")
    assert problem(await served.http.put(f"{NAMESPACES}/nobody/quota", json={})) == (404, "namespace_not_found")
