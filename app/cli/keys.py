"""`causeway keys`: API keys, of a running gateway or straight in its database."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

import click

from app import settings as app_settings
from app.cli import BY, Failure
from app.telemetry.records import Change, acting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.registry.records import ApiKeyRecord
    from app.services.keys import Keys

T = TypeVar("T")
_PERIOD: Final = re.compile(r"(\d{1,4})([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@click.group("keys")
def command() -> None:
    """Work on API keys: with --to those of a running gateway, else those in the database of the settings."""


def _reaching(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say where the keys are."""
    for option in (
        click.option("--database-url", help="PostgreSQL or SQLite URL.  [default: SQLite in the data directory]"),
        click.option("--key", envvar="CAUSEWAY_KEY", help="Key with the scope admin.  [env: CAUSEWAY_KEY]"),
        click.option("--to", "url", help="URL of a running gateway."),
    ):
        function = option(function)
    return function


@command.command("create")
@click.argument("name")
@click.option("--scope", "scopes", type=click.Choice(["admin", "import", "call"]), multiple=True, required=True)
@click.option("--namespace", default="default", show_default=True, help='The namespace it is for, "*" for every one.')
@click.option("--server", "servers", multiple=True, help="A server it is for; all if left out.")
@click.option("--tool", "tools", multiple=True, help="A tool it is for; all if left out.")
@click.option("--expires-in", help="When it expires: 90d, 12h, 30m.")
@_reaching
def create(*, url: str | None, key: str | None, database_url: str | None, expires_in: str | None, **given: Any) -> None:
    """Create a key for NAME, and print it, this once. --scope, --server and --tool can be repeated."""
    body = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items() if value}
    expires_at = None if expires_in is None else datetime.now(UTC) + _period(expires_in)
    if url is not None:
        more = {"expires_at": expires_at.isoformat()} if expires_at else {}
        made = _asked(url, key, "POST", "keys", json={**body, **more})
        text, key_id = made["key"], made["id"]
    else:
        with acting(BY, Change("create_key")):
            created = _stored(database_url, lambda keys: _create(keys, body, expires_at))
        text, key_id = created
    click.echo(text)
    click.echo(f"The key {key_id} was created. It is not shown again.", err=True)


@command.command("list")
@_reaching
def listed(*, url: str | None, key: str | None, database_url: str | None) -> None:
    """List the keys, a line of JSON each; never the keys themselves."""
    cursor: str | None = None
    while True:
        if url is not None:
            page = _asked(url, key, "GET", "keys", params={"cursor": cursor} if cursor else {})
            items, cursor = page["items"], page["next_cursor"]
        else:
            items, cursor = _stored(database_url, partial(_page, cursor=cursor))
        for each in items:
            click.echo(json.dumps(each, ensure_ascii=False))
        if cursor is None:
            return


@command.command("revoke")
@click.argument("key_id", metavar="ID")
@_reaching
def revoke(key_id: str, *, url: str | None, key: str | None, database_url: str | None) -> None:
    """Revoke the key ID, as `list` gives it: running gateways refuse it within five seconds."""
    if url is not None:
        _asked(url, key, "DELETE", f"keys/{quote(key_id, safe='')}")
    else:
        from app.security.callers import LOCAL

        with acting(BY, Change("revoke_key", target=key_id)):
            _stored(database_url, lambda keys: keys.revoke(key_id, by=LOCAL))
    click.echo(f"The key {key_id} was revoked.", err=True)


def _period(text: str) -> timedelta:
    found = _PERIOD.fullmatch(text)
    if found is None:
        raise click.UsageError(f"--expires-in {text!r} is not a number with s, m, h, d or w.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _asked(url: str, key: str | None, method: str, path: str, **request: Any) -> dict[str, Any]:
    """Ask a running gateway; a key that is cut or mistyped is told before it is sent."""
    from app.outbound.control_plane import ControlPlaneClient, ControlPlaneError, RefusedError
    from app.security.keys import is_key, looks_like_key

    if key is not None and looks_like_key(key.encode()) and not is_key(key.encode()):
        raise Failure("--key is cut or mistyped: its checksum does not fit.", 3)
    try:
        with ControlPlaneClient(url, key=key) as gateway:
            return gateway.request(method, path, **request)
    except ControlPlaneError as error:
        raise Failure(error.message, 3) from None
    except RefusedError as error:
        raise Failure(error.message, 1 if error.status == 404 else 2) from None  # noqa: PLR2004 - HTTP's


def _stored(database_url: str | None, work: Callable[[Keys], Awaitable[T]]) -> T:
    """Work on the keys of the database; whoever can read it may do everything with it."""
    return asyncio.run(_worked(database_url, work))


async def _worked(database_url: str | None, work: Callable[[Keys], Awaitable[T]]) -> T:
    from app.registry import Database
    from app.registry.errors import KeyNotFound, RegistryUnavailable
    from app.security.keys import ApiKeys
    from app.services.keys import Keys

    database = Database.open(app_settings.load(database_url=database_url).registry_url)
    try:
        await database.migrate()
        return await work(Keys(database, ApiKeys()))
    except RegistryUnavailable as error:
        raise Failure(error.message, 3) from None
    except KeyNotFound as error:
        raise Failure(error.message, 1) from None
    finally:
        await database.close()


async def _create(keys: Keys, body: dict[str, Any], expires_at: datetime | None) -> tuple[str, str]:
    from app.registry.records import KeyGrant
    from app.security.callers import LOCAL

    grant = KeyGrant(
        scopes=tuple(body["scopes"]),
        namespace=body["namespace"],
        servers=tuple(body.get("servers", "*")),
        tools=tuple(body.get("tools", "*")),
        limits={},
    )
    created = await keys.create(body["name"], grant=grant, expires_at=expires_at, by=LOCAL)
    return created.text, created.record.id


async def _page(keys: Keys, *, cursor: str | None) -> tuple[list[dict[str, Any]], str | None]:
    from app.security.callers import LOCAL

    page = await keys.list(by=LOCAL, cursor=cursor, limit=200)
    return [_shown(each) for each in page.items], page.next_cursor


def _shown(record: ApiKeyRecord) -> dict[str, Any]:
    """Write a key as the control plane does."""
    times = {name: getattr(record, name) for name in ("created_at", "expires_at", "last_used_at", "revoked_at")}
    return {
        "id": record.id,
        "prefix": record.prefix,
        "name": record.name,
        "scopes": record.grant.scopes,
        "namespace": record.grant.namespace,
        "servers": record.grant.servers,
        "tools": record.grant.tools,
        "limits": record.grant.limits,
        "created_by": record.created_by,
        **{name: time.isoformat() if time else None for name, time in times.items()},
    }
