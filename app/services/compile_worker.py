"""The process that compiles one description: started per import, limited in time and memory, and gone afterwards.

Reads a pickled `Job` from standard input (its parent is the only writer), writes one JSON object to standard output:
`{"compilation": {...}}`, `{"validity": [{"pointer", "message"}]}` for a job that only validates, or `{"error": {"code",
"message", "pointer", "line", "remedy"}}`.
"""

from __future__ import annotations

import json
import pickle
import sys
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from converters import Compilation, DescriptionError, compile_description
from converters.compiler import COMPILER_VERSION
from converters.documents import parse

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_MEMORY: Final = 1024 * 1024 * 1024
MAX_CPU_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class Job:
    """What to compile, as `converters.compile_description` takes it."""

    document: bytes
    uri: str = ""
    server_name: str = ""
    further: Mapping[str, bytes] = field(default_factory=dict)
    overlays: tuple[bytes, ...] = ()
    validate_only: bool = False


def answered(job: Job) -> dict[str, Any]:
    """Do the job and give the answer as JSON values."""
    try:
        if job.validate_only:
            return {"validity": _validity(job)}
        compilation = compile_description(
            job.document, uri=job.uri, server_name=job.server_name, further=job.further, overlays=job.overlays
        )
    except DescriptionError as error:
        return {
            "error": {
                "code": error.code,
                "message": error.message,
                "pointer": error.pointer,
                "line": error.line,
                "remedy": error.remedy,
            }
        }
    return {"compilation": _to_json(compilation)}


def _validity(job: Job) -> list[dict[str, Any]]:
    from app import validation  # noqa: PLC0415 - takes seconds to import, and compiling does not need it

    sys.addaudithook(_without_network)
    return [asdict(problem) for problem in validation.problems(parse(job.document).root)]


def _without_network(event: str, _: tuple[Any, ...]) -> None:
    """Refuse every connection of this process (audit hook)."""
    if event.startswith("socket."):
        raise PermissionError("The compile process has no network.")


def _to_json(compilation: Compilation) -> dict[str, Any]:
    servers = {server.url: server for tool in compilation.tools for server in tool.servers}
    return {
        "title": compilation.title,
        "version": compilation.version,
        "openapi": compilation.openapi,
        "instructions": compilation.instructions,
        "digest": compilation.digest,
        "compiler_version": COMPILER_VERSION,
        "counts": asdict(compilation.counts),
        "missing": list(compilation.missing),
        "security_schemes": dict(compilation.security_schemes),
        "servers": [asdict(server) for server in servers.values()],
        "tools": [tool.to_json() for tool in compilation.tools],
        "diagnostics": [asdict(each) for each in compilation.diagnostics],
    }


def main() -> None:
    """Compile the job on standard input."""
    _limit()
    try:
        job = pickle.load(sys.stdin.buffer)  # noqa: S301 - written by the parent process, never by a client
    except EOFError:
        # The parent is gone before it said what to compile.
        return
    try:
        answer = answered(job)
    except (MemoryError, RecursionError):
        answer = {"error": {"code": "spec_too_costly", "message": "The description takes too much memory to compile.",
                            "pointer": "", "line": None, "remedy": "Split the description."}}  # fmt: skip
    sys.stdout.buffer.write(json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace"))


def _limit() -> None:
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - not on Windows

    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_SECONDS, MAX_CPU_SECONDS + 1))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))


if __name__ == "__main__":
    main()
