"""Schemathesis against the control plane, by its own description: no 5xx, and no answer that is not documented."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.app.descriptions import PETS
from tests.app.gateways import KEY, SECRET_KEY
from tests.e2e.gateways import environment, started_gateway

SCHEMATHESIS = str(Path(sys.executable).with_name("schemathesis"))
THERE = {"namespace": "default", "server": "pets", "tool": "get_pet", "revision": 1}
"""What path parameters are, so that requests come further than to 404."""
CHECKS = "not_a_server_error,status_code_conformance"


def aimed(description: dict[str, Any]) -> dict[str, Any]:
    """Give a description whose path parameters are names of what is there."""
    for item in description["paths"].values():
        for operation in item.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path" and parameter["name"] in THERE:
                    parameter["schema"] = {"enum": [THERE[parameter["name"]]]}
    return description


def test_the_control_plane_answers_what_it_says_whatever_it_is_sent(tmp_path: Path) -> None:
    settings = {"CAUSEWAY_ADMIN_KEY": KEY, "CAUSEWAY_SECRET_KEY": SECRET_KEY}
    with started_gateway(tmp_path, settings=settings, is_quiet=False) as gateway:
        header = {"X-API-Key": KEY}
        made = gateway.http.post(gateway.api, json={"name": "pets", "document": PETS}, headers=header)
        assert made.status_code == 201, made.text
        description = aimed(gateway.http.get(f"{gateway.url}/api/openapi.json", headers=header).json())
        file = tmp_path / "openapi.json"
        file.write_text(json.dumps(description), encoding="utf-8")
        command = [SCHEMATHESIS, "run", str(file), "--url", gateway.url, "-H", f"X-API-Key: {KEY}"]
        for operation in ("delete_namespace", "delete_server", "prune_servers"):
            command += ["--exclude-operation-id", operation]
        bounds = ["--phases", "fuzzing", "--max-examples", "2", "--mode", "all", "--seed", "1", "--checks", CHECKS]
        done = subprocess.run(
            [*command, *bounds], cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
        assert gateway.is_alive()
