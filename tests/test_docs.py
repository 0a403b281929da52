"""The documentation is executed: a README that does not work is a defect."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from converters.diagnostics import CATALOGUE

ROOT = Path(__file__).parent.parent
START_SECONDS = 300


def blocks(section: str) -> list[str]:
    """Give the shell blocks of one section of the README."""
    text = (ROOT / "README.md").read_text()
    body = text.partition(f"## {section}\n")[2].partition("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", body, re.DOTALL)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Run the README's first block on a free port, with its data in a folder of the test's."""
    port = free_port()
    environment = {**os.environ, "CAUSEWAY_DATA_DIR": str(tmp_path), "CAUSEWAY_PORT": str(port)}
    server = subprocess.Popen(
        ["bash", "-c", f"exec {blocks('Sixty seconds')[0].strip()}"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until_ready(port, server)
        yield port, environment
    finally:
        server.terminate()
        assert server.wait(timeout=30) == 0


def wait_until_ready(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert server.poll() is None, "./run ended"
        try:
            if httpx2.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.05)
    pytest.fail("./run was not ready in time")


def test_the_sixty_second_start_works_as_written(served: tuple[int, dict[str, str]]) -> None:
    port, environment = served
    outputs = []
    for block in blocks("Sixty seconds")[1:]:
        command = block.replace(":8080", f":{port}").replace("curl ", "curl --fail-with-body --silent --show-error ")
        done = subprocess.run(
            ["bash", "-euc", command],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        outputs.append(done.stdout)
    called, imported, connected, previewed = outputs
    assert '"name":"causeway"' in called
    assert '"operations":19' in imported
    assert '"url"' in connected
    assert "/pet/7" in previewed


def test_every_diagnostic_of_the_catalogue_is_reported_somewhere() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "converters").glob("*.py") if path.name != "diagnostics.py")
    assert [code for code in CATALOGUE if f'"{code}"' not in sources] == []


def test_every_diagnostic_says_what_to_do() -> None:
    for code, (severity, remedy) in CATALOGUE.items():
        assert re.fullmatch(r"[a-z_]+", code)
        assert severity
        assert remedy.endswith("."), code
