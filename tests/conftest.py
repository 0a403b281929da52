"""What every test shares: the asynchronous backend, the Hypothesis profiles, and tables at the end of the run."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import settings

from tests.tables import tables, take_tables

# `ci` finds the same examples every time, so that a red build is about the change; `nightly` looks for new ones.
settings.register_profile("ci", deadline=None, derandomize=True)
settings.register_profile("nightly", deadline=None, max_examples=2_000, print_blob=True)
settings.load_profile(os.environ.get("CAUSEWAY_HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run every asynchronous test on asyncio, as the service does."""
    return "asyncio"


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the tables of a process that pytest-xdist ran tests in."""
    take_tables(node.config, getattr(node, "workeroutput", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for title, lines in sorted(tables(config).items()):
        terminalreporter.section(title)
        for line in lines:
            terminalreporter.write_line(line)
