"""Compiling in a process of its own: a hostile or huge description cannot stall or kill the gateway."""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from app.errors import CausewayError
from app.services.compile_worker import Job
from app.settings import worker_environment
from converters import DescriptionError

if TYPE_CHECKING:
    from collections.abc import Callable

_WORKER: Final = "app.services.compile_worker"
_TIMEOUT: Final = 60.0
_AT_ONCE: Final = 2


class CompileFailedError(CausewayError):
    """The compile process died or ran out of time or memory; nothing was stored."""

    code = "spec_too_costly"


class Compiler:
    """Compiles descriptions, two at a time."""

    def __init__(self, told: Callable[[str, float], None] | None = None) -> None:
        """Start no process yet; `told` learns of each compilation its outcome ("ok" or a code) and its seconds."""
        self._told = told
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def compile(self, job: Job) -> dict[str, Any]:
        """Compile one description; gives the compilation as JSON values (see `compile_worker`).

        Raises:
            DescriptionError: when the description cannot be used.
            CompileFailedError: when compiling it costs more than is allowed.

        """
        began, outcome = perf_counter(), "cancelled"
        try:
            compilation: dict[str, Any] = (await self._answer(job))["compilation"]
            outcome = "ok"
        except (DescriptionError, CompileFailedError) as error:
            outcome = error.code
            raise
        finally:
            if self._told is not None:
                self._told(outcome, perf_counter() - began)
        return compilation

    async def validate(self, document: bytes) -> list[dict[str, Any]]:
        """List what is not valid by the letter in a document, as `{"pointer", "message"}`; raises as `compile` does."""
        validity: list[dict[str, Any]] = (await self._answer(Job(document, validate_only=True)))["validity"]
        return validity

    async def _answer(self, job: Job) -> dict[str, Any]:
        async with self._free:
            output = await self._run(pickle.dumps(job))
        answer: dict[str, Any] = await asyncio.to_thread(json.loads, output)
        if "error" in answer:
            error = answer["error"]
            raise DescriptionError(
                error["code"], error["message"], pointer=error["pointer"], line=error["line"], remedy=error["remedy"]
            )
        return answer

    @staticmethod
    async def _run(job: bytes) -> bytes:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            _WORKER,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # Whatever a description makes of the process, the gateway's keys are not in it.
            env=worker_environment(),
        )
        try:
            async with asyncio.timeout(_TIMEOUT):
                output, _ = await process.communicate(job)
        except TimeoutError:
            raise CompileFailedError(f"Compiling the description took longer than {_TIMEOUT:g} seconds.") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            raise CompileFailedError("Compiling the description took more time or memory than is allowed.")
        return output
