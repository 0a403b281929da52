"""Imports in processes that may be killed: started once, because that takes seconds, and forked for each import.

A line with a number on standard input begins an import of `described(number)`; told are its process, that it is
compiled, and that the process has ended.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from app.outbound import DocumentFetcher
from app.outbound.policy import EgressPolicy
from app.registry import Database
from app.services.compile_worker import Job
from app.services.events import ServerEvents
from app.services.import_description import ImportDescription, ImportOptions, Source
from app.services.import_turns import ImportTurns
from tests.app.descriptions import description, operation, written
from tests.app.gateways import InProcessCompiler


def described(number: int, *, operations: int) -> bytes:
    """Write a description whose every tool is named for its number."""
    names = [f"tool_{number}_{index}" for index in range(operations)]
    return written(description({f"/{name}": {"get": operation(name)} for name in names}))


def importing(database: Database, compiler: InProcessCompiler) -> ImportDescription:
    """Give the import as gateways do it, without a network."""
    return ImportDescription(database, compiler, DocumentFetcher(EgressPolicy()), ServerEvents(), turns=ImportTurns(2))


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class _ToldCompiler(InProcessCompiler):
    async def compile(self, job: Job) -> dict[str, Any]:
        compiled = await super().compile(job)
        _tell("compiled")
        return compiled


async def _replace(url: str, document: bytes) -> None:
    database = Database.open(url)
    importer = importing(database, _ToldCompiler())
    await importer.replace("default", "pets", source=Source(document), options=ImportOptions())
    await database.close()


def main(url: str, operations: int) -> None:
    """Import until standard input ends."""
    for line in sys.stdin:
        document = described(int(line), operations=operations)
        process = os.fork()
        if not process:
            asyncio.run(_replace(url, document))
            os._exit(0)
        _tell(str(process))
        _, status = os.waitpid(process, 0)
        _tell(f"ended {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
