from __future__ import annotations

import json
from typing import Any

import mcp_types.methods
import pytest

from app.gateway.catalog import SnapshotCatalog
from app.gateway.snapshots import LIST_TTL_MS, ServerSnapshot, to_bytes
from converters.request_plans import ServerUnknownError
from tests.app.descriptions import PETS, description, operation, snapshot
from tests.app.gateway.endpoints import HANDSHAKE, MODERN, PREFIX

VERSIONS = (*HANDSHAKE, MODERN)


def strictly(raw: bytes) -> Any:
    def refuse(name: str) -> Any:
        raise ValueError(name)

    return json.loads(raw.decode(), parse_constant=refuse)


def fields_of(served: ServerSnapshot, version: str) -> set[str]:
    return {key for tool in strictly(served.tool_list(version))["tools"] for key in tool}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_list_is_what_the_sdk_expects_of_that_version(version: str) -> None:
    result = strictly(snapshot().tool_list(version))

    mcp_types.methods.validate_server_result("tools/list", version, result)
    parsed = mcp_types.methods.parse_server_result("tools/list", version, result)

    assert [tool.name for tool in parsed.tools] == ["list_pets", "add_pet", "get_pet", "delete_pet"]  # type: ignore[attr-defined]


def test_each_version_lists_the_fields_it_knows() -> None:
    served = snapshot()
    oldest = {"name", "description", "inputSchema"}
    newest = oldest | {"annotations", "title", "outputSchema", "_meta"}

    assert fields_of(served, "2024-11-05") == oldest
    assert fields_of(served, "2025-03-26") == oldest | {"annotations"}
    assert fields_of(served, "2025-06-18") == newest
    assert fields_of(served, "2025-11-25") == newest
    assert fields_of(served, MODERN) == newest


def test_a_modern_list_carries_what_a_cache_needs_and_an_old_one_nothing_further() -> None:
    served = snapshot()
    modern = strictly(served.tool_list(MODERN))
    assert modern.pop("tools")
    assert modern == {
        "resultType": "complete",
        "ttlMs": LIST_TTL_MS,
        "cacheScope": "private",
        "_meta": {f"{PREFIX}serverInfo": {"name": "pets", "title": "Pets", "version": "1.2.3"}},
    }
    for version in HANDSHAKE:
        assert list(strictly(served.tool_list(version))) == ["tools"]


def test_a_list_is_rendered_once() -> None:
    served = snapshot()
    for version in VERSIONS:
        assert served.tool_list(version) is served.tool_list(version)
    assert served.tool_list("2025-06-18") is served.tool_list("2025-11-25")


def test_a_list_is_the_same_bytes_for_the_same_description() -> None:
    for version in VERSIONS:
        assert snapshot().tool_list(version) == snapshot().tool_list(version)


def test_tools_stand_in_document_order() -> None:
    paths = {f"/{letter}": {"get": operation(f"tool_{letter}")} for letter in "zmaq"}
    names = [tool["name"] for tool in strictly(snapshot(description(paths)).tool_list(MODERN))["tools"]]
    assert names == ["tool_z", "tool_m", "tool_a", "tool_q"]


def test_a_server_without_tools_lists_none() -> None:
    assert strictly(snapshot(description()).tool_list("2025-11-25")) == {"tools": []}


def test_text_of_every_script_is_listed_as_it_is() -> None:
    paths = {"/a": {"get": operation("a", summary="Größe 尺寸 📏", description='"quoted"\tand\\')}}
    listed = snapshot(description(paths)).tool_list("2025-11-25")
    assert "Größe 尺寸 📏" in listed.decode()
    assert strictly(listed)["tools"][0]["title"] == "Größe 尺寸 📏"


def test_half_a_surrogate_pair_never_reaches_the_wire() -> None:
    assert to_bytes({"text": "a\ud800b"}) == b'{"text":"a?b"}'


def test_a_number_that_json_does_not_have_is_never_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        to_bytes({"x": float("nan")})


def test_a_tool_is_read_and_compiled_once() -> None:
    tool = snapshot().tools["get_pet"]
    assert (tool.definition, tool.checker, tool.base) == (tool.definition, tool.checker, tool.base)
    assert tool.checker is tool.checker
    assert tool.definition.operation_key == "GET /pets/{petId}"


@pytest.mark.parametrize(
    ("server", "settings", "base"),
    [
        ("https://api.pets.example/v1", {}, "https://api.pets.example/v1"),
        ("https://api.pets.example/v1", {"base_url": "http://127.0.0.1:9/x/"}, "http://127.0.0.1:9/x"),
        ("/v2", {"document_url": "https://docs.example/a/openapi.json"}, "https://docs.example/v2"),
        (None, {"base_url": "https://other.example"}, "https://other.example"),
    ],
)
def test_requests_go_to_the_base_url_else_to_the_described_server(
    server: str | None, settings: dict[str, Any], base: str
) -> None:
    assert snapshot(description(PETS["paths"], server=server), **settings).tools["get_pet"].base == base


def test_a_server_nobody_named_is_an_error_of_the_call_alone() -> None:
    served = snapshot(description(PETS["paths"], server=None))
    assert len(strictly(served.tool_list("2025-11-25"))["tools"]) == 4
    with pytest.raises(ServerUnknownError, match="base_url"):
        _ = served.tools["get_pet"].base


def test_the_catalog_gives_the_newest_snapshot_of_a_name() -> None:
    catalog = SnapshotCatalog()
    first, second = snapshot(), snapshot(revision=2)
    catalog.put(first)
    catalog.put(second)

    assert catalog.find("default", "pets") is second
    assert catalog.find("default", "cats") is None
    assert catalog.find("other", "pets") is None
    assert catalog.all() == {("default", "pets"): second}

    catalog.drop("default", "pets")
    catalog.drop("default", "pets")
    assert catalog.find("default", "pets") is None
    assert first.tools["get_pet"].base == "https://api.pets.example/v1"
