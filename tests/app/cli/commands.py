"""Commands of the command line, run in this process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli import Failure, causeway
from tests.app.cli.gateways import listening_gateway
from tests.app.conftest import hide_settings


def run(*arguments: str | os.PathLike[str]) -> tuple[int, str, str]:
    """Give the exit code, what was printed to standard output, and the sentence of a failure or standard error."""
    done: Result = CliRunner().invoke(causeway, [os.fspath(each) for each in arguments], standalone_mode=False)
    if isinstance(done.exception, Failure):
        return done.exception.exit_code, done.stdout, done.stderr + done.exception.message
    assert done.exception is None, done.exception
    return 0, done.stdout, done.stderr


def module_gateway(folder: Path, **settings: object) -> Iterator[str]:
    """Run a gateway for a module's fixture, and give its URL."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        hide_settings(monkeypatch, folder)
        with listening_gateway(folder, monkeypatch, **settings) as url:
            yield url
