"""Arguments for a tool, made from its published input schema: those that fit, and those that must be refused."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Final

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from jsonschema import Draft202012Validator
from schemathesis import GenerationMode

# No schema means this by chance.
_UNKNOWN: Final = "causeway-unknown-argument"
_OTHER_TYPES: Final[tuple[Any, ...]] = ({"a": {}}, [[]], "\u2603 of no use", 12345.5, True)
_SEED: Final = 20_261_121


def fitting(input_schema: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """Generate up to `count` sets of arguments that fit, always the same ones; small schemas have fewer.

    Schemathesis takes an OpenAPI description, so the schema becomes the body of an operation of its own.
    """
    operation = schemathesis.openapi.from_dict(_described(input_schema))["/call"]["POST"]
    found: list[dict[str, Any]] = []

    @seed(_SEED)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        derandomize=False,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    def collect(case: Any) -> None:
        found.append(case.body)

    collect()
    return found


def _described(input_schema: Mapping[str, Any]) -> dict[str, Any]:
    schema = _rebased(input_schema)
    definitions = schema.pop("$defs", {})
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "One tool", "version": "1"},
        "components": {"schemas": definitions},
        "paths": {"/call": {"post": {"requestBody": body, "responses": {"200": {"description": ""}}}}},
    }


def _rebased(value: Any) -> Any:
    """Let references into `$defs` mean the components of a description, where `binary` would mean bytes."""
    if isinstance(value, list):
        return [_rebased(each) for each in value]
    if not isinstance(value, dict):
        return value
    rebased = {key: _rebased(each) for key, each in value.items() if (key, each) != ("format", "binary")}
    if isinstance(reference := value.get("$ref"), str):
        rebased["$ref"] = reference.replace("#/$defs/", "#/components/schemas/", 1)
    return rebased


def broken(input_schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Break fitting arguments in one place each; gives what was done, and arguments that do not fit any more.

    Another validator than the gateway's, jsonschema, confirms that they do not.
    """
    validator = Draft202012Validator(input_schema)
    properties = input_schema.get("properties", {})
    candidates = [("unknown argument", {**arguments, _UNKNOWN: 1})]
    candidates += [
        (f"without {name}", {key: value for key, value in arguments.items() if key != name})
        for name in input_schema.get("required", ())
    ]
    for name in properties:
        others = ((f"{name} of another type", {**arguments, name: copy.deepcopy(other)}) for other in _OTHER_TYPES)
        candidates += [each for each in others if not validator.is_valid(each[1])][:1]
        if "enum" in (properties[name] if isinstance(properties[name], dict) else ()):
            candidates.append((f"{name} out of its enum", {**arguments, name: _UNKNOWN}))
    yield from (each for each in candidates if not validator.is_valid(each[1]))
