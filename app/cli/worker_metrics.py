"""One answer for the metrics of several workers: whichever is asked has the supervisor ask all of them.

Two pipes join each worker with the supervisor: by one the supervisor asks for what the worker has counted, by the other
the worker asks for the sum. Threads wait at both ends, so that no call waits for a pipe, and a worker that hangs or was
killed holds up nothing: its pipes end with it, and what it told last stays in the sum.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import count
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Final, NamedTuple

from app.telemetry.metrics import of_this_process
from app.telemetry.sums import Sums

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnContext

    from app.telemetry.metrics import Reading

_WORKER_SECONDS: Final = 2.0
"""What a worker may take to answer, until it is left out of what is looked up."""
_ALL_SECONDS: Final = 5.0
_MAX_UNANSWERED: Final = 10
"""A worker that hangs is asked no more, before its pipe is full."""


class WorkerEnd(NamedTuple):
    """A worker's ends of its pipes."""

    asked: Connection
    asking: Connection

    def answer(self, read: Callable[[], Reading]) -> None:
        """From now on, tell the supervisor what this process has counted, as `read` gives it in the event loop."""
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._answer, args=(loop, read), name="metrics", daemon=True).start()

    def _answer(self, loop: asyncio.AbstractEventLoop, read: Callable[[], Reading]) -> None:
        def tell(found: Future[Reading]) -> None:
            try:
                found.set_result(of_this_process(read()))
            except Exception as error:  # noqa: BLE001 - raised again by who waits for it
                found.set_exception(error)

        number = 0
        # The supervisor is gone, or this process ends.
        with contextlib.suppress(EOFError, OSError, RuntimeError):
            while True:
                # The first is not asked for: it says that this worker is there to be asked.
                found: Future[Reading] = Future()
                loop.call_soon_threadsafe(tell, found)
                self.asked.send((number, found.result()))
                number = self.asked.recv()


class SharedReading:
    """The sum of all workers, for one of them."""

    def __init__(self, end: WorkerEnd) -> None:
        """Ask by `end`."""
        self._asking = end.asking
        self._numbers = count()
        self._turn = threading.Lock()

    async def __call__(self) -> Reading | None:
        """Give what all workers have counted; None where the supervisor does not answer."""
        return await asyncio.to_thread(self._ask)

    def _ask(self) -> Reading | None:
        with self._turn, contextlib.suppress(EOFError, OSError):
            number = next(self._numbers)
            self._asking.send(number)
            ends = time.monotonic() + _ALL_SECONDS
            while self._asking.poll(max(0.0, ends - time.monotonic())):
                answered, reading = self._asking.recv()
                if answered == number:
                    found: Reading = reading
                    return found
        return None


@dataclass(eq=False, slots=True)
class _Worker:
    """The supervisor's ends of a worker's pipes."""

    asked: Connection
    asking: Connection
    is_there: bool = False
    unanswered: set[int] = field(default_factory=set)

    def ask(self, number: int) -> bool:
        """Ask where there is somebody who answers; gives whether an answer is to come."""
        if self.is_there and len(self.unanswered) < _MAX_UNANSWERED:
            with contextlib.suppress(OSError):
                self.asked.send(number)
                self.unanswered.add(number)
        return number in self.unanswered


class WorkerMetrics:
    """The supervisor's side."""

    def __init__(self, context: SpawnContext) -> None:
        """Have no worker yet; `context` makes the pipes."""
        self._context = context
        self._sums = Sums()
        self._workers: list[_Worker] = []
        self._numbers = count(1)
        self._turn = threading.Lock()

    def join(self) -> WorkerEnd:
        """Make the pipes of a new worker; gives its ends, which are closed here once the worker has them."""
        asked, its_asked = self._context.Pipe()
        asking, its_asking = self._context.Pipe()
        worker = _Worker(asked, asking)
        with self._turn:
            self._workers.append(worker)
        threading.Thread(target=self._attend, args=(worker,), name="metrics", daemon=True).start()
        return WorkerEnd(its_asked, its_asking)

    def _attend(self, worker: _Worker) -> None:
        """Answer a worker until it is gone."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                number = worker.asking.recv()
                worker.asking.send((number, self._sum()))
        with self._turn:
            while self._take(worker) is not None:
                """What it had told before it ended."""

    def _sum(self) -> Reading:
        with self._turn:
            number = next(self._numbers)
            self._greet()
            waiting = {each.asked: each for each in self._workers if each.ask(number)}
            answered = set()
            ends = time.monotonic() + _WORKER_SECONDS
            while waiting and (ready := wait(waiting, max(0.0, ends - time.monotonic()))):
                for connection in ready:
                    worker = waiting.get(connection)  # type: ignore[call-overload] # of the same kind as the keys
                    if worker is not None and self._take(worker) in {number, None}:
                        del waiting[worker.asked]
                        answered.add(worker)
            return self._sums.reading(answered & set(self._workers))

    def _greet(self) -> None:
        """Learn which workers are there by now."""
        for worker in [each for each in self._workers if not each.is_there]:
            if worker.asked.poll():
                self._take(worker)

    def _take(self, worker: _Worker) -> int | None:
        """Take one answer of a worker; gives its number, None where the worker is gone."""
        try:
            number, reading = worker.asked.recv()
        except (EOFError, OSError):
            self._drop(worker)
            return None
        worker.is_there = True
        worker.unanswered.discard(number)
        self._sums.tell(worker, reading)
        answered: int = number
        return answered

    def _drop(self, worker: _Worker) -> None:
        if worker in self._workers:
            self._workers.remove(worker)
            self._sums.ended(worker)
