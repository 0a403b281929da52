"""Results and lists hold only what the client's protocol version knows."""

from __future__ import annotations

import base64
from typing import Any

import mcp_types.methods
import pytest

from app.gateway import projection
from converters.results import ApiResponse
from tests.app.gateway.endpoints import HANDSHAKE, MODERN, PET, FakeUpstream, ask, endpoint

CALL = {"name": "get_pet", "arguments": {"petId": 7}}
SOUND = ApiResponse(200, "audio/wav", b"RIFF")
LARGE = ApiResponse(200, "application/octet-stream", b"\xff" * (2 * 1024 * 1024))
MIXED = ApiResponse(
    200,
    "multipart/mixed; boundary=x",
    b"--x\r\nContent-Type: text/plain\r\n\r\nHello\r\n--x\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n"
    b"--x\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n--x--\r\n",
)
# From each version's schema: the content blocks of a CallToolResult.
FIRST = {"text", "image", "resource"}
KNOWN = {
    "2024-11-05": FIRST,
    "2025-03-26": FIRST | {"audio"},
    "2025-06-18": FIRST | {"audio", "resource_link"},
    "2025-11-25": FIRST | {"audio", "resource_link"},
    MODERN: FIRST | {"audio", "resource_link"},
}


async def called(version: str, response: ApiResponse) -> dict[str, Any]:
    given = await ask(endpoint(FakeUpstream(response)), "tools/call", CALL, version=version)
    result: dict[str, Any] = given.json()["result"]
    return result


@pytest.mark.parametrize("version", KNOWN)
@pytest.mark.parametrize("response", [PET, SOUND, LARGE, MIXED], ids=["json", "sound", "large", "mixed"])
async def test_a_result_has_only_what_its_version_knows(version: str, response: ApiResponse) -> None:
    result = await called(version, response)

    assert {block["type"] for block in result["content"]} <= KNOWN[version]
    assert ("structuredContent" in result) <= (version not in {"2024-11-05", "2025-03-26"})
    mcp_types.methods.validate_server_result("tools/call", version, result)


@pytest.mark.parametrize(("version", "kind"), [("2024-11-05", "resource"), ("2025-03-26", "audio")])
async def test_a_sound_is_embedded_whole_where_there_is_no_audio_content(version: str, kind: str) -> None:
    (block,) = (await called(version, SOUND))["content"]

    held = block["resource"] if kind == "resource" else block
    assert (block["type"], held["mimeType"]) == (kind, "audio/wav")
    assert base64.b64decode(held["blob" if kind == "resource" else "data"]) == b"RIFF"


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26"])
async def test_a_link_is_told_as_text_where_there_are_no_links(version: str) -> None:
    result = await called(version, LARGE)

    linked = result["_meta"]["causeway/resource"]["uri"]
    told = f"The answer is a resource of this server (application/octet-stream, 2,097,152 bytes): {linked}"
    assert result["content"][-1] == {"type": "text", "text": told}


@pytest.mark.parametrize("version", HANDSHAKE)
async def test_a_server_has_a_title_since_there_are_titles(version: str) -> None:
    offer = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}
    given = await ask(endpoint(), "initialize", offer, version=version)

    has_title = "title" in given.json()["result"]["serverInfo"]
    assert has_title == (version in {"2025-06-18", "2025-11-25"})


@pytest.mark.parametrize("version", KNOWN)
async def test_a_list_has_only_the_fields_its_version_knows(version: str) -> None:
    listed = (await ask(endpoint(), "tools/list", {}, version=version)).json()["result"]

    fields = {field for tool in listed["tools"] for field in tool}
    assert {"name", "description", "inputSchema"} <= fields
    assert not fields & projection.MISSING_TOOL_FIELDS.get(version, frozenset())
    mcp_types.methods.validate_server_result("tools/list", version, listed)
