"""Is a description valid by the letter? A report, never a gate: many real descriptions are not, and compile.

openapi-core validates a description when it is given one, and fetches remote references while it does. So it is given
a copy without them, in a process that may not open a connection (`app.services.compile_worker`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from jsonschema_path import SchemaPath
from openapi_core import OpenAPI
from openapi_spec_validator.shortcuts import get_validator_cls
from openapi_spec_validator.validation.exceptions import OpenAPIValidationError
from referencing.exceptions import Unresolvable

from converters.pointers import from_tokens

MAX_PROBLEMS: Final = 50
_MAX_MESSAGE: Final = 300


@dataclass(frozen=True, slots=True)
class ValidityProblem:
    """One way in which a description breaks its specification; `pointer` is a JSON Pointer into it."""

    pointer: str
    message: str


def problems(description: dict[str, Any]) -> tuple[ValidityProblem, ...]:
    """List what is not valid in a Swagger 2.0 or OpenAPI 3 description, at most 50 problems."""
    contained = _without_remote_references(description)
    try:
        OpenAPI.from_dict(contained)
    except OpenAPIValidationError:
        # It stops at the first problem; the validator behind it lists them all.
        validator = get_validator_cls(contained)(SchemaPath.from_dict(contained))
        return tuple(_problem(error) for error in islice(validator.iter_errors(), MAX_PROBLEMS))
    except Unresolvable as error:
        return (ValidityProblem("", f"The reference {error.ref[:_MAX_MESSAGE]!r} points at nothing."),)
    return ()


def _problem(error: Any) -> ValidityProblem:
    message = error.message.partition("\n")[0]
    return ValidityProblem(from_tokens(error.absolute_path), message[:_MAX_MESSAGE])


def _without_remote_references(node: Any) -> Any:
    """Copy a description, with an empty object for each reference that leaves it."""
    if isinstance(node, list):
        return [_without_remote_references(each) for each in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref")
    if isinstance(reference, str) and not reference.startswith("#"):
        return {}
    return {key: _without_remote_references(each) for key, each in node.items()}
