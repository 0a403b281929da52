"""Servers with many tools offer three: to search, to describe and to call."""

from __future__ import annotations

import json
from typing import Any

import mcp_types.methods
import pytest

from app.gateway.policies import Policies
from app.gateway.snapshots import ServerSnapshot
from app.gateway.tool_search import ToolSearch
from tests.app.descriptions import definitions, description, operation, snapshot
from tests.app.gateway.endpoints import HANDSHAKE, MODERN, PET, FakeUpstream, ask, endpoint

SEARCHED = Policies(tool_listing="search")
SHOP = description(
    {
        "/orders": {
            "get": operation("listOrders", summary="List the orders of a customer"),
            "post": operation("createOrder", summary="Place an order"),
        },
        "/orders/{id}/refund": {
            "post": operation(
                "refundOrder",
                summary="Give the money back",
                parameters=[{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            )
        },
        "/pets": {
            "get": operation(
                "listPets",
                summary="List pets",
                parameters=[
                    {
                        "name": "species",
                        "in": "query",
                        "description": "Cat or parrot.",
                        "schema": {"type": "string"},
                    }
                ],
            )
        },
    }
)


def many(count: int) -> dict[str, Any]:
    return description({f"/things/{each}": {"get": operation(f"get_thing_{each}")} for each in range(count)})


async def called(served: ServerSnapshot, name: str, arguments: Any, upstream: FakeUpstream | None = None) -> Any:
    app = endpoint(upstream or FakeUpstream(PET), served)
    return (await ask(app, "tools/call", {"name": name, "arguments": arguments})).json()


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("refund", "refundOrder"),
        ("order refunds", "refundOrder"),
        ("place order", "createOrder"),
        ("parrot", "listPets"),
        ("money back", "refundOrder"),
        ("LIST ORDERS", "listOrders"),
        ("refund_order", "refundOrder"),
    ],
)
def test_search_finds_tools_by_name_description_and_arguments(query: str, first: str) -> None:
    assert ToolSearch("Shop", definitions(SHOP)).find(query)[0] == first


def test_search_gives_nothing_for_words_that_are_nowhere_and_no_more_than_asked() -> None:
    search = ToolSearch("Shop", definitions(SHOP))
    assert search.find("spaceship") == []
    assert len(search.find("order", 2)) == 2
    assert ToolSearch("Nothing", []).find("order") == []


@pytest.mark.parametrize("version", [*HANDSHAKE, MODERN])
async def test_three_tools_are_listed_in_place_of_all(version: str) -> None:
    app = endpoint(FakeUpstream(PET), snapshot(policies=SEARCHED))
    listed = (await ask(app, "tools/list", {}, version=version)).json()["result"]

    assert [tool["name"] for tool in listed["tools"]] == ["search_tools", "describe_tool", "call_tool"]
    mcp_types.methods.validate_server_result("tools/list", version, listed)


async def test_what_the_search_finds_can_be_described_and_called() -> None:
    served, upstream = snapshot(policies=SEARCHED), FakeUpstream(PET)

    found = (await called(served, "search_tools", {"query": "get a pet", "limit": 4}))["result"]["structuredContent"]
    assert "get_pet" in [tool["name"] for tool in found["tools"]]
    described = (await called(served, "describe_tool", {"name": "get_pet"}))["result"]["structuredContent"]
    assert described["inputSchema"]["required"] == ["petId"]
    given = await called(served, "call_tool", {"name": "get_pet", "arguments": {"petId": 7}}, upstream)
    assert given["result"]["structuredContent"] == {"id": 7, "name": "Rex"}
    assert [plan.method for plan in upstream.plans] == ["GET"]


async def test_a_search_that_finds_nothing_says_what_there_is() -> None:
    served = snapshot(SHOP, policies=SEARCHED)
    found = (await called(served, "search_tools", {"query": "who am I"}))["result"]["structuredContent"]

    assert found["tools"] == []
    assert found["hint"].endswith("which is about: order, refund, pet.")


async def test_a_call_through_the_three_passes_the_same_checks() -> None:
    upstream = FakeUpstream(PET)
    served = snapshot(policies=SEARCHED)

    given = (await called(served, "call_tool", {"name": "get_pet", "arguments": {"petId": "x"}}, upstream))["result"]

    assert given["isError"] is True
    assert "petId" in given["content"][0]["text"]
    assert upstream.plans == []


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("search_tools", {}, "query"),
        ("search_tools", {"query": "pet", "limit": 0}, "limit"),
        ("describe_tool", {"name": "get_pets"}, "get_pet"),
        ("call_tool", {"name": "call_tool", "arguments": {}}, "call_tool"),
        ("call_tool", {"name": "get_pet", "arguments": []}, "arguments"),
    ],
)
async def test_a_mistake_is_told_in_the_result(name: str, arguments: Any, said: str) -> None:
    given = (await called(snapshot(policies=SEARCHED), name, arguments))["result"]
    assert given["isError"] is True
    assert said in given["content"][0]["text"]


async def test_a_tool_that_is_not_listed_can_still_be_called_by_its_name() -> None:
    given = await called(snapshot(policies=SEARCHED), "get_pet", {"petId": 7})
    assert json.loads(given["result"]["content"][0]["text"])["id"] == 7


async def test_the_three_are_no_tools_of_a_server_that_lists_its_own() -> None:
    assert (await called(snapshot(), "search_tools", {"query": "pet"}))["error"]["code"] == -32602


@pytest.mark.parametrize(("count", "is_searched"), [(100, False), (101, True)])
def test_auto_searches_where_there_are_many_tools(count: int, is_searched: bool) -> None:
    served = snapshot(many(count), policies=Policies(tool_listing="auto"))
    assert (served.search is not None) == is_searched


def test_auto_searches_where_the_list_is_long() -> None:
    large = description({"/x": {"get": operation("x", description="x" * 5_000)}})
    one = definitions(large)[0]
    served = snapshot(
        large,
        definitions=[{**one, "name": f"x{each}", "description": "y" * 9_000} for each in range(40)],
        policies=Policies(tool_listing="auto"),
    )
    assert served.search is not None
