"""An API that judges each request by a description, with the validator of Prism (`tests/node/validating-api.js`)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2

from tests.node_tools import LOCKED, NodeTools

PROGRAM: Final = LOCKED / "validating-api.js"


class RefusedError(ValueError):
    """The validator cannot read the description, or does not know the operation."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What the validator holds against a request: `location` is like `query/limit` or `body/items/0`."""

    code: str
    location: str
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """One request as it came, header names in lower case.

    `unchecked` says which schemas the validator could not use.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: str
    faults: tuple[Fault, ...]
    unchecked: tuple[str, ...]


@dataclass
class ValidatingApi:
    url: str
    control: str
    http: httpx2.Client = field(default_factory=lambda: httpx2.Client(trust_env=False, timeout=60))

    def describe(self, description: Mapping[str, Any]) -> None:
        """Judge by this description; raises `RefusedError`."""
        self._put("description", description)

    def expect(self, method: str, path: str) -> None:
        """Judge by this operation of it; raises `RefusedError`."""
        self._put("operation", {"method": method, "path": path})

    def verdicts(self) -> list[Verdict]:
        """Give what was judged since the last time."""
        return [
            Verdict(
                each["method"],
                each["target"],
                each["headers"],
                each["body"],
                tuple(Fault(**fault) for fault in each["errors"]),
                tuple(each["unchecked"]),
            )
            for each in self.http.get(f"{self.control}/verdicts").json()
        ]

    def _put(self, what: str, value: Mapping[str, Any]) -> None:
        answer = self.http.put(f"{self.control}/{what}", content=json.dumps(value))
        if answer.status_code == 422:
            raise RefusedError(answer.json()["refused"])
        answer.raise_for_status()


@contextmanager
def running_validating_api(tools: NodeTools) -> Iterator[ValidatingApi]:
    """Run it on two free loopback ports."""
    process = subprocess.Popen(
        [tools.node, PROGRAM], env={"NODE_PATH": str(tools.modules)}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        ports = json.loads(process.stdout.readline())
        api = ValidatingApi(f"http://127.0.0.1:{ports['api']}", f"http://127.0.0.1:{ports['control']}")
        with api.http:
            yield api
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()
