"""Header fields of the caller: none reaches the API but those that an owner lists (acceptance K09), and hops (S12)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.app.backends import Received, backend, json_reply
from tests.app.credentials.apis import CREDENTIALS, SUPPLIED, secured, text
from tests.app.gateways import KEY, PUBLIC_URL, SERVERS, Gateway

PET = json_reply(b'{"id": 7, "name": "Rex"}')
OWN = {
    "Cookie": "session=canary-cookie",
    "Proxy-Authorization": "Basic canary-proxy",
    "X-Forwarded-For": "192.0.2.99",
    "Traceparent": "00-canary",
    "X-Tenant": "acme",
    "X-Other": "canary-other",
}


async def session_of(gateway: Gateway) -> str:
    """Open a session, as a client does whose user can be asked."""
    await gateway.http.patch(f"{SERVERS}/pets", json={"policies": {"confirm": "destructive"}})
    client = {"name": "tests", "version": "1"}
    params = {"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}}, "clientInfo": client}
    message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    headers = {"Accept": "application/json, text/event-stream"}
    opened = await gateway.http.post("/mcp/default/pets", json=message, headers=headers)
    session: str = opened.headers["Mcp-Session-Id"]
    return session


async def called(gateway: Gateway, **fields: str) -> dict[str, Any]:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "get_pet", "arguments": {}}}
    answer = await gateway.http.post("/mcp/default/pets", json=message, headers={**OWN, **fields})
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()["result"]
    return result


async def listing(gateway: Gateway, names: Any) -> int:
    answer = await gateway.http.patch(f"{SERVERS}/pets", json={"policies": {"passthrough_headers": names}})
    return answer.status_code


def names_of(request: Received) -> set[str]:
    return {name.lower() for name, _ in request.headers}


async def test_nothing_of_the_caller_s_request_passes_by_itself(served: Gateway) -> None:
    """K09."""
    async with backend(PET) as api:
        await served.create(secured([]), base_url=api.url)
        session = await session_of(served)
        await called(served, **{"Mcp-Session-Id": session})
    (request,) = api.requests
    assert not any(session in value for _, value in request.headers)
    assert names_of(request) == {"host", "accept", "accept-encoding", "user-agent", "causeway-hops"}
    assert not any("canary" in value or KEY in value for _, value in request.headers)


async def test_what_is_listed_passes_under_its_new_name(served: Gateway) -> None:
    async with backend(PET) as api:
        await served.create(secured([]), base_url=api.url)
        assert await listing(served, {"x-tenant": "X-Tenant-Id", "X-Absent": "X-Absent"}) == 200
        await called(served)
        assert await listing(served, None) == 200
        await called(served)
    first, second = api.requests
    assert first.values("X-Tenant-Id") == ["acme"]
    assert not names_of(first) & {"x-tenant", "x-other", "x-absent"}
    assert "x-tenant-id" not in names_of(second)


async def test_it_stands_before_an_argument_and_behind_a_credential(served: Gateway) -> None:
    async with backend(PET) as api:
        schemes = {"header": {"type": "apiKey", "in": "header", "name": "X-Key"}}
        await served.create(secured([{"header": []}], schemes=schemes), base_url=api.url)
        await served.http.put(f"{CREDENTIALS}/header", json=SUPPLIED["header"])
        assert await listing(served, {"X-Tenant": "X-Trace", "X-Other": "X-Key"}) == 200
        params = {"name": "get_pet", "arguments": {"X-Trace": "written by the model"}}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        await served.http.post("/mcp/default/pets", json=message, headers=OWN)
    (request,) = api.requests
    assert request.values("X-Trace") == ["acme"]
    assert request.values("X-Key") == [SUPPLIED["header"]["value"]]


@pytest.mark.parametrize(
    "name",
    [
        *("Authorization", "X-API-Key", "Cookie", "Proxy-Authorization", "Mcp-Session-Id", "Host", "Connection"),
        *("Transfer-Encoding", "Content-Length", "X-Forwarded-Host", "Forwarded", "Causeway-Hops", "Sec-Fetch-Site"),
        *("", "a b", "x:y", "x\r\ny", "ü"),
    ],
)
@pytest.mark.parametrize("is_source", [True, False], ids=["from", "to"])
async def test_what_authenticates_or_frames_cannot_be_listed(served: Gateway, name: str, is_source: bool) -> None:
    await served.create()
    assert await listing(served, {name: "X-Fine"} if is_source else {"X-Fine": name}) == 422


@pytest.mark.parametrize("names", [{"X-A": "X-C", "X-B": "x-c"}, {"X-A": "X-C", "x-a": "X-D"}])
async def test_a_field_is_listed_once(served: Gateway, names: dict[str, str]) -> None:
    await served.create()
    assert await listing(served, names) == 422


@pytest.mark.parametrize(("came", "goes"), [(None, "1"), ("0", "1"), ("1", "2"), ("2", "3")])
async def test_every_gateway_counts_itself(served: Gateway, came: str | None, goes: str) -> None:
    """S12."""
    async with backend(PET) as api:
        await served.create(secured([]), base_url=api.url)
        await called(served, **({} if came is None else {"Causeway-Hops": came}))
    assert api.requests[0].values("Causeway-Hops") == [goes]


@pytest.mark.parametrize("came", ["3", "99", "-1", "x", "", "1, 1", "１"])
async def test_a_call_that_came_through_three_gateways_ends(served: Gateway, came: str) -> None:
    """S12; who writes the field to get around it gets no further."""
    async with backend(PET) as api:
        await served.create(secured([]), base_url=api.url)
        answer = await served.http.post(
            "/mcp/default/pets",
            json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "get_pet", "arguments": {}}},
            headers={b"Causeway-Hops": came.encode()},
        )
    result = answer.json()["result"]
    assert result["_meta"]["causeway/code"] == "too_many_hops"
    assert "base URL leads back" in text(result)
    assert api.connections == 0


async def test_the_control_plane_s_own_calls_are_counted_too(served: Gateway) -> None:
    async with backend(PET) as api:
        await served.create(secured([]), base_url=api.url)
        url = f"{PUBLIC_URL}{SERVERS}/pets/tools/get_pet/call"
        await served.http.post(url, json={"arguments": {}}, headers={"Causeway-Hops": "1"})
        answer = await served.http.post(url, json={"arguments": {}}, headers={"Causeway-Hops": "3"})
    assert [each.values("Causeway-Hops") for each in api.requests] == [["2"]]
    assert answer.json()["_meta"]["causeway/code"] == "too_many_hops"
