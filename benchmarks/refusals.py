"""Whether the time of a refusal tells what is wrong with a key: `python benchmarks/refusals.py` (acceptance A02).

A gateway of its own in service mode, one connection, and keys that are unknown, mistyped, revoked and expired, shown in
turns: the medians are to lie within 5 % of each other. The same is counted, not timed, in the tests.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.security.keys import new_key

ADMIN = secrets.token_hex(16)
KEYS = "/api/v1/keys"
WIDEST = 0.05


def ask(
    connection: http.client.HTTPConnection, method: str, path: str, *, key: str, body: Any = None
) -> tuple[int, bytes]:
    """Send a request with a key; gives the status and the body."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def refused(connection: http.client.HTTPConnection) -> dict[str, str]:
    """Make keys that are not valid, each for another reason."""
    soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    made = [
        json.loads(ask(connection, "POST", KEYS, key=ADMIN, body={"scopes": ["call"], **more})[1])
        for more in ({}, {"expires_at": soon})
    ]
    assert ask(connection, "DELETE", f"{KEYS}/{made[0]['id']}", key=ADMIN)[0] == 204
    time.sleep(2.5)
    unknown = new_key().text
    return {
        "unknown": unknown,
        "mistyped": unknown[:-1] + ("0" if unknown[-1] != "0" else "1"),
        "revoked": made[0]["key"],
        "expired": made[1]["key"],
    }


def medians(connection: http.client.HTTPConnection, keys: dict[str, str], tries: int) -> dict[str, float]:
    """Give the median microseconds of a refusal, by what is wrong with the key."""
    times: dict[str, list[float]] = {kind: [] for kind in keys}
    answers = set()
    kinds = list(keys)
    for turn in range(tries):
        # In another order each time, so that none always follows the same one.
        for kind in kinds[turn % len(kinds) :] + kinds[: turn % len(kinds)]:
            started = time.perf_counter()
            answers.add(ask(connection, "GET", KEYS, key=keys[kind]))
            times[kind].append(time.perf_counter() - started)
    assert len(answers) == 1, "the answers differ"
    assert next(iter(answers))[0] == 401
    return {kind: statistics.median(each) * 1e6 for kind, each in times.items()}


def main() -> int:
    """Measure, print a table, and give 1 where the medians are too far from each other."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--tries", type=int, default=2_000, help="of each kind")
    tries = arguments.parse_args().tries
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "CAUSEWAY_ADMIN_KEY": ADMIN,
            "CAUSEWAY_SECRET_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
            "CAUSEWAY_DATA_DIR": folder,
        }
        command = [str(Path(sys.executable).with_name("causeway")), "serve", "--port", "0"]
        with subprocess.Popen(command, env={**os.environ, **settings}, stdout=subprocess.PIPE, text=True) as gateway:
            try:
                assert gateway.stdout is not None
                place = urlsplit(gateway.stdout.readline().split()[-1])
                connection = http.client.HTTPConnection(place.hostname or "", place.port)
                found = medians(connection, refused(connection), tries)
            finally:
                gateway.terminate()
    spread = max(found.values()) / min(found.values()) - 1
    print(f"| key | median µs of {tries:,} |\n|---|--:|")
    print("\n".join(f"| {kind} | {each:,.0f} |" for kind, each in found.items()))
    print(f"\nThey lie within {spread:.1%} (at most {WIDEST:.0%}).")
    return int(spread > WIDEST)


if __name__ == "__main__":
    sys.exit(main())
