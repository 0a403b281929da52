"""`causeway apply`: make the servers of a running gateway what files declare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.cli import Failure, changes
from app.cli.gateways import gateway_options, quoted

if TYPE_CHECKING:
    from app.cli.declarations import DeclaringFile
    from app.outbound.control_plane import ControlPlaneClient


@click.command("apply")
@click.option(
    "-f", "--file", "place", type=click.Path(path_type=Path), required=True, help="File, or directory of them."
)
@gateway_options("--to")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option(
    "--prune", is_flag=True, help="Delete what was applied before to these namespaces and is declared no more."
)
def command(place: Path, url: str, key: str | None, *, dry_run: bool, prune: bool) -> None:
    """Apply each file that declares a server; one that is refused does not keep the others from it.

    Exit codes: 0 done or unchanged, 2 something was refused, 3 the gateway cannot be reached or does not let you.
    """
    from app.cli.declarations import read_declarations
    from app.outbound.control_plane import ControlPlaneClient, ControlPlaneError, RefusedError

    files = read_declarations(place)
    refused = 0
    try:
        with ControlPlaneClient(url, key=key) as gateway:
            for file in files:
                try:
                    _show(file, _applied(gateway, file, dry_run=dry_run))
                except RefusedError as error:
                    refused += 1
                    pointer = f" (at {error.problem['pointer']})" if error.problem.get("pointer") else ""
                    click.echo(f"{file.path}: {error.message}{pointer}", err=True)
            # A file that was refused may be about a server under another name, so nothing is deleted then.
            if prune and not refused:
                _prune(gateway, files, dry_run=dry_run)
    except ControlPlaneError as error:
        raise Failure(error.message, 3) from None
    if refused:
        raise Failure(f"{refused} of {len(files)} declarations were refused.", 2)


def _applied(gateway: ControlPlaneClient, file: DeclaringFile, *, dry_run: bool) -> dict[str, Any]:
    declared = file.declaration
    source = file.source()
    files: list[tuple[str, Any]] = [("declaration", (None, _text(file, source.entry)))]
    if source.document is not None:
        files.append(("document", ("document", source.document)))
    files += [("overlay", ("overlay", each)) for each in source.overlays]
    path = f"namespaces/{quoted(declared.namespace)}/servers/{quoted(declared.name)}/declaration"
    return gateway.request("PUT", path, params={"dry_run": dry_run}, files=files)


def _text(file: DeclaringFile, entry: str | None) -> str:
    declared = file.declaration
    if entry is not None:
        declared = declared.model_copy(update={"source": declared.source.model_copy(update={"entry": entry})})
    return declared.model_dump_json(by_alias=True, exclude_defaults=True)


def _show(file: DeclaringFile, result: dict[str, Any]) -> None:
    description = result["description"]
    if description["outcome"] not in {"created", "unchanged"}:
        for line in changes.lines(description):
            click.echo(line)
    what = [*result["differences"], *(["description"] if description["outcome"] == "published" else [])]
    what += ["description, which waits for a review"] if description["outcome"] == "drafted" else []
    told = f" ({', '.join(what)})" if what else ""
    click.echo(f"{file.declaration.namespace}/{file.declaration.name}: {result['outcome']}{told}")


def _prune(gateway: ControlPlaneClient, files: tuple[DeclaringFile, ...], *, dry_run: bool) -> None:
    for namespace in sorted({each.declaration.namespace for each in files}):
        keep = [each.declaration.name for each in files if each.declaration.namespace == namespace]
        path = f"namespaces/{quoted(namespace)}/prune"
        gone = gateway.request("POST", path, params={"dry_run": dry_run}, json={"keep": keep})
        for name in gone["items"]:
            click.echo(f"{namespace}/{name}: deleted")
