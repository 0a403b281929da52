"""What compiling the corpus gave, as one table at the end of the run: a line in all, with -v a line per document."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tests.tables import add_table


class CorpusRow(NamedTuple):
    name: str
    version: str
    operations: int
    tools: int
    skipped: int
    diagnostics: int
    seconds: float


_ROWS = pytest.StashKey[list[CorpusRow]]()


@pytest.fixture(scope="session")
def corpus_rows(pytestconfig: pytest.Config) -> list[CorpusRow]:
    return pytestconfig.stash.setdefault(_ROWS, [])


def pytest_sessionfinish(session: pytest.Session) -> None:
    rows = session.config.stash.get(_ROWS, [])
    if not rows:
        return
    total = CorpusRow(
        f"{len(rows)} documents",
        "",
        sum(row.operations for row in rows),
        sum(row.tools for row in rows),
        sum(row.skipped for row in rows),
        sum(row.diagnostics for row in rows),
        sum(row.seconds for row in rows),
    )
    heading = (
        f"{'description':26} {'version':8} {'operations':>10} {'tools':>6} {'skipped':>7} "
        f"{'diagnostics':>11} {'CPU s':>6}"
    )
    lines = [
        f"{row.name:26} {row.version:8} {row.operations:10} {row.tools:6} {row.skipped:7} "
        f"{row.diagnostics:11} {row.seconds:6.2f}"
        for row in [*(rows if session.config.get_verbosity() > 0 else []), total]
    ]
    add_table(session.config, "corpus", [heading, *lines])
