from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.client_profiles import GENERIC, PROFILES, ClientProfile, profile_of, violations

ALL = pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES.keys())
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,63}", fullmatch=True)
SERVERS = st.from_regex(r"[a-z][a-z0-9-]{0,38}", fullmatch=True)


def tool(name: str = "get_pet", **properties: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object", "properties": properties}}


@pytest.mark.parametrize(
    ("client", "name"),
    [
        ("claude-code", "claude"),
        ("claude-ai", "claude"),
        ("codex-mcp-client", "codex"),
        ("cursor-vscode", "cursor"),
        ("Visual Studio Code - Insiders", "vscode"),
        ("gemini-cli-mcp-client-pets", "gemini"),
        ("windsurf-client", "windsurf"),
        ("Cline", "cline"),
        ("@cline/core", "cline"),
        ("mcp-inspector", "generic"),
        ("", "generic"),
    ],
)
def test_a_client_is_known_by_how_it_introduces_itself(client: str, name: str) -> None:
    assert profile_of(client) is PROFILES[name]


@ALL
@given(names=st.lists(NAMES, unique_by=str.lower, max_size=5), server=SERVERS)
def test_every_name_fits_with_the_servers_before_it(profile: ClientProfile, names: list[str], server: str) -> None:
    listed = [profile.listed(tool(name), server) for name in names]

    assert violations(listed, profile, server) == ()
    assert [each["name"] for each in listed] == [profile.listed_name(name, server) for name in names]


def test_a_name_that_fits_stays_and_one_that_does_not_ends_in_a_hash_of_it() -> None:
    cursor = PROFILES["cursor"]
    short = cursor.listed_name("a" * 54, "a-pets")

    assert cursor.listed_name("a" * 53, "a-pets") == "a" * 53
    assert short == "a" * 44 + "_" + short[-8:]
    assert short != cursor.listed_name("a" * 55, "a-pets")
    assert GENERIC.listed_name("a" * 64, "a-pets") == "a" * 64


def test_lists_say_what_their_items_are_where_a_client_wants_it() -> None:
    array = {"type": "array"}
    given = tool(
        a=array,
        b={"anyOf": [{"type": ["array", "null"]}, {"type": "object", "properties": {"items": array}}]},
        c={"type": "array", "items": {"type": "array", "prefixItems": [array]}},
        d={"const": {"type": "array"}, "default": {"type": "array"}},
        e={"additionalProperties": array},
    )
    given["inputSchema"]["$defs"] = {"A": array}
    listed = PROFILES["vscode"].listed(given, "pets")["inputSchema"]
    filled = {"type": "array", "items": {}}

    assert listed["properties"] == {
        "a": filled,
        "b": {
            "anyOf": [
                {"type": ["array", "null"], "items": {}},
                {"type": "object", "properties": {"items": filled}},
            ]
        },
        "c": {"type": "array", "items": {"type": "array", "prefixItems": [filled], "items": {}}},
        "d": given["inputSchema"]["properties"]["d"],
        "e": {"additionalProperties": filled},
    }
    assert listed["$defs"] == {"A": filled}
    assert given["inputSchema"]["properties"]["a"] == {"type": "array"}
    assert PROFILES["claude"].listed(given, "pets") == given


def test_arguments_that_are_read_alone_say_all_of_themselves() -> None:
    pet = {"type": "object", "properties": {"name": {"type": "string"}, "child": {"$ref": "#/$defs/Pet"}}}
    given = tool(
        pet={"$ref": "#/$defs/Pet", "description": "Whom"},
        tags={"type": ["array", "null"], "items": {"$ref": "#/$defs/a~1b"}},
        size={"enum": ["s", 5]},
        id={"anyOf": [{"type": "string"}, {"type": ["integer", "null"]}]},
        any={},
        part={"allOf": [{"$ref": "#/$defs/a~1b"}]},
    )
    given["inputSchema"]["$defs"] = {"Pet": pet, "a/b": {"type": "boolean"}}
    listed = PROFILES["cline"].listed(given, "pets")
    inner = {"type": "object", "properties": {"name": {"type": "string"}, "child": {"type": "object"}}}

    assert listed["inputSchema"] == {
        "type": "object",
        "properties": {
            "pet": {**inner, "description": "Whom"},
            "tags": {"type": "array", "items": {"type": "boolean"}},
            "size": {"enum": ["s", 5], "type": ["string", "integer"]},
            "id": {**given["inputSchema"]["properties"]["id"], "type": ["string", "integer", "null"]},
            "any": {"type": ["string", "number", "boolean", "object", "array", "null"], "items": {}},
            "part": {"allOf": [{"type": "boolean"}], "type": "boolean"},
        },
    }
    assert violations([listed], PROFILES["cline"], "pets") == ()


def test_references_that_would_grow_without_end_are_cut() -> None:
    """Each definition refers twice to the next: written out whole, they were 2 to the power of 40."""
    chain = {
        f"d{n}": {"type": "object", "properties": {side: {"$ref": f"#/$defs/d{n + 1}"} for side in ("left", "right")}}
        for n in range(40)
    }
    given = tool(tree={"$ref": "#/$defs/d0"})
    given["inputSchema"]["$defs"] = {**chain, "d40": {"type": "string"}}
    listed = PROFILES["cline"].listed(given, "pets")

    assert len(json.dumps(listed)) < 500_000
    assert violations([listed], PROFILES["cline"], "pets") == ()


@pytest.mark.parametrize(
    ("tools", "profile", "said"),
    [
        ([tool("a" * 60)], "cursor", "has 64 characters, of which cursor takes 59"),
        ([tool("a.b")], "generic", "characters other than"),
        ([tool(), tool("GET_PET")], "generic", "another tool has this name"),
        ([tool(f"t{n}") for n in range(41)], "cursor", "41 tools, of which cursor takes 40"),
        ([{"name": "a", "inputSchema": {"type": "string"}}], "generic", "no object"),
        ([{"name": "a", "inputSchema": {"type": "object", "anyOf": [{}]}}], "generic", "anyOf at its root"),
        ([{"name": "a", "inputSchema": {"type": "object", "properties": {"a$": {}}}}], "generic", "'a$'"),
        ([tool(a={"anyOf": [{"type": "array"}]})], "codex", "/properties/a/anyOf/0"),
        ([tool("a" * 54, a={"type": "string"})], "cline", "has 65 characters, of which cline takes 64"),
        ([tool(a={"enum": ["x"]})], "cline", "'a' does not say its type"),
        ([tool(a={"type": "array", "items": {"$ref": "#/$defs/A"}})], "cline", "refers to #/$defs/A at /items"),
    ],
)
def test_what_a_client_would_not_take_is_found(tools: list[dict[str, Any]], profile: str, said: str) -> None:
    (found,) = violations(tools, PROFILES[profile], "pets")

    assert said in found
