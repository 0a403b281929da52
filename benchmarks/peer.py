"""What FastMCP makes of one description: run by `benchmarks/corpus.py --peer` with the Python of FastMCP's environment.

The description is read as JSON from standard input, so that its own YAML reader is no part of the comparison.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import warnings
from importlib.metadata import version

import httpx2
from fastmcp import Client, FastMCP


async def measure(description: dict[str, object]) -> dict[str, object]:
    """Build a server of the description and list its tools as a client sees them."""
    started = time.process_time()
    async with httpx2.AsyncClient(base_url="https://api.example.com") as upstream:
        server = FastMCP.from_openapi(description, client=upstream)
        async with Client(server) as client:
            tools = await client.list_tools()
            listed = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]
            rendered = json.dumps(listed, separators=(",", ":")).encode()
    return {"tools": len(listed), "seconds": time.process_time() - started, "list_bytes": len(rendered)}


def main() -> None:
    """Print one JSON object: what was measured, or why there is nothing to measure."""
    warnings.simplefilter("ignore")
    if sys.argv[1:] == ["--version"]:
        print(json.dumps({"version": version("fastmcp")}))
        return
    try:
        found = asyncio.run(measure(json.load(sys.stdin)))
    except Exception as error:  # noqa: BLE001 - whatever ends the import is the result
        said = " ".join(str(error).split()).partition(" [")[0].rstrip(":")
        found = {"refused": f"{type(error).__name__}: {said[:80]}"}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
