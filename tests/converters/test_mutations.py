"""Mutation fuzzing: nodes of real descriptions are deleted, retyped and duplicated, and every invariant must hold.

The same mutations are made in every run, each of a few paths of a description; the profile `nightly` makes more of
them, of all documents and all their paths.
"""

from __future__ import annotations

import copy
import json
import random
import time
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import settings

from converters import DescriptionError, ToolDefinition, compile_description, documents
from converters.accounting import losses
from converters.compiler import bundled
from converters.limits import DEFAULT_LIMITS
from tests.converters.test_corpus import CORPUS, SPECS

NIGHTLY: Final = settings.get_current_profile_name() == "nightly"
DOCUMENTS: Final = 50
MUTATIONS: Final = 1_000 if NIGHTLY else 200
PATHS: Final = 2
SECONDS: Final = 10
OWN: Final = Path(__file__).parents[2] / "specs"
VALUES: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1.5, 10**30, "", "x", "a" * 5_000, "#/nope", [], {}, [None], [[[]]], {"a": None},
    {"$ref": "#"}, {"$ref": "#/"}, {"$ref": "#/paths"}, {"$ref": 7}, {"type": ["x"]},
    {"type": "object", "properties": []},
)  # fmt: skip

Node = tuple[Any, Any]
"""A container and a key or index of it."""


def sources() -> list[Path]:
    """List the documents to mutate: the smallest of the corpus, or this repository's own without it."""
    if SPECS:
        found = [CORPUS / spec["file"] for spec in SPECS if spec["files_reached"] == 1]
    else:
        found = [path for path in OWN.rglob("*") if path.suffix in {".json", ".yaml"}]
    found.sort(key=lambda path: (path.stat().st_size, path))
    return found if NIGHTLY else found[:DOCUMENTS]


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.parent.name + "/" + path.name)
def test_a_mutated_description_breaks_no_invariant(path: Path) -> None:
    try:
        root = documents.parse(path.read_bytes()).root
    except DescriptionError:
        pytest.skip("the document is refused as it is")
    written = json.dumps(root)
    for seed in range(MUTATIONS):
        mutated = mutation(json.loads(written), random.Random(f"{path.name} {seed}"))  # noqa: S311 - repeatable on purpose
        raw = json.dumps(mutated).encode()
        started = time.process_time()
        try:
            check(raw)
        except DescriptionError as error:
            assert error.code  # noqa: PT017 - most mutations raise nothing, and some may
        except Exception as error:
            error.add_note(f"{path.name}, seed {seed}")
            raise
        assert time.process_time() - started < SECONDS, f"{path.name}, seed {seed}"


def check(raw: bytes) -> None:
    compilation = compile_description(raw)
    counts = compilation.counts
    assert counts.operations == counts.tools + counts.skipped
    assert counts.tools == len(compilation.tools) == len({tool.name.lower() for tool in compilation.tools})
    json.dumps([tool.to_tool() for tool in compilation.tools], allow_nan=False)
    for tool in compilation.tools:
        assert ToolDefinition.from_json(json.loads(json.dumps(tool.to_json(), allow_nan=False))) == tool
    whole = bundled(documents.parse(raw), {}, DEFAULT_LIMITS)
    assert losses(whole, compilation.tools, compilation.diagnostics) == ()


# --- mutating


def mutation(root: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """Change one to twenty nodes of `root`, anywhere."""
    if not NIGHTLY and len(root.get("paths", {})) > PATHS:
        root["paths"] = {path: root["paths"][path] for path in chance.sample(list(root["paths"]), PATHS)}
    nodes = _nodes(root)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        # A change may take away what holds another node; changing that one then changes nothing.
        change = chance.choices((_delete, _retype, _duplicate), (35, 45, 20))[0]
        change(nodes, chance)
    return root


def _nodes(root: Any) -> list[Node]:
    found: list[Node] = []
    waiting = [root]
    while waiting:
        container = waiting.pop()
        entries = list(container.items() if isinstance(container, dict) else enumerate(container))
        found += [(container, key) for key, _ in entries]
        waiting += [value for _, value in entries if isinstance(value, (dict, list))]
    return found


def _has(container: Any, key: Any) -> bool:
    return key in container if isinstance(container, dict) else key < len(container)


def _delete(nodes: list[Node], chance: random.Random) -> None:
    container, key = chance.choice(nodes)
    if _has(container, key):
        del container[key]


def _retype(nodes: list[Node], chance: random.Random) -> None:
    container, key = chance.choice(nodes)
    if _has(container, key):
        container[key] = copy.deepcopy(chance.choice(VALUES))


def _duplicate(nodes: list[Node], chance: random.Random) -> None:
    """Put a copy of one node in the place of another."""
    container, key = chance.choice(nodes)
    other, other_key = chance.choice(nodes)
    if _has(container, key) and _has(other, other_key):
        container[key] = copy.deepcopy(other[other_key])
