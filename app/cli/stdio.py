"""`causeway stdio`: a server of a gateway for clients that start theirs and talk by standard input and output."""

from __future__ import annotations

import asyncio
import sys

import click

from app.cli.connect import checked_url


@click.command("stdio")
@click.argument("server_url")
@click.option("--key", envvar="CAUSEWAY_KEY", help="API key, in service mode; better in the variable CAUSEWAY_KEY.")
def command(server_url: str, key: str | None) -> None:
    """Bridge standard input and output to the server at SERVER_URL."""
    import anyio.to_thread

    from app.outbound.stdio_bridge import StdioBridge

    def write(message: bytes) -> None:
        sys.stdout.buffer.write(message + b"\n")
        sys.stdout.buffer.flush()

    url = checked_url(server_url)

    async def read() -> bytes:
        return await anyio.to_thread.run_sync(sys.stdin.buffer.readline, abandon_on_cancel=True)

    asyncio.run(StdioBridge(url, key=key, write=write).run(read))
