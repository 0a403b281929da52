"""docker/compose.yaml without containers: its secrets, its environment and its command, as a process of the test."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.databases import postgresql_database, postgresql_server
from tests.e2e.gateways import started_gateway

DOCKER = Path(__file__).parents[2] / "docker"


@pytest.fixture
def compose() -> dict[str, Any]:
    declared: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    return declared


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """Make the secrets of a copy, by the documented command."""
    shutil.copy(DOCKER / "make-secrets", tmp_path)
    make(tmp_path)
    return tmp_path / "secrets"


def make(folder: Path) -> None:
    subprocess.run([folder / "make-secrets"], check=True, stdout=subprocess.DEVNULL, timeout=60)


def test_every_secret_is_made_at_random_kept_and_hidden_from_other_users(
    secrets: Path, compose: dict[str, Any]
) -> None:
    values = {path.name: path.read_text().strip() for path in secrets.iterdir()}
    assert {f"secrets/{name}" for name in values} == {each["file"] for each in compose["secrets"].values()}
    assert len(base64.b64decode(values["causeway_secret_key"], validate=True)) == 32
    assert all(re.fullmatch("[0-9a-f]{64}", values[name]) for name in ("causeway_admin_key", "postgres_password"))
    assert f":{values['postgres_password']}@postgres/" in values["causeway_database_url"]
    (password,) = re.findall("^requirepass ([0-9a-f]{64})$", values["redis_conf"], re.MULTILINE)
    assert values["causeway_redis_url"] == f"redis://:{password}@redis:6379/0"
    assert secrets.stat().st_mode & 0o777 == 0o700
    make(secrets.parent)
    assert {path.name: path.read_text().strip() for path in secrets.iterdir()} == values


def test_no_service_has_a_password_of_its_own_or_more_rights_than_it_needs(compose: dict[str, Any]) -> None:
    """Z03. What no engine can be asked here: that each service is bounded, and secrets come from files only."""
    for name, service in compose["services"].items():
        assert "no-new-privileges:true" in service["security_opt"], name
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}, name
        assert set(service["secrets"]) <= set(compose["secrets"]), name
        for variable, value in service.get("environment", {}).items():
            is_secret = re.search("KEY$|PASSWORD|SECRET|DATABASE_URL", variable)
            assert not is_secret or value.startswith("/"), (name, variable)
    gateway = compose["services"]["causeway"]
    assert (gateway["user"], gateway["read_only"], gateway["cap_drop"]) == ("10001:10001", True, ["ALL"])


async def test_the_gateway_serves_with_the_environment_of_compose(
    secrets: Path, compose: dict[str, Any], tmp_path: Path
) -> None:
    """Names like `postgres` are those of Compose's network: the database is that of the test, and Redis is left out."""
    environment = {
        name: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)
        .replace("/run/secrets", str(secrets))
        .replace("/data", str(tmp_path / "data"))
        for name, value in compose["services"]["causeway"]["environment"].items()
        if name != "CAUSEWAY_PUBLIC_URL"
    }
    with postgresql_server() as server:
        async with postgresql_database(server) as url:
            (secrets / "causeway_database_url").write_text(f"{url}\n")
            (secrets / "causeway_redis_url").unlink()
            with started_gateway(tmp_path / "gateway", settings=environment) as gateway:
                key = (secrets / "causeway_admin_key").read_text().strip()
                assert gateway.http.get(gateway.api).status_code == 401
                listed = gateway.http.get(gateway.api, headers={"X-API-Key": key})
                assert (listed.status_code, gateway.http.get(f"{gateway.url}/readyz").status_code) == (200, 200)
                assert not (gateway.folder / "data" / "causeway.db").exists()
