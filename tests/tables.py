"""Tables that tests make of what they saw, written at the end of the run whichever process saw it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

_TABLES = pytest.StashKey[dict[str, list[str]]]()
_SENT = "causeway_tables"


def add_table(config: pytest.Config, title: str, lines: Sequence[str]) -> None:
    """Have a table written; where tests run in several processes, by the one that reports."""
    sent: dict[str, Any] | None = getattr(config, "workeroutput", None)
    tables = config.stash.setdefault(_TABLES, {}) if sent is None else sent.setdefault(_SENT, {})
    tables[title] = list(lines)


def take_tables(config: pytest.Config, sent: dict[str, Any]) -> None:
    """Take the tables of a process that has ended."""
    config.stash.setdefault(_TABLES, {}).update(sent.get(_SENT, {}))


def tables(config: pytest.Config) -> dict[str, list[str]]:
    """Give the lines of every table, by title."""
    return config.stash.get(_TABLES, {})
