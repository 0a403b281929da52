"""Options of commands that work on a running gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

if TYPE_CHECKING:
    from collections.abc import Callable


def gateway_options(flag: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the gateway's URL as `url`, by `flag`, and a `key`."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        key = click.option(
            "--key", envvar="CAUSEWAY_KEY", help="API key, in service mode; better in the variable CAUSEWAY_KEY."
        )
        url = click.option(flag, "url", required=True, envvar="CAUSEWAY_URL", help="URL of the gateway.")
        return url(key(command))

    return decorate


def quoted(name: str) -> str:
    """Write a name as one segment of a path."""
    return quote(name, safe="")
