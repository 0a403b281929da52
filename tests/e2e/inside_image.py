"""Runs inside the image, by its Python: an API beside the gateway, and a description of it imported, listed and called.

Only the standard library is used, so that it is the image that is tried.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

GATEWAY, API = 8080, 9000
SERVERS = "/api/v1/namespaces/default/servers"


class Pets(BaseHTTPRequestHandler):
    """An API of one operation, which says what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps({"asked": self.path}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


DESCRIPTION = {
    "openapi": "3.1.0",
    "info": {"title": "Pets", "version": "1"},
    "servers": [{"url": f"http://127.0.0.1:{API}"}],
    "paths": {
        "/pets/{id}": {
            "get": {
                "operationId": "get_pet",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
                "responses": {"200": {"description": "A pet.", "content": {"application/json": {}}}},
            }
        }
    },
}


def post(path: str, body: Any) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", GATEWAY, timeout=60)
    headers = {
        "X-API-Key": Path(sys.argv[1]).read_text(encoding="utf-8").strip(),
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2025-11-25",
    }
    connection.request("POST", path, json.dumps(body), headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    if answer.status not in {200, 201}:
        raise SystemExit(f"{path}: {answer.status} {text}")
    return json.loads(text)


def asked(method: str, **params: Any) -> Any:
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return post("/mcp/default/pets", message)["result"]


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", API), Pets)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    imported = post(SERVERS, {"name": "pets", "document": DESCRIPTION})
    listed = asked("tools/list")["tools"]
    called = asked("tools/call", name="get_pet", arguments={"id": 7})
    json.dump(
        {"imported": imported["counts"], "listed": [tool["name"] for tool in listed], "called": called}, sys.stdout
    )
