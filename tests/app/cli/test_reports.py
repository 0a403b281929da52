"""`causeway lint` and `causeway diff`, in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from app.cli import diff, lint
from converters.client_profiles import PROFILES, ClientProfile

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


def test_lint_says_what_a_client_is_given(tmp_path: Path) -> None:
    paths = {f"/{n}": {"get": {"operationId": "get_" + "x" * 40 + str(n), "responses": OK}} for n in range(50)}
    document = write(tmp_path / "a.json", paths)
    claude = CliRunner().invoke(lint.command, [document, "--client", "claude"])
    cursor = CliRunner().invoke(lint.command, [document, "--client", "cursor"])

    assert (claude.exit_code, cursor.exit_code) == (0, 0)
    assert "claude is given 50 tools, 0 with shortened names, and refuses nothing" in claude.output
    assert "cursor is given three tools to search the 50, " in cursor.output


def test_lint_says_no_where_a_client_would_refuse_a_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No known client refuses what it is given, so one is made up that takes hardly any name."""
    monkeypatch.setitem(PROFILES, "cursor", ClientProfile("cursor", max_name=10))
    document = write(tmp_path / "a.json", {"/a": {"get": {"operationId": "get_something", "responses": OK}}})
    done = CliRunner().invoke(lint.command, [document, "--client", "cursor"])

    assert done.exit_code == 1
    assert "get_something has 13 characters, of which cursor takes 10" in done.output


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
