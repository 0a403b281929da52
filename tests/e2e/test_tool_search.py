"""A large server in the three tools of its search, from the policy to the request that the API gets."""

from __future__ import annotations

import pytest

from tests.e2e.backends import Backend, described, parameter
from tests.e2e.gateways import ERAS, Gateway, connected

PATHS = {
    f"/{noun}/{{id}}": {
        "get": {
            "operationId": f"get_{noun}",
            "summary": f"Read one of the {noun}",
            "parameters": [parameter("id", "path", {"type": "integer"})],
        }
    }
    for noun in (f"kind{number}" for number in range(150))
}


@pytest.mark.parametrize("era", ERAS)
async def test_a_tool_among_many_is_found_described_and_called(era: str, gateway: Gateway, backend: Backend) -> None:
    url = gateway.publish("many", described(backend.url, PATHS))
    policy = {"policies": {"tool_listing": "auto"}}
    assert gateway.http.patch(f"{gateway.api}/many", json=policy).status_code == 200

    async with connected(url, era) as client:
        assert len((await client.list_tools()).tools) == 3
        found = await client.call_tool("search_tools", {"query": "read kind 77"})
        assert found.structured_content is not None
        name = found.structured_content["tools"][0]["name"]
        await client.call_tool("describe_tool", {"name": name})
        result = await client.call_tool("call_tool", {"name": name, "arguments": {"id": 5}})

    assert result.structured_content == {"ok": True}
    assert backend.only().line == b"GET /kind77/5 HTTP/1.1"
