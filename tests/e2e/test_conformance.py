"""The official suite of MCP conformance, against a server that is an ordinary description of an ordinary API."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.backends import Backend
from tests.e2e.conformance_api import DESCRIPTION, play
from tests.e2e.gateways import Gateway
from tests.node_tools import NodeTools, installed

EXPECTED_FAILURES = DESCRIPTION.with_name("expected-failures.yaml")
CURRENT = "@modelcontextprotocol/conformance/dist/index.js"
FIRST = "conformance-0.1/dist/index.js"


@pytest.fixture(scope="module")
def node_tools(request: pytest.FixtureRequest) -> NodeTools:
    assert request.config.cache is not None
    return installed(request.config.cache)


@pytest.fixture(scope="module")
def fixtures(gateway: Gateway, module_backend: Backend) -> str:
    return play(module_backend, gateway)


@pytest.mark.parametrize(
    ("program", "selected"),
    [
        (CURRENT, ("--requirements", "2025-11-25")),
        (CURRENT, ("--requirements", "2026-07-28")),
        (FIRST, ("--suite", "active")),
    ],
    ids=["2025-11-25", "2026-07-28", "first release"],
)
def test_every_scenario_passes_or_is_an_expected_failure(
    node_tools: NodeTools, fixtures: str, tmp_path: Path, program: str, selected: tuple[str, str]
) -> None:
    expected = EXPECTED_FAILURES.read_text()
    if program == FIRST:
        # It knows scenarios and not their checks.
        expected = re.sub(r"(- [\w-]+):\S+", r"\1", expected)
    (tmp_path / "expected-failures.yaml").write_text(expected)
    command: list[str | Path] = [node_tools.node, node_tools.modules / program, "server", "--url", fixtures, *selected]
    done = subprocess.run(
        [*command, "--expected-failures", "expected-failures.yaml"],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": os.defpath},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    _, found, summary = done.stdout.partition("=== SUMMARY ===")
    assert found, done.stdout + done.stderr
    assert done.returncode == 0, summary
    assert "✓ tools-call-mixed-content" in summary
