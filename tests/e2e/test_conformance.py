"""The official suite of MCP conformance, against a server that is an ordinary description of an ordinary API."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.backends import Backend
from tests.e2e.conformance_api import DESCRIPTION, play
from tests.e2e.gateways import Gateway
from tests.node_tools import NodeTools, installed

SPECS = DESCRIPTION.parents[1]
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


def suite(tools: NodeTools, folder: Path, program: str, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the suite against a server, in a folder where it may write."""
    return subprocess.run(
        [tools.node, tools.modules / program, "server", "--url", url, *arguments],
        cwd=folder,
        env={"HOME": str(folder), "PATH": os.defpath},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


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
    """P01: against a server whose tools are those that the suite calls."""
    expected = EXPECTED_FAILURES.read_text()
    if program == FIRST:
        # It knows scenarios and not their checks.
        expected = re.sub(r"(- [\w-]+):\S+", r"\1", expected)
    (tmp_path / "expected-failures.yaml").write_text(expected)
    done = suite(node_tools, tmp_path, program, fixtures, *selected, "--expected-failures", "expected-failures.yaml")

    _, found, summary = done.stdout.partition("=== SUMMARY ===")
    assert found, done.stdout + done.stderr
    assert done.returncode == 0, summary
    assert "✓ tools-call-mixed-content" in summary


ORDINARY = {
    "2025-11-25": (
        "server-initialize",
        "logging-set-level",
        "ping",
        "tools-list",
        "server-sse-multiple-streams",
        "resources-list",
        "dns-rebinding-protection",
    ),
    "2026-07-28": (
        "tools-list",
        "server-sse-multiple-streams",
        "resources-list",
        "sep-2164-resource-not-found",
        "dns-rebinding-protection",
        "input-required-result-unsupported-methods",
        "http-header-validation",
    ),
}
"""The scenarios that call none of the suite's own tools."""


@pytest.mark.parametrize("version", ORDINARY)
def test_an_ordinary_server_passes_what_calls_no_tool_of_the_suite(
    node_tools: NodeTools, gateway: Gateway, tmp_path: Path, version: str
) -> None:
    """P01: a published description, as it is, with deletions that are confirmed."""
    url = gateway.publish("gitea", json.loads((SPECS / "published/gitea.json").read_text()))
    policy = {"policies": {"confirm": "destructive"}}
    assert gateway.http.patch(f"{gateway.api}/gitea", json=policy).status_code == 200

    done = suite(node_tools, tmp_path, CURRENT, url, "--requirements", version)

    _, _, summary = done.stdout.partition("=== SUMMARY ===")
    for scenario in ORDINARY[version]:
        assert re.search(rf"✓ {scenario}: [1-9]\d* passed, 0 failed", summary), (scenario, summary)
