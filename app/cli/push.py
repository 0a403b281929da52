"""`causeway push`: import a description into a running gateway, from a build."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from app.cli import Failure, changes
from app.cli.gateways import gateway_options, quoted
from app.cli.sources import read_local, uploaded

_SENTENCES = {
    "created": "The server was made.",
    "unchanged": "Nothing changed.",
    "published": "The new revision is served.",
    "drafted": "The new revision waits for a review; what was served still is.",
}
_WOULD = {
    "created": "The server would be made.",
    "unchanged": "Nothing would change.",
    "published": "The new revision would be served.",
    "drafted": "The new revision would wait for a review.",
}
_SAYS_NO = frozenset({"breaking_change", "server_frozen"})


@click.command("push")
@click.argument("document", type=click.Path(path_type=Path))
@gateway_options("--to")
@click.option("--name", required=True, help="Name of the server; it is made if it is not there.")
@click.option("--namespace", default="default", show_default=True)
@click.option("--entry", help="The document of a zip or directory that the others hang on.")
@click.option("--overlay", "overlays", multiple=True, type=click.Path(path_type=Path), help="Overlay to apply first.")
@click.option("--base-url", help="Where the API is, in the place of the description's servers.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--fail-on-breaking", is_flag=True, help="Refuse a description that breaks callers; exit 1.")
@click.option("--summary", type=click.Path(path_type=Path), envvar="GITHUB_STEP_SUMMARY", hidden=True)
def command(document: Path, url: str, key: str | None, *, summary: Path | None, **options: Any) -> None:
    """Import DOCUMENT, a file, zip or directory, and say what it changes for callers.

    Exit codes: 0 done or unchanged, 1 refused because it breaks callers or the server is frozen, 2 the document was
    refused, 3 the gateway cannot be reached or does not let you.
    """
    from app.outbound.control_plane import ControlPlaneClient, ControlPlaneError, RefusedError

    title = f"{options['namespace']}/{options['name']}"
    body = _body(document, options)
    flags = {name: "true" for name in ("dry_run", "fail_on_breaking") if options[name]} | {"create": "true"}
    try:
        with ControlPlaneClient(url, key=key) as gateway:
            path = f"namespaces/{quoted(options['namespace'])}/servers/{quoted(options['name'])}/document"
            result = gateway.request("PUT", path, params=flags, **body)["result"]
    except ControlPlaneError as error:
        raise Failure(error.message, 3) from None
    except RefusedError as error:
        says_no = error.problem_code in _SAYS_NO
        if says_no:
            _tell(title, error.message, error.problem, summary)
        raise Failure(_placed(document, error), 1 if says_no else 2) from None
    sentence = (_WOULD if options["dry_run"] else _SENTENCES)[result["outcome"]]
    number = f" (revision {result['revision']})" if result["revision"] else ""
    _tell(title, sentence.removesuffix(".") + number + ".", result, summary)


def _body(document: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Give the multipart body of the import."""
    source = read_local(document, entry=options["entry"])
    files = [("document", uploaded(source))]
    files += [("overlay", (path.name, read_local(path).document)) for path in options["overlays"]]
    given = {"entry": source.uri if source.further else None, "base_url": options["base_url"]}
    return {"files": files, "data": {name: value for name, value in given.items() if value}}


def _tell(title: str, sentence: str, result: Any, summary: Path | None) -> None:
    for line in changes.lines(result):
        click.echo(line)
    click.echo(f"{title}: {sentence}")
    if summary is not None:
        with summary.open("a", encoding="utf-8") as file:
            file.write(changes.markdown(title, sentence, result))


def _placed(document: Path, error: Any) -> str:
    line = error.problem.get("line")
    pointer = f" (at {error.problem['pointer']})" if error.problem.get("pointer") else ""
    return f"{document}{f':{line}' if line else ''}: {error.message}{pointer}"
