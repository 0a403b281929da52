"""Calls that a user confirms first: by an `input_required` result, on a session of the handshake era, and over SSE."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Sequence
from typing import Any

import pytest

from app.errors import AuthorizationRequiredError
from app.gateway.back_channel import BackChannel
from app.gateway.policies import Policies
from app.gateway.sealed_state import SealedState
from app.gateway.server import McpEndpoint
from app.gateway.snapshots import ServerSnapshot
from app.security.callers import EVERY, LOCAL, Caller
from app.security.sealing import SecretKeys
from tests.app.asgi import Answer, Exchange, answer
from tests.app.descriptions import PETS, description, operation, snapshot
from tests.app.gateway.endpoints import (
    MODERN,
    PATH,
    PET,
    PREFIX,
    FakeUpstream,
    Hub,
    HubRelay,
    endpoint,
    envelope,
    headers,
    request,
)
from tests.app.gateway.streams import listening

_ID = {"name": "petId", "in": "path", "required": True, "schema": {"type": "integer"}}
PATHS = {
    "/pets/{petId}": {
        "get": operation("get_pet", parameters=[_ID]),
        "delete": operation("delete_pet", parameters=[_ID]),
    }
}
FORM: dict[str, Any] = {"elicitation": {}}
CALL = {"name": "delete_pet", "arguments": {"petId": 7}}
ONE, TWO = Caller("key:one", LOCAL.permissions, EVERY), Caller("key:two", LOCAL.permissions, EVERY)
ACCEPT, DECLINE = {"action": "accept", "content": {}}, {"action": "decline"}


def careful(**policies: Any) -> ServerSnapshot:
    """Give pets whose policy has destructive calls confirmed."""
    return snapshot(description(PATHS), policies=Policies(confirm="destructive", **policies))


def served(upstream: FakeUpstream, **options: Any) -> McpEndpoint:
    return endpoint(upstream, careful(), **options)


async def send(
    to: McpEndpoint,
    body: bytes,
    version: str | None = "2025-11-25",
    *more: tuple[str, str],
    caller: Caller = ONE,
    **options: Any,
) -> Answer:
    return await answer(to, path=PATH, headers=headers(version, *more), chunks=[body], caller=caller, **options)


# --- 2026-07-28


async def modern(to: McpEndpoint, *, caller: Caller = ONE, capabilities: Any = None, **params: Any) -> Any:
    given = envelope(**{**CALL, **params})
    given["_meta"][f"{PREFIX}clientCapabilities"] = FORM if capabilities is None else capabilities
    named = [("Mcp-Method", "tools/call"), ("Mcp-Name", given["name"])]
    answered = await send(to, request("tools/call", given), MODERN, *named, caller=caller)
    return {"status": answered.status, **answered.json()}


def accepted(state: str, answered: Any = ACCEPT) -> dict[str, Any]:
    return {"requestState": state, "inputResponses": {"confirmation": answered}}


async def test_a_call_is_sent_when_the_user_has_confirmed_it() -> None:
    upstream = FakeUpstream(PET)
    to = served(upstream)
    asked = (await modern(to))["result"]
    assert asked["resultType"] == "input_required"
    question = asked["inputRequests"]["confirmation"]
    assert question["method"] == "elicitation/create"
    assert "delete_pet" in question["params"]["message"]
    assert '{"petId":7}' in question["params"]["message"]
    assert not upstream.plans
    done = (await modern(to, **accepted(asked["requestState"])))["result"]
    assert (done["resultType"], done["isError"], len(upstream.plans)) == ("complete", False, 1)


@pytest.mark.parametrize("answered", [DECLINE, {"action": "cancel"}, {}, {"action": 5}])
async def test_a_call_that_the_user_did_not_confirm_is_not_sent(answered: Any) -> None:
    upstream = FakeUpstream(PET)
    to = served(upstream)
    state = (await modern(to))["result"]["requestState"]
    done = (await modern(to, **accepted(state, answered)))["result"]
    assert (done["isError"], done["_meta"]["causeway/code"], upstream.plans) == (True, "not_confirmed", [])


@pytest.mark.parametrize("capabilities", [{}, {"elicitation": {"url": {}}}, {"sampling": {}}])
async def test_a_client_that_cannot_ask_is_told_the_capability(capabilities: Any) -> None:
    upstream = FakeUpstream(PET)
    answered = await modern(served(upstream), capabilities=capabilities)
    assert (answered["status"], answered["error"]["code"]) == (400, -32021)
    assert answered["error"]["data"] == {"requiredCapabilities": {"elicitation": {"form": {}}}}
    assert not upstream.plans


async def test_only_destructive_calls_that_would_be_sent_are_asked_about() -> None:
    upstream = FakeUpstream(PET)
    to = served(upstream)
    assert (await modern(to, name="get_pet"))["result"]["isError"] is False
    assert "not sent" in (await modern(to, arguments={}))["result"]["content"][0]["text"]
    assert (await modern(to, name="nope"))["error"]["code"] == -32602
    assert (await modern(endpoint(upstream, snapshot(description(PATHS)))))["result"]["isError"] is False


async def test_a_user_is_led_to_where_an_account_is_connected_once() -> None:
    url = "https://gateway.example/connect/ticket"
    upstream = FakeUpstream(AuthorizationRequiredError(f"Connect your account: {url}", url=url))
    to = endpoint(upstream, snapshot(description(PATHS)))
    capable: dict[str, Any] = {"elicitation": {"url": {}}}
    asked = (await modern(to, capabilities=capable))["result"]
    assert asked["resultType"] == "input_required"
    assert asked["inputRequests"]["account"]["params"] == {
        "mode": "url",
        "url": url,
        "message": f"Connect your account: {url}",
    }
    again = await modern(to, capabilities=capable, inputResponses={"account": {"action": "accept"}})
    plain = await modern(to, capabilities=FORM)
    for each in (again, plain):
        assert each["result"]["isError"] is True
        assert url in each["result"]["content"][0]["text"]
    upstream.response = PET
    assert (await modern(to, capabilities=capable))["result"]["isError"] is False


def changed(state: str) -> list[Any]:
    middle = len(state) // 2
    flipped = state[:middle] + ("A" if state[middle] != "A" else "B") + state[middle + 1 :]
    return ["", ".", state[:-4], f"{state}AAAA", flipped, f"x{state}", state.partition(".")[2], None, 5, {}, [state]]


async def test_a_state_that_was_tampered_with_is_refused() -> None:
    """P07."""
    upstream = FakeUpstream(PET)
    to = served(upstream)
    for state in changed((await modern(to))["result"]["requestState"]):
        assert (await modern(to, **accepted(state)))["error"]["code"] == -32602, state
    assert not upstream.plans


async def test_a_state_counts_once_for_one_call_of_one_caller() -> None:
    """P07: replayed, with other arguments, by another user."""
    upstream = FakeUpstream(PET)
    to = served(upstream)
    state = (await modern(to))["result"]["requestState"]
    assert (await modern(to, caller=TWO, **accepted(state)))["error"]["code"] == -32602
    assert (await modern(to, arguments={"petId": 8}, **accepted(state)))["error"]["code"] == -32602
    assert not upstream.plans
    assert (await modern(to, **accepted(state)))["result"]["isError"] is False
    assert (await modern(to, **accepted(state)))["error"]["code"] == -32602
    assert len(upstream.plans) == 1


def test_a_state_is_over_after_its_time() -> None:
    """P07."""
    now = [1000.0]
    state = SealedState(SecretKeys(secrets.token_bytes(32)), clock=lambda: now[0])
    sealed = state.seal({"a": 1}, ("place",), seconds=10)
    assert state.open(sealed, ("place",)) == {"a": 1}
    assert state.open(sealed, ("other",)) is None
    now[0] += 10
    assert state.open(sealed, ("place",)) is None


# --- sessions of the handshake era


async def initialized(
    to: McpEndpoint, capabilities: Any = None, *more: tuple[str, str], caller: Caller = ONE
) -> Answer:
    offer = {
        "protocolVersion": "2025-11-25",
        "capabilities": FORM if capabilities is None else capabilities,
        "clientInfo": {"name": "tests", "version": "1"},
    }
    return await send(to, request("initialize", offer), None, *more, caller=caller)


async def session_of(to: McpEndpoint, caller: Caller = ONE) -> tuple[str, str]:
    found = (await initialized(to, caller=caller)).header("mcp-session-id")
    assert found
    return "Mcp-Session-Id", found


@pytest.mark.parametrize("answered", [ACCEPT, DECLINE, None])
async def test_a_user_is_asked_on_the_stream_of_the_call(answered: Any) -> None:
    upstream = FakeUpstream(PET)
    to = served(upstream)
    session = await session_of(to)
    call = [request("tools/call", CALL, request_id=5)]
    async with listening(
        to, PATH, method="POST", headers=headers("2025-11-25", session), chunks=call, caller=ONE
    ) as stream:
        asked = (await stream.until(1))[0]
        assert (asked["method"], asked["params"]["mode"]) == ("elicitation/create", "form")
        assert not upstream.plans
        reply = {"error": {"code": -1, "message": "no"}} if answered is None else {"result": answered}
        for caller in (TWO, ONE):
            # What somebody else answers counts for nothing.
            given = {"result": ACCEPT} if caller is TWO and answered != ACCEPT else reply
            given = {"result": DECLINE} if caller is TWO and answered == ACCEPT else given
            said = json.dumps({"jsonrpc": "2.0", "id": asked["id"], **given}).encode()
            more = [session] if caller is ONE else []
            assert (await send(to, said, "2025-11-25", *more, caller=caller)).status == 202
        result = (await stream.until(2))[1]
        assert result["id"] == 5
        assert result["result"]["isError"] is (answered != ACCEPT)
    assert len(upstream.plans) == (1 if answered == ACCEPT else 0)


async def test_an_answer_that_reaches_another_process_finds_the_one_that_asked() -> None:
    hub, keys = Hub(), SecretKeys(secrets.token_bytes(32))
    upstream = FakeUpstream(PET)
    one, two = (served(upstream, relay=HubRelay(name, hub), keys=keys) for name in ("one", "two"))
    session = await session_of(two)
    call = [request("tools/call", CALL)]
    async with listening(
        one, PATH, method="POST", headers=headers("2025-11-25", session), chunks=call, caller=ONE
    ) as stream:
        asked = (await stream.until(1))[0]
        said = json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": ACCEPT}).encode()
        assert (await send(two, said, "2025-11-25", session)).status == 202
        assert (await stream.until(2))[1]["result"]["isError"] is False


async def test_a_client_that_cannot_be_asked_is_refused_with_the_reason() -> None:
    upstream = FakeUpstream(PET)
    to = served(upstream)
    assert (await initialized(to, {})).header("mcp-session-id") is None
    for more in ((), (await session_of(to),)):
        sent = [(name, value) for name, value in headers("2025-11-25", *more) if name != "Accept"]
        call = request("tools/call", CALL)
        answered = await answer(
            to, path=PATH, headers=[*sent, ("Accept", "application/json")], chunks=[call], caller=ONE
        )
        result = answered.json()["result"]
        assert (result["isError"], result["_meta"]["causeway/code"]) == (True, "not_confirmed")
    assert not upstream.plans


async def test_a_user_over_sse_is_asked_on_the_stream() -> None:
    upstream = FakeUpstream(PET)
    to = served(upstream)
    async with listening(to, f"{PATH}/sse", caller=ONE) as stream:
        path = stream.events[0][1]

        async def say(body: bytes) -> int:
            return (
                await answer(to, path=path, headers=[("Content-Type", "application/json")], chunks=[body], caller=ONE)
            ).status

        offer = {"protocolVersion": "2025-06-18", "capabilities": FORM, "clientInfo": {"name": "t", "version": "1"}}
        assert await say(request("initialize", offer)) == 202
        await stream.until(1)
        assert await say(request("tools/call", CALL, request_id=2)) == 202
        asked = (await stream.until(2))[1]
        assert asked["method"] == "elicitation/create"
        assert await say(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": ACCEPT}).encode()) == 202
        assert (await stream.until(3))[2]["result"]["isError"] is False
    assert len(upstream.plans) == 1


async def test_a_user_who_does_not_answer_is_not_waited_for_without_end() -> None:
    pushed: list[bytes] = []

    async def push(message: bytes) -> None:
        pushed.append(message)

    asked = BackChannel("p", seconds=0.01).ask(push, "elicitation/create", {}, server="s", caller=ONE)
    assert await asked is None
    assert len(pushed) == 1


async def test_a_client_that_hangs_up_while_its_user_thinks_sends_nothing() -> None:
    upstream = FakeUpstream(PET)
    to = served(upstream)
    sent = headers("2025-11-25", await session_of(to))
    exchange = Exchange(to, path=PATH, headers=sent, chunks=[request("tools/call", CALL)], caller=ONE)
    task = asyncio.create_task(exchange.run())
    while not exchange.sent[1:]:  # noqa: ASYNC110 - what comes is written down by the exchange
        await asyncio.sleep(0.001)
    exchange.hang_up()
    async with asyncio.timeout(5):
        await task
    assert not upstream.plans


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_a_session_is_its_callers_alone(method: str) -> None:
    """A14: another caller with the session's id finds none, whatever is asked."""
    to = served(FakeUpstream(PET))
    session = await session_of(to)
    for caller in (TWO, Caller("")):
        assert (await send(to, request("ping"), "2025-11-25", session, caller=caller, method=method)).status == 404
    own = (await send(to, request("ping"), "2025-11-25", session, method=method)).status
    assert own == (200 if method == "POST" else 405)


async def test_a_session_is_of_one_server() -> None:
    """A14."""
    other = snapshot(description(PATHS), name="other", policies=Policies(confirm="destructive"))
    to = endpoint(FakeUpstream(PET), careful(), other)
    session = await session_of(to)
    answered = await answer(
        to, path="/mcp/default/other", headers=headers("2025-11-25", session), chunks=[request("ping")], caller=ONE
    )
    assert answered.status == 404


CHOSEN: Sequence[str] = ["mine", "", "a" * 64, "p.AAAA", "../x", "0" * 5000]


@pytest.mark.parametrize("chosen", CHOSEN)
async def test_a_session_that_a_client_chose_is_not_adopted(chosen: str) -> None:
    """A15."""
    to = served(FakeUpstream(PET))
    given = ("Mcp-Session-Id", chosen)
    opened = await initialized(to, None, given)
    assert opened.status == 404
    assert opened.header("mcp-session-id") is None
    assert (await send(to, request("ping"), "2025-11-25", given)).status == 404
    plain = endpoint(FakeUpstream(PET), snapshot(PETS))
    assert (await send(plain, request("ping"), "2025-11-25", given)).status == 404


async def test_a_session_that_was_changed_or_is_over_is_none_at_any_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """P07: the sealed handle of a client of the handshake era, at the process that made it and at another."""
    keys = SecretKeys(secrets.token_bytes(32))
    one, two = (served(FakeUpstream(PET), keys=keys) for _ in range(2))
    name, session = await session_of(one)
    monkeypatch.setattr("app.gateway.sessions._SECONDS", 0.0)
    over = (await session_of(one))[1]
    for each in (one, two):
        assert (await send(each, request("ping"), "2025-11-25", (name, session))).status == 200
        for other in [over, *(text for text in changed(session) if isinstance(text, str))]:
            assert (await send(each, request("ping"), "2025-11-25", (name, other))).status == 404, other


async def test_sessions_cannot_be_guessed() -> None:
    """A15: of 10,000 ids none is like another; each holds a nonce of 96 bits and a tag of 128."""
    to = served(FakeUpstream(PET))
    ids = {(await session_of(to))[1] for _ in range(10_000)}
    assert len(ids) == 10_000
    assert len({each[-22:] for each in ids}) == 10_000
    assert all(each.isascii() and each.isprintable() and " " not in each for each in ids)
