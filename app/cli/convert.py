"""`causeway convert`: compile a document offline."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.cli import Failure
from app.cli.sources import compile_local
from converters.naming import server_name

if TYPE_CHECKING:
    from converters import Compilation


@click.command("convert")
@click.argument("document", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print server, tools, diagnostics and counts as JSON.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write to a file instead of standard output.")
@click.option("--entry", help="The document of a zip or directory that the others hang on.")
@click.option(
    "--overlay", "overlays", type=click.Path(path_type=Path), multiple=True, help="An OpenAPI Overlay to apply first."
)
def command(
    document: Path, *, as_json: bool, output: Path | None, entry: str | None, overlays: tuple[Path, ...]
) -> None:
    """Compile DOCUMENT (a JSON or YAML file, a zip or a directory) offline and show its tools."""
    compilation = compile_local(document, entry=entry, overlays=overlays)
    text = (
        json.dumps(_as_json(compilation), ensure_ascii=False, indent=2)
        if as_json
        else _report(compilation, document.name)
    )
    if output is None:
        sys.stdout.write(text + "\n")
    else:
        output.write_text(text + "\n", encoding="utf-8")
    if not compilation.tools and compilation.counts.operations:
        raise Failure(f"{document}: none of {compilation.counts.operations} operations could be converted.", 2)


def _as_json(compilation: Compilation) -> dict[str, Any]:
    return {
        "server": {
            "name": server_name(compilation.title),
            "title": compilation.title,
            "version": compilation.version,
            "openapi": compilation.openapi,
            "instructions": compilation.instructions,
            "digest": compilation.digest,
            "security_schemes": compilation.security_schemes,
        },
        "tools": [tool.to_tool() for tool in compilation.tools],
        "diagnostics": [asdict(each) for each in compilation.diagnostics],
        "counts": asdict(compilation.counts),
    }


def _report(compilation: Compilation, name: str) -> str:
    counts = compilation.counts
    lines = [f"{compilation.title} {compilation.version} (OpenAPI {compilation.openapi})"]
    lines += [f"  {tool.name}  {tool.method} {tool.path}" for tool in compilation.tools]
    lines.append(f"{counts.operations} operations: {counts.tools} tools, {counts.skipped} skipped")
    for each in compilation.diagnostics:
        place = f"{each.document or name}:{each.line or '?'} {each.pointer or '/'}"
        lines.append(f"{each.severity}: {each.code} at {place}: {each.message} {each.remedy}")
    return "\n".join(lines)
