"""A04, P04: MCP servers as they are for callers who do not reach all of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.gateway.calls import ToolCalls
from app.gateway.catalog import SnapshotCatalog
from app.gateway.policies import Policies
from app.gateway.server import McpEndpoint
from app.security.callers import ADMIN, EVERY, SCOPES, Caller
from tests.app.asgi import Answer, answer
from tests.app.descriptions import PETS, snapshot
from tests.app.gateway.endpoints import MODERN, PATH, PET, FakeUpstream, endpoint, envelope, headers, request
from tests.app.gateway.streams import Listener, listening


def caller(*scopes: str, namespace: str = "default", server: str = "*", tools: frozenset[str] = EVERY) -> Caller:
    permissions = frozenset().union(*(SCOPES[each] for each in scopes))
    return Caller("key:1", permissions, frozenset({namespace}), frozenset({server}), tools)


READER = caller("call", tools=frozenset({"get_pet", "list_pets"}))


async def post(app: McpEndpoint, who: Caller, method: str, params: Any = None, *, path: str = PATH) -> Answer:
    return await answer(app, path=path, headers=headers("2025-11-25"), chunks=[request(method, params)], caller=who)


async def result(app: McpEndpoint, who: Caller, method: str, **params: Any) -> dict[str, Any]:
    given = (await post(app, who, method, params)).json()
    answered: dict[str, Any] = given.get("result") or given["error"]
    return answered


@pytest.mark.parametrize(
    "who", [caller("call", namespace="team-a"), caller("admin", server="cats"), Caller("key:1", SCOPES["call"])]
)
@pytest.mark.parametrize("rest", ["", "/sse", "/messages?sessionId=p.x"])
async def test_a_server_that_a_caller_does_not_reach_is_not_there(who: Caller, rest: str) -> None:
    app = endpoint()
    there = await post(app, who, "ping", path=PATH + rest)
    absent = await post(app, who, "ping", path="/mcp/default/absent" + rest)
    assert (there.status, there) == (404, absent)


async def test_who_may_not_call_is_told_which_scope_that_takes() -> None:
    given = await post(endpoint(), caller("import"), "tools/list")
    assert (given.status, given.json()["code"]) == (403, "insufficient_scope")
    assert given.header("www-authenticate") == 'Bearer realm="causeway", error="insufficient_scope", scope="call"'


async def test_a_list_holds_the_tools_that_are_for_the_caller() -> None:
    app = endpoint()
    for _ in range(2):
        assert [each["name"] for each in (await result(app, READER, "tools/list"))["tools"]] == ["list_pets", "get_pet"]
        assert len((await result(app, ADMIN, "tools/list"))["tools"]) == 4


async def test_a_list_is_for_its_caller_alone() -> None:
    """P04."""
    sent = headers(MODERN, ("Mcp-Method", "tools/list"))
    for who in (READER, ADMIN):
        body = request("tools/list", envelope())
        given = await answer(endpoint(), path=PATH, headers=sent, chunks=[body], caller=who)
        assert given.json()["result"]["cacheScope"] == "private"


async def test_a_tool_that_is_not_for_the_caller_is_not_there_and_nothing_is_sent() -> None:
    upstream = FakeUpstream(PET)
    app = endpoint(upstream)
    foreign = await result(app, READER, "tools/call", name="delete_pet", arguments={"petId": 1})
    absent = await result(app, READER, "tools/call", name="absent_pet", arguments={"petId": 1})
    assert foreign["message"].replace("delete", "absent") == absent["message"]
    assert (foreign["code"], upstream.plans) == (-32602, [])
    called = await result(app, READER, "tools/call", name="get_pet", arguments={"petId": 1})
    assert (called["isError"], len(upstream.plans)) == (False, 1)


async def test_a_search_finds_the_tools_that_are_for_the_caller() -> None:
    upstream = FakeUpstream(PET)
    app = endpoint(upstream, snapshot(policies=Policies(tool_listing="search")))
    for who, count in ((ADMIN, 4), (READER, 2), (ADMIN, 4)):
        found = await result(app, who, "tools/call", name="search_tools", arguments={"query": "pet"})
        assert len(found["structuredContent"]["tools"]) == count
    for offered in ("describe_tool", "call_tool"):
        given = await result(app, READER, "tools/call", name=offered, arguments={"name": "delete_pet"})
        assert given["isError"]
        assert "delete_pet" not in given["content"][0]["text"].partition("Nearest")[2]
    assert upstream.plans == []


@asynccontextmanager
async def listener(app: McpEndpoint, who: Caller) -> AsyncIterator[Listener]:
    wanted = {"toolsListChanged": True}
    body = request("subscriptions/listen", envelope(notifications=wanted))
    sent = headers(MODERN, ("Mcp-Method", "subscriptions/listen"))
    async with listening(app, PATH, method="POST", headers=sent, chunks=[body], caller=who) as stream:
        await stream.until(1)
        yield stream


async def test_a_change_is_told_to_those_whose_list_it_changes() -> None:
    """P04: nobody learns of tools that are not for them."""
    catalog = SnapshotCatalog()
    catalog.put(snapshot())
    app = McpEndpoint(catalog, ToolCalls(FakeUpstream(), deadline=1))
    without = json.loads(json.dumps(PETS))
    del without["paths"]["/pets/{petId}"]["delete"]
    async with listener(app, READER) as reader, listener(app, ADMIN) as admin:
        catalog.put(snapshot(without))
        assert len(await admin.until(2)) == 2
        assert len(reader.messages) == 1
        del without["paths"]["/pets"]["get"]
        catalog.put(snapshot(without))
        assert len(await reader.until(2)) == 2


async def test_a_key_for_a_tool_that_was_renamed_calls_it_by_the_name_it_is_for() -> None:
    former = {"fetch_pet": ("get_pet", float("inf"))}
    app = endpoint(None, snapshot(former_names=former))
    who = caller("call", tools=frozenset({"fetch_pet"}))
    assert (await result(app, who, "tools/list"))["tools"] == []
    assert not (await result(app, who, "tools/call", name="fetch_pet", arguments={"petId": 1}))["isError"]
    assert (await result(app, who, "tools/call", name="get_pet", arguments={"petId": 1}))["code"] == -32602


async def test_many_selections_of_tools_are_not_all_kept() -> None:
    served = snapshot()
    for number in range(500):
        view = served.seen_by(caller("call", tools=frozenset({"get_pet", f"tool_{number}"})))
        assert list(view.tools) == ["get_pet"]
        assert view.tools["get_pet"] is served.tools["get_pet"]
    assert len(served._views) <= 64  # noqa: SLF001 - memory is seen in no other way
