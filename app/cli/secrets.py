"""`causeway secrets`: the encryption of stored credentials."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from app import settings as app_settings
from app.cli import BY, Failure

if TYPE_CHECKING:
    from app.services.rotation import Rotation
    from app.settings import Settings


@click.group("secrets")
def command() -> None:
    """Work on the encryption of stored credentials."""


@command.command("rotate")
@click.option("--database-url", help="PostgreSQL or SQLite URL.  [default: SQLite in the data directory]")
def rotate(database_url: str | None) -> None:
    """Encrypt everything under SECRET_KEY that is still under one of SECRET_KEYS_OLD; gateways may run meanwhile."""
    done = asyncio.run(_rotated(app_settings.load(database_url=database_url)))
    click.echo(f"{done.resealed} credentials were encrypted under the current key.")
    if done.unreadable:
        raise Failure(
            f"{done.unreadable} credentials cannot be read with any of the keys given; add the key they were stored "
            "under to CAUSEWAY_SECRET_KEYS_OLD, or supply them again.",
            1,
        )


async def _rotated(settings: Settings) -> Rotation:
    from app.registry import Database
    from app.security.secret_keys import load_keys
    from app.services.rotation import rotate as rotate_all
    from app.telemetry.records import Change, acting

    keys = load_keys(settings)
    database = Database.open(settings.registry_url)
    try:
        await database.migrate()
        with acting(BY, Change("rotate_secrets")):
            return await rotate_all(database, keys)
    finally:
        await database.close()
