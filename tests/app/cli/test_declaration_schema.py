"""The JSON Schema of a declaration, for editors: generated, published in `specs/`."""

from __future__ import annotations

import json
import os
from pathlib import Path

from jsonschema import Draft202012Validator

from app.api.declaration_schemas import ServerDeclaration
from tests.app.api.test_declarations import FULL

FILE = Path(__file__).parents[3] / "specs" / "server-declaration.schema.json"
REGENERATE = "CAUSEWAY_REGENERATE=1 python -m pytest tests/app/cli/test_declaration_schema.py"


def generated() -> str:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **ServerDeclaration.model_json_schema()}
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def test_the_published_schema_is_that_of_the_model() -> None:
    if "CAUSEWAY_REGENERATE" in os.environ:
        FILE.write_text(generated(), encoding="utf-8")
    assert FILE.read_text(encoding="utf-8") == generated(), f"Regenerate it with: {REGENERATE}"


def test_it_accepts_a_declaration_and_refuses_a_plain_secret() -> None:
    """K16."""
    validator = Draft202012Validator(json.loads(generated()))
    assert validator.is_valid(FULL)
    assert validator.is_valid({**FULL, "credentials": {"key": {"secretRef": {"source": "env", "name": "A"}}}})
    assert not validator.is_valid({**FULL, "credentials": {"key": {"value": "plain"}}})
    assert not validator.is_valid({**FULL, "surplus": 1})
