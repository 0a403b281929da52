"""A list of tools fits the client that asks for it, and calls find their tools whoever calls."""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest

from app.gateway.policies import Policies
from app.gateway.sealed_state import SealedState
from app.gateway.server import McpEndpoint
from app.gateway.snapshots import ServerSnapshot
from app.security.callers import EVERY, LOCAL, Caller
from app.security.sealing import SecretKeys
from tests.app.asgi import answer
from tests.app.descriptions import description, operation, snapshot
from tests.app.gateway.endpoints import (
    MODERN,
    PATH,
    PET,
    PREFIX,
    FakeUpstream,
    endpoint,
    envelope,
    headers,
    post,
    request,
)


def many(count: int, **settings: Any) -> ServerSnapshot:
    paths = {f"/pets/{n}": {"get": operation(f"get_{n}")} for n in range(count - 1)}
    listed = {"name": "tags", "in": "query", "schema": {"type": "array"}}
    paths["/long"] = {"get": operation("a" * 60, parameters=[listed])}
    return snapshot(description(paths), **settings)


async def asked(
    to: McpEndpoint, method: str, params: dict[str, Any] | None = None, *, client: str = "", path: str = PATH
) -> Any:
    """Ask as an older client, or as one of 2026-07-28 that says who it is."""
    if not client:
        return (await post(to, request(method, params), headers("2025-11-25"), path=path)).json()["result"]
    whole = envelope(**params or {})
    whole["_meta"][f"{PREFIX}clientInfo"]["name"] = client
    named = [("Mcp-Name", params["name"])] if params and "name" in params else []
    sent = headers(MODERN, ("Mcp-Method", method), *named)
    return (await post(to, request(method, whole), sent, path=path)).json()["result"]


def names(result: Any) -> list[str]:
    return [tool["name"] for tool in result["tools"]]


async def test_the_url_or_the_client_itself_says_what_the_list_is_for() -> None:
    served = endpoint(None, many(3))
    own = names(await asked(served, "tools/list"))[-1]
    short = names(await asked(served, "tools/list", path=f"{PATH}?profile=cursor"))[-1]

    assert (len(own), len(short)) == (56, 55)
    assert names(await asked(served, "tools/list", client="cursor-vscode"))[-1] == short
    assert names(await asked(served, "tools/list", client="tests"))[-1] == own
    assert names(await asked(served, "tools/list", client="cursor-vscode", path=f"{PATH}?profile=generic"))[-1] == own


async def test_schemas_are_as_the_client_wants_them_and_calls_are_checked_alike() -> None:
    upstream = FakeUpstream(PET)
    served = endpoint(upstream, many(2))
    (_, listed) = (await asked(served, "tools/list", path=f"{PATH}?profile=vscode"))["tools"]

    assert listed["inputSchema"]["properties"]["tags"]["items"] == {}
    assert "items" not in (await asked(served, "tools/list"))["tools"][1]["inputSchema"]["properties"]["tags"]
    assert not (await asked(served, "tools/call", {"name": listed["name"], "arguments": {"tags": ["a"]}}))["isError"]
    assert upstream.plans[0].url.endswith("/long?tags=a")


@pytest.mark.parametrize("client", ["", "claude-code"])
async def test_a_call_finds_its_tool_by_the_name_of_any_list(client: str) -> None:
    """Older clients do not say who they are when they call."""
    upstream = FakeUpstream(PET)
    served = endpoint(upstream, many(2))
    for profile in ("cursor", "claude", "vscode", "generic"):
        name = names(await asked(served, "tools/list", path=f"{PATH}?profile={profile}"))[-1]
        assert not (await asked(served, "tools/call", {"name": name}, client=client))["isError"]

    assert len(upstream.plans) == 4


async def test_a_client_that_takes_fewer_tools_is_given_three_to_search_them() -> None:
    served = endpoint(None, many(41))
    path = f"{PATH}?profile=cursor"

    assert names(await asked(served, "tools/list", path=path)) == ["search_tools", "describe_tool", "call_tool"]
    call = {"name": "call_tool", "arguments": {"name": "get_7"}}
    assert not (await asked(served, "tools/call", call, path=path))["isError"]
    assert len(names(await asked(served, "tools/list", path=f"{PATH}?profile=vscode"))) == 41
    assert len(names(await asked(served, "tools/list"))) == 41


@pytest.mark.parametrize(("listing", "count"), [("direct", 41), ("search", 3), ("auto", 3), (None, 3)])
async def test_what_the_servers_policy_says_of_its_list_holds_for_every_client(listing: Any, count: int) -> None:
    served = endpoint(None, many(41, policies=Policies(tool_listing=listing)))

    assert len(names(await asked(served, "tools/list", path=f"{PATH}?profile=cursor"))) == count


async def test_a_profile_that_is_not_known_is_refused_by_name() -> None:
    refused = await post(endpoint(), request("tools/list"), headers("2025-11-25"), path=f"{PATH}?profile=Cursor")

    assert refused.status == 400
    assert "generic, claude, cline, codex, cursor" in json.loads(refused.body)["detail"]


# --- clients of the handshake era, which say who they are once


async def introduced(
    to: McpEndpoint, client: str, *, path: str = PATH, caller: Caller = LOCAL
) -> list[tuple[str, str]]:
    """Introduce a client; gives the header fields that it sends from then on."""
    info = {"name": client, "version": "1"}
    offer = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info}
    sent = headers("2025-11-25")
    given = await answer(to, path=path, headers=sent, chunks=[request("initialize", offer)], caller=caller)
    session = given.header("mcp-session-id")
    return [*sent, *([("Mcp-Session-Id", session)] if session else [])]


async def listed(to: McpEndpoint, sent: list[tuple[str, str]], *, path: str = PATH, caller: Caller = LOCAL) -> Any:
    given = await answer(to, path=path, headers=sent, chunks=[request("tools/list")], caller=caller)
    return given.json()["result"] if given.status == 200 else given.status


async def test_a_client_that_introduced_itself_is_given_its_list_at_every_process() -> None:
    keys = SecretKeys(secrets.token_bytes(32))
    one, two = (endpoint(None, many(41), keys=keys) for _ in range(2))
    sent = await introduced(one, "cursor-vscode")

    for each in (one, two):
        assert names(await listed(each, sent)) == ["search_tools", "describe_tool", "call_tool"]
        assert len(names(await listed(each, sent, path=f"{PATH}?profile=generic"))) == 41
    call = request("tools/call", {"name": "call_tool", "arguments": {"name": "get_7"}})
    called = await answer(two, path=PATH, headers=sent, chunks=[call], caller=LOCAL)
    assert called.json()["result"]["isError"] is False


@pytest.mark.parametrize(("client", "count"), [("claude-code", 1), ("tests", 0), ("windsurf-client", 0), ("Cline", 1)])
async def test_a_session_is_opened_only_where_the_list_is_another(client: str, count: int) -> None:
    """`many` has a list whose schema does not say its items, and a name of 56 characters, 67 with what Claude adds."""
    sent = await introduced(endpoint(None, many(3)), client)

    assert sum(name == "Mcp-Session-Id" for name, _ in sent) == count


async def test_what_a_client_said_is_of_its_caller_and_its_server_alone() -> None:
    """A14."""
    served = endpoint(None, many(41), many(41, name="others"))
    alice, bob = (Caller(name, LOCAL.permissions, EVERY) for name in ("alice", "bob"))
    sent = await introduced(served, "cursor-vscode", caller=alice)

    assert len(names(await listed(served, sent, caller=alice))) == 3
    assert await listed(served, sent, caller=bob) == 404
    assert await listed(served, sent, caller=alice, path="/mcp/default/others") == 404


async def test_a_session_from_before_profiles_were_kept_is_a_session_still() -> None:
    keys = SecretKeys(secrets.token_bytes(32))
    old = SealedState(keys).seal([True, False], ("mcp session", "default/pets", LOCAL.subject), seconds=60)
    served = endpoint(None, many(41), keys=keys)

    assert len(names(await listed(served, [*headers("2025-11-25"), ("Mcp-Session-Id", old)]))) == 41
