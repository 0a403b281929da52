from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

import pytest

from converters import Severity, compile_description
from converters.naming import is_legal
from tests.converters.descriptions import check_input_schema, check_references, check_schema

PUBLISHED: Final = Path(__file__).parents[2] / "specs" / "published"
LISTED: Final = (PUBLISHED / "SOURCES.md").read_text(encoding="utf-8")
SOURCES: Final = re.findall(r"^\| `(\S+)` .* \| (\d+) \| ([0-9a-f]{64}) \|$", LISTED, re.MULTILINE)


@pytest.mark.parametrize(("name", "operations", "digest"), SOURCES)
def test_every_operation_of_a_published_description_is_a_tool_or_a_diagnostic(
    name: str, operations: str, digest: str
) -> None:
    raw = (PUBLISHED / name).read_bytes()
    assert hashlib.sha256(raw).hexdigest() == digest

    compilation = compile_description(raw)

    counts = compilation.counts
    lost = [each for each in compilation.diagnostics if each.severity is Severity.ERROR]
    assert counts.operations == int(operations) == counts.tools + counts.skipped
    assert counts.tools == len(compilation.tools)
    assert counts.skipped <= len(lost)
    names = [tool.name for tool in compilation.tools]
    assert len({each.lower() for each in names}) == len(names)
    assert all(map(is_legal, names))
    for tool in compilation.tools:
        check_input_schema(tool.input_schema)
        if tool.output_schema is not None:
            check_schema(tool.output_schema)
            check_references(tool.output_schema)


def test_every_published_description_names_its_source() -> None:
    assert sorted(name for name, _, _ in SOURCES) == sorted(
        each.name for each in PUBLISHED.iterdir() if each.name != "SOURCES.md"
    )
