"""A gateway on a loopback socket in a thread of its own: what commands of this process talk to."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

import app.parts
from app.main import Application
from app.settings import load
from tests.app.gateways import KEY, SECRET_KEY, InProcessCompiler


@contextmanager
def listening_gateway(folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Iterator[str]:
    """Run a gateway in service mode, whose key is `KEY`, and give its URL."""
    monkeypatch.setattr(app.parts, "Compiler", InProcessCompiler)
    given = {"admin_key": KEY, "secret_key": SECRET_KEY, "egress_allow": ("127.0.0.0/8",), **settings}
    application = Application(load(data_dir=folder, **given), public_url="http://127.0.0.1")
    server = uvicorn.Server(uvicorn.Config(application, port=0, log_level="error", lifespan="on", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 30
        while not server.started:
            assert thread.is_alive(), "the gateway did not start"
            assert time.monotonic() < deadline, "the gateway did not start in time"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
