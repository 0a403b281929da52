"""The development corpus beside the repository, where it is present: every document compiles, nothing is lost."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import pytest

from converters import Compilation, DescriptionError, compile_description, documents
from converters.accounting import losses
from converters.client_profiles import PROFILES, violations
from converters.compiler import bundled
from converters.limits import DEFAULT_LIMITS
from converters.naming import is_legal, server_name
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


# Compiled more than once, and so only up to this size.
REPEATED: Final = [spec for spec in SPECS if spec["bytes"] <= 400_000]
_ORDERED: Final = ("paths", "definitions", "components")
"""Mappings of names, whose order says nothing."""


def files(spec: dict[str, Any]) -> tuple[bytes, str, dict[str, bytes]]:
    """Give the document, its URI, and the further documents of a split description."""
    entry = CORPUS / spec["file"]
    if spec["files_reached"] == 1:
        return entry.read_bytes(), "", {}
    folder = CORPUS / Path(spec["file"]).parts[0]
    further = {each.relative_to(folder).as_posix(): each.read_bytes() for each in folder.rglob("*") if each.is_file()}
    return entry.read_bytes(), entry.relative_to(folder).as_posix(), further


def compiled(spec: dict[str, Any]) -> Compilation:
    raw, uri, further = files(spec)
    return compile_description(raw, uri=uri, further=further)


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
    server = server_name(compilation.title)
    for profile in PROFILES.values():
        listed = [profile.listed(tool.to_tool(), server) for tool in compilation.tools]
        # Of more tools than a client takes it is given three to search them (`app.gateway.snapshots`).
        assert [each for each in violations(listed, profile, server) if "tools, of which" not in each] == []
    corpus_rows.append(CorpusRow(spec["name"], spec["version"], *_counted(compilation), seconds))


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec["name"])
def test_nothing_of_the_corpus_is_lost_in_silence(spec: dict[str, Any]) -> None:
    raw, uri, further = files(spec)
    compilation = compile_description(raw, uri=uri, further=further)
    whole = bundled(documents.parse(raw, uri=uri), further, DEFAULT_LIMITS)
    assert losses(whole, compilation.tools, compilation.diagnostics) == ()


@pytest.mark.parametrize("spec", REPEATED, ids=lambda spec: spec["name"])
def test_compiling_twice_gives_the_same(spec: dict[str, Any]) -> None:
    first, second = compiled(spec), compiled(spec)
    assert _written(first) == _written(second)
    assert first.diagnostics == second.diagnostics
    assert (first.digest, first.security_schemes) == (second.digest, second.security_schemes)


@pytest.mark.parametrize("spec", REPEATED, ids=lambda spec: spec["name"])
def test_the_order_of_paths_and_components_changes_no_tool(spec: dict[str, Any]) -> None:
    raw, uri, further = files(spec)
    root = documents.parse(raw, uri=uri).root
    reordered = {
        key: _shuffled(value, key, random.Random(0)) if key in _ORDERED else value  # noqa: S311 - repeatable on purpose
        for key, value in root.items()
    }

    compilation = compile_description(json.dumps(root).encode(), uri=uri, further=further)
    other = compile_description(json.dumps(reordered).encode(), uri=uri, further=further)

    assert sorted(_written(compilation)) == sorted(_written(other))
    assert compilation.counts == other.counts


def _written(compilation: Compilation) -> list[str]:
    return [json.dumps(tool.to_json()) for tool in compilation.tools]


def _shuffled(value: Any, key: str, chance: random.Random) -> Any:
    """Shuffle a mapping of names; the components are mappings of such mappings."""
    if not isinstance(value, dict):
        return value
    shuffled = dict(chance.sample(list(value.items()), len(value)))
    if key == "components":
        return {name: _shuffled(each, name, chance) for name, each in shuffled.items()}
    return shuffled


def _counted(compilation: Compilation) -> tuple[int, int, int, int]:
    counts = compilation.counts
    return counts.operations, counts.tools, counts.skipped, len(compilation.diagnostics)
