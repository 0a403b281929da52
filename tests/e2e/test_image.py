"""The image, built and started for real (acceptance Z03, Z04); `docker/check` runs this.

The containers have no network at all: what a gateway needs at run time is in the image. PostgreSQL runs beside them,
and the folder of its socket is mounted.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tomllib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import make_url

from tests.app.gateways import KEY, SECRET_KEY
from tests.databases import postgresql_database, postgresql_process
from tests.e2e.gateways import wait_until

ROOT = Path(__file__).parents[2]
BASE_IMAGE = os.environ.get("CAUSEWAY_BASE_IMAGE", "")
IS_OFFLINE = os.environ.get("CAUSEWAY_OFFLINE_BUILD", "") != ""
ENGINE = shlex.split(
    os.environ.get("CAUSEWAY_CONTAINER_ENGINE") or shutil.which("podman") or shutil.which("docker") or ""
)
BUILD_SECONDS, SECONDS = 900, 120
RESTRICTIONS = [
    *("--user", "10001", "--read-only", "--tmpfs", "/tmp"),  # noqa: S108 - a folder of the container's
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
]
"""Word for word those of the acceptance line."""
LIMITS = ["--ulimit", "nofile=8192:8192", "--ulimit", "nproc=1024:1024"]
SECRETS = "/run/secrets"
BUILD_SECRET = f"index-password-{uuid.uuid4()}"

pytestmark = pytest.mark.skipif(
    not (BASE_IMAGE and ENGINE), reason="builds an image on another: docker/check does, with podman or docker"
)


def run(*arguments: str, seconds: float = SECONDS, given: str | None = None) -> str:
    """Run a command of the engine to its end and give what it printed; it has to succeed."""
    done = subprocess.run(
        [*ENGINE, *arguments], cwd=ROOT, input=given, capture_output=True, text=True, check=False, timeout=seconds
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Build the image; pip's settings are a secret of the build, with a password in a comment."""
    settings = tmp_path_factory.mktemp("build") / "pip.conf"
    settings.write_text(f"# {BUILD_SECRET}\n")
    name = f"localhost/causeway-check:{uuid.uuid4().hex[:12]}"
    given = {"BASE_IMAGE": BASE_IMAGE, "VERSION": version(), "REVISION": "1" * 40}
    offline = []
    if IS_OFFLINE:
        given |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "wheels"}
        offline = ["--network", "none"]
    arguments = [part for item in given.items() for part in ("--build-arg", "=".join(item))]
    secret = ["--secret", f"id=pip.conf,src={settings}"]
    # Of the formats that podman writes, only Docker's has the health check.
    formats = ["--format", "docker"] if "podman" in run("--version") else []
    run(
        "build",
        *formats,
        *offline,
        *secret,
        *arguments,
        "-f",
        "docker/Dockerfile",
        "-t",
        name,
        ".",
        seconds=BUILD_SECONDS,
    )
    yield name
    run("rmi", "--force", name)


def version() -> str:
    found: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    return found


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """Give a folder of secrets as Compose mounts them."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    for name, value in {"admin_key": KEY, "secret_key": SECRET_KEY}.items():
        (folder / f"causeway_{name}").write_text(f"{value}\n")
    return folder


@dataclass(frozen=True, slots=True)
class Container:
    """A gateway in a container."""

    name: str

    def exec(self, *command: str, given: str | None = None) -> str:
        return run("exec", "-i", self.name, *command, given=given)

    def is_healthy(self) -> bool:
        """Run the image's own health check."""
        state = json.loads(run("inspect", self.name))[0]["State"]
        assert state["Running"], self.logs()
        command = [*ENGINE, "exec", self.name, "/usr/local/bin/health"]
        return subprocess.run(command, capture_output=True, check=False, timeout=SECONDS).returncode == 0

    def logs(self) -> str:
        command = [*ENGINE, "logs", self.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
        return done.stdout + done.stderr

    def stop(self) -> int:
        """Have the engine send SIGTERM, and give the exit code."""
        run("stop", "--time", "40", self.name)
        code: int = json.loads(run("inspect", self.name))[0]["State"]["ExitCode"]
        return code


@contextmanager
def started(image: str, *options: str) -> Iterator[Container]:
    """Run a container without a network; at the end it has to stop without an error, by SIGTERM."""
    container = Container(f"causeway-check-{uuid.uuid4().hex[:12]}")
    run("run", "--detach", "--name", container.name, "--network", "none", *LIMITS, *options, image)
    try:
        wait_until(container.is_healthy, "the gateway is healthy", seconds=SECONDS)
        yield container
        assert container.stop() == 0, container.logs()
        assert "Traceback" not in container.logs()
    finally:
        run("rm", "--force", "--volumes", container.name)


def variables(**settings: str) -> list[str]:
    return [part for name, value in settings.items() for part in ("--env", f"CAUSEWAY_{name.upper()}={value}")]


def tried(container: Container) -> Mapping[str, Any]:
    """Import a description, list its tools and call one, all inside the container."""
    program = (ROOT / "tests" / "e2e" / "inside_image.py").read_text()
    key = f"{SECRETS}/causeway_admin_key"
    result: Mapping[str, Any] = json.loads(container.exec("/opt/causeway/bin/python", "-", key, given=program))
    return result


def assert_it_works(container: Container) -> None:
    result = tried(container)
    assert result["imported"] == {"operations": 1, "tools": 1, "skipped": 0}
    assert result["listed"] == ["get_pet"]
    assert result["called"]["structuredContent"] == {"asked": "/pets/7"}


def test_it_serves_an_import_and_a_call_with_no_right_and_no_network(image: str, secrets: Path) -> None:
    """Z03."""
    settings = variables(secrets_dir=SECRETS, egress_allow="127.0.0.1:9000")
    with started(image, *RESTRICTIONS, *settings, "--volume", f"{secrets}:{SECRETS}:ro") as container:
        status = dict(re.findall(r"^(\w+):\s+(.*)$", container.exec("cat", "/proc/1/status"), re.MULTILINE))
        assert status["Uid"].split() == ["10001"] * 4
        assert (status["NoNewPrivs"], {status[f"Cap{name}"] for name in ("Prm", "Eff", "Bnd", "Amb")}) == (
            "1",
            {"0" * 16},
        )
        written = container.exec("sh", "-c", "touch /data/x && touch /tmp/x && ! touch /x /opt/causeway/x 2>&1")
        assert written.count("Read-only file system") == 2
        assert_it_works(container)


async def test_the_settings_of_compose_serve_from_postgresql(image: str, secrets: Path) -> None:
    """Z03: the same with PostgreSQL, started as Compose would start it."""
    with postgresql_process() as process:
        async with postgresql_database(process.url) as url:
            local = make_url(url)
            folder, mounted = local.query["host"], local.set(query={"host": "/run/postgresql"})
            (secrets / "causeway_database_url").write_text(mounted.render_as_string(hide_password=False))
            mounts = ["--volume", f"{secrets}:{SECRETS}:ro", "--volume", f"{folder}:/run/postgresql"]
            options = [*composed(service("causeway")), *variables(egress_allow="127.0.0.1:9000"), *mounts]
            with started(image, *options) as container:
                assert_it_works(container)
                assert not (set(container.exec("ls", "/data").split()) & {"causeway.db"})
            # A second one, with a /data of its own, has all of it from the database.
            with started(image, *options) as container:
                wait_until(lambda: "get_pet" in listed(container), "the tool is served")


def listed(container: Container) -> str:
    program = "import http.client as c, sys; x = c.HTTPConnection('127.0.0.1', 8080); x.request('GET', "
    program += "'/api/v1/namespaces/default/servers/pets/tools', headers={'X-API-Key': sys.argv[1]}); "
    program += "print(x.getresponse().read().decode())"
    return container.exec("/opt/causeway/bin/python", "-c", program, KEY)


def service(name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["services"][name]
    return found


def composed(declared: Mapping[str, Any]) -> Sequence[str]:
    """Give what `docker compose up` would give the engine of a service, but for limits that need control groups."""
    environment = {name: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value) for name, value in declared["environment"].items()}
    return [
        *(part for item in environment.items() for part in ("--env", "=".join(item))),
        *("--user", declared["user"]),
        *(["--read-only"] if declared["read_only"] else []),
        *(part for folder in declared["tmpfs"] for part in ("--tmpfs", folder)),
        *(part for name in declared["cap_drop"] for part in ("--cap-drop", name)),
        *(part for option in declared["security_opt"] for part in ("--security-opt", option.removesuffix(":true"))),
    ]


def test_it_says_what_it_is_and_holds_no_compiler(image: str) -> None:
    """Z03, Z05: labels of the OCI image specification, and no root."""
    described = json.loads(run("inspect", image))[0]
    config = described["Config"]
    prefix = "org.opencontainers.image"
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["/usr/local/bin/entrypoint"]
    assert (config["Labels"][f"{prefix}.version"], config["Labels"][f"{prefix}.revision"]) == (version(), "1" * 40)
    assert config["Labels"][f"{prefix}.licenses"] == "Apache-2.0"
    assert config["Labels"][f"{prefix}.base.name"] == BASE_IMAGE
    compilers = "for name in cc gcc g++ c++ clang ld as make cargo rustc; do command -v $name; done; true"
    assert run("run", "--rm", *LIMITS, "--network", "none", "--entrypoint", "sh", image, "-c", compilers) == ""


def test_neither_a_layer_nor_the_history_holds_a_secret(image: str, tmp_path: Path) -> None:
    """Z04: not that of the build, and in our own files none at all."""
    run("save", "--output", str(tmp_path / "image.tar"), image, seconds=BUILD_SECONDS)
    with tarfile.open(tmp_path / "image.tar") as archive:
        archive.extractall(tmp_path / "image", filter="data")
    parts = [path for path in (tmp_path / "image").rglob("*") if path.is_file() and not path.is_symlink()]
    assert any(tarfile.is_tarfile(path) for path in parts)
    assert [path for path in parts if BUILD_SECRET.encode() in path.read_bytes()] == []
    files = tmp_path / "files"
    for layer in filter(tarfile.is_tarfile, parts):
        with tarfile.open(layer) as archive:
            ours = [each for each in archive if each.isfile() and is_ours(each.name)]
            archive.extractall(files, members=ours, filter="data")
    assert (files / "usr/local/bin/entrypoint").exists()
    scanner = [sys.executable, str(ROOT / ".ci" / "find_secrets.py"), str(files)]
    found = subprocess.run(scanner, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert (found.returncode, found.stdout) == (0, "")


def is_ours(path: str) -> bool:
    """Tell whether a file is there by our Dockerfile, and not of the base image or a package from the lock."""
    packages = re.match(r"opt/causeway/lib/python[\d.]+/site-packages/(\w+)", path)
    return (
        packages[1] in {"app", "converters", "migrations"} if packages else path.startswith(("opt/", "usr/local/bin/"))
    )
