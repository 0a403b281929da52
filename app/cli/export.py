"""`causeway export`: the servers of a running gateway as files that `causeway apply` takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.cli import Failure
from app.cli.gateways import gateway_options, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.outbound.control_plane import ControlPlaneClient


@click.command("export")
@click.argument("names", nargs=-1, metavar="[SERVER]...")
@gateway_options("--from")
@click.option("--namespace", default="default", show_default=True)
@click.option(
    "-o", "--output", "folder", type=click.Path(path_type=Path), default=Path(), help="Directory to write to."
)
def command(names: tuple[str, ...], url: str, key: str | None, *, namespace: str, folder: Path) -> None:
    """Write each SERVER, or all of a namespace, as a YAML file with its document beside it; never a secret."""
    from app.outbound.control_plane import ControlPlaneClient, ControlPlaneError, RefusedError

    try:
        with ControlPlaneClient(url, key=key) as gateway:
            for name in names or tuple(_names(gateway, namespace)):
                click.echo(_export(gateway, namespace, name, folder=folder))
    except ControlPlaneError as error:
        raise Failure(error.message, 3) from None
    except RefusedError as error:
        raise Failure(error.message, 2) from None
    except OSError as error:
        raise Failure(f"{error.filename or folder}: {error.strerror}.", 2) from None


def _names(gateway: ControlPlaneClient, namespace: str) -> Iterator[str]:
    cursor: dict[str, Any] = {}
    while True:
        page = gateway.request("GET", f"namespaces/{quoted(namespace)}/servers", params={"limit": 200, **cursor})
        yield from (each["name"] for each in page["items"])
        if page["next_cursor"] is None:
            return
        cursor = {"cursor": page["next_cursor"]}


def _export(gateway: ControlPlaneClient, namespace: str, name: str, *, folder: Path) -> Path:
    from app.cli.yaml_text import to_yaml

    path = folder / f"{name}.yaml"
    _check_replaceable(path)
    server = f"namespaces/{quoted(namespace)}/servers/{quoted(name)}"
    declaration = gateway.request("GET", f"{server}/declaration")
    source = declaration["source"]
    if "file" in source:
        _write(folder / source["file"], gateway.content(f"{server}/document"))
    for number, overlay in enumerate(source.get("overlays", ()), 1):
        _write(folder / overlay, gateway.content(f"{server}/declaration/overlays/{number}"))
    _write(path, to_yaml(declaration).encode())
    return path


def _check_replaceable(path: Path) -> None:
    """See that a file which is there is of an earlier export, and not the description that somebody wrote."""
    from app.cli.declarations import read_declaration

    if path.exists() and read_declaration(path) is None:
        raise Failure(f"{path} is no declaration, and would be overwritten: name another directory with -o.", 2)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
