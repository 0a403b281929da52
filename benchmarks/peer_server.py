"""FastMCP as a server of one description: run by `benchmarks/calls.py` with the Python of FastMCP's environment.

`peer_server.py DESCRIPTION PORT`; answers as JSON and without sessions, its fastest mode. Clients of 2026-07-28 are
served by the same process.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import httpx2
import uvicorn
from fastmcp import FastMCP


def main() -> None:
    """Serve."""
    description = json.loads(Path(sys.argv[1]).read_bytes())
    client = httpx2.AsyncClient(base_url=description["servers"][0]["url"])
    server = FastMCP.from_openapi(description, client=client)
    app = server.http_app(json_response=True, stateless_http=True)
    uvicorn.run(app, port=int(sys.argv[2]), log_level="error", access_log=False, loop="uvloop", http="httptools")


if __name__ == "__main__":
    main()
