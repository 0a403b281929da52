"""Operation -> tool name: legible, within what clients accept, and independent of the order of the document."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from converters.oas import Operation

MAX_LENGTH: Final = 64
"""Longest tool name that clients accept in common (MCP allows 128; Claude and OpenAI 64)."""

QUALIFIED_LENGTH: Final = 60
"""Longest server name plus tool name that Cursor accepts."""

_MIN_BUDGET: Final = 24
_HASH_LENGTH: Final = 8
_ILLEGAL: Final = re.compile(r"[^A-Za-z0-9_-]+")
_TEMPLATE: Final = re.compile(r"\{[+]?([^{}*]*)\*?\}")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def budget_for(server_name: str) -> int:
    """Give the length that tool names of this server may have."""
    return min(MAX_LENGTH, max(_MIN_BUDGET, QUALIFIED_LENGTH - len(server_name)))


def is_legal(name: str) -> bool:
    """Tell whether every client accepts `name` as a tool name."""
    return bool(_NAME.fullmatch(name))


def tool_names(operations: Sequence[Operation], budget: int = MAX_LENGTH) -> tuple[str, ...]:
    """Name each operation, in the same order; names are legal, unique also without regard to case, and stable.

    A name that is too long, collides with another, or lost characters that told it apart is shortened and ends in a
    hash of method and path, so it does not move when the description is edited elsewhere.
    """
    preferred = [preferred_name(operation) for operation in operations]
    taken = Counter(name.lower() for name in preferred)
    return tuple(
        name if len(name) <= budget and taken[name.lower()] == 1 else _hashed(name, operation.key, budget)
        for name, operation in zip(preferred, operations, strict=True)
    )


def preferred_name(operation: Operation) -> str:
    """Give the name an operation asks for: `x-mcp` name, else operationId cleaned, else method and path in words."""
    asked = operation.extension.get("name")
    for candidate in (asked, operation.operation_id):
        if isinstance(candidate, str) and candidate:
            cleaned = _cleaned(candidate)
            if cleaned and _is_faithful(candidate, cleaned):
                return cleaned
            return (
                f"{cleaned}_{_digest(candidate)}" if cleaned else _hashed(_from_path(operation), candidate, MAX_LENGTH)
            )
    return _from_path(operation)


def server_name(title: str) -> str:
    """Make a server name of a description's title: lower-case words with hyphens, at most 40 characters."""
    words = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40].strip("-")
    return words or f"api-{_digest(title)}"


def _cleaned(text: str) -> str:
    return _ILLEGAL.sub("_", text).strip("_-")


def _is_faithful(text: str, cleaned: str) -> bool:
    """Tell whether cleaning replaced only punctuation: a name that lost letters needs a hash to stay apart."""
    return all(not character.isalnum() or character.isascii() for character in text) and bool(cleaned)


def _from_path(operation: Operation) -> str:
    path = _TEMPLATE.sub(lambda match: f"by_{match.group(1)}", operation.path)
    cleaned = _cleaned(f"{operation.method.lower()}{path}")
    if not _is_faithful(operation.path, cleaned):
        return f"{cleaned}_{_digest(operation.key)}"
    return cleaned


def _hashed(name: str, key: str, budget: int) -> str:
    return f"{name[: budget - _HASH_LENGTH - 1].strip('_-')}_{_digest(key)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:_HASH_LENGTH]


# --- argument names

_ARGUMENT_ILLEGAL: Final = re.compile(r"[^A-Za-z0-9_.-]+")


def argument_names(wanted: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Name the arguments of one tool; `wanted` lists (location or "body", name on the wire).

    Characters that clients refuse are replaced; names that meet are all qualified by their location, and what still
    meets gets a hash, so that nothing is dropped.
    """
    pairs = list(wanted)
    cleaned = [clean_argument(name) for _, name in pairs]
    exact = {name for _, name in pairs}
    counted = Counter(cleaned)
    names: list[str] = []
    for (location, name), clean in zip(pairs, cleaned, strict=True):
        if counted[clean] == 1:
            names.append(clean)
        elif clean != name and clean in exact:
            names.append(f"{clean[:54]}_{_digest(name)}")
        else:
            names.append(f"{location}_{clean}"[:MAX_LENGTH])
    return _told_apart(pairs, names, cleaned)


def clean_argument(name: str) -> str:
    """Replace what clients refuse in property names (`[A-Za-z0-9_.-]{1,64}`); what is lost is told by a hash."""
    clean = _ARGUMENT_ILLEGAL.sub("_", name)
    if clean != name:
        clean = clean.strip("_")
    if not clean or any(character.isalnum() and not character.isascii() for character in name):
        return f"{clean[:54] or 'argument'}_{_digest(name)}"
    return clean if len(clean) <= MAX_LENGTH else f"{clean[:55]}_{_digest(name)}"


def _told_apart(pairs: list[tuple[str, str]], names: list[str], cleaned: list[str]) -> tuple[str, ...]:
    """Give names that still meet, each other or an unqualified one, a hash of location and name."""
    counted = Counter(names)
    return tuple(
        name if counted[name] == 1 else f"{clean[:54]}_{_digest(f'{location}:{wire}')}"
        for (location, wire), name, clean in zip(pairs, names, cleaned, strict=True)
    )
