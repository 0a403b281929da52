"""`causeway lint` and `causeway diff`, in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from app.cli import diff, lint

OK = {"200": {"description": "ok"}}


def write(path: Path, paths: Any) -> str:
    path.write_text(json.dumps({"openapi": "3.1.0", "info": {"title": "Pets", "version": "1"}, "paths": paths}))
    return str(path)


def test_lint_lists_tools_diagnostics_with_lines_and_a_score(tmp_path: Path) -> None:
    document = write(tmp_path / "a.json", {"/pets/{id}": {"get": {"operationId": "get_pet", "responses": OK}}})
    done = CliRunner().invoke(lint.command, [document])
    assert done.exit_code == 0
    assert "get_pet" in done.output
    assert "warning  path_parameter_undeclared (1): Declare a parameter" in done.output
    assert "a.json:1" in done.output
    assert "readiness" in done.output


def test_lint_says_no_where_an_operation_is_lost(tmp_path: Path) -> None:
    document = write(tmp_path / "a.json", {"/{}": {"get": {"responses": OK}}})
    done = CliRunner().invoke(lint.command, [document])
    assert done.exit_code == 1
    assert "operation_path_invalid" in done.output


def test_diff_says_no_only_where_something_breaks(tmp_path: Path) -> None:
    old = write(tmp_path / "old.json", {"/a": {"get": {"responses": OK}}})
    new = write(tmp_path / "new.json", {"/a": {"get": {"responses": OK}}, "/b": {"get": {"responses": OK}}})
    assert CliRunner().invoke(diff.command, [old, old]).output == "no changes\n"
    added = CliRunner().invoke(diff.command, [old, new])
    assert (added.exit_code, added.output.splitlines()[-1]) == (0, "1 changes, 0 breaking")
    removed = CliRunner().invoke(diff.command, [new, old])
    assert (removed.exit_code, removed.output.splitlines()[-1]) == (1, "1 changes, 1 breaking")
