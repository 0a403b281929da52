"""`causeway diff`: what a new version of a description changes for the callers of its tools."""

from __future__ import annotations

from pathlib import Path

import click

from app.cli.sources import compile_local
from converters.diff import Level, compare


@click.command("diff")
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
def command(old: Path, new: Path) -> None:
    """Compare the tools of two documents; exit 1 if anything breaks."""
    changes = compare(compile_local(old).tools, compile_local(new).tools)
    for change in changes:
        click.echo(f"{change.level.label:10}  {change.kind:8} {change.name}  ({change.operation_key})")
        for detail in change.details:
            if detail.level is not Level.TEXT:
                click.echo(f"{'':12}{detail.level.label}: {detail.where or '/'}: {detail.what}")
        texts = sum(detail.level is Level.TEXT for detail in change.details)
        if texts:
            click.echo(f"{'':12}{Level.TEXT.label}: {texts} places")
    breaking = sum(change.level is Level.BREAKING for change in changes)
    click.echo(f"{len(changes)} changes, {breaking} breaking" if changes else "no changes")
    if breaking:
        raise click.exceptions.Exit(1)
