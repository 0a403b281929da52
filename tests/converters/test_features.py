"""Each document in specs/features compiles to what is recorded beside it.

A recording is read before it is committed: it says what the specification wants, not what the code does. After a
change that is meant, record anew from the root of the repository:

    .venv/bin/python -m tests.converters.test_features
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import pytest

from converters import compile_description
from tests.converters.descriptions import check_input_schema, check_references, check_schema

FEATURES: Final = Path(__file__).parents[2] / "specs" / "features"
DOCUMENTS: Final = sorted(FEATURES.glob("*.yaml"))


def recording_of(document: Path) -> Path:
    return document.with_suffix(".tools.json")


def compiled(document: Path) -> dict[str, Any]:
    """Give what is recorded: the tools as clients see them, diagnostics in document order, counts."""
    compilation = compile_description(document.read_bytes())
    diagnostics = sorted(compilation.diagnostics, key=lambda each: (each.line or 0, each.pointer, each.code))
    return {
        "tools": [tool.to_tool() for tool in compilation.tools],
        "diagnostics": [
            {name: getattr(each, name) for name in ("code", "severity", "pointer", "line", "message")}
            for each in diagnostics
        ],
        "counts": asdict(compilation.counts),
    }


def written(recording: dict[str, Any]) -> str:
    return json.dumps(recording, indent=2, ensure_ascii=False) + "\n"


def test_there_are_features() -> None:
    assert len(DOCUMENTS) >= 20


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: each.stem)
def test_a_feature_compiles_to_what_is_recorded(document: Path) -> None:
    assert written(compiled(document)) == recording_of(document).read_text(encoding="utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: each.stem)
def test_the_schemas_of_a_feature_are_what_clients_accept(document: Path) -> None:
    for tool in compiled(document)["tools"]:
        check_input_schema(tool["inputSchema"])
        if "outputSchema" in tool:
            check_schema(tool["outputSchema"])
            check_references(tool["outputSchema"])


def test_no_recording_is_left_over() -> None:
    assert sorted(FEATURES.glob("*.tools.json")) == [recording_of(document) for document in DOCUMENTS]


if __name__ == "__main__":
    for each in DOCUMENTS:
        recording_of(each).write_text(written(compiled(each)), encoding="utf-8")
