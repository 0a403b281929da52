"""Several worker processes of one gateway: they share its socket and, through PostgreSQL, everything else.

The first one migrates and imports alone; the others follow when it serves. One that dies is replaced. When this process
is told to stop, all of them finish what they do; when it is killed, they stop as if they had been told.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from app.cli import Failure, ended

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    from app.settings import Settings

_RESTART_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Start:
    """What one process of a gateway does for all: import documents, watch a folder of declarations, announce."""

    documents: tuple[str, ...] = ()
    folder: Path | None = None


if TYPE_CHECKING:
    Serve = Callable[[Settings, socket.socket, Start | None, Callable[[], None]], None]


def check(settings: Settings) -> None:
    """Refuse several workers where they would not have a database to share."""
    if settings.workers > 1 and settings.registry_url.startswith("sqlite"):
        raise Failure(
            f"CAUSEWAY_WORKERS is {settings.workers}, which needs PostgreSQL: set CAUSEWAY_DATABASE_URL, or use one.", 2
        )


def stop_listening(listener: socket.socket) -> None:
    """Have no more connections wait for `listener`; those that wait already are there to be taken.

    Closing it at once would reset them, and a client cannot know whether its request was taken.
    """
    listener.listen(0)


class Supervisor:
    """The process that starts workers and keeps their number."""

    def __init__(self, serve: Serve, settings: Settings, listener: socket.socket) -> None:
        """Have each worker run `serve(settings, listener, start, started)`; only one has a `start`."""
        self._serve = serve
        self._settings = settings
        self._listener = listener
        self._context = multiprocessing.get_context("spawn")
        # With the end that each says to that it serves.
        self._workers: dict[SpawnProcess, Connection] = {}
        self._is_stopping = False

    def run(self, start: Start) -> int:
        """Run until told to stop; gives the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        first = self._start(start)
        wait([self._workers[first], first.sentinel])
        if first.exitcode is None and not self._is_stopping:
            for _ in range(self._settings.workers - 1):
                self._start(None)
            self._keep(first, replace(start, documents=()))
        for each in self._workers:
            each.join()
        # A worker that was told to stop while it was starting ended by the signal itself.
        codes = {each.exitcode for each in self._workers} - {0, None, -signal.SIGTERM}
        return next(iter(codes), 0) or 0

    def _keep(self, first: SpawnProcess, start: Start) -> None:
        while not self._is_stopping:
            wait([each.sentinel for each in self._workers])
            for worker in self._dead():
                click.echo(f"causeway: a worker ended with {worker.exitcode} and is replaced.", err=True)
                self._workers.pop(worker).close()
                time.sleep(_RESTART_SECONDS)
                if worker is first:
                    # It watches the folder, too.
                    first = self._start(start)
                else:
                    self._start(None)

    def _dead(self) -> list[SpawnProcess]:
        return [] if self._is_stopping else [each for each in self._workers if each.exitcode is not None]

    def _start(self, start: Start | None) -> SpawnProcess:
        ready, started = self._context.Pipe(duplex=False)
        given = {"settings": self._settings, "listener": self._listener, "start": start, "started": started}
        worker = self._context.Process(target=_work, args=(self._serve,), kwargs=given)
        worker.start()
        started.close()
        self._workers[worker] = ready
        if self._is_stopping:
            worker.terminate()
        return worker

    def _stop(self, *_: Any) -> None:
        self._is_stopping = True
        stop_listening(self._listener)
        # What connects later is refused, and does not wait for workers that take no more.
        self._listener.close()
        for each in tuple(self._workers):
            if each.exitcode is None:
                each.terminate()


def _work(
    serve: Serve,
    *,
    settings: Settings,
    listener: socket.socket,
    start: Start | None,
    started: Connection,
) -> None:
    """Be a worker."""
    # A terminal interrupts all processes of a group at once; only the supervisor is to hear it, and tells.
    os.setpgrp()
    threading.Thread(target=_stop_with_the_supervisor, daemon=True).start()
    sys.exit(ended(lambda: serve(settings, listener, start, lambda: started.send_bytes(b""))))


def _stop_with_the_supervisor() -> None:
    supervisor = multiprocessing.parent_process()
    if supervisor is not None:
        wait([supervisor.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
