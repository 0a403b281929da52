from __future__ import annotations

import pytest

from converters.diagnostics import CATALOGUE, DiagnosticLog, Place, Severity


def test_a_problem_counts_once_per_place() -> None:
    log = DiagnosticLog()
    for pointer in ("/a", "/b", "/a"):
        log.report("schema_invalid", pointer, "The schema is no schema.")

    assert [each.pointer for each in log.found()] == ["/a", "/b"]


def test_lines_are_added_where_they_are_known() -> None:
    log = DiagnosticLog()
    log.report("server_missing", "/a", "x")
    log.report("server_missing", "/b", "y")

    assert [each.line for each in log.located(lambda at: Place("", at, {"/a": 3}.get(at)))] == [3, None]


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_code_has_a_severity_and_a_remedy_that_is_a_sentence(code: str) -> None:
    severity, remedy = CATALOGUE[code]

    assert severity in Severity
    assert remedy[0].isupper()
    assert remedy.endswith(".")
