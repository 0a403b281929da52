"""A resolver of the test's: what names under `.test` mean."""

from __future__ import annotations

import socket
from typing import Any

import pytest


def resolving(monkeypatch: pytest.MonkeyPatch, **answers: list[str]) -> list[str]:
    """Have `NAME.test` resolve to these addresses; gives the names asked for."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if not isinstance(name, str) or not name.endswith(".test"):
            return real(host, port, *args, **options)
        asked.append(name)
        addresses = answers[name.removesuffix(".test")]
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked
