"""The `causeway` command. Each subcommand lives in its own module and is imported only when it runs.

Exit codes: 0 done, 1 the answer is no, 2 bad input or usage, 3 cannot reach or not allowed. Errors are one sentence on
standard error, never a traceback.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Final

import click

from app.errors import CausewayError
from converters.errors import ConverterError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BY: Final = "cli"
"""Who changes what a command changes straight in the database, in the audit."""
_COMMANDS: Final[Mapping[str, str]] = {
    "serve": "Serve, importing the documents named first.",
    "convert": "Compile a document offline and show its tools.",
    "lint": "Report on a document's tools, diagnostics and readiness.",
    "diff": "Compare the tools of two documents.",
    "push": "Import a document into a running gateway, from a build.",
    "apply": "Make the servers of a running gateway what files declare.",
    "export": "Write the servers of a running gateway as files that declare them.",
    "call": "Call one tool of a running server.",
    "connect": "Print a client's configuration for a server.",
    "stdio": "Bridge standard input and output to a server, for clients without HTTP.",
    "keys": "Create, list and revoke API keys.",
    "secrets": "Work on the encryption of stored credentials.",
    "version": "Print the version.",
}


class _LazyGroup(click.Group):
    """Knows its commands by name and imports a command's module when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"app.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def causeway() -> None:
    """Causeway turns OpenAPI descriptions into MCP servers."""


class Failure(click.ClickException):
    """Ends a command with one sentence and an exit code."""

    def __init__(self, sentence: str, exit_code: int) -> None:
        """Keep the sentence and the code."""
        super().__init__(sentence)
        setattr(self, "exit_code", exit_code)  # noqa: B010 - click declares it per class, we decide per failure

    def show(self, file: object = None) -> None:  # noqa: ARG002 - click's signature
        """Write the sentence to standard error."""
        click.echo(f"causeway: {self.message}", err=True)


def main() -> None:
    """Run the command line."""
    # A command that ends with `click.exceptions.Exit` gives its code here: click does not raise it any further.
    sys.exit(ended(lambda: causeway.main(prog_name="causeway", standalone_mode=False)))


def ended(work: Callable[[], int | None]) -> int | None:
    """Do the work of a command and give its exit code; what it fails with is written to standard error."""
    try:
        return work()
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (ConverterError, CausewayError) as error:
        click.echo(f"causeway: {error.message}", err=True)
        return 2
