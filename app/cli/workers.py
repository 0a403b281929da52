"""Several worker processes of one gateway: they share its socket and, through PostgreSQL, everything else.

The first one migrates and imports alone; the others follow when it serves. One that dies is replaced. When this process
is told to stop, all of them finish what they do; when it is killed, they stop as if they had been told.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from app.cli import Failure, ended
from app.cli.worker_metrics import WorkerMetrics

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    from app.cli.worker_metrics import WorkerEnd
    from app.settings import Settings

_RESTART_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Start:
    """What one process of a gateway does for all: import documents, watch a folder of declarations, announce."""

    documents: tuple[str, ...] = ()
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Role:
    """What one process of a gateway is.

    Without `start` it is one of several: another has imported the documents, and said where all is. `started` is called
    when it serves; `metrics` leads to those who count with it.
    """

    start: Start | None
    started: Callable[[], None] = lambda: None
    metrics: WorkerEnd | None = None


class Listeners(NamedTuple):
    """The sockets that a gateway serves at: `metrics` where they have a port of their own."""

    main: socket.socket
    metrics: socket.socket | None = None

    def close(self) -> None:
        """Close them."""
        for each in self:
            if each is not None:
                each.close()


if TYPE_CHECKING:
    Serve = Callable[[Settings, Listeners, Role], None]


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

    def __init__(self, serve: Serve, settings: Settings, listeners: Listeners) -> None:
        """Have each worker run `serve(settings, listeners, role)`; only one has a role with a `start`."""
        self._serve = serve
        self._settings = settings
        self._listeners = listeners
        self._context = multiprocessing.get_context("spawn")
        self._metrics = WorkerMetrics(self._context)
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
        end = self._metrics.join()
        given = {"settings": self._settings, "listeners": self._listeners, "start": start}
        worker = self._context.Process(
            target=_work, args=(self._serve,), kwargs={**given, "started": started, "metrics": end}
        )
        worker.start()
        for each in (started, *end):
            each.close()
        self._workers[worker] = ready
        if self._is_stopping:
            worker.terminate()
        return worker

    def _stop(self, *_: Any) -> None:
        self._is_stopping = True
        stop_listening(self._listeners.main)
        # What connects later is refused, and does not wait for workers that take no more.
        self._listeners.close()
        for each in tuple(self._workers):
            if each.exitcode is None:
                each.terminate()


def _work(
    serve: Serve,
    *,
    settings: Settings,
    listeners: Listeners,
    start: Start | None,
    started: Connection,
    metrics: WorkerEnd,
) -> None:
    """Be a worker."""
    # A terminal interrupts all processes of a group at once; only the supervisor is to hear it, and tells.
    os.setpgrp()
    threading.Thread(target=_stop_with_the_supervisor, daemon=True).start()
    role = Role(start, lambda: started.send_bytes(b""), metrics)
    sys.exit(ended(lambda: serve(settings, listeners, role)))


def _stop_with_the_supervisor() -> None:
    supervisor = multiprocessing.parent_process()
    if supervisor is not None:
        wait([supervisor.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
