"""Swagger 2.0 read by us and rewritten to OpenAPI 3.0 by npm's `swagger2openapi` first: the tools must be the same.

Where they differ, `EXPLAINED` says why; a difference that it does not name fails, and so does an entry without one.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from converters import ToolDefinition, compile_description, documents, output_schemas
from tests.converters.test_corpus import CORPUS, SPECS
from tests.node_tools import NodeTools, installed

# Small errors of a document are repaired, what cannot be is a warning, and what stands beside a `$ref` is kept.
OPTIONS: Final = ("--patch", "--warnOnly", "--refSiblings", "preserve")
SWAGGER: Final = [spec for spec in SPECS if spec["version"] == "2.0" and spec["files_reached"] == 1]
ABSENT: Final = "<absent>"


class Explained(NamedTuple):
    """A difference that is right: in which document, where in it (two regular expressions), and the reason."""

    document: str
    operation: str
    place: str
    reason: str


EXPLAINED: Final = (
    Explained(
        "kubernetes-2.0",
        r"POST .*/(bindings?|eviction|rollback|tokenreviews|\w*subjectaccessreviews)|PUT .*/\{name\}/finalize"
        r"|PUT .*/certificatesigningrequests/\{name\}/(approval|status)",
        r"/body|/input_schema/.*|/parameters/\d+/argument",
        "2.0 Path Item Object, `parameters`: a body parameter there is of all operations; swagger2openapi forgets it.",
    ),
    Explained(
        "netlify-2.0",
        r"POST /builds/\{build_id\}/log",
        r"/body|/input_schema/.*",
        "As for kubernetes-2.0.",
    ),
    Explained(
        "slack-2.0",
        r".*",
        r"/body/required|/input_schema/(required|dependentRequired)",
        "2.0 Parameter Object, `required`: without a body a required form parameter cannot be sent; "
        "swagger2openapi leaves the body optional.",
    ),
    Explained(
        "slack-2.0",
        r".*",
        r"/output_schema/.*/(type|type/\d+|items|prefixItems|anyOf)",
        "2.0 Schema Object, `type` and `items`: neither may be a list, as Slack writes; swagger2openapi reads a list "
        "of items as alternatives and of types as anyOf, we as JSON Schema does.",
    ),
    Explained(
        "nytimes-books-2.0",
        r".*",
        r"/output_schema/.*/ranks_last_week/type",
        "2.0 Schema Object, `type`: `null` is no type there; we read it as JSON Schema does, --patch drops it.",
    ),
    Explained(
        "gitea-2.0",
        r".*",
        r"/accept(/\d+)?",
        "2.0 Operation Object, `produces` overrides the global one; swagger2openapi takes the global one for shared "
        "responses.",
    ),
    Explained(
        "grpcgw-abe-2.0",
        r".*",
        r"/input_schema/properties/(mapValue|mappedNestedValue|mappedStringValue)/type",
        "2.0 Parameter Object, `type` is required; where it is missing --patch says string, we take any value.",
    ),
    Explained(
        "amadeus-flights-2.0",
        r".*",
        r"/parameters/\d+/explode",
        "2.0 Parameter Object, `collectionFormat` is for arrays; on a string neither value of `explode` does anything.",
    ),
    Explained(
        "autorest-url-2.0",
        r".*",
        r"/parameters/\d+/(style|explode)",
        "2.0 Parameter Object, `collectionFormat: tsv`: 3.x has no such style; swagger2openapi takes `form`.",
    ),
)


class Difference(NamedTuple):
    place: str
    ours: Any
    theirs: Any


@pytest.fixture(scope="module")
def node_tools(request: pytest.FixtureRequest) -> NodeTools:
    assert request.config.cache is not None
    return installed(request.config.cache)


@pytest.mark.skipif(not SWAGGER, reason=f"the corpus is not at {CORPUS}")
@pytest.mark.parametrize("spec", SWAGGER, ids=lambda spec: spec["name"])
def test_swagger_gives_the_tools_of_its_conversion(
    spec: dict[str, Any], node_tools: NodeTools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Output schemas are compared too, also those that a long list has no room for.
    monkeypatch.setattr(output_schemas, "LIST_BUDGET", 1 << 40)
    raw = (CORPUS / spec["file"]).read_bytes()
    ours = comparable(raw)
    theirs = comparable(converted(raw, node_tools, tmp_path))
    assert list(ours) == list(theirs)

    entries = [each for each in EXPLAINED if spec["name"] == each.document]
    unused = set(entries)
    unexplained = []
    for key, own in ours.items():
        for found in differences(own, theirs[key]):
            matching = [
                each for each in entries if re.fullmatch(each.operation, key) and re.fullmatch(each.place, found.place)
            ]
            unused -= set(matching)
            if not matching:
                unexplained.append((key, found))
    assert unexplained == []
    assert unused == set()


def converted(raw: bytes, node_tools: NodeTools, folder: Path) -> bytes:
    """Give the OpenAPI 3.0 document that swagger2openapi makes; YAML is read here, so that both read the same."""
    source, target = folder / "swagger.json", folder / "openapi.json"
    source.write_text(json.dumps(documents.parse(raw).root))
    done = subprocess.run(
        [node_tools.node, node_tools.modules / "swagger2openapi/swagger2openapi.js", *OPTIONS, "-o", target, source],
        env={"HOME": str(folder), "PATH": os.defpath},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target.read_bytes()


def comparable(raw: bytes) -> dict[str, Any]:
    """Give the tools by operation, without what is written in two ways that mean the same."""
    return {tool.operation_key: _comparable(tool) for tool in compile_description(raw).tools}


def _comparable(tool: ToolDefinition) -> Any:
    stored = _plain(json.loads(json.dumps(tool.to_json())))
    for server in stored["servers"]:
        # 2.0 Swagger Object, `basePath`: swagger2openapi drops a slash at the end; requests have one slash either way.
        server["url"] = server["url"].rstrip("/")
    # 2.0 Swagger Object, `schemes`: we put https first, swagger2openapi keeps the order.
    stored["servers"].sort(key=lambda server: server["url"])
    return stored


def _plain(value: Any) -> Any:
    """Drop where things stand in the document, and write a file and an array of anything in one way."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    plain = {key: _plain(each) for key, each in value.items() if key not in {"pointer", "media_type_pointer"}}
    # 2.0 Parameter Object, `type: file`; 3.0 "Considerations for File Uploads" writes `format: binary`.
    if plain.get("type") == "string" and plain.get("contentEncoding") == "base64":
        del plain["contentEncoding"]
        plain["format"] = "binary"
    # 3.0 Schema Object: an array must have `items`; without, as 2.0 documents are, it means the same.
    if plain.get("type") == "array" and plain.get("items") == {}:
        del plain["items"]
    return plain


def differences(ours: Any, theirs: Any, place: str = "") -> Iterator[Difference]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(ours.keys() | theirs.keys()):
            yield from differences(ours.get(key, ABSENT), theirs.get(key, ABSENT), f"{place}/{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, (own, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(own, other, f"{place}/{index}")
    elif ours != theirs:
        yield Difference(place, ours, theirs)
