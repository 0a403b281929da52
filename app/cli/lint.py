"""`causeway lint`: what a description's tools are like, and what to do about it, for a person to read."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from app.cli.sources import compile_local, describe_local
from app.gateway.snapshots import NEWEST_HANDSHAKE, ServerSnapshot
from converters.accounting import losses
from converters.client_profiles import PROFILES, violations
from converters.diagnostics import Severity
from converters.naming import server_name
from converters.readiness import assess, overall

if TYPE_CHECKING:
    from converters import Compilation, Diagnostic
    from converters.client_profiles import ClientProfile
    from converters.readiness import ToolReadiness

_COLORS: Final = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
_SHOWN: Final = 5
_GOOD, _FAIR = 85, 60


@click.command("lint")
@click.argument("document", type=click.Path(path_type=Path))
@click.option("--entry", help="The document of a zip or directory that the others hang on.")
@click.option("--client", type=click.Choice(list(PROFILES)), help="Check what this client is given.")
@click.option("--all", "show_all", is_flag=True, help="Show every diagnostic, not the first few of each kind.")
def command(document: Path, entry: str | None, client: str | None, *, show_all: bool) -> None:
    """Report on DOCUMENT: its tools, their size and readiness, and every diagnostic with its line; exit 1 on errors.

    With --client also what of the list of tools that client would not take.
    """
    compilation = compile_local(document, entry=entry)
    lost = losses(describe_local(document, entry=entry), compilation.tools, compilation.diagnostics)
    readiness = assess(compilation.tools, compilation.diagnostics)
    _head(compilation)
    _table(readiness)
    _diagnostics(document, compilation.diagnostics, show_all=show_all)
    for loss in lost:
        click.secho(f"lost       {loss.pointer}: {loss.what} is in no tool and no diagnostic", fg="red")
    refused = _for_client(compilation, PROFILES[client]) if client else ()
    _verdict(readiness)
    if lost or refused or any(each.severity is Severity.ERROR for each in compilation.diagnostics):
        raise click.exceptions.Exit(1)


def _head(compilation: Compilation) -> None:
    counts = compilation.counts
    click.secho(f"{compilation.title} {compilation.version}", bold=True)
    click.echo(
        f"OpenAPI {compilation.openapi}: {counts.operations} operations, {counts.tools} tools, {counts.skipped} skipped"
    )


def _table(readiness: tuple[ToolReadiness, ...]) -> None:
    if not readiness:
        return
    width = min(44, max(len(each.tool.name) for each in readiness))
    click.echo(f"\n{'tool':{width}} {'args':>5} {'tokens':>7} {'ready':>5}  operation")
    for each in readiness:
        count = len(each.tool.input_schema.get("properties", {}))
        score = click.style(f"{each.score:5}", fg=_score_color(each.score))
        click.echo(f"{each.tool.name:{width}} {count:5} {each.tokens:7,} {score}  {each.tool.operation_key}")


def _diagnostics(document: Path, diagnostics: tuple[Diagnostic, ...], *, show_all: bool) -> None:
    """Show diagnostics by severity and code, with the remedy once for each code."""
    order = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}
    ordered = sorted(diagnostics, key=lambda each: (order[each.severity], each.code))
    for (severity, code), group in groupby(ordered, key=lambda each: (each.severity, each.code)):
        found = list(group)
        click.echo()
        click.echo(click.style(f"{severity:8}", fg=_COLORS[severity]) + f" {code} ({len(found)}): {found[0].remedy}")
        for each in found if show_all else found[:_SHOWN]:
            click.echo(f"  {each.document or document.name}:{each.line or 1}  {each.message}")
        if not show_all and len(found) > _SHOWN:
            click.echo(f"  and {len(found) - _SHOWN} more (--all shows them)")


def _for_client(compilation: Compilation, profile: ClientProfile) -> tuple[str, ...]:
    """Report on what a client is given; gives what it does not take."""
    name = server_name(compilation.title)
    definitions = [tool.to_json() for tool in compilation.tools]
    served = ServerSnapshot(
        namespace="default", name=name, title=compilation.title, revision=1, definitions=definitions
    )
    listed = json.loads(served.tool_list(NEWEST_HANDSHAKE, profile))["tools"]
    found = violations(listed, profile, name)
    is_searched = served.search_for(profile) is not None
    renamed = sum(profile.listed_name(each, name) != each for each in served.tools)
    what = f"three tools to search the {len(served.tools)}" if is_searched else f"{len(listed)} tools"
    refused = len(found) or "nothing"
    click.echo(f"\n{profile.name} is given {what}, {renamed} with shortened names, and refuses {refused}")
    for each in found:
        click.secho(f"  {each}", fg="red")
    return found


def _verdict(readiness: tuple[ToolReadiness, ...]) -> None:
    score, tokens = overall(readiness), sum(each.tokens for each in readiness)
    click.echo(f"\n{tokens:,} tokens to list all tools (estimated)")
    click.secho(f"readiness {score} of 100", fg=_score_color(score), bold=True)
    reasons: dict[str, int] = {}
    for each in readiness:
        for finding in each.findings:
            kind = finding.lstrip("0123456789, ")
            reasons[kind] = reasons.get(kind, 0) + 1
    for kind, count in sorted(reasons.items(), key=lambda item: -item[1]):
        click.echo(f"  {count} tools: {kind}")


def _score_color(score: int) -> str:
    return "green" if score >= _GOOD else "yellow" if score >= _FAIR else "red"
