"""Values of a document where something else may stand: what is of another kind is read as nothing, or as its text."""

from __future__ import annotations

from typing import Any


def text(value: Any) -> str:
    """Read a text; sloppy documents write numbers and booleans where a text belongs."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.strip() if isinstance(value, str) else str(value) if isinstance(value, (int, float)) else ""


def array(value: Any) -> list[Any]:
    """Give a list; anything else is an empty one."""
    return value if isinstance(value, list) else []


def mapping(value: Any) -> dict[str, Any]:
    """Give an object; anything else is an empty one."""
    return value if isinstance(value, dict) else {}
