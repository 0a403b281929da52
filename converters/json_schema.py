"""What JSON Schema 2020-12 itself says of a schema: is it one, is a pattern one, what does it refer to."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jsonschema_rs

if TYPE_CHECKING:
    from collections.abc import Mapping


@lru_cache(maxsize=4096)
def is_pattern(pattern: str) -> bool:
    """Tell whether the validator accepts a pattern (ECMA-262, as JSON Schema 2020-12 section 6.3.3 recommends)."""
    try:
        jsonschema_rs.Draft202012Validator({"pattern": pattern}, offline=True)
    except (jsonschema_rs.ValidationError, ValueError):
        return False
    return True


def check(schema: Mapping[str, Any]) -> str | None:
    """Say why `schema` is not a self-contained JSON Schema 2020-12; None if it is."""
    try:
        jsonschema_rs.Draft202012Validator(dict(schema), offline=True)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        return str(error).splitlines()[0]
    return None


def is_valid(value: Any, schema: Mapping[str, Any]) -> bool:
    """Tell whether a value fits a schema; a schema that cannot be used fits none."""
    try:
        return jsonschema_rs.Draft202012Validator(dict(schema), offline=True).is_valid(value)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError):
        return False


def reachable(schema: Mapping[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Keep the definitions that `schema` refers to, directly or through others, sorted by name."""
    kept: dict[str, Any] = {}
    waiting: list[Any] = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            reference = node.get("$ref")
            if isinstance(reference, str):
                name = definition_name(reference)
                if name in definitions and name not in kept:
                    kept[name] = definitions[name]
                    waiting.append(definitions[name])
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    return dict(sorted(kept.items()))


def definition_name(reference: str) -> str:
    """Give the name in `$defs` that a reference such as `#/$defs/Pet` names."""
    return reference.removeprefix("#/$defs/").replace("~1", "/").replace("~0", "~")


def size(schema: Any) -> int:
    """Count the bytes of a schema, rendered without white space."""
    return len(json.dumps(schema, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))
