from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from app.main import Application
from app.settings import load
from converters import Severity, compile_description

FILE = Path(__file__).parents[2] / "specs" / "control-plane.json"
REGENERATE = "CAUSEWAY_REGENERATE=1 python -m pytest tests/app/test_control_plane_description.py"


@pytest.fixture
async def description(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    regenerate = "CAUSEWAY_REGENERATE" in os.environ
    for name in list(os.environ):
        if name.upper().startswith("CAUSEWAY_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    application = Application(load(data_dir=tmp_path), public_url="http://127.0.0.1:8080")
    described = application._api.openapi()  # noqa: SLF001 - what /api/openapi.json answers
    await application.database.close()
    if regenerate:
        FILE.write_text(written(described), encoding="utf-8")
    return described


def written(described: dict[str, Any]) -> str:
    return json.dumps(described, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


async def test_the_file_is_what_the_application_says_of_itself(description: dict[str, Any]) -> None:
    recorded = FILE.read_text(encoding="utf-8") if FILE.exists() else ""
    assert recorded == written(description), f"The control plane changed. Regenerate its description with: {REGENERATE}"


async def test_it_is_valid_openapi(description: dict[str, Any]) -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(description).iter_errors()] == []


async def test_our_own_converters_make_a_tool_of_every_operation(description: dict[str, Any]) -> None:
    compilation = compile_description(FILE.read_bytes())
    assert [each for each in compilation.diagnostics if each.severity is Severity.ERROR] == []
    assert compilation.counts.skipped == 0
    assert len(compilation.tools) == sum(len(item) for item in description["paths"].values())


async def test_every_operation_has_a_name_a_summary_a_description_and_a_tag(description: dict[str, Any]) -> None:
    operations = [operation for item in description["paths"].values() for operation in item.values()]
    assert all(each.get("summary") and each.get("description") and each.get("tags") for each in operations)
    names = Counter(each["operationId"] for each in operations)
    assert set(names.values()) == {1}
    assert all(name.replace("_", "").isalpha() and name.islower() for name in names)
