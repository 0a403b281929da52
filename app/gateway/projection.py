"""What a client of an older protocol version is given instead of what its version does not know.

2025-03-26 brought audio content and tool annotations; 2025-06-18 `title`, `_meta` of tools, output schemas, structured
content and resource links (the change logs of both). Each is left out, or said by what the version knows.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Block = Mapping[str, Any]

MISSING_TOOL_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "2024-11-05": frozenset({"annotations", "title", "outputSchema", "_meta"}),
    "2025-03-26": frozenset({"title", "outputSchema", "_meta"}),
}
"""The fields of a Tool object that a version does not know."""


def knows_structured_content(version: str) -> bool:
    """Tell whether results may have `structuredContent`."""
    return version not in MISSING_TOOL_FIELDS


def content(version: str, blocks: Sequence[Block]) -> list[Block]:
    """Give content blocks as a version knows them."""
    replaced = _REPLACED.get(version)
    if replaced is None:
        return list(blocks)
    return [replaced[block["type"]](block) if block["type"] in replaced else block for block in blocks]


def server_info(version: str, info: Mapping[str, Any]) -> dict[str, Any]:
    """Give an Implementation object as a version knows it."""
    has_title = version not in MISSING_TOOL_FIELDS
    return {key: value for key, value in info.items() if has_title or key != "title"}


def _link_as_text(block: Block) -> Block:
    what = ", ".join(str(part) for part in (block.get("mimeType"), _size(block)) if part)
    return {
        "type": "text",
        "text": f"The answer is a resource of this server{f' ({what})' if what else ''}: {block['uri']}",
    }


def _size(block: Block) -> str:
    return f"{block['size']:,} bytes" if "size" in block else ""


def _audio_as_resource(block: Block) -> Block:
    """Embed the sound as a resource, which every version knows and which loses nothing."""
    digest = hashlib.sha256(block["data"].encode()).hexdigest()[:32]
    resource = {"uri": f"urn:causeway:result:{digest}", "mimeType": block["mimeType"], "blob": block["data"]}
    return {"type": "resource", "resource": resource}


_REPLACED: Final[Mapping[str, Mapping[str, Callable[[Block], Block]]]] = {
    "2024-11-05": {"audio": _audio_as_resource, "resource_link": _link_as_text},
    "2025-03-26": {"resource_link": _link_as_text},
}
