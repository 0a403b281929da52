"""What of a description is about requests, for a validator of requests: a fraction of the whole, and self-contained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from converters import pointers

METHODS: Final = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace", "query"})
# What says nothing of a request: answers are most of many descriptions, and what only they use goes with them.
_ANSWERS: Final = frozenset({"responses", "callbacks", "links"})
_SHARED: Final = ("components", "definitions", "parameters", "responses", "securityDefinitions", "webhooks")
_NO_ANSWER: Final = {"200": {"description": ""}}


class NotSelfContainedError(ValueError):
    """A reference leads out of the document; a validator would fetch it."""


def request_side(description: dict[str, Any]) -> dict[str, Any]:
    """Give the paths without answers, and the components that they still need.

    Raises:
        NotSelfContainedError: naming the reference.

    """
    kept = {key: value for key, value in description.items() if key not in _SHARED and not key.startswith("x-")}
    kept["paths"] = {path: _item(item) for path, item in description["paths"].items() if isinstance(item, dict)}
    waiting, seen = list(_references(kept["paths"])), set()
    while waiting:
        reference = waiting.pop()
        if reference not in seen:
            seen.add(reference)
            waiting += _references(_keep(reference, description, kept))
    return kept


def _item(item: dict[str, Any]) -> dict[str, Any]:
    return {key: _operation(value) if key in METHODS else value for key, value in item.items()}


def _operation(operation: Any) -> Any:
    if not isinstance(operation, dict):
        return operation
    asked = {key: value for key, value in operation.items() if key not in _ANSWERS and not key.startswith("x-")}
    return {**asked, "responses": _NO_ANSWER}


def _references(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            if isinstance(reference := each.get("$ref"), str):
                yield reference
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)


def _keep(reference: str, description: dict[str, Any], kept: dict[str, Any]) -> Any:
    """Copy the component that a reference leads into, and give it; paths are there already."""
    if not reference.startswith("#/"):
        raise NotSelfContainedError(reference)
    tokens = pointers.tokens(reference[1:])
    if tokens[0] == "paths":
        return None
    source, target = description, kept
    *folders, name = tokens[: 3 if tokens[0] == "components" else 2]
    for folder in folders:
        source, target = source.get(folder, {}), target.setdefault(folder, {})
    if name in source:
        target[name] = source[name]
    return source.get(name)
