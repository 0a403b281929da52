"""A first start without any document: the gateway serves itself, read-only."""

from __future__ import annotations

import pytest

from tests.e2e.gateways import ERAS, Gateway, connected

SERVER = "causeway"


def test_the_first_start_serves_the_gateway_s_own_api(gateway: Gateway) -> None:
    assert gateway.servers() == [(SERVER, 1)]
    printed = gateway.output.read_text()
    assert gateway.mcp_url(SERVER) in printed
    assert '"mcpServers"' in printed


def test_tools_that_read_are_enabled_and_tools_that_change_are_not(gateway: Gateway) -> None:
    tools = gateway.http.get(f"{gateway.api}/{SERVER}/tools").json()["items"]

    assert {tool["method"] for tool in tools if tool["enabled"]} == {"GET"}
    assert {tool["method"] for tool in tools if not tool["enabled"]} == {"POST", "PUT", "PATCH", "DELETE"}


@pytest.mark.parametrize("mode", ERAS)
async def test_a_model_lists_servers_and_reads_tools_through_it(gateway: Gateway, mode: str) -> None:
    async with connected(gateway.mcp_url(SERVER), mode) as client:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
        servers = await client.call_tool("list_servers", {"namespace": "default"})
        tools = await client.call_tool("list_tools", {"namespace": "default", "server": SERVER})

    assert all(tool.annotations is not None and tool.annotations.read_only_hint for tool in listed.values())
    assert servers.structured_content is not None
    assert [each["name"] for each in servers.structured_content["items"]] == [SERVER]
    assert tools.structured_content is not None
    assert {each["name"] for each in tools.structured_content["items"]} >= set(listed)


def test_a_disabled_tool_cannot_be_called(gateway: Gateway) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "delete_server", "arguments": {}}}

    answer = gateway.http.post(gateway.mcp_url(SERVER), json=body)

    assert answer.json()["error"]["code"] == -32602
    assert gateway.servers() == [(SERVER, 1)]
