"""The development corpus beside the repository, where it is present: every document compiles, nothing is lost."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import pytest

from converters import Compilation, DescriptionError, compile_description
from converters.naming import is_legal
from tests.converters.conftest import CorpusRow
from tests.converters.descriptions import check_references

CORPUS: Final = Path(__file__).parents[3] / "shared" / "corpus"
MANIFEST: Final = CORPUS / "manifest.json"
SPECS: Final[list[dict[str, Any]]] = (
    json.loads(MANIFEST.read_text(encoding="utf-8"))["specs"] if MANIFEST.exists() else []
)
# Documents that are refused on purpose, with the code.
REFUSED: Final[dict[str, str]] = {}

pytestmark = pytest.mark.skipif(not SPECS, reason=f"the corpus is not at {CORPUS}")


def compiled(spec: dict[str, Any]) -> Compilation:
    entry = CORPUS / spec["file"]
    if spec["files_reached"] == 1:
        return compile_description(entry.read_bytes())
    folder = CORPUS / Path(spec["file"]).parts[0]
    further = {each.relative_to(folder).as_posix(): each.read_bytes() for each in folder.rglob("*") if each.is_file()}
    return compile_description(entry.read_bytes(), uri=entry.relative_to(folder).as_posix(), further=further)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec["name"])
def test_every_operation_of_the_corpus_is_a_tool_or_a_diagnostic(
    spec: dict[str, Any], corpus_rows: list[CorpusRow]
) -> None:
    if spec["name"] in REFUSED:
        with pytest.raises(DescriptionError) as caught:
            compiled(spec)
        assert caught.value.code == REFUSED[spec["name"]]
        return
    started = time.process_time()
    compilation = compiled(spec)
    seconds = time.process_time() - started

    counts = compilation.counts
    names = [tool.name for tool in compilation.tools]
    assert counts.operations == spec["operations"]
    assert counts.operations == counts.tools + counts.skipped
    assert counts.tools == len(names) == len({name.lower() for name in names})
    assert all(map(is_legal, names))
    for tool in compilation.tools:
        assert tool.input_schema["type"] == "object"
        assert not {"$ref", "allOf", "anyOf", "oneOf", "not"} & tool.input_schema.keys()
        for schema in filter(None, (tool.input_schema, tool.output_schema)):
            jsonschema_rs.Draft202012Validator(dict(schema), offline=True)
            check_references(schema)
    corpus_rows.append(CorpusRow(spec["name"], spec["version"], *_counted(compilation), seconds))


def _counted(compilation: Compilation) -> tuple[int, int, int, int]:
    counts = compilation.counts
    return counts.operations, counts.tools, counts.skipped, len(compilation.diagnostics)
