"""`causeway serve`: the gateway, with the documents named on the command line imported first."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import multiprocessing
import re
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from app import settings as app_settings
from app.cli import BY, Failure
from app.cli.client_connections import bounded, most_connections
from app.cli.connect import generic
from app.cli.sources import read_local
from app.cli.worker_metrics import SharedReading
from app.cli.workers import Listeners, Role, Start, Supervisor, check, stop_listening
from app.errors import CausewayError
from app.security.authentication import SETUP_PATH
from app.services.import_description import ImportOptions, Source
from app.services.repeating import alongside
from app.telemetry.records import Change, acting
from converters import DescriptionError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import uvicorn

    from app.main import Application
    from app.settings import Settings

_NAMED: Final = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)=(?P<place>.+)", re.DOTALL)
_NAMESPACE: Final = "default"
# What orchestrators give a process between SIGTERM and SIGKILL is 30 seconds.
_STOP_SECONDS: Final = 25
# Time to take the connections that are waiting when no more may come.
_DRAIN_SECONDS: Final = 0.2
# How often it is looked whether a database that is away is back.
_LOOK_SECONDS: Final = 5.0


@click.command("serve")
@click.argument("documents", nargs=-1, metavar="[DOCUMENT_OR_URL]...")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on; 0 takes a free one.  [default: 8080]")
@click.option("--database-url", help="PostgreSQL or SQLite URL.  [default: SQLite in the data directory]")
@click.option(
    "--config", "folder", type=click.Path(path_type=Path), help="Directory of files that declare servers; watched."
)
@click.option("--workers", type=int, help="Processes that serve; more than one needs PostgreSQL.  [default: 1]")
def command(documents: tuple[str, ...], folder: Path | None, **given: Any) -> None:
    """Serve, importing each DOCUMENT_OR_URL (or NAME=DOCUMENT_OR_URL) first."""
    chosen = app_settings.load(**given)
    start = Start(documents, folder)
    check(chosen)
    listeners = Listeners(_listen(chosen.host, chosen.port))
    try:
        if chosen.metrics_port is not None:
            listeners = Listeners(listeners.main, _listen(chosen.metrics_host, chosen.metrics_port))
        if chosen.workers > 1:
            raise click.exceptions.Exit(Supervisor(_run, chosen, listeners).run(start))
        _run(chosen, listeners, Role(start))
    finally:
        listeners.close()


def _run(settings: Settings, listeners: Listeners, role: Role) -> None:
    """Serve in this process until it is told to stop."""
    from app.telemetry import logs

    logs.configure(settings)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(settings, listeners, role))
    finally:
        _leave_standard_error()


def _leave_standard_error() -> None:
    """Leave behind what could not be written to the log: Python ends with 120 where it cannot either."""
    try:
        sys.stderr.flush()
    except OSError:
        sys.stderr = None


def _listen(host: str, port: int) -> socket.socket:
    """Bind before anything else, so that a taken port is one sentence and port 0 becomes a number."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host.strip("[]"), port))
        # Now and not when the imports are done: the address is announced only once connections to it succeed.
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise Failure(f"cannot listen on {host}:{port}: {error.strerror}.", 3) from None
    listener.set_inheritable(True)
    return listener


def _loop_factory() -> Any:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop


async def _serve(settings: Settings, listeners: Listeners, role: Role) -> None:
    from app.main import Application

    # What was imported stays for good. Looking through it at each full collection takes a tenth of a second, in which
    # nobody is served.
    gc.freeze()
    public_url = settings.public_url or _url(settings.host, listeners.main)
    together = None if role.metrics is None else SharedReading(role.metrics)
    application = Application(settings, public_url=public_url, read_metrics=together)
    async with application.running():
        if role.metrics is not None:
            role.metrics.answer(application.metrics.read)
        for name, place in [_split(text) for text in role.start.documents] if role.start else ():
            await _import(application, name, place)
        async with (
            _configured(application, role.start.folder if role.start else None),
            _metrics_served(application, listeners.metrics),
            contextlib.AsyncExitStack() as setting_up,
        ):
            server = _server(application)
            # uvicorn stops on a signal and then raises it again: what is left is to close, and exit code 0. One that
            # comes before it serves, but after somebody was told that it does, stops it all the same.
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, server.handle_exit)
            if role.start is not None:
                _announce(application)
                await setting_up.enter_async_context(alongside(_offer_setup(application)))
                if listeners.metrics is not None:
                    click.echo(f"\nMetrics are at {_url(settings.metrics_host, listeners.metrics)}/metrics")
            role.started()
            await server.serve(sockets=[listeners.main])


def _url(host: str, listener: socket.socket) -> str:
    name = f"[{host.strip('[]')}]" if ":" in host else host
    return f"http://{name}:{listener.getsockname()[1]}"


def _config(endpoint: Any) -> uvicorn.Config:
    import uvicorn
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    return uvicorn.Config(
        endpoint,
        lifespan="off",
        # Its loggers write as all others do.
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_STOP_SECONDS,
        http=bounded(HttpToolsProtocol, most_connections()),
        ws="none",
    )


@contextlib.asynccontextmanager
async def _metrics_served(application: Application, listener: socket.socket | None) -> AsyncIterator[None]:
    """Serve the metrics at a socket of their own, meanwhile: also while the last calls are finished."""
    if listener is None:
        yield
        return
    from uvicorn.server import ServerState

    config = _config(application.metrics_endpoint)
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: config.http_protocol_class(config=config, server_state=state, app_state={}),  # type: ignore[call-arg]
        sock=listener,
    )
    try:
        yield
    finally:
        server.close()
        for each in list(state.connections):
            each.shutdown()


@contextlib.asynccontextmanager
async def _configured(application: Application, folder: Path | None) -> AsyncIterator[None]:
    """Keep the servers as a directory declares them, meanwhile."""
    if folder is None:
        yield
        return
    from app.cli.config_directory import ConfigDirectory

    directory = ConfigDirectory(folder, application)
    await directory.look()
    watching = asyncio.create_task(directory.watch())
    try:
        yield
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


def _server(application: Application) -> uvicorn.Server:
    import uvicorn

    config = _config(application)

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            if multiprocessing.parent_process() is None:
                for each in sockets or ():
                    stop_listening(each)
            await asyncio.sleep(_DRAIN_SECONDS)
            # The last ones, and nothing between them and the end: closing resets what still waits.
            waiting = [connection for each in sockets or () for connection in _waiting(each)]
            for server in self.servers:
                server.close()
            for each in sockets or ():
                each.close()
            for connection in waiting:
                await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)
            # Now that connecting again leads elsewhere.
            application.end_streams()
            await super().shutdown(sockets)

        def _protocol(self) -> asyncio.Protocol:
            made: asyncio.Protocol = config.http_protocol_class(  # type: ignore[call-arg]
                config=config, server_state=self.server_state, app_state=self.lifespan.state
            )
            return made

    return Server(config)


def _waiting(listener: socket.socket) -> list[socket.socket]:
    """Take the connections that wait for a listener, and wait for none."""
    taken = []
    listener.settimeout(0)
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            connection.settimeout(0)
            taken.append(connection)
    return taken


def _split(text: str) -> tuple[str | None, str]:
    """Split NAME=PLACE; an existing file whose name holds `=` is a place."""
    named = _NAMED.fullmatch(text)
    return (None, text) if named is None or Path(text).exists() else (named["name"], named["place"])


async def _import(application: Application, name: str | None, place: str) -> None:
    """Import one document; a server of that name gets it as a new revision."""
    try:
        await _create_or_replace(application, name, _source(place))
    except DescriptionError as error:
        where = f"{place}:{error.line}" if error.line else place
        raise Failure(f"{where}: {error.message} {error.remedy}".strip(), 2) from None
    except CausewayError as error:
        raise Failure(f"{place}: {error.message}", 2) from None


def _source(place: str) -> Source:
    if place.startswith(("http://", "https://")):
        return Source(url=place)
    return Source(document=read_local(Path(place)).document)


async def _create_or_replace(application: Application, name: str | None, source: Source) -> None:
    from app.registry.errors import ServerExists

    try:
        with acting(BY, Change("create_server", _NAMESPACE)):
            await application.publishing.importer.create(_NAMESPACE, name, source=source, options=ImportOptions())
    except ServerExists as error:
        with acting(BY, Change("replace_document", _NAMESPACE, error.name)):
            await application.publishing.importer.replace(
                _NAMESPACE, error.name, source=source, options=ImportOptions()
            )


def _announce(application: Application) -> None:
    """Print where everything is: each server's URL, and what to paste into a client."""
    click.echo(f"Causeway is serving at {application.public_url}")
    urls = {
        f"{snapshot.namespace}/{snapshot.name}": f"{application.public_url}/mcp/{snapshot.namespace}/{snapshot.name}"
        for snapshot in application.catalog.all().values()
    }
    for name, url in urls.items():
        click.echo(f"  {name}  {url}")
    if urls:
        name, url = list(urls.items())[-1]
        click.echo(f"\nFor an MCP client (`causeway connect {name} --client cursor` prints others):")
        click.echo(generic(name.rpartition("/")[2], url))


async def _offer_setup(application: Application) -> None:
    """Show how the first key is made, where there is none and no other way in; waits for a database that is away."""
    while not await application.database.is_ready():  # noqa: ASYNC110 - a database tells nobody that it is back
        await asyncio.sleep(_LOOK_SECONDS)
    offer = await application.access.setup.offer()
    if offer is None:
        return
    if offer.token:
        click.echo("\nThere is no key yet. This token makes the first one; it works once, and is not shown again:")
        body = f'{{"token": "{offer.token}"}}'
        click.echo(f"  curl {application.public_url}{SETUP_PATH} -H 'Content-Type: application/json' -d '{body}'")
        return
    click.echo(
        f"\nThere is no key yet. The token that makes the first one was shown on {offer.since:%Y-%m-%d at %H:%M} UTC. "
        "If it is lost, `causeway keys create NAME --scope admin --namespace '*'` makes a key in the database."
    )
